"""How often all jets of a hypothesis about a top quark are within the acceptance.

Jets that are measured low are lost below the threshold, so that the jets that are found are measured high on average. A
density of found jets is therefore divided by the share of quarks whose jets are found, which depends on the detector.
"""

import math
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.detector import Detector
from hepreco.kinematics import eta, pt, two_body_decay

#: Of top quarks, W bosons without their b jet, pairs of a b and another jet, and single jets, with jets above
#: :data:`THRESHOLD` in the default detector: mean pt (GeV; half of it for systems of jets, whose pt is distributed as
#: pt exp(−pt/slope)) and spread of rapidity. From 2000 simulated all-hadronic events; the likelihood depends little on
#: them.
SPECTRA: Final = {
    ("b", "q", "q"): (69.0, 1.27),
    ("q", "q"): (67.0, 1.22),
    ("b", "q"): (67.0, 1.28),
    ("b",): (60.0, 1.35),
    ("q",): (60.0, 1.35),
}
#: Of the jets of the spectra, in GeV.
THRESHOLD: Final = 22.0
#: Simulated decays of every kind.
_DECAYS: Final = 4000


def log_relative_acceptance(
    kind: tuple[str, ...], detector: Detector, *, top: float, boson: float, pt_min: float
) -> Float[Tensor, ""]:
    """Ln of the acceptance of a detector relative to that of the jets of the spectra, in the same range of η."""
    if len(kind) < 2:  # the spectra of single jets begin at the threshold
        return torch.zeros((), dtype=torch.float64)
    own = log_acceptance(kind, detector, top=top, boson=boson, pt_min=pt_min)
    return own - _log_reference(kind, top, boson, float(detector.jet_eta_max))


@lru_cache(maxsize=16)
def _log_reference(kind: tuple[str, ...], top: float, boson: float, eta_max: float) -> Float[Tensor, ""]:
    """That of the jets of the spectra, which no parameter changes."""
    return log_acceptance(kind, Detector(jet_eta_max=eta_max), top=top, boson=boson, pt_min=THRESHOLD)


def log_acceptance(
    kind: tuple[str, ...], detector: Detector, *, top: float, boson: float, pt_min: float
) -> Float[Tensor, ""]:
    """Ln of the probability that all jets of a top quark with jets of some kind are above a threshold and in η.

    Parameters
    ----------
    kind
        One of :data:`~hepreco_me_assigner.detector_fit.hypotheses.KINDS` with two or three jets.
    detector
        Its fields may be tensors, by which the result can be differentiated.
    top, boson
        Masses in GeV.
    pt_min
        The threshold in GeV.
    """
    quarks = _quarks(kind, top, boson)
    passes = (eta(quarks).abs() < detector.jet_eta_max).double()
    for position, quark in enumerate(kind):
        passes[:, position] *= _found(quarks[:, position], quark, detector, pt_min)
    return passes.prod(dim=1).mean().log()


def log_within(spread: Tensor, largest: float) -> Tensor:
    """Ln of the probability of |η| below some value for a normal distribution."""
    return torch.erf(largest / (math.sqrt(2) * spread)).log()


def _found(quark: Float[Tensor, "decay 4"], name: str, detector: Detector, pt_min: float) -> Float[Tensor, " decay"]:
    """The probability that the jet of a quark is above the threshold."""
    response = detector.b_response if name == "b" else detector.light_response
    width = detector.jet_resolution(quark[:, 0])
    fraction = torch.as_tensor(detector.jet_tail_fraction, dtype=torch.float64)
    above = (pt(quark) * response / pt_min).log()
    in_tail = torch.special.ndtr(above / torch.sqrt(width**2 + detector.jet_tail_width**2))
    return (1 - fraction) * torch.special.ndtr(above / width) + fraction * in_tail


@lru_cache(maxsize=16)
def _quarks(kind: tuple[str, ...], top: float, boson: float) -> Float[Tensor, "decay quark 4"]:
    """Quarks of simulated systems with the spectrum of a kind."""
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(5, _DECAYS, generator=generator, dtype=torch.float64)
    slope, spread = SPECTRA[kind]
    transverse = -slope * (u[0] * u[1]).log()
    rapidity = spread * torch.special.ndtri(u[2])
    edge = math.sqrt(top**2 - boson**2)
    masses = {3: torch.full_like(u[0], top), 2: torch.full_like(u[0], boson)}
    mass = edge * u[3].sqrt() if kind == ("b", "q") else masses[len(kind)]
    energy, angle = torch.hypot(mass, transverse), 2 * math.pi * u[4]
    system = torch.stack(
        (energy * rapidity.cosh(), transverse * angle.cos(), transverse * angle.sin(), energy * rapidity.sinh()), dim=1
    )
    massless = torch.zeros_like(mass)
    if len(kind) == 2:
        return torch.stack(two_body_decay(system, masses=(massless, massless), generator=generator), dim=1)
    b, w = two_body_decay(system, masses=(massless, masses[2]), generator=generator)
    return torch.stack((b, *two_body_decay(w, masses=(massless, massless), generator=generator)), dim=1)
