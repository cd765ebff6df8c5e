"""The four-top signal region: functions for ``[[selection]]`` tables and :class:`hepreco.processing.FunctionCut`.

Two leptons of the same sign or at least three, at least six jets of which two are b jets, and a large scalar sum.
"""

from collections.abc import Sequence
from typing import Final

import awkward as ak
import numpy as np

from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.events import column, passing

_JETS: Final = ("pt > 25", "|eta| < 2.5")
_LEPTONS: Final = ("pt > 15", "|eta| < 2.5")


def same_sign_or_three_leptons(
    events: ak.Array, *, electron_where: Sequence[str] = _LEPTONS, muon_where: Sequence[str] = _LEPTONS
) -> ak.Array:
    """Whether an event has exactly two electrons or muons, of the same charge, or at least three.

    Example
    -------
    >>> lepton = {"pt": 30.0, "eta": 0.0, "charge": 1}
    >>> one_of_each = {"Electron": [lepton], "Muon": [lepton]}
    >>> same_sign_or_three_leptons(ak.Array([one_of_each, {"Electron": [lepton], "Muon": []}])).tolist()
    [True, False]
    """
    charges = ak.concatenate(
        [
            column(events, f"{name}.charge")[passing(events, name, where)]
            for name, where in (("Electron", electron_where), ("Muon", muon_where))
        ],
        axis=1,
    )
    number = ak.num(charges)
    return (number >= 3) | ((number == 2) & (abs(ak.sum(charges, axis=1)) == 2))


def enough_jets(events: ak.Array, *, at_least: int = 6, cone: float = 0.4, **where: Sequence[str]) -> ak.Array:
    """Whether an event has at least so many jets apart from leptons; b jets count as jets.

    Parameters
    ----------
    cone
        Jets within this ΔR of an electron or muon are removed.
    where
        ``jet_where``, ``electron_where``, ``muon_where``: cuts on the objects.
    """
    return ak.num(_jets(events, cone=cone, **where)) >= at_least


def enough_b_jets(
    events: ak.Array,
    *,
    at_least: int = 2,
    b_tag: str = "btagDeepFlavB",
    b_threshold: float = B_TAG_THRESHOLD,
    cone: float = 0.4,
    **where: Sequence[str],
) -> ak.Array:
    """Whether an event has at least so many jets with the discriminator ``b_tag`` above ``b_threshold``."""
    column(events, f"Jet.{b_tag}")  # if it is missing, the error names the branches that exist
    jets = _jets(events, cone=cone, **where)
    return ak.sum(jets[b_tag] > b_threshold, axis=1) >= at_least


def enough_scalar_sum(
    events: ak.Array, *, at_least: float = 500.0, cone: float = 0.4, **where: Sequence[str]
) -> ak.Array:
    """Whether H_T, the scalar sum of the pt of all jets of an event, is at least so many GeV."""
    return ak.sum(_jets(events, cone=cone, **where)["pt"], axis=1) >= at_least


def _jets(
    events: ak.Array,
    *,
    cone: float,
    jet_where: Sequence[str] = _JETS,
    electron_where: Sequence[str] = _LEPTONS,
    muon_where: Sequence[str] = _LEPTONS,
) -> ak.Array:
    """Jets that pass their cuts and are apart from leptons."""
    jets = column(events, "Jet")[passing(events, "Jet", jet_where)]
    for name, where in (("Electron", electron_where), ("Muon", muon_where)):
        leptons = column(events, name)[passing(events, name, where)]
        jet, lepton = ak.unzip(ak.cartesian((_direction(jets), _direction(leptons)), nested=True))
        azimuth = np.abs(jet.phi - lepton.phi)
        distance = np.hypot(jet.eta - lepton.eta, np.minimum(azimuth, 2 * np.pi - azimuth))
        jets = jets[ak.all(distance >= cone, axis=2)]
    return jets


def _direction(objects: ak.Array) -> ak.Array:
    return ak.zip({"eta": objects["eta"], "phi": objects["phi"]})
