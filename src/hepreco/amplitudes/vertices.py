"""The vertices of the Standard Model in unitary gauge.

A vertex is given by its outgoing particles, without the factor i of its Feynman rule; every propagator has a factor −1
instead. Signs follow D = ∂ − igA, as in the model ``sm`` of FeynRules (arXiv:1310.1921).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations_with_replacement, permutations
from typing import Final, Literal

from hepreco.amplitudes.model import Parameter, StandardModel
from hepreco.amplitudes.particles import DOUBLETS, PARTICLES, Particle

#: A coupling as a function of the parameters.
Coupling = Callable[[StandardModel], Parameter]
#: Lorentz structures, named by the spins of the legs: F fermion, V vector, S scalar. ``lorentz.py`` evaluates them.
Structure = Literal["FFV", "FFS", "VVV", "VVVV", "VVS", "VVSS", "SSS", "SSSS"]
#: Colour tensors, which ``colour.py`` defines.
Colour = Literal["1", "delta", "T", "f", "f12 f34", "f13 f24", "f14 f23"]


@dataclass(frozen=True, eq=False)
class Vertex:
    """One vertex.

    Parameters
    ----------
    legs
        The outgoing particles; for FFV and FFS fermion, antifermion, boson.
    structure
        The Lorentz structure.
    couplings
        One function of the model; for FFV two, of left- and right-handed fermions, or None for no coupling.
    orders
        Powers of the strong and of the electroweak coupling.
    colour
        The colour tensor over ``legs``.
    metrics
        For VVVV the coefficients of g¹²g³⁴, g¹³g²⁴, g¹⁴g²³.
    """

    legs: tuple[Particle, ...]
    structure: Structure
    couplings: tuple[Coupling | None, ...]
    orders: tuple[int, int]
    colour: Colour = "1"
    metrics: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Attachment:
    """How blobs meet at a vertex: blob i is at the leg ``slots[i]``, and ``missing`` is the remaining leg."""

    vertex: Vertex
    slots: tuple[int, ...]
    missing: int

    @property
    def parent(self) -> Particle:
        """The particle that splits into the blobs."""
        return self.vertex.legs[self.missing].anti


_WEAK, _STRONG = (0, 1), (1, 0)
_A, _Z, _G, _H, _WP, _WM = (PARTICLES[name] for name in ("a", "z", "g", "h", "w+", "w-"))


def _strong(model: StandardModel) -> Parameter:
    return model.g_s


def _strong_squared(model: StandardModel) -> Parameter:
    # Four gluons: −g² Σ (if)(if)(gg − gg), with i f_abc as colour tensor.
    return -(model.g_s**2)


def _electric(model: StandardModel, *, charge: float) -> Parameter:
    return charge * model.e


def _charged(model: StandardModel) -> Parameter:
    return model.g_w / math.sqrt(2)


def _neutral(model: StandardModel, *, isospin: float, charge: float) -> Parameter:
    return model.g_z * (isospin - charge * model.sin2_theta_w)


def _yukawa(model: StandardModel, *, fermion: Particle) -> Parameter:
    return -model.yukawa_mass(fermion) / model.vev


def _w_pair(model: StandardModel, *, photons: int, zs: int) -> Parameter:
    # W⁺W⁻ couples to a photon with e, to a Z with g_w cos θ_W.
    return model.e**photons * (model.g_w * model.m_w / model.m_z) ** zs


def _w_four(model: StandardModel) -> Parameter:
    return model.g_w**2


def _higgs_pair(model: StandardModel, *, mass: str, power: int) -> Parameter:
    return 2 * getattr(model, mass) ** 2 / model.vev**power


def _higgs_self(model: StandardModel, *, power: int) -> Parameter:
    return -3 * model.m_h**2 / model.vev**power


def _fermion_vertices(fermion: Particle, isospin: float) -> Iterator[Vertex]:
    pair, charge = (fermion, fermion.anti), float(fermion.charge)
    is_quark = fermion.colour == 3
    colour: Colour = "delta" if is_quark else "1"
    left = partial(_neutral, isospin=isospin, charge=charge)
    right = partial(_neutral, isospin=0.0, charge=charge) if charge else None
    yield Vertex((*pair, _Z), "FFV", (left, right), _WEAK, colour)
    if charge:
        yield Vertex((*pair, _A), "FFV", (partial(_electric, charge=charge),) * 2, _WEAK, colour)
    if is_quark:
        yield Vertex((*pair, _G), "FFV", (_strong, _strong), _STRONG, "T")
    if fermion.mass:
        yield Vertex((*pair, _H), "FFS", (partial(_yukawa, fermion=fermion),), _WEAK, colour)


def _doublet_vertices() -> Iterator[Vertex]:
    for up, down in DOUBLETS:
        yield from _fermion_vertices(up, 0.5)
        yield from _fermion_vertices(down, -0.5)
        colour: Colour = "delta" if up.colour == 3 else "1"
        yield Vertex((up, down.anti, _WM), "FFV", (_charged, None), _WEAK, colour)
        yield Vertex((down, up.anti, _WP), "FFV", (_charged, None), _WEAK, colour)


def _gluon_vertices() -> Iterator[Vertex]:
    yield Vertex((_G,) * 3, "VVV", (_strong,), _STRONG, "f")
    yield Vertex((_G,) * 4, "VVVV", (_strong_squared,), (2, 0), "f12 f34", (0, -1, 1))
    yield Vertex((_G,) * 4, "VVVV", (_strong_squared,), (2, 0), "f13 f24", (-1, 0, 1))
    yield Vertex((_G,) * 4, "VVVV", (_strong_squared,), (2, 0), "f14 f23", (-1, 1, 0))


def _weak_boson_vertices() -> Iterator[Vertex]:
    for neutral in ((_A,), (_Z,)):
        yield Vertex((*neutral, _WM, _WP), "VVV", (_with_w_pair(neutral),), _WEAK)
    for neutrals in combinations_with_replacement((_A, _Z), 2):
        yield Vertex((_WP, _WM, *neutrals), "VVVV", (_with_w_pair(neutrals),), (0, 2), "1", (-2, 1, 1))
    yield Vertex((_WP, _WP, _WM, _WM), "VVVV", (_w_four,), (0, 2), "1", (2, -1, -1))


def _with_w_pair(neutral: tuple[Particle, ...]) -> Coupling:
    return partial(_w_pair, photons=neutral.count(_A), zs=neutral.count(_Z))


def _higgs_vertices() -> Iterator[Vertex]:
    for pair, mass in (((_WP, _WM), "m_w"), ((_Z, _Z), "m_z")):
        yield Vertex((*pair, _H), "VVS", (partial(_higgs_pair, mass=mass, power=1),), _WEAK)
        yield Vertex((*pair, _H, _H), "VVSS", (partial(_higgs_pair, mass=mass, power=2),), (0, 2))
    yield Vertex((_H,) * 3, "SSS", (partial(_higgs_self, power=1),), _WEAK)
    yield Vertex((_H,) * 4, "SSSS", (partial(_higgs_self, power=2),), (0, 2))


#: All vertices. Flavour is diagonal.
VERTICES: Final = (
    *_doublet_vertices(),
    *_gluon_vertices(),
    *_weak_boson_vertices(),
    *_higgs_vertices(),
)


@cache
def attachments(*blobs: Particle) -> tuple[Attachment, ...]:
    """All ways in which two or three blobs, in this order, meet at a vertex with one remaining leg."""
    found: dict[tuple[Vertex, Particle], Attachment] = {}
    for vertex in VERTICES:
        if len(vertex.legs) == len(blobs) + 1:
            for order in permutations(range(len(vertex.legs))):
                *slots, missing = order
                if all(vertex.legs[slot] is blob for slot, blob in zip(slots, blobs, strict=True)):
                    # Vertices are symmetric in identical particles, so one order of their slots is enough.
                    found.setdefault((vertex, vertex.legs[missing]), Attachment(vertex, tuple(slots), missing))
    return tuple(found.values())
