r"""The interaction matrices: how strongly two objects couple in the Standard Model at leading order.

Two jets couple with :math:`g_s`, two leptons of opposite charge and equal flavour with :math:`g_Z`, and a photon and a
fermion of charge Q with :math:`|Q| g_e`. A light jet has :math:`|Q| = 1/2`, the mean of up and down quarks.
"""

import math
from typing import Final, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_part_sm.particles import Kind

#: ``ids``, ``constants`` and ``running`` are the matrices [1], [2] and [3] of the paper. Two are controls: ``shuffled``
#: is [3] with the kinds of objects interchanged, and ``table`` is learned.
Couplings = Literal["none", "ids", "constants", "running", "shuffled", "table"]

M_Z: Final = 91.1876
ALPHA, ALPHA_S = 1 / 127.5, 0.118
G_Z: Final = 0.758
#: The constant couplings of matrix [2].
G_S, G_E = 1.22, 0.31
_LEPTONS, _FLAVOURS = 3, 6
#: The scale in GeV below which couplings are constant; the pole of the strong one is at 0.045 GeV.
SOFTEST: Final = 1.0

_JETS: Final = (Kind.JET, Kind.B_JET)
_PAIRS: Final = ((Kind.ELECTRON, Kind.POSITRON), (Kind.MUON, Kind.ANTIMUON))
_CHARGES: Final = {
    Kind.JET: 1 / 2,
    Kind.B_JET: 1 / 3,
    **dict.fromkeys((Kind.ELECTRON, Kind.POSITRON, Kind.MUON, Kind.ANTIMUON), 1.0),
}
#: The kind whose couplings each kind gets in the control ``shuffled``.
_SHUFFLED: Final = (0, 3, 7, 1, 6, 4, 2, 5)


def electromagnetic(scale: Float[Tensor, "*pair"]) -> Float[Tensor, "*pair"]:
    r""":math:`g_e(Q)`, for Q in GeV, from three leptons in the loop.

    .. math:: α(Q^2) = \frac{α_0}{1 - \frac{n α_0}{3π} \ln\frac{Q^2}{μ_0^2}}

    Example
    -------
    >>> round(electromagnetic(torch.tensor(91.1876)).item(), 5)
    0.31394
    """
    logarithm = 2 * torch.log(scale.clamp(min=SOFTEST) / M_Z)
    return torch.sqrt(4 * math.pi * ALPHA / (1 - _LEPTONS * ALPHA / (3 * math.pi) * logarithm))


def strong(scale: Float[Tensor, "*pair"]) -> Float[Tensor, "*pair"]:
    r""":math:`g_s(Q)`, for Q in GeV, with six flavours.

    .. math:: α_s(Q^2) = \frac{α_{s0}}{1 + α_{s0} \frac{33 - 2 n_f}{12π} \ln\frac{Q^2}{μ_0^2}}

    Example
    -------
    >>> round(strong(torch.tensor(91.1876)).item(), 5)
    1.21772
    """
    logarithm = 2 * torch.log(scale.clamp(min=SOFTEST) / M_Z)
    running = 1 + ALPHA_S * (33 - 2 * _FLAVOURS) / (12 * math.pi) * logarithm
    return torch.sqrt(4 * math.pi * ALPHA_S / running)


def strengths(
    one: Int[Tensor, "*pair"], other: Int[Tensor, "*pair"], scale: Float[Tensor, "*pair"], *, couplings: Couplings
) -> Float[Tensor, "*pair"]:
    """The entries of an interaction matrix for pairs of objects; 0 where one object is padding.

    Parameters
    ----------
    one, other
        Kinds of the two objects.
    scale
        The mean pt of the two objects, in GeV.
    couplings
        The matrix; neither ``none`` nor ``table``.
    """
    if couplings == "shuffled":
        part = torch.tensor(_SHUFFLED, device=one.device)
        one, other = part[one], part[other]
    by_gluon, by_z, by_photon = (matrix.to(scale)[one, other] for matrix in (_STRONG, _WEAK, _ELECTROMAGNETIC))
    match couplings:
        case "ids":
            return (by_gluon + by_z + by_photon > 0).to(scale)
        case "constants":
            return by_gluon * G_S + by_z * G_Z + by_photon * G_E
        case _:
            return by_gluon * strong(scale) + by_z * G_Z + by_photon * electromagnetic(scale)


def _matrix(entries: dict[tuple[Kind, Kind], float]) -> Float[Tensor, "kind kind"]:
    matrix = torch.zeros(len(Kind), len(Kind), dtype=torch.float64)
    for (one, other), value in entries.items():
        matrix[one, other] = matrix[other, one] = value
    return matrix


_STRONG: Final = _matrix({(one, other): 1.0 for one in _JETS for other in _JETS})
_WEAK: Final = _matrix(dict.fromkeys(_PAIRS, 1.0))
_ELECTROMAGNETIC: Final = _matrix({(kind, Kind.PHOTON): charge for kind, charge in _CHARGES.items()})
