"""Random events that match a plugin's inputs, without any file."""

from collections.abc import Callable
from typing import Final

import awkward as ak
import torch
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.events.arrays import compare
from hepreco.events.objects import Comparison
from hepreco.kinematics import from_pt_eta_phi_mass
from hepreco.testing.branches import UNKNOWN, known_range

PT_MIN: Final = 30.0
PT_SLOPE: Final = 60.0
ETA_MAX: Final = 2.4
MASS_OVER_PT: Final = 0.15
#: Largest number of objects per collection beyond those that the plugin requires.
MORE: Final = 6
#: Number of objects of the original collections that are not in the batch.
UNSELECTED: Final = 3
#: Number of values among which those that pass a cut are searched.
_GRID: Final = 20_001
#: Smallest relative distance to a cut of values that are tried if no usual value passes.
_BESIDE: Final = 1e-3


def toy_batch(inputs: InputSpec, *, events: int = 64, seed: int = 1) -> EventBatch:
    """Events with uncorrelated objects and no physics process, for tests of formats and symmetries.

    pt falls exponentially above 30 GeV, |η| < 2.4, masses are below 15 % of pt, and features are in the usual range of
    their branch: charges are ±1, scores between 0 and 1, isolations above 0, identifiers integers, and unknown features
    in [0, 1]. All objects pass the cuts of the specification. Each collection has between ``at_least`` and
    ``at_least + 6`` objects (not more than ``at_most``), at random positions of a longer original collection.

    Parameters
    ----------
    inputs
        The plugin's input specification.
    events
        Number of events.
    seed
        Seed of the random numbers.

    Example
    -------
    >>> batch = toy_batch(InputSpec((ObjectSpec("Jet", at_least=2, at_most=4),)), events=3)
    >>> tuple(batch.momenta.shape), int(batch.mask.sum(dim=1).min()) >= 2
    ((3, 4, 4), True)
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [
        _objects(spec, species=species, features=inputs.features, events=events, generator=generator)
        for species, spec in enumerate(inputs.objects)
    ]
    joined = {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}
    return EventBatch(
        **{name: joined.pop(name) for name in ("momenta", "mask", "species", "index")},
        features=joined,
        missing_momentum=_missing_momentum(inputs, events=events, generator=generator),
        event_id=_event_id(events, generator=generator),
        weight=0.5 + _uniform(events, generator=generator),
        collections=tuple(spec.collection for spec in inputs.objects),
        event_features={
            path: (known_range(*path.rpartition(".")[::2]) or UNKNOWN).at(_uniform(events, generator=generator))
            for path in inputs.event_features
        },
    )


def passing_cuts(quantile: Tensor, *, spec: ObjectSpec, field: str, at: Callable[[Tensor], Tensor]) -> Tensor:
    """The values at these quantiles, restricted to values that pass the cuts of the specification on this field.

    Raises
    ------
    ConfigError
        No value passes.
    """
    cuts = [cut for cut in map(Comparison.parse, spec.where) if cut.field == field]
    values = at(quantile)
    if all(bool(passes(cut, values).all()) for cut in cuts):
        return values
    usual = at(torch.linspace(0, 1, _GRID, dtype=torch.float64)[:-1])
    beyond = torch.cat([sign * cut.value * (1 + _steps()) for cut in cuts for sign in (1, -1)])
    if float(usual.min()) >= 0:
        beyond = beyond[beyond > 0]
    for candidates in (usual, beyond, torch.tensor([cut.value for cut in cuts], dtype=torch.float64)):
        passed = torch.stack([passes(cut, candidates) for cut in cuts]).all(dim=0)
        if passed.any():
            allowed = candidates[passed]
            return allowed[(quantile * len(allowed)).long()]
    raise ConfigError(
        f"{spec.collection}: no value of {field} passes {' and '.join(spec.where)}", "loosen the cuts of the inputs"
    )


def passes(cut: Comparison, values: Tensor) -> Tensor:
    """Whether values pass a cut, compared like values of files."""
    return torch.from_numpy(ak.to_numpy(compare(ak.Array(values.numpy()), cut)))


def _steps() -> Tensor:
    """Relative steps from −1 to 1 around a number, without 0."""
    return torch.cat((torch.linspace(_BESIDE, 1, 500), -torch.linspace(_BESIDE, 1, 500))).double()


def _objects(
    spec: ObjectSpec, *, species: int, features: tuple[str, ...], events: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw the tensors of one collection; features have their own names."""
    width = spec.at_least + MORE if spec.at_most is None else min(spec.at_least + MORE, spec.at_most)
    count = torch.randint(spec.at_least, width + 1, (events,), generator=generator)
    mask = torch.arange(width) < count[:, None]

    def draw(field: str, at: Callable[[Tensor], Tensor]) -> Tensor:
        return passing_cuts(_uniform(events, width, generator=generator), spec=spec, field=field, at=at)

    pt = draw("pt", lambda u: PT_MIN - PT_SLOPE * torch.log1p(-u)).sort(descending=True).values
    eta = draw("eta", lambda u: ETA_MAX * (2 * u - 1))
    phi = draw("phi", lambda u: torch.pi * (2 * u - 1))
    mass = _mass(spec, pt, _uniform(events, width, generator=generator))
    position = _uniform(events, width + UNSELECTED, generator=generator).argsort(dim=1)[:, :width]
    values = {
        name: draw(name, (known_range(spec.collection, name) or UNKNOWN).at) * mask
        if name in spec.features
        else torch.zeros_like(pt)
        for name in features
    }
    return {
        "momenta": torch.where(mask[..., None], from_pt_eta_phi_mass(pt, eta, phi, mass), 0.0),
        "mask": mask,
        "species": torch.full_like(position, species),
        "index": torch.where(mask, position, -1),
        **values,
    }


def _mass(spec: ObjectSpec, pt: Tensor, quantile: Tensor) -> Tensor:
    """Masses as a fraction of pt or, if the specification cuts on masses, up to 250 GeV."""
    if any(Comparison.parse(cut).field == "mass" for cut in spec.where):
        return passing_cuts(quantile, spec=spec, field="mass", at=lambda u: 250 * u)
    return MASS_OVER_PT * pt * quantile


def _missing_momentum(inputs: InputSpec, *, events: int, generator: torch.Generator) -> Tensor:
    if inputs.missing_momentum is None:
        return torch.full((events, 2), torch.nan, dtype=torch.float64)
    pt = -PT_SLOPE * torch.log1p(-_uniform(events, generator=generator))
    phi = torch.pi * (2 * _uniform(events, generator=generator) - 1)
    return torch.stack((pt * torch.cos(phi), pt * torch.sin(phi)), dim=-1)


def _event_id(events: int, *, generator: torch.Generator) -> Tensor:
    """Identifiers: run 1, ten events per luminosity block, and shuffled event numbers."""
    number = 1 + torch.randperm(events, generator=generator)
    return torch.stack((torch.ones_like(number), 1 + number // 10, number), dim=-1)


def _uniform(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.rand(*shape, generator=generator, dtype=torch.float64)
