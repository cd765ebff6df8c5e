"""A network that predicts ln|M|² of an assignment from its decays and Lorentz invariants."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.kinematics import mass_squared, minkowski_dot
from hepreco.weights import Option
from hepreco_me_assigner.process.hypothesis import Hypothesis, beams

#: Smaller p_i·p_j, in units of ŝ, are raised to this.
_SMALLEST = 1e-9


class Potential(nn.Module):
    """Predicts ln|M|² − score: production, spin correlations, and off-shell effects.

    Its inputs are Lorentz invariants of an assignment: ln(p_i·p_j/ŝ) of all legs, with the incoming ones, ln ŝ, and the
    distance of every resonance from its pole. Events are reflected so that the first branch is in the forward
    hemisphere, since ln|M|² is symmetric in the beams.

    Parameters
    ----------
    process
        As in :class:`~hepreco_me_assigner.Hypothesis`.
    hidden
        Sizes of the hidden layers.

    Example
    -------
    >>> Potential(process="ttbar", hidden=(16, 16)).hypothesis.legs
    6
    """

    mean: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, *, process: str, hidden: Sequence[int]) -> None:
        super().__init__()
        self.process, self.hidden = process, tuple(hidden)
        self.hypothesis = Hypothesis(process)
        size = self.features(torch.ones(1, self.hypothesis.legs, 4, dtype=torch.float64)).shape[-1]
        layers: list[nn.Module] = []
        inputs = size
        for width in hidden:
            layers += [nn.Linear(size, width), nn.SiLU()]
            size = width
        self.layers = nn.Sequential(*layers, nn.Linear(size, 1))
        for name, value in (("mean", torch.zeros(inputs)), ("scale", torch.ones(inputs)), ("offset", torch.zeros(()))):
            self.register_buffer(name, value)

    @property
    def options(self) -> dict[str, Option]:
        """The keyword arguments that build this network."""
        return {"process": self.process, "hidden": list(self.hidden)}

    def standardise(self, features: Float[Tensor, "*batch feature"], excess: Float[Tensor, "*batch"]) -> None:
        """Standardise inputs and output to a sample."""
        flat = features.flatten(end_dim=-2)
        self.mean.copy_(flat.mean(dim=0))
        self.scale.copy_(flat.std(dim=0).clamp(min=1e-6))
        self.offset.copy_(excess.mean())

    def features(self, momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch feature"]:
        """The inputs of the network, from assigned momenta in their centre of mass (GeV)."""
        first = momenta[..., list(self.hypothesis.branches[0].legs), 3].sum(dim=-1)
        forward = torch.where(first < 0, -1.0, 1.0)
        momenta = torch.cat((momenta[..., :3], momenta[..., 3:] * forward[..., None, None]), dim=-1)
        legs = torch.cat((beams(momenta), momenta), dim=-2)
        one, other = torch.triu_indices(legs.shape[-2], legs.shape[-2], offset=1, device=momenta.device)[:, 1:]
        products = minkowski_dot(legs[..., one, :], legs[..., other, :])
        squared_energy = 4 * legs[..., 0, 0] ** 2
        found = [
            torch.log((products / squared_energy[..., None]).clamp(min=_SMALLEST)),
            squared_energy.log()[..., None],
        ]
        for branch in self.hypothesis.branches:
            members = momenta[..., list(branch.legs), :]
            for resonance in branch.resonances:
                square = mass_squared(members[..., list(resonance.legs), :].sum(dim=-2))
                distance = (square - resonance.mass**2) / (resonance.mass * resonance.width)
                found.append(torch.asinh(distance)[..., None])
        return torch.cat(found, dim=-1)

    def forward(self, features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch"]:
        """ln|M|² − score."""
        rest: Tensor = self.layers((features - self.mean) / self.scale)
        return rest[..., 0] + self.offset
