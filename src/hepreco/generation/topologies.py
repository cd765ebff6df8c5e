"""Events of simple topologies with unknown masses, on which deep-learned event variables are trained.

A topology is a value: names, a prior of its parameters, and a function from parameters and uniform numbers to momenta.
There is no matrix element and no detector; decays are isotropic in the rest frame of the decaying particle.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.generation.randomness import uniforms
from hepreco.kinematics import boost

#: Range of the prior of m_A, and the highest energies that are drawn, in GeV.
M_A_RANGE: Final = (100.0, 500.0)
PARENT_ENERGY_MAX: Final = 1500.0
PAIR_MASS_MAX: Final = 1500.0
PAIR_ENERGY_MAX: Final = 2500.0
#: Smallest m_A in GeV: boosts of much lighter particles to 1500 GeV lose precision.
M_A_MIN: Final = 1.0
#: Mass of the W boson in GeV.
M_W: Final = 80.379

Scalar = Float[Tensor, " event"]
Momentum = Float[Tensor, "event 4"]
Parameters = Float[Tensor, "event parameter"]
Uniforms = Float[Tensor, "event uniform"]
#: Momenta (event, particle, 4) of the visible and of the invisible particles.
Momenta = tuple[Float[Tensor, "event visible 4"], Float[Tensor, "event invisible 4"]]


@dataclass(frozen=True)
class Topology:
    """A decay topology with a prior of its masses.

    Parameters
    ----------
    name
        Name of the topology; it also chooses the stream of random numbers, so topologies are independent for one seed.
    visible, invisible
        The particles of the final state, in the order of ``momenta``.
    parameters
        Names of the parameters Θ, whose values are in GeV.
    prior
        Function from one uniform number per parameter to Θ.
    width
        Uniform numbers per event that ``momenta`` needs.
    momenta
        Function from Θ and uniform numbers to the momenta (GeV) of the visible and of the invisible particles.
    possible, condition
        Function that tells which Θ are kinematically possible, and the condition in words.
    scale
        Function from Θ to the mass (GeV) at which spectra of event variables peak or end; ``None`` if there is none.
    identical
        Groups of visible particles, by position, that a detector cannot distinguish.
    """

    name: str
    visible: tuple[str, ...]
    invisible: tuple[str, ...]
    parameters: tuple[str, ...]
    prior: Callable[[Uniforms], Parameters]
    width: int
    momenta: Callable[[Parameters, Uniforms], Momenta]
    possible: Callable[[Parameters], Bool[Tensor, " event"]]
    condition: str
    scale: Callable[[Parameters], Scalar] | None = None
    identical: tuple[tuple[int, ...], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs X: E, px, py, pz of each visible particle, then missing momentum if there is any.

        Example
        -------
        >>> SEMI_VISIBLE.inputs
        ('E_b', 'px_b', 'py_b', 'pz_b', 'px_miss', 'py_miss')
        """
        momenta = tuple(f"{component}_{particle}" for particle in self.visible for component in ("E", "px", "py", "pz"))
        return momenta + (("px_miss", "py_miss") if self.invisible else ())

    @property
    def stream(self) -> int:
        """The stream of its random numbers."""
        return int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class TopologySample:
    """Events of a topology: Θ and the momenta of the final state, float64 in GeV.

    Parameters
    ----------
    topology
        The topology, which names the columns of :attr:`inputs` and ``parameters``.
    parameters
        Θ of each event.
    visible, invisible
        Four-momenta (E, px, py, pz); inputs must not use the invisible ones.
    """

    topology: Topology
    parameters: Float[Tensor, "event parameter"]
    visible: Float[Tensor, "event visible 4"]
    invisible: Float[Tensor, "event invisible 4"]

    @property
    def missing_momentum(self) -> Float[Tensor, "event 2"]:
        """The total transverse momentum (px, py) of the invisible particles."""
        return self.invisible.sum(dim=1)[:, 1:3]

    @property
    def inputs(self) -> Float[Tensor, "event input"]:
        """X, in the order of ``topology.inputs``."""
        momenta = self.visible.flatten(start_dim=1)
        return torch.cat((momenta, self.missing_momentum), dim=1) if self.topology.invisible else momenta


