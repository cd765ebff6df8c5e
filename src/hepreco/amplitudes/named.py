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


def with_decays(production: str) -> str:
    """A production followed by a decay of :data:`DECAYS` for each particle that has one.

    Example
    -------
    >>> with_decays("u d~ > t w- b~ QCD=0")
    'u d~ > t w- b~ QCD=0, (t > b w+, w+ > u d~), w- > u~ d'
    """
    produced = (word.partition("{")[0] for word in production.partition(">")[2].split())
    return ", ".join((production, *(DECAYS[name] for name in produced if name in DECAYS)))


#: Process strings by name.
PROCESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bbbar": "g g > b b~",
        "ttbar-hadronic": with_decays("g g > t t~"),
        "ttbar-lepton-jets": f"g g > t t~, (t > b w+, w+ > e+ ve), {DECAYS['t~']}",
        "ttw-hadronic": with_decays("u d~ > t t~ w+"),
        "tttt-hadronic": with_decays("g g > t t~ t t~ QED=0"),
        "wwuu": with_decays("u u > w+ w- u u QCD=0"),
    }
)
