"""Parton densities of the proton at one scale: a grid in LHAPDF's format, or a simple parametrisation."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
import scipy  # whose subpackages are imported when they are first used
import torch
from torch import Tensor

from hepreco.conventions import Z_MASS
from hepreco.errors import ConfigError

GLUON: Final = 21


@runtime_checkable
class PartonDensities(Protocol):
    """Momentum densities x f(x) of partons at a fixed scale."""

    @property
    def name(self) -> str:
        """Name in files and on plots."""

    def __call__(self, pdg_id: int, x: Tensor) -> Tensor:
        """X f(x), of the shape of x; 0 for unknown partons, and where the fit is negative."""


@dataclass(frozen=True)
class SimpleDensities:
    """x f(x) = exp(a) x^b (1 − x)^c exp(d √x + e x), which approximates NNPDF2.3 LO at the Z mass.

    This package's fit to the set NNPDF23_lo_as_0130_qed (arXiv:1207.1303) at Q = 91.188 GeV, for 3e-5 < x < 0.8. It
    agrees within 2 % for gluons and 7 % for u and d between 3e-5 and 0.3, and within 40 % for sea quarks at 0.6, where
    there are few. Without evolution and uncertainties, it is for demonstrations and tests, not for cross-sections.
    """

    @property
    def name(self) -> str:
        """Name in files and on plots."""
        return "simple"

    def __call__(self, pdg_id: int, x: Tensor) -> Tensor:
        """X f(x)."""
        if pdg_id not in _SIMPLE:
            return torch.zeros_like(x)
        a, b, c, d, e = _SIMPLE[pdg_id]
        return torch.exp(a + d * torch.sqrt(x) + e * x) * x**b * (1 - x).clamp(min=0) ** c


_STRANGE: Final = (-2.4320, -0.3978, 5.7851, -4.9662, 5.9198)
_CHARM: Final = (-2.4274, -0.3899, 12.3203, -6.3730, 15.0424)
_SIMPLE: Final[Mapping[int, tuple[float, ...]]] = {
    GLUON: (0.5392, -0.4607, 11.3219, -6.0501, 13.8513),
    2: (-2.8990, -0.4473, 3.7383, 6.4589, -3.1730),
    1: (-2.8533, -0.4443, 4.0058, 4.8466, -3.0513),
    -2: (-1.8460, -0.3441, 7.5811, -4.4030, 6.3690),
    -1: (-2.1205, -0.3715, 8.7105, -2.0088, 4.9067),
    3: _STRANGE,
    -3: _STRANGE,
    4: _CHARM,
    -4: _CHARM,
}


@dataclass(frozen=True)
class GridDensities:
    """A member of a set in LHAPDF's ``lhagrid1`` format, at one scale.

    Values are interpolated by cubic Hermite polynomials in ln Q², then in ln x, with slopes from neighbouring points,
    as in LHAPDF. Outside the grid's range of x, the value at its end is used.

    Parameters
    ----------
    path
        File of the member, such as ``NNPDF23_lo_as_0130_qed_0000.dat``.
    scale
        The factorisation scale µ in GeV.

    References
    ----------
    LHAPDF6, arXiv:1412.7420.
    """

    path: Path
    scale: float = Z_MASS

    def __post_init__(self) -> None:
        object.__setattr__(self, "_splines", _splines(self.path, self.scale))

    @property
    def name(self) -> str:
        """Name of the file without directory and suffix."""
        return self.path.stem

    def __call__(self, pdg_id: int, x: Tensor) -> Tensor:
        """X f(x)."""
        spline = self._splines.get(pdg_id)  # type: ignore[attr-defined]
        if spline is None:
            return torch.zeros_like(x)
        return torch.from_numpy(spline(np.log(x.numpy()).clip(*spline.x[[0, -1]]))).clamp(min=0.0)


def find_densities(name: str, *, scale: float = Z_MASS) -> PartonDensities:
    """Find densities by name: ``simple``, a path, or a set that LHAPDF or Pythia's Python package has installed.

    Raises
    ------
    ConfigError
        The set does not exist, cannot be read, or does not contain the scale.
    """
    if name == "simple":
        return SimpleDensities()
    folders = [Path(folder) for folder in os.environ.get("LHAPDF_DATA_PATH", "").split(":") if folder]
    folders.append(Path(sys.prefix) / "share" / "Pythia8" / "pdfdata")
    candidates = [Path(name)]
    for folder in folders:
        candidates += [folder / f"{name}_0000.dat", folder / name / f"{name}_0000.dat"]
    for path in candidates:
        if path.is_file():
            return GridDensities(path, scale)
    raise ConfigError(
        f"no parton densities {name!r}",
        "use 'simple', give the path of a member's .dat file, set LHAPDF_DATA_PATH, or "
        "'pip install --only-binary pythia8mc pythia8mc', which brings NNPDF23_lo_as_0130_qed",
    )


def _splines(path: Path, scale: float) -> dict[int, "scipy.interpolate.CubicHermiteSpline"]:
    try:
        _, *blocks = path.read_text().split("---")
        grids = [_grid(block) for block in blocks if block.strip()]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read parton densities from {path}: {error}", "give a member in LHAPDF's format"
        ) from None
    log_scale = np.log(scale**2)
    for log_x, log_q2, partons in grids:
        if log_q2[0] <= log_scale <= log_q2[-1]:
            at_scale = {parton: _hermite(log_q2, values)(log_scale) for parton, values in partons.items()}
            return {parton: _hermite(log_x, values) for parton, values in at_scale.items()}
    raise ConfigError(f"{path.name} does not contain Q = {scale} GeV", "choose a scale within its range")


def _grid(block: str) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """The ln x, ln Q² and, by parton, values (Q, x) of one subgrid."""
    first, second, third, rest = block.strip().split("\n", 3)
    x, q = (np.array(line.split(), dtype=float) for line in (first, second))
    partons = [GLUON if word == "0" else int(word) for word in third.split()]
    values = np.array(rest.split(), dtype=float).reshape(len(x), len(q), len(partons))
    return np.log(x), np.log(q**2), {parton: values[:, :, k].T for k, parton in enumerate(partons)}


def _hermite(knots: np.ndarray, values: np.ndarray) -> "scipy.interpolate.CubicHermiteSpline":
    """LHAPDF's slopes: the mean of those to both neighbours, and the one there is at an end."""
    secants = np.diff(values, axis=0) / np.diff(knots).reshape(-1, *[1] * (values.ndim - 1))
    slopes = np.concatenate((secants[:1], (secants[1:] + secants[:-1]) / 2, secants[-1:]))
    return scipy.interpolate.CubicHermiteSpline(knots, values, slopes)
