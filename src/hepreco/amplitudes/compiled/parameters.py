"""The parameters of the model as symbols."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from hepreco.amplitudes.compiled.expressions import Expressions
from hepreco.amplitudes.compiled.symbols import symbols
from hepreco.amplitudes.model import StandardModel, Zeros, as_float
from hepreco.amplitudes.particles import PARTICLES

#: What becomes a parameter: what is given, and what follows from it.
_NAMES: Final = {field.name for field in fields(StandardModel)} | {
    "m_w", "sin2_theta_w", "e", "g_w", "g_z", "g_s", "vev",
}  # fmt: skip


class SymbolicModel(StandardModel):
    """A model whose parameters are symbols, except for vanishing masses, which are the number 0.0."""

    def __init__(self, expressions: Expressions, zeros: Zeros) -> None:
        vars(self).update(expressions=expressions, vanishing={particle.mass for particle in zeros.masses})

    def __getattribute__(self, name: str) -> Any:
        if name not in _NAMES:
            return super().__getattribute__(name)
        if name in self.vanishing:
            return 0.0
        return symbols([self.expressions.parameter(name)], self.expressions, shape=(), is_complex=False)


def parameter_values(model: StandardModel, names: Sequence[str]) -> list[float]:
    """The values of the parameters with these names."""
    values = {"m_b_yukawa": model.yukawa_mass(PARTICLES["b"])}
    return [as_float(values[name] if name in values else getattr(model, name)) for name in names]
