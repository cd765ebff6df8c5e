"""The particles of the Standard Model, under MadGraph's names."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal

Spin = Literal["scalar", "fermion", "vector"]


@dataclass(frozen=True, eq=False)
class Particle:
    """A particle or an antiparticle; :data:`PARTICLES` holds one object for each.

    Parameters
    ----------
    name, pdg_id
        MadGraph's name and the PDG identifier.
    spin
        Scalar, (Dirac) fermion or vector.
    colour
        Representation of SU(3): 1, 3, −3 or 8.
    charge
        Electric charge in units of the positron's.
    flavour
        The flavour that every vertex conserves (CKM matrix 1), such as ``"quark 3"``; empty for bosons.
    mass, width
        Names of parameters of :class:`~hepreco.amplitudes.StandardModel`; None if zero.

    Example
    -------
    >>> PARTICLES["t"].anti.name, PARTICLES["w-"].pdg_id, str(PARTICLES["u~"].charge)
    ('t~', -24, '-2/3')
    """

    name: str
    pdg_id: int
    spin: Spin
    colour: int
    charge: Fraction
    flavour: str = ""
    mass: str | None = None
    width: str | None = None

    @property
    def is_fermion(self) -> bool:
        """Whether it has spin ½."""
        return self.spin == "fermion"

    @property
    def is_antiparticle(self) -> bool:
        """Whether its PDG identifier is negative, as for the W⁻."""
        return self.pdg_id < 0

    @cached_property
    def anti(self) -> "Particle":
        """The antiparticle; the particle itself if it is its own."""
        return _BY_PDG_ID.get(-self.pdg_id, self)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[object, ...]:
        # Unpickling returns the one object of the particle.
        return _by_name, (self.name,)


def _by_name(name: str) -> Particle:
    return PARTICLES[name]


def _conjugate(particle: Particle, name: str) -> Particle:
    colour = -particle.colour if particle.colour == 3 else particle.colour
    return replace(particle, name=name, pdg_id=-particle.pdg_id, colour=colour, charge=-particle.charge)


def _fermion(name: str, pdg_id: int, family: int, mass: str | None = None, width: str | None = None) -> Particle:
    is_quark = pdg_id < 10
    is_up = pdg_id % 2 == 0
    charge = Fraction(2 if is_up else -1, 3) if is_quark else Fraction(0 if is_up else -1)
    kind = "quark" if is_quark else "lepton"
    return Particle(name, pdg_id, "fermion", 3 if is_quark else 1, charge, f"{kind} {family}", mass, width)


_QUARKS = (
    _fermion("d", 1, 1),
    _fermion("u", 2, 1),
    _fermion("s", 3, 2),
    _fermion("c", 4, 2),
    _fermion("b", 5, 3, "m_b"),
    _fermion("t", 6, 3, "m_t", "width_t"),
)
_LEPTONS = (
    _fermion("e-", 11, 1),
    _fermion("ve", 12, 1),
    _fermion("mu-", 13, 2),
    _fermion("vm", 14, 2),
    _fermion("ta-", 15, 3, "m_tau"),
    _fermion("vt", 16, 3),
)
_W = Particle("w+", 24, "vector", 1, Fraction(1), mass="m_w", width="width_w")
_NEUTRAL = (
    Particle("g", 21, "vector", 8, Fraction(0)),
    Particle("a", 22, "vector", 1, Fraction(0)),
    Particle("z", 23, "vector", 1, Fraction(0), mass="m_z", width="width_z"),
    Particle("h", 25, "scalar", 1, Fraction(0), mass="m_h", width="width_h"),
)
_CHARGED = (*_QUARKS, *_LEPTONS, _W)
_ANTI = tuple(
    _conjugate(particle, particle.name[:-1] + "+-"[particle.name[-1] == "+"])
    if particle.name[-1] in "+-"
    else _conjugate(particle, particle.name + "~")
    for particle in _CHARGED
)

#: Every particle by MadGraph's name, such as ``"t~"``, ``"w+"``, ``"ta-"``, ``"vm~"``.
PARTICLES: Final = {particle.name: particle for particle in (*_CHARGED, *_ANTI, *_NEUTRAL)}
_BY_PDG_ID = {particle.pdg_id: particle for particle in PARTICLES.values()}

_PARTONS = ("g", "u", "c", "d", "s", "u~", "c~", "d~", "s~")
#: Labels that stand for any of several particles, as in MadGraph; p and j do not contain the b quark.
MULTIPARTICLES: Final = {
    "p": _PARTONS,
    "j": _PARTONS,
    "l+": ("e+", "mu+"),
    "l-": ("e-", "mu-"),
    "vl": ("ve", "vm", "vt"),
    "vl~": ("ve~", "vm~", "vt~"),
}

#: Generations as (up-type, down-type) for quarks and (neutrino, charged) for leptons.
DOUBLETS: Final = tuple((PARTICLES[up], PARTICLES[down]) for up, down in (
    ("u", "d"), ("c", "s"), ("t", "b"), ("ve", "e-"), ("vm", "mu-"), ("vt", "ta-"),
))  # fmt: skip