def sample_topology(
    topology: str | Topology, *, events: int, seed: int, first: int = 0, parameters: Sequence[float] | None = None
) -> TopologySample:
    """Generate events of a topology; event i depends on the seed and i, not on the number of events.

    Parameters
    ----------
    topology
        A topology, or its name for :func:`find_topology`.
    events, first
        Number of events, and the number of the first event.
    seed
        Seed of the random numbers.
    parameters
        Θ of all events in GeV, in the order of ``topology.parameters``; by default drawn from the prior. The other
        random numbers do not depend on this.

    Raises
    ------
    ConfigError
        The topology is unknown, the seed or a number of events is negative, or the parameters are impossible.

    References
    ----------
    Kim, Kong, Matchev, Park, Shyamsundar, arXiv:2105.10126, examples 1 to 3.

    Example
    -------
    >>> sample = sample_topology("semi-visible", events=3, seed=1, parameters=(400.0, 100.0))
    >>> sample.inputs.shape, sample.parameters.tolist()[0]
    (torch.Size([3, 6]), [400.0, 100.0])
    """
    topology = find_topology(topology)
    if events < 0:
        raise ConfigError(f"a sample of {events} events", "give at least 0")
    drawn = len(topology.parameters)
    random = uniforms(seed=seed, stream=topology.stream, first=first, count=events, width=drawn + topology.width)
    theta = topology.prior(random[:, :drawn]) if parameters is None else _fixed(topology, parameters, events=events)
    visible, invisible = topology.momenta(theta, random[:, drawn:])
    return TopologySample(topology, theta, visible, invisible)


def find_topology(topology: str | Topology) -> Topology:
    """A topology by its name in :data:`TOPOLOGIES`, or as ``package.module:NAME`` where it is defined.

    Raises
    ------
    ConfigError
        There is no such topology.

    Example
    -------
    >>> find_topology("hepreco.generation.topologies:SEMI_VISIBLE") is TOPOLOGIES["semi-visible"]
    True
    """
    if isinstance(topology, Topology):
        return topology
    if topology in TOPOLOGIES:
        return TOPOLOGIES[topology]
    remedy = f"choose one of {', '.join(TOPOLOGIES)}, or name a Topology of your own as package.module:NAME"
    try:
        found = resolve_name(topology) if ":" in topology else None
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"no topology {topology!r}: {error}", remedy) from None
    if not isinstance(found, Topology):
        raise ConfigError(f"no topology {topology!r}", remedy)
    return found


def _fixed(topology: Topology, parameters: Sequence[float], *, events: int) -> Parameters:
    names, values = ", ".join(topology.parameters), ", ".join(f"{value:g}" for value in parameters)
    if len(parameters) != len(topology.parameters):
        raise ConfigError(
            f"the parameters of {topology.name!r} are ({names}); got ({values})", "give one number (GeV) for each"
        )
    theta = torch.tensor([parameters], dtype=torch.float64)
    if not topology.possible(theta).all():
        raise ConfigError(f"{topology.name!r} has no events at ({names}) = ({values})", f"choose {topology.condition}")
    return theta.expand(events, -1)


def _visible_pair_momenta(parameters: Parameters, random: Uniforms) -> Momenta:
    (m_a,) = parameters.unbind(1)
    u_energy, u_cos, u_phi, *decay = random.unbind(1)
    energy = _between(m_a, PARENT_ENERGY_MAX, u_energy)
    parent = _moving(energy, m_a, _direction(u_cos, u_phi))
    massless = torch.zeros_like(m_a)
    b, c = _decay(parent, m_a, (massless, massless), _direction(*decay))
    return torch.stack((b, c), dim=1), b.new_zeros(len(b), 0, 4)


def _semi_visible_momenta(parameters: Parameters, random: Uniforms) -> Momenta:
    m_a, m_c = parameters.unbind(1)
    u_energy, u_side, *decay = random.unbind(1)
    energy = _between(m_a, PARENT_ENERGY_MAX, u_energy)
    b, c = _decay(_moving(energy, m_a, _along_beam(u_side)), m_a, (torch.zeros_like(m_a), m_c), _direction(*decay))
    return b[:, None], c[:, None]


