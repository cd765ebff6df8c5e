"""Features of objects and of events, the inputs of models."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.events.objects import Comparison
from hepreco.events.paths import ColumnPath
from hepreco.kinematics import eta, mass, phi, pt

#: Features of every object, in addition to the branches of its collection; ``mask`` is 1 for objects, 0 for padding.
OF_MOMENTA: Final[Mapping[str, Callable[[EventBatch], Tensor]]] = {
    "pt": lambda batch: pt(batch.momenta),
    "eta": lambda batch: eta(batch.momenta),
    "phi": lambda batch: phi(batch.momenta),
    "mass": lambda batch: mass(batch.momenta),
    "energy": lambda batch: batch.momenta[..., 0],
    "px": lambda batch: batch.momenta[..., 1],
    "py": lambda batch: batch.momenta[..., 2],
    "pz": lambda batch: batch.momenta[..., 3],
    "mask": lambda batch: batch.mask.to(batch.momenta),
}
#: Features of missing momentum.
OF_MISSING: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "pt": lambda missing: missing.norm(dim=-1),
    "phi": lambda missing: torch.atan2(missing[..., 1], missing[..., 0]),
    "px": lambda missing: missing[..., 0],
    "py": lambda missing: missing[..., 1],
}
_SIGNS: Final = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "==": operator.eq}


@final
@dataclass(frozen=True)
class Case:
    """A kind of object, and the number by which the model knows it.

    Parameters
    ----------
    collection
        Collection of the objects.
    value
        The number.
    where
        Cuts that the objects must pass.
    """

    collection: str
    value: float
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for cut in self.where:
            Comparison.parse(cut)

    def holds(self, batch: EventBatch) -> Bool[Tensor, "event object"]:
        """Which objects are of this kind."""
        found = batch.mask & (batch.species == batch.collections.index(self.collection))
        for cut in map(Comparison.parse, self.where):
            value = of_objects(batch, cut.field)
            found = found & _SIGNS[cut.sign](value.abs() if cut.absolute else value, cut.value)
        return found


@final
@dataclass(frozen=True)
class Feature:
    """An input feature and its scaling: factor · (value − offset), or factor · (ln value − offset).

    Parameters
    ----------
    name
        For objects: ``pt``, ``eta``, ``phi``, ``mass``, ``energy``, ``px``, ``py``, ``pz``, ``mask`` (1 for an object,
        0 for padding), or a branch of the collection. For events: ``Jet[0].pt``, ``len(Jet)``, or ``PuppiMET.pt``,
        ``PuppiMET.phi``, ``PuppiMET.px``, ``PuppiMET.py``.
    cases
        Instead of a name: kinds of objects, and a number for each. The last kind that an object belongs to counts; an
        object of no kind is 0.
    log
        Whether to take the natural logarithm first. Events in which it is not finite have no answer.
    offset, factor
        The offset is subtracted, then the result is multiplied by the factor.
    """

    name: str = ""
    cases: tuple[Case, ...] = ()
    log: bool = False
    offset: float = 0.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.cases):
            raise ConfigError(f"models: a feature with name = {self.name!r} and {len(self.cases)} cases", "give one")

    @classmethod
    def of(cls, said: "str | Feature") -> "Feature":
        """The feature; a name is a feature without scaling."""
        return cls(said) if isinstance(said, str) else said

    def scaled(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The values after scaling."""
        return ((values.log() if self.log else values) - self.offset) * self.factor

    def values(self, batch: EventBatch) -> Float[Tensor, "event object"]:
        """The values for all objects, before scaling."""
        if self.name:
            return of_objects(batch, self.name)
        found = torch.zeros_like(batch.momenta[..., 0])
        for case in self.cases:
            found = torch.where(case.holds(batch), case.value, found)
        return found

    @property
    def compared(self) -> tuple[tuple[str, str], ...]:
        """Collection and branch of every cut of the cases."""
        cuts = [(case.collection, Comparison.parse(cut).field) for case in self.cases for cut in case.where]
        return tuple((collection, field) for collection, field in cuts if field not in OF_MOMENTA)


def of_objects(batch: EventBatch, name: str) -> Float[Tensor, "event object"]:
    """The feature for every object."""
    return OF_MOMENTA[name](batch) if name in OF_MOMENTA else batch.features[name]


def of_events(batch: EventBatch, path: ColumnPath) -> tuple[Float[Tensor, " event"], Bool[Tensor, " event"]]:
    """The feature for every event, and whether the event has it: an event may have no third jet."""
    name = path.names[0]
    if name not in batch.collections:
        return OF_MISSING[path.names[1]](batch.missing_momentum), batch.momenta.new_ones(len(batch), dtype=torch.bool)
    part = batch.collection(name)
    if path.position is None:
        return part.mask.sum(dim=1).to(batch.momenta), batch.momenta.new_ones(len(batch), dtype=torch.bool)
    chosen = part.objects_ordered_by(pt(part.momenta), at_most=path.position + 1).padded(path.position + 1)
    return of_objects(chosen, path.names[1])[:, path.position], chosen.mask[:, path.position]
