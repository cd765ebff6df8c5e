"""Checks momenta against a process, and boosts them to the partonic centre of mass."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from hepreco.errors import MomentaError
from hepreco.kinematics import boost

#: For smaller s/E², rounding makes a boost to the centre of mass meaningless.
_AT_LIGHT_SPEED = 1e-14
#: Tolerances, relative to the energies, of mass shells ((E² − p² − m²)/E²) and of four-momentum conservation.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}
#: Internal unit of energy in GeV: numbers near 1 stay in the range of single precision.
UNIT: Final = 100.0


def check_shape(momenta: Tensor, *, legs: int) -> None:
    """Raise ``MomentaError`` unless momenta are real numbers (..., leg, 4)."""
    if momenta.dtype not in _TOLERANCE:
        raise MomentaError(f"momenta of type {momenta.dtype}", "give float64, or float32 for less precision")
    if momenta.ndim < 2 or momenta.shape[-2:] != (legs, 4):
        raise MomentaError(
            f"momenta of shape {tuple(momenta.shape)}, expected (..., {legs}, 4)",
            "give (E, px, py, pz) in GeV of all legs in the order of 'pdg_ids', incoming ones first",
        )


def check_values(
    momenta: Tensor, *, incoming: int, masses: Tensor | Sequence[Sequence[float]], names: Sequence[str]
) -> None:
    """Raise ``MomentaError`` unless momenta are finite, of positive energy, on an allowed mass shell, and balanced.

    ``masses`` (leg, mass) are those that each leg may have.
    """
    momenta, dtype = momenta.detach(), momenta.dtype
    momenta, tolerance = momenta.double(), _TOLERANCE[dtype]
    energy = momenta[..., 0]

    def refuse(bad: Tensor, problem: str, remedy: str) -> None:
        if bool(bad.any()):
            event, leg = (int(i) for i in bad.nonzero()[0])
            which = f"leg {leg} ({names[leg]}) of event {event}"
            raise MomentaError(f"{which} {problem}: {momenta[event, leg].tolist()}", remedy)

    refuse(~torch.isfinite(momenta).all(-1), "is not finite", "remove such events before")
    refuse(
        energy <= 0, "has no positive energy", "components are (E, px, py, pz); incoming momenta have positive energy"
    )
    square = energy**2 - (momenta[..., 1:] ** 2).sum(-1)
    allowed = masses if isinstance(masses, Tensor) else torch.tensor(masses).to(momenta)
    rounding = torch.finfo(dtype).eps * energy.amax(dim=-1, keepdim=True) ** 2  # of a soft leg after a boost
    off = ((square[..., None] - allowed**2).abs() > (tolerance * energy**2 + rounding)[..., None]).all(-1)
    if bool(off.any()):
        event, leg = (int(i) for i in off.nonzero()[0])
        mass = float(square[event, leg])
        found = f"{abs(mass) ** 0.5:.6g} GeV" if mass >= 0 else f"imaginary, {abs(mass) ** 0.5:.6g}i GeV"
        expected = " or ".join(f"{m:.6g}" for m in sorted({float(one) for one in masses[leg]}))
        raise MomentaError(
            f"leg {leg} ({names[leg]}) of event {event} is off its mass shell: mass {found}, expected {expected} GeV",
            "check the order of legs and the masses of the model, or put the momenta on their mass shells",
        )
    total = momenta[:, :incoming].sum(1)
    at_light_speed = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(-1) <= _AT_LIGHT_SPEED * total[:, 0] ** 2
    if bool(at_light_speed.any()):
        event = int(at_light_speed.nonzero()[0, 0])
        raise MomentaError(
            f"the incoming momenta of event {event} have no rest frame: {momenta[event, :incoming].tolist()}",
            "give incoming momenta that are not collinear",
        )
    missing = momenta[:, :incoming].sum(1) - momenta[:, incoming:].sum(1)
    unbalanced = missing.abs() > tolerance * energy[:, :incoming].sum(1, keepdim=True)
    if bool(unbalanced.any()):
        event = int(unbalanced.nonzero()[0, 0])
        raise MomentaError(
            f"event {event} is not balanced: incoming minus outgoing momentum is {missing[event].tolist()} GeV",
            "incoming momenta must add up to the final ones",
        )


def to_centre_of_mass(momenta: Tensor, *, incoming: int) -> Tensor:
    """Boost (event, leg, 4) to the frame in which the incoming momenta add up to zero."""
    total = momenta[:, :incoming].sum(dim=1, keepdim=True)
    return boost(momenta, velocity=-total[..., 1:] / total[..., :1])
