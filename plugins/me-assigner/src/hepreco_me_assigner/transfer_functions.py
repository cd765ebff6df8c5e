"""Transfer functions of jet energies, and their integral with all resonances on their poles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.amplitudes import Particle
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.generation import SimpleDensities
from hepreco.kinematics import eta, pt
from hepreco_me_assigner.process.frames import neutrinos
from hepreco_me_assigner.process.hypothesis import Branch, Hypothesis, Kind

#: Newton steps of the fit, which converges quadratically.
_STEPS = 4
_SMALLEST = 1e-12
#: Differences of ln of an integral that decide nothing.
_TIE = 1e-9
HALF_LOG_2PI = math.log(2 * math.pi) / 2


@dataclass(frozen=True)
class TransferFunctions:
    """Transfer functions of a detector: ln(E'/E) of a jet is normal with the width of its energy resolution.

    Directions of jets are kept as measured; the effect of their resolution on masses is added to the energy widths.
    Leptons are exact. The effect of the missing-momentum resolution on the mass of a leptonic top is added to the width
    of its b jet, with the W on its pole. Jets that are assigned to no leg count as radiation.

    Parameters
    ----------
    detector
        The assumed detector; simulated samples are made with the same class.
    collision_energy
        Energy of both protons together, in GeV.
    """

    detector: Detector = Detector()
    collision_energy: float = 13_000.0

    def __post_init__(self) -> None:
        if min(self.detector.jet_constant, self.detector.radiation_slope, self.detector.radiation_eta) <= 0:
            raise ConfigError(
                f"no transfer functions of {self.detector}",
                "give a positive jet_constant, radiation_slope and radiation_eta",
            )
        if self.collision_energy <= 0:
            raise ConfigError(f"collision_energy = {self.collision_energy} GeV", "give a positive energy")

    def fit(
        self, branch: Branch, momenta: Float[Tensor, "*batch leg 4"]
    ) -> tuple[Float[Tensor, "*batch leg 4"], Float[Tensor, "*batch"]]:
        """The likeliest massless momenta with all resonances on their poles, and ln of the integral around them.

        The integral is over all jet energies, with measure E dE each, of the transfer functions and of δ(m² − M²) for
        every resonance. Laplace's method integrates over what the constraints leave free. With tails, the integral is
        the sum over which jets are in the tail, and the momenta are those of its largest term. There is a fit for
        single particles, W → qq′ (or another pair), t → b W → b qq′, and for W → ℓν and t → b W → b ℓν with a neutrino
        of :func:`~hepreco_me_assigner.process.neutrinos`. For leptonic decays, integrals over missing momentum that are
        the same for all assignments are left out.
        """
        response = torch.stack(
            [self._response(kind, leg).to(momenta) for kind, leg in zip(branch.kinds, branch.particles, strict=True)]
        )
        directions = momenta[..., 1:] / response[:, None]
        energy = directions.norm(dim=-1).clamp(min=_SMALLEST)
        massless = torch.cat((energy[..., None], directions), dim=-1)
        variance = self.detector.jet_resolution(energy).square() + self._from_angles(branch, massless)
        jets = [leg for leg, kind in enumerate(branch.kinds) if kind == "jet"]
        in_tail, log_probability = self._tails(branch.kinds)
        width = torch.sqrt(variance + in_tail.view(-1, *(1,) * (energy.dim() - 1), energy.shape[-1]))
        shift, weight = self._fit(branch, massless, width)
        # Not if jets are parallel, or nearly, so that their energies would exceed those of the protons.
        is_possible = shift.isfinite() & (energy.log() + shift < math.log(self.collision_energy / 2))
        is_found = is_possible.all(dim=-1) & weight.isfinite()
        shift, weight = torch.where(is_found[..., None], shift, 0.0), torch.where(is_found, weight, -torch.inf)
        weight = weight + log_probability.view(-1, *(1,) * (energy.dim() - 1))
        weight = weight + 2 * (_sum(energy.log(), jets) + _sum(shift, jets))
        order = torch.arange(len(weight), dtype=weight.dtype).view(-1, *(1,) * (weight.dim() - 1))
        likeliest = (weight - _TIE * order).argmax(dim=0)
        shift = shift.gather(0, likeliest[None, ..., None].expand_as(shift[:1]))[0]
        possible = is_found.any(dim=0)  # where none is, ln Σ is −∞ and has no derivative
        total = torch.where(possible, weight, 0.0).logsumexp(dim=0)
        return massless * shift.exp()[..., None], torch.where(possible, total, -torch.inf)

    def _response(self, kind: Kind, particle: Particle) -> Float[Tensor, ""]:
        if kind != "jet":
            return torch.ones(())
        is_b = abs(particle.pdg_id) == 5
        return torch.as_tensor(self.detector.b_response if is_b else self.detector.light_response, dtype=torch.float64)

    def _tails(self, kinds: tuple[Kind, ...]) -> tuple[Float[Tensor, "term leg"], Float[Tensor, " term"]]:
        """For every combination of jets in the tail: the variance that it adds to each, and ln of its probability."""
        fraction = torch.as_tensor(self.detector.jet_tail_fraction, dtype=torch.float64)
        choices = [(0, 1) if kind == "jet" and fraction else (0,) for kind in kinds]
        which = torch.tensor(list(product(*choices)), dtype=torch.float64)
        jets = torch.tensor([kind == "jet" for kind in kinds])
        chance = torch.special.xlogy(which, fraction) + torch.special.xlog1py(1 - which, -fraction)
        return which * self.detector.jet_tail_width**2, chance[:, jets].sum(dim=1)

    def _fit(self, branch: Branch, massless: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """ln(E'/E) of every leg, and ln of the integral without its measure, for every combination of tails."""
        if "neutrino" in branch.kinds:
            return self._fit_leptonic(massless, width, branch)
        if not branch.resonances:
            return torch.zeros_like(width), torch.zeros_like(width[..., 0])
        if len(branch.resonances) == 1 and len(branch.legs) == 2:
            return _fit_pair(massless, width, branch.resonances[0].mass)
        if len(branch.resonances) == 2 and branch.cascades:
            return _fit_cascade(massless, width, branch)
        raise ConfigError(
            "there are transfer functions only for pairs and t → b W cascades",
            "use wide resonances (top_width, w_width)",
        )

    def _fit_leptonic(self, momenta: Tensor, width: Tensor, branch: Branch) -> tuple[Tensor, Tensor]:
        """The W is on its pole by the choice of the neutrino; the energy of the b jet puts the top on its pole."""
        shift = torch.zeros_like(width)
        if len(branch.legs) == 2:
            return shift, torch.zeros_like(width[..., 0])
        if len(branch.resonances) != 2 or not branch.cascades:
            raise ConfigError(
                "there are transfer functions for leptons only from W and t → b W",
                "use wide resonances (top_width, w_width)",
            )
        b, lepton, neutrino = (branch.kinds.index(kind) for kind in ("jet", "lepton", "neutrino"))
        top, boson = branch.resonances
        one, other = momenta[..., lepton, :], momenta[..., neutrino, :]
        steps = self.detector.missing_resolution * momenta.new_tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        around = neutrinos(
            one[..., None, :].expand(*one.shape[:-1], 5, 4), other[..., None, 1:3] + steps, w_mass=boson.mass
        )
        second = one[..., 0] * other[..., 3] < one[..., 3] * other[..., 0]  # the solution of smaller rapidity
        around = torch.where(second[..., None, None], around[..., 1, :], around[..., 0, :])
        gap = math.log(top.mass**2 - boson.mass**2)
        needed = gap - _pair(momenta[..., b, None, :], one[..., None, :] + around).log()
        variance = width[..., b] ** 2 + (needed[..., 1::2] - needed[..., 2::2]).square().sum(dim=-1) / 4
        shift[..., b] = needed[..., 0]
        return shift, -needed[..., 0].square() / (2 * variance) - variance.log() / 2

    def _from_angles(self, branch: Branch, momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch leg"]:
        """Variances of ln m² of a jet and the particles it is combined with, from its angles: cot²(θ/2) σ²."""
        found = torch.zeros_like(momenta[..., 0])
        for resonance in branch.resonances:
            inner = [r.legs for r in branch.resonances if set(r.legs) < set(resonance.legs)]
            parts = [*inner, *((leg,) for leg in resonance.legs if not any(leg in legs for legs in inner))]
            if len(parts) != 2:
                continue
            one, other = (momenta[..., list(legs), 1:].sum(dim=-2) for legs in parts)
            cosine = torch.cosine_similarity(one, other, dim=-1)
            variance = self.detector.jet_angle**2 * (1 + cosine) / (1 - cosine).clamp(min=_SMALLEST)
            for legs in parts:
                if len(legs) == 1:
                    found[..., legs[0]] = variance
        return found

    def log_flux(self, hypothesis: Hypothesis, momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch way"]:
        """Ln of parton densities over ŝ², for both directions from which the incoming partons can come."""
        total = momenta.sum(dim=-2)
        plus, minus = (total[..., 0] + sign * total[..., 3] for sign in (1, -1))
        x, other = (side.clamp(min=_SMALLEST) / self.collision_energy for side in (plus, minus))
        densities = SimpleDensities()
        partons = [particle.pdg_id for particle in hypothesis.parsed.incoming]
        ways = torch.stack(
            [
                densities(partons[0], one).clamp(min=1e-30).log() + densities(partons[1], two).clamp(min=1e-30).log()
                for one, two in ((x, other), (other, x))
            ],
            dim=-1,
        )
        return ways - 2 * (plus * minus).clamp(min=_SMALLEST).log()[..., None]

    def log_radiation(self, momenta: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch"]:
        """Ln of the density of radiated jets in ln E and solid angle."""
        return log_radiation(self.detector, momenta, pt_min=self.detector.jet_pt_min)


def log_radiation(detector: Detector, momenta: Float[Tensor, "*batch 4"], *, pt_min: float) -> Float[Tensor, "*batch"]:
    """The same above a threshold, for a detector whose fields may be tensors."""
    hard, slope = double(detector.radiation_hard_fraction), double(detector.radiation_slope)
    slopes = ((1 - hard, slope), (hard, double(detector.radiation_hard_slope)))
    return log_single(momenta, slopes, double(detector.radiation_eta), pt_min)


def log_single(
    momenta: Float[Tensor, "*event 4"], slopes: Sequence[tuple[Tensor, Tensor]], spread: Tensor, pt_min: float
) -> Float[Tensor, "*event"]:
    """Ln of the density in ln E and solid angle of a jet: pt above a threshold a sum of exponentials, η normal."""
    transverse, pseudorapidity = pt(momenta), eta(momenta)
    terms = [torch.log(share / slope) - (transverse - pt_min) / slope for share, slope in slopes]
    angular = -(pseudorapidity**2) / (2 * spread**2) - torch.log(spread) - 3 * HALF_LOG_2PI
    return torch.stack(terms).logsumexp(dim=0) + angular + transverse.log() + 2 * torch.cosh(pseudorapidity).log()


def double(value: float | Tensor) -> Tensor:
    """A field of a detector, in double precision."""
    return torch.as_tensor(value, dtype=torch.float64)


def _fit_pair(momenta: Tensor, width: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    missing = 2 * math.log(mass) - _pair(momenta[..., 0, :], momenta[..., 1, :]).log()
    variance = width[..., 0].square() + width[..., 1].square()
    shift = missing[..., None] * width.square() / variance[..., None]
    return shift, -missing.square() / (2 * variance) - variance.log() / 2


def _fit_cascade(momenta: Tensor, width: Tensor, branch: Branch) -> tuple[Tensor, Tensor]:
    """With x = ln(E'/E): x_u + x_d is known from m_W, then x_b from m_t; the rest is one-dimensional."""
    fermion, up, down = branch.cascades[0]
    top, boson = branch.resonances
    b, u, d = (momenta[..., leg, :] for leg in (fermion, up, down))
    inverse = width.square().reciprocal()
    of_b, of_u, of_d = (inverse[..., leg] for leg in (fermion, up, down))
    total = 2 * math.log(boson.mass) - _pair(u, d).log()
    with_u, with_d = _pair(b, u), _pair(b, d)
    gap = math.log(top.mass**2 - boson.mass**2)

    def rest(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x_b as a function of x_u, and its first two derivatives."""
        one, other = with_u * x.exp(), with_d * (total - x).exp()
        both = one + other
        slope = (one - other) / both
        return gap - both.log(), -slope, slope.square() - 1

    def step(x: Tensor) -> Tensor:
        x_b, slope, _ = rest(x)
        gradient = x * of_u - (total - x) * of_d + x_b * slope * of_b
        return x - gradient / (of_u + of_d + slope.square() * of_b)

    x = total * of_d / (of_u + of_d)
    with torch.no_grad():
        for _ in range(_STEPS - 1):
            x = step(x)
    x = step(x)  # of which the derivative is that of the minimum
    x_b, slope, bend = rest(x)
    curvature = of_u + of_d + (slope.square() + x_b * bend) * of_b
    curvature = torch.maximum(curvature, of_u + of_d)  # positive everywhere
    shift = torch.zeros_like(width)
    shift[..., fermion], shift[..., up], shift[..., down] = x_b, x, total - x
    chi2 = x_b.square() * of_b + x.square() * of_u + (total - x).square() * of_d
    return shift, -chi2 / 2 + (of_b * of_u * of_d / curvature).log() / 2


def _pair(one: Tensor, other: Tensor) -> Tensor:
    """The squared mass of two massless momenta."""
    energies, x, y, z = (one * other).unbind(dim=-1)
    return (2 * (energies - x - y - z)).clamp(min=_SMALLEST)


def _sum(values: Float[Tensor, "*batch leg"], legs: list[int]) -> Tensor | int:
    """Over some legs; for so few faster than a reduction."""
    return sum(values[..., leg] for leg in legs)
