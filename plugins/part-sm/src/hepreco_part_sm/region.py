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
    """Two electrons or muons of the same charge, or at least three, per event.

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
    """At least so many jets, b jets among them, that are no lepton, per event.

    Parameters
    ----------
    cone
        Jets closer than this in ΔR to an electron or muon are that lepton.
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
    """At least so many jets with more than ``b_threshold`` of the discriminator ``b_tag``, per event."""
    column(events, f"Jet.{b_tag}")  # says what there is, where it is not
    jets = _jets(events, cone=cone, **where)
    return ak.sum(jets[b_tag] > b_threshold, axis=1) >= at_least


def enough_scalar_sum(
    events: ak.Array, *, at_least: float = 500.0, cone: float = 0.4, **where: Sequence[str]
) -> ak.Array:
    """H_T, the sum of the pt of all jets, of at least so many GeV, per event."""
    return ak.sum(_jets(events, cone=cone, **where)["pt"], axis=1) >= at_least


def _jets(
    events: ak.Array,
    *,
    cone: float,
    jet_where: Sequence[str] = _JETS,
    electron_where: Sequence[str] = _LEPTONS,
    muon_where: Sequence[str] = _LEPTONS,
) -> ak.Array:
    """Jets that pass and are no lepton."""
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
