"""The parameters of the Standard Model, with MadGraph's values."""

import math
from dataclasses import dataclass, fields
from typing import ClassVar, Final

import torch
from torch import Tensor

from hepreco.amplitudes.particles import PARTICLES, Particle
from hepreco.conventions import TOP_MASS, Z_MASS
from hepreco.errors import ModelError

#: A number, or a tensor without axes, with respect to which results can be differentiated.
Parameter = float | Tensor


#: Parameters that must not be zero, since they are divided by.
_POSITIVE: Final = ("m_z", "alpha_inverse", "fermi_constant")


def as_float(value: Parameter) -> float:
    """The value of a parameter."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def is_zero(value: Parameter) -> bool:
    """Whether a mass vanishes identically; :meth:`StandardModel.in_units_of` turns such masses into the number 0.0."""
    return isinstance(value, float) and value == 0


def _sqrt(x: Parameter) -> Parameter:
    return torch.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)


@dataclass(frozen=True)
class Zeros:
    """The parameters that vanish in a model; they determine which diagrams and spin states are computed.

    Parameters
    ----------
    masses
        The massless particles.
    yukawas
        The fermions that do not couple to the Higgs boson.
    """

    masses: frozenset[Particle]
    yukawas: frozenset[Particle]


@dataclass(frozen=True)
class StandardModel:
    """Masses, widths and couplings at tree level, in the scheme (α, G_F, m_Z).

    The defaults are those of MadGraph's model ``sm`` and its ``param_card``, with which matrix elements are usually
    compared, not the latest values of the Particle Data Group. The CKM matrix is 1; u, d, s, c, e, µ and the neutrinos
    are massless. A Yukawa coupling is the mass over the vacuum expectation value, so ``m_b=0.0`` also removes that of
    the b quark unless ``m_b_yukawa`` is given. Every parameter may be a tensor without axes; results are then
    differentiable with respect to it, except for masses of 0, which determine what is computed.

    Parameters
    ----------
    m_t, m_b, m_tau, m_z, m_h
        Masses in GeV.
    width_t, width_w, width_z, width_h
        Fixed widths in GeV, used in all propagators, also space-like ones. They do not depend on the masses.
    alpha_inverse
        1/α(m_Z).
    fermi_constant
        G_F in GeV⁻².
    alpha_s
        The strong coupling at the scale of your choice.
    m_b_yukawa
        The mass in GeV to which the coupling of the b quark to the Higgs boson is proportional; by default ``m_b``. The
        default of ``width_h`` belongs to 4.7 GeV at tree level: its branching fraction to b b̄ is then 0.85. The running
        mass at m_H is near 2.8 GeV, and goes with a width near 4.1 MeV.

    References
    ----------
    MadGraph5_aMC@NLO, arXiv:1405.0301; FeynRules ``sm``, arXiv:1310.1921. Relations at tree level: Denner,
    arXiv:0709.1075.

    Example
    -------
    >>> model = StandardModel()
    >>> round(model.m_w, 6), round(model.sin2_theta_w, 6), round(model.vev, 3)
    (80.419002, 0.222246, 246.218)
    """

    m_t: Parameter = TOP_MASS
    m_b: Parameter = 4.7
    m_tau: Parameter = 1.777
    m_z: Parameter = Z_MASS
    m_h: Parameter = 125.0
    width_t: Parameter = 1.4915
    width_w: Parameter = 2.0476
    width_z: Parameter = 2.441404
    width_h: Parameter = 6.382339e-3
    alpha_inverse: Parameter = 132.507
    fermi_constant: Parameter = 1.16639e-5
    alpha_s: Parameter = 0.118
    m_b_yukawa: Parameter | None = None

    #: Configurations hold only numbers, so pydantic, which makes their schema, may ignore tensors.
    __pydantic_config__: ClassVar = {"arbitrary_types_allowed": True}

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            if given is None:
                continue
            if shape := getattr(given, "shape", ()):
                raise ModelError(f"{field.name} is a tensor of shape {tuple(shape)}", "give a number for all events")
            value = as_float(given)
            positive = field.name in _POSITIVE
            if not math.isfinite(value) or value < 0 or (positive and value == 0):
                raise ModelError(
                    f"{field.name} is {value}", f"give a {'positive' if positive else 'non-negative'} number"
                )
        if as_float(self.m_z) ** 2 <= 4 * as_float(self._weak_scale_squared):
            raise ModelError("m_z, alpha_inverse and fermi_constant do not give a real W mass", "raise one of them")

    @property
    def m_w(self) -> Parameter:
        """Mass of the W in GeV: m_W² (1 − m_W²/m_Z²) = πα/(√2 G_F)."""
        half = self.m_z**2 / 2
        return _sqrt(half + _sqrt(half**2 - self._weak_scale_squared * self.m_z**2))

    @property
    def _weak_scale_squared(self) -> Parameter:
        return math.pi / (math.sqrt(2) * self.alpha_inverse * self.fermi_constant)

    @property
    def sin2_theta_w(self) -> Parameter:
        """sin²θ_W = 1 − m_W²/m_Z²."""
        return 1 - self.m_w**2 / self.m_z**2

    @property
    def e(self) -> Parameter:
        """The positron's charge √(4πα)."""
        return _sqrt(4 * math.pi / self.alpha_inverse)

    @property
    def g_w(self) -> Parameter:
        """The weak coupling e / sin θ_W."""
        return self.e / _sqrt(self.sin2_theta_w)

    @property
    def g_z(self) -> Parameter:
        """The coupling of the Z, e / (sin θ_W cos θ_W)."""
        return self.g_w * self.m_z / self.m_w

    @property
    def g_s(self) -> Parameter:
        """The strong coupling √(4πα_s)."""
        return _sqrt(4 * math.pi * self.alpha_s)

    @property
    def vev(self) -> Parameter:
        """The Higgs field's vacuum expectation value in GeV, 2 m_W / g_w."""
        return 2 * self.m_w / self.g_w

    def mass(self, particle: Particle) -> Parameter:
        """The mass of a particle in GeV; the number 0.0 for particles without a mass parameter."""
        return getattr(self, particle.mass) if particle.mass else 0.0

    def width(self, particle: Particle) -> Parameter:
        """The width of a particle in GeV; the number 0.0 for particles without a width parameter."""
        return getattr(self, particle.width) if particle.width else 0.0

    def yukawa_mass(self, fermion: Particle) -> Parameter:
        """The mass in GeV to which the coupling of a fermion to the Higgs boson is proportional."""
        given = self.m_b_yukawa if fermion.mass == "m_b" else None
        return self.mass(fermion) if given is None else given

    @property
    def is_constant(self) -> bool:
        """Whether no parameter is a tensor, so that results are not differentiable with respect to any."""
        return not any(isinstance(getattr(self, field.name), Tensor) for field in fields(self))

    @property
    def zeros(self) -> "Zeros":
        """The particles without mass, and the fermions without coupling to the Higgs boson."""
        everything = PARTICLES.values()
        return Zeros(
            frozenset(particle for particle in everything if as_float(self.mass(particle)) == 0),
            frozenset(x for x in everything if x.is_fermion and as_float(self.yukawa_mass(x)) == 0),
        )

    def in_units_of(self, unit: float) -> "StandardModel":
        """The same model in units of ``unit`` GeV, in double precision; vanishing masses become the number 0.0."""

        def scaled(name: str) -> Parameter:
            value = getattr(self, name)
            value = value.double() if isinstance(value, Tensor) else float(value)
            if name.startswith("m_"):
                return value / unit if as_float(value) else 0.0
            return value / unit if name.startswith("width_") else value * unit**2 if name == "fermi_constant" else value

        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return StandardModel(**{name: scaled(name) for name in given})


#: The model of samples and plugins: the defaults, with α_s(m_Z) of the parton densities NNPDF2.3 LO.
LEADING_ORDER: Final = StandardModel(alpha_s=0.13)
