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

#: Of top quarks whose quarks all have jets, of W bosons without their b jet, of pairs of a b and another jet, and of
#: single jets above the threshold: mean pt (GeV; half of it for systems of quarks, whose pt is distributed as
#: pt exp(−pt/slope)) and spread of rapidity, before the acceptance. After it they have the means and spreads of 40 000
#: simulated top quarks with jets above 25 GeV in |η| < 2.4; the likelihood depends little on them.
SPECTRA: Final = {
    ("b", "q", "q"): (64.1, 1.4),
    ("q", "q"): (58.6, 3.0),
    ("b", "q"): (56.1, 1.9),
    ("b",): (57.5, 3.0),
    ("q",): (62.5, 3.0),
}
#: Simulated decays of every kind.
_DECAYS: Final = 4000


def log_acceptance(
    kind: tuple[str, ...], detector: Detector, *, top: float, boson: float, pt_min: float
) -> Float[Tensor, ""]:
    """Ln of the probability that all jets of a top quark with jets of some kind are above a threshold and in η.

    Parameters
    ----------
    kind
        One of :data:`~hepreco_me_assigner.detector_fit.hypotheses.KINDS` that has a jet.
    detector
        Its fields may be tensors, by which the result can be differentiated.
    top, boson
        Masses in GeV.
    pt_min
        The threshold in GeV.
    """
    if len(kind) == 1:
        return log_within(torch.tensor(SPECTRA[kind][1], dtype=torch.float64), detector.jet_eta_max)
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
