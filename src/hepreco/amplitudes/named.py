"""Named processes, and the decays in them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Decays in samples and plugins: quarks of the first generation represent all light fermions.
DECAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "t": "(t > b w+, w+ > u d~)",
        "t~": "(t~ > b~ w-, w- > u~ d)",
        "w+": "w+ > u d~",
        "w-": "w- > u~ d",
        "z": "z > e- e+",
        "h": "(h > w+ w-, w+ > u d~, w- > u~ d)",
    }
)


#: The decay of each particle of a leptonic t, t̄ or W; electrons represent muons as well.
LEPTONIC: Final[Mapping[str, str]] = MappingProxyType(
    {
        "t": "(t > b w+, w+ > e+ ve)",
        "t~": "(t~ > b~ w-, w- > e- ve~)",
        "w+": "w+ > e+ ve",
        "w-": "w- > e- ve~",
    }
)
#: The decay of a Higgs boson to b quarks, in place of that to W bosons.
TO_B_QUARKS: Final = "h > b b~"


def with_decays(production: str, decays: Mapping[str, str] = DECAYS) -> str:
    """A production followed by a decay for each particle that has one in ``decays``.

    Example
    -------
    >>> with_decays("u d~ > t w- b~ QCD=0")
    'u d~ > t w- b~ QCD=0, (t > b w+, w+ > u d~), w- > u~ d'
    """
    produced = (word.partition("{")[0] for word in production.partition(">")[2].split())
    return ", ".join((production, *(decays[name] for name in produced if name in decays)))


#: Process strings by name.
PROCESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bbbar": "g g > b b~",
        "ttbar-hadronic": with_decays("g g > t t~"),
        "ttbar-lepton-jets": f"g g > t t~, {LEPTONIC['t']}, {DECAYS['t~']}",
        "ttbar-dilepton": with_decays("g g > t t~", LEPTONIC),
        "tth-lepton-jets": f"g g > t t~ h, {LEPTONIC['t']}, {DECAYS['t~']}, {TO_B_QUARKS}",
        "ttw-hadronic": with_decays("u d~ > t t~ w+"),
        "tttt-hadronic": with_decays("g g > t t~ t t~ QED=0"),
        "tttt-lepton-jets": f"g g > t t~ t t~ QED=0, {LEPTONIC['t']}, {DECAYS['t~']}, {DECAYS['t']}, {DECAYS['t~']}",
        "ttw-two-leptons": f"u d~ > t t~ w+, {LEPTONIC['t']}, {DECAYS['t~']}, {LEPTONIC['w+']}",
        "wwuu": with_decays("u u > w+ w- u u QCD=0"),
    }
)
