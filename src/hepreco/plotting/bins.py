"""Labels of axes with bins and units."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_linear(edges: NDArray[np.float64]) -> bool:
    """Whether all bins have equal width."""
    return bool(np.allclose(np.diff(edges), edges[1] - edges[0], rtol=1e-6, atol=0))


def is_logarithmic(edges: NDArray[np.float64]) -> bool:
    """Whether bins have unequal width, but equal width on a logarithmic axis.

    Example
    -------
    >>> is_logarithmic(np.geomspace(1, 100, 5)), is_logarithmic(np.linspace(1, 100, 5))
    (True, False)
    """
    return edges[0] > 0 and not is_linear(edges) and is_linear(np.log(edges))


def per_bin(quantity: str, edges: NDArray[np.float64], *, label: str) -> str:
    """Label a vertical axis with a quantity and, for bins of equal width, the width in the unit of ``label``.

    Example
    -------
    >>> per_bin("Events", np.linspace(0, 100, 21), label="top mass [GeV]")
    'Events / 5 GeV'
    >>> per_bin("Events", np.geomspace(1, 100, 21), label="χ²")
    'Events / bin'
    """
    if not is_linear(edges):
        return f"{quantity} / bin"
    return f"{quantity} / {(edges[-1] - edges[0]) / (len(edges) - 1):.3g}{unit_of(label)}"


def label_of(axis: Any) -> str:
    """The label of a histogram's axis, followed by the axis's attribute ``unit`` in brackets if it has one.

    Example
    -------
    >>> import hist
    >>> label_of(hist.axis.Regular(5, 0, 1, label="top mass", __dict__={"unit": "GeV"}))
    'top mass [GeV]'
    >>> label_of(hist.axis.Regular(5, 0, 1, label="top mass [GeV]"))  # as hepreco 0.1 stored it
    'top mass [GeV]'
    """
    unit = getattr(axis, "unit", "")
    return f"{axis.label} [{unit}]" if unit else str(axis.label)


def unit_of(label: str) -> str:
    """The unit in brackets at the end of a label, with a leading space; empty if there is none.

    Example
    -------
    >>> unit_of("top mass [GeV]")
    ' GeV'
    """
    unit = re.search(r"\[([^\[\]]+)\]\s*$", label)
    return f" {unit[1]}" if unit else ""