def _pair_semi_visible_momenta(parameters: Parameters, random: Uniforms) -> Momenta:
    m_a, m_c = parameters.unbind(1)
    u_mass, u_energy, u_side, *u = random.unbind(1)
    m_aa = _between(2 * m_a, PAIR_MASS_MAX, u_mass)
    pair = _moving(_between(m_aa, PAIR_ENERGY_MAX, u_energy), m_aa, _along_beam(u_side))
    parents = _decay(pair, m_aa, (m_a, m_a), _direction(*u[:2]))
    massless = torch.zeros_like(m_a)
    b1, c1 = _decay(parents[0], m_a, (massless, m_c), _direction(*u[2:4]))
    b2, c2 = _decay(parents[1], m_a, (massless, m_c), _direction(*u[4:]))
    return torch.stack((b1, b2), dim=1), torch.stack((c1, c2), dim=1)


def _top_pair_dilepton_momenta(parameters: Parameters, random: Uniforms) -> Momenta:
    (m_a,) = parameters.unbind(1)
    u_mass, u_energy, u_side, *u = random.unbind(1)
    m_aa = _between(2 * m_a, PAIR_MASS_MAX, u_mass)
    pair = _moving(_between(m_aa, PAIR_ENERGY_MAX, u_energy), m_aa, _along_beam(u_side))
    massless, m_w = torch.zeros_like(m_a), torch.full_like(m_a, M_W)
    b, leptons, neutrinos = [], [], []
    for number, parent in enumerate(_decay(pair, m_aa, (m_a, m_a), _direction(*u[:2]))):
        of_b, of_lepton = u[2 + 4 * number :][:2], u[4 + 4 * number :][:2]
        quark, w = _decay(parent, m_a, (massless, m_w), _direction(*of_b))
        lepton, neutrino = _decay(w, m_w, (massless, massless), _direction(*of_lepton))
        b.append(quark)
        leptons.append(lepton)
        neutrinos.append(neutrino)
    return torch.stack((*b, *leptons), dim=1), torch.stack(neutrinos, dim=1)


def _endpoint(parameters: Parameters) -> Scalar:
    """µ = (m_A² − m_C²)/m_A, the endpoint of the transverse mass of massless b and C (arXiv:2105.10126, eq. 12)."""
    m_a, m_c = parameters.unbind(1)
    return (m_a - m_c) * (m_a + m_c) / m_a


def _parent_mass(parameters: Parameters) -> Scalar:
    return parameters[:, 0]


