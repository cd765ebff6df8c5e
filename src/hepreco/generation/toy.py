"""A toy of tt̄ and multijet events at detector level: phase space, smearing, b tags; no matrix element.

It exists so that the demonstration and the tests need no download. Top quarks are produced with falling pt, decay
isotropically with Breit-Wigner masses, and become jets by smearing; the spectra are only roughly those of 13 TeV.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Generator, Tensor

from hepreco import kinematics
from hepreco.conventions import TOP_MASS, TOP_WIDTH, W_MASS, W_WIDTH
from hepreco.errors import ConfigError

Process = Literal["ttbar-hadronic", "ttbar-lepton-jets", "multijet"]
PROCESSES: Final = get_args(Process)
#: Events are made in blocks of this size, each with its own seed: event i does not depend on how many are asked for.
BLOCK: Final = 1000
B_MASS: Final = 4.7
PT_MIN, ETA_MAX = 20.0, 4.7


@dataclass(frozen=True)
class ToySample:
    """A sample of toy events.

    Parameters
    ----------
    process
        ``ttbar-hadronic``, ``ttbar-lepton-jets`` or ``multijet`` (two b jets and at least four others).
    events
        How many.
    seed
        One seed, one sample; event i is the same in a larger sample.
    """

    process: Process
    events: int
    seed: int = 1

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise ConfigError(f"no toy process {self.process!r}", f"choose one of {', '.join(PROCESSES)}")
        if self.events < 0:
            raise ConfigError(f"a sample of {self.events} events", "ask for at least none")


@dataclass(frozen=True)
class ToyEvents:
    """Detector-level objects, padded; a slot that holds nothing has pt 0.

    ``jets`` (event, slot, 4) in GeV; ``btag`` in [0, 1]; ``parton`` says which parton a jet comes from: 0 to 5 for
    b, q, q̄′ of the top and b̄, q, q̄′ of the antitop, −1 for none; ``flavour`` is 5 for b, 0 otherwise;
    ``lepton`` (event, 4) is zero in hadronic events, ``lepton_pdg_id`` 0 there; ``missing_momentum`` (event, 2).
    """

    jets: Tensor
    btag: Tensor
    parton: Tensor
    flavour: Tensor
    lepton: Tensor
    lepton_pdg_id: Tensor
    missing_momentum: Tensor


def toy_events(sample: ToySample, *, start: int = 0) -> ToyEvents:
    """The block of events that begins at ``start``, a multiple of :data:`BLOCK`."""
    size = min(BLOCK, sample.events - start)
    generator = Generator().manual_seed(1_000_003 * sample.seed + start // BLOCK)
    block = _multijet(generator) if sample.process == "multijet" else _ttbar(sample.process, generator)
    return ToyEvents(**{name: value[:size] for name, value in vars(block).items()})


def _ttbar(process: Process, generator: Generator) -> ToyEvents:
    top, antitop = _top_pair(generator)
    first, second = _decay_top(top, generator), _decay_top(antitop, generator)
    partons = torch.stack((*first, *second), dim=1)
    radiation = _radiation(generator)
    slots = torch.cat((partons, radiation), dim=1)
    parton = torch.cat((torch.arange(6), torch.full((radiation.shape[1],), -1))).expand(BLOCK, -1)
    flavour = torch.where((parton == 0) | (parton == 3), 5, 0)
    lepton, charged = torch.zeros(BLOCK, 4, dtype=torch.float64), torch.zeros(BLOCK, dtype=torch.int64)
    if process == "ttbar-lepton-jets":
        lepton = _smear(partons[:, 4], 0.02 * torch.ones(BLOCK, dtype=torch.float64), 0.001, generator)
        charged = torch.where(torch.rand(BLOCK, generator=generator) < 0.5, 11, 13)
    hadronic = process == "ttbar-hadronic"
    visible = torch.ones(slots.shape[1], dtype=torch.bool)
    visible[4:6] = hadronic
    jets = _detect(slots, generator)
    seen = jets * visible[:, None]
    return ToyEvents(
        jets=seen,
        btag=_btag(flavour, generator),
        parton=parton,
        flavour=flavour,
        lepton=lepton,
        lepton_pdg_id=charged,
        missing_momentum=_missing(seen.sum(dim=1) + lepton, slots.sum(dim=1), generator),
    )


def _multijet(generator: Generator) -> ToyEvents:
    count = 4 + torch.poisson(torch.full((BLOCK,), 2.5), generator=generator).clamp(max=6)
    rank = torch.arange(12)
    slots = _spectrum(12, 45.0, generator) * (rank < count[:, None] + 2)[..., None]
    flavour = torch.where(rank < 2, 5, 0).expand(BLOCK, -1)
    jets = _detect(slots, generator)
    lepton = torch.zeros(BLOCK, 4, dtype=torch.float64)
    return ToyEvents(
        jets=jets,
        btag=_btag(flavour, generator),
        parton=torch.full((BLOCK, 12), -1),
        flavour=flavour,
        lepton=lepton,
        lepton_pdg_id=torch.zeros(BLOCK, dtype=torch.int64),
        missing_momentum=_missing(jets.sum(dim=1), slots.sum(dim=1), generator),
    )


def _top_pair(generator: Generator) -> tuple[Tensor, Tensor]:
    """Two tops back to back in the transverse plane."""
    pt = -90.0 * torch.log(_uniform(BLOCK, generator) * _uniform(BLOCK, generator))
    azimuth = 2 * torch.pi * _uniform(BLOCK, generator)
    rapidity = 1.0 * torch.randn(BLOCK, 2, generator=generator, dtype=torch.float64)
    tops = []
    for side, phi in enumerate((azimuth, azimuth + torch.pi)):
        mass = _breit_wigner(TOP_MASS, TOP_WIDTH, generator)
        transverse = torch.sqrt(mass**2 + pt**2)
        y = rapidity[:, side]
        components = (transverse * torch.cosh(y), pt * torch.cos(phi), pt * torch.sin(phi), transverse * torch.sinh(y))
        tops.append(torch.stack(components, dim=-1))
    return tops[0], tops[1]


def _decay_top(top: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    w_mass = _breit_wigner(W_MASS, W_WIDTH, generator)
    zero = torch.zeros_like(w_mass)
    b, w = kinematics.two_body_decay(top, masses=(zero + B_MASS, w_mass), generator=generator)
    q, qbar = kinematics.two_body_decay(w, masses=(zero, zero), generator=generator)
    return b, q, qbar


def _breit_wigner(mass: float, width: float, generator: Generator) -> Tensor:
    """A Breit-Wigner distribution of the mass, within 15 widths of the pole."""
    edge = torch.atan(torch.tensor(30.0, dtype=torch.float64))
    return mass + width / 2 * torch.tan((2 * _uniform(BLOCK, generator) - 1) * edge)


def _radiation(generator: Generator) -> Tensor:
    """Up to four jets of initial-state radiation."""
    count = torch.poisson(torch.full((BLOCK,), 1.0), generator=generator)
    return _spectrum(4, 35.0, generator) * (torch.arange(4) < count[:, None])[..., None]


def _spectrum(slots: int, slope: float, generator: Generator) -> Tensor:
    """Massless partons of exponentially falling pt above 20 GeV, normal in η, uniform in φ."""
    shape = (BLOCK, slots)
    pt = PT_MIN - slope * torch.log(_uniform(shape, generator))
    eta = 1.4 * torch.randn(shape, generator=generator, dtype=torch.float64)
    phi = torch.pi * (2 * _uniform(shape, generator) - 1)
    return kinematics.from_pt_eta_phi_mass(pt, eta, phi, torch.zeros_like(pt))


def _detect(partons: Tensor, generator: Generator) -> Tensor:
    """Jets: σ(E)/E = 80 %/√E ⊕ 5 %, directions smeared by 20 mrad, inside the acceptance."""
    energy = partons[..., 0].clamp(min=1e-9)
    jets = _smear(partons, torch.sqrt(0.64 / energy + 0.0025), 0.02, generator)
    pt, eta = kinematics.pt(jets), kinematics.eta(jets)
    return torch.where(((pt > PT_MIN) & (eta.abs() < ETA_MAX))[..., None], jets, 0.0)


def _smear(momenta: Tensor, resolution: Tensor, angle: float, generator: Generator) -> Tensor:
    shape = momenta.shape[:-1]
    factor = (1 + resolution * _normal(shape, generator)).clamp(min=0.05)
    eta = kinematics.eta(momenta) + angle * _normal(shape, generator)
    phi = kinematics.phi(momenta) + angle * _normal(shape, generator)
    smeared = kinematics.from_pt_eta_phi_mass(
        kinematics.pt(momenta) * factor, eta, phi, kinematics.mass(momenta) * factor
    )
    return torch.where(momenta[..., :1] > 0, smeared, 0.0)


def _missing(seen: Tensor, true: Tensor, generator: Generator) -> Tensor:
    """What was produced and not seen, and 15 GeV of noise per component."""
    return (true - seen)[:, 1:3] + 15.0 * _normal((BLOCK, 2), generator)


def _btag(flavour: Tensor, generator: Generator) -> Tensor:
    """A discriminator in [0, 1]: above 0.2783 for 77 % of b jets and 5 % of others."""
    u = _uniform(flavour.shape, generator)
    return torch.where(flavour == 5, u**0.2 - (1 - u) ** 3, u**3.1 * 0.3 + u**60 * 0.7).clamp(0.0, 1.0)


def _uniform(shape: int | tuple[int, ...] | torch.Size, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64).clamp(min=1e-12)


def _normal(shape: tuple[int, ...] | torch.Size, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)