def _mass_prior(random: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Uniform m_A."""
    return M_A_RANGE[0] + (M_A_RANGE[1] - M_A_RANGE[0]) * random


def _two_mass_prior(random: Uniforms) -> Parameters:
    """Uniform m_A, and δ = (m_A − m_C)²/m_A uniform in [0, m_A], so that m_C = m_A − √(δ m_A)."""
    m_a = _mass_prior(random[:, 0])
    delta = m_a * random[:, 1]
    return torch.stack((m_a, m_a - torch.sqrt(delta * m_a)), dim=1)


def _between(low: Scalar, high: float, random: Scalar) -> Scalar:
    return low + (high - low) * random


def _direction(u_cos: Scalar, u_phi: Scalar) -> Float[Tensor, "event 3"]:
    """An isotropic unit vector."""
    cos_theta, phi = 2 * u_cos - 1, 2 * torch.pi * u_phi
    sin_theta = torch.sqrt((1 - cos_theta) * (1 + cos_theta))
    return torch.stack((sin_theta * torch.cos(phi), sin_theta * torch.sin(phi), cos_theta), dim=-1)


def _along_beam(u_side: Scalar) -> Float[Tensor, "event 3"]:
    """A unit vector along +z or −z, with equal probability."""
    zero = torch.zeros_like(u_side)
    return torch.stack((zero, zero, torch.where(u_side < 0.5, -1.0, 1.0).to(u_side)), dim=-1)


def _moving(energy: Scalar, mass: Scalar, direction: Float[Tensor, "event 3"]) -> Momentum:
    momentum = torch.sqrt((energy - mass) * (energy + mass))
    return torch.cat((energy[:, None], momentum[:, None] * direction), dim=1)


def _decay(
    parent: Momentum, mass: Scalar, masses: tuple[Scalar, Scalar], direction: Float[Tensor, "event 3"]
) -> tuple[Momentum, Momentum]:
    """The two daughters of each parent; ``direction`` is that of the first in the parent's rest frame. Masses in GeV.

    p* = √λ(m², m₁², m₂²) / 2m (PDG review of kinematics, equation 49.17), with λ as a product, which stays precise at
    threshold.
    """
    first, second = masses
    kallen = (mass - first - second) * (mass + first + second) * (mass - first + second) * (mass + first - second)
    p = torch.sqrt(kallen) / (2 * mass)
    velocity = parent[:, 1:] / parent[:, :1]
    one, other = (
        torch.cat((torch.sqrt(p * p + m * m)[:, None], (sign * p)[:, None] * direction), dim=1)
        for m, sign in ((first, 1.0), (second, -1.0))
    )
    return boost(one, velocity=velocity), boost(other, velocity=velocity)


def _parent_up_to(heaviest: float) -> Callable[[Parameters], Bool[Tensor, " event"]]:
    return lambda theta: (theta[:, 0] >= M_A_MIN) & (theta[:, 0] <= heaviest)


def _daughter_and_parent_up_to(heaviest: float) -> Callable[[Parameters], Bool[Tensor, " event"]]:
    parent = _parent_up_to(heaviest)
    return lambda theta: (theta[:, 1] >= 0) & (theta[:, 1] < theta[:, 0]) & parent(theta)


#: Example 1, A → bc, both massless and visible; A moves in any direction, with energy uniform from m_A to 1500 GeV.
VISIBLE_PAIR: Final = Topology(
    name="visible-pair",
    visible=("b", "c"),
    invisible=(),
    parameters=("m_A",),
    prior=_mass_prior,
    width=5,
    momenta=_visible_pair_momenta,
    possible=_parent_up_to(PARENT_ENERGY_MAX),
    condition=f"{M_A_MIN:g} ≤ m_A ≤ {PARENT_ENERGY_MAX:g} GeV",
    scale=_parent_mass,
    identical=((0, 1),),
)
#: Example 2, A → bC, with b massless and C invisible; A moves along the beam, with energy as in example 1.
SEMI_VISIBLE: Final = Topology(
    name="semi-visible",
    visible=("b",),
    invisible=("C",),
    parameters=("m_A", "m_C"),
    prior=_two_mass_prior,
    width=4,
    momenta=_semi_visible_momenta,
    possible=_daughter_and_parent_up_to(PARENT_ENERGY_MAX),
    condition=f"{M_A_MIN:g} ≤ m_A ≤ {PARENT_ENERGY_MAX:g} GeV and 0 ≤ m_C < m_A",
    scale=_endpoint,
)
#: Example 3, A₁A₂ → (b₁C₁)(b₂C₂); the pair moves along the beam, with mass uniform from 2m_A to 1500 GeV and energy
#: uniform from that mass to 2500 GeV; A₁ is isotropic in the pair's rest frame.
PAIR_SEMI_VISIBLE: Final = Topology(
    name="pair-semi-visible",
    visible=("b1", "b2"),
    invisible=("C1", "C2"),
    parameters=("m_A", "m_C"),
    prior=_two_mass_prior,
    width=9,
    momenta=_pair_semi_visible_momenta,
    possible=_daughter_and_parent_up_to(PAIR_MASS_MAX / 2),
    condition=f"{M_A_MIN:g} ≤ m_A ≤ {PAIR_MASS_MAX / 2:g} GeV and 0 ≤ m_C < m_A",
    scale=_endpoint,
    identical=((0, 1),),
)
#: Dileptonic pairs of heavy quarks, A₁A₂ → (b₁ℓ₁ν₁)(b₂ℓ₂ν₂) through on-shell W bosons, produced as in example 3. It is
#: not in the paper. The pairing of b quarks and leptons is unknown.
TOP_PAIR_DILEPTON: Final = Topology(
    name="top-pair-dilepton",
    visible=("b1", "b2", "l1", "l2"),
    invisible=("nu1", "nu2"),
    parameters=("m_A",),
    prior=_mass_prior,
    width=13,
    momenta=_top_pair_dilepton_momenta,
    possible=lambda theta: (theta[:, 0] > M_W) & (theta[:, 0] <= PAIR_MASS_MAX / 2),
    condition=f"{M_W:g} < m_A ≤ {PAIR_MASS_MAX / 2:g} GeV",
    scale=_parent_mass,
    identical=((0, 1), (2, 3)),
)

#: The topologies by name; the first three are from the paper.
TOPOLOGIES: Final = MappingProxyType(
    {topology.name: topology for topology in (VISIBLE_PAIR, SEMI_VISIBLE, PAIR_SEMI_VISIBLE, TOP_PAIR_DILEPTON)}
)
