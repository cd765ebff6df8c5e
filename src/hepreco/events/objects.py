"""Input specifications of plugins: objects of NanoAOD collections, with cuts."""

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from hepreco.errors import ConfigError

MOMENTUM: Final = ("pt", "eta", "phi", "mass")
#: Quantities that vector computes from the stored coordinates.
DERIVED: Final = ("px", "py", "pz", "energy", "rapidity")
#: As many names are listed where none is close.
_FEW: Final = 10
_COMPARISON = re.compile(r"(?P<bar>\|?)(?P<field>[A-Za-z]\w*)(?P=bar)\s*(?P<sign><=|>=|==|<|>)\s*(?P<value>\S+)")


@dataclass(frozen=True)
class Comparison:
    """One cut such as ``pt > 30`` or ``|eta| < 2.4``.

    Example
    -------
    >>> Comparison.parse("|eta| < 2.4")
    Comparison(field='eta', sign='<', value=2.4, absolute=True)
    """

    field: str
    sign: str
    value: int | float
    absolute: bool

    @classmethod
    def parse(cls, text: str) -> "Comparison":
        """Read ``field sign number``; anything else is a :class:`~hepreco.errors.ConfigError`."""
        match = _COMPARISON.fullmatch(text.strip())
        try:
            if match and not math.isnan(value := _number(match["value"])):
                return cls(match["field"], match["sign"], value, absolute=bool(match["bar"]))
        except ValueError:
            pass
        raise ConfigError(
            f"cannot read the cut {text!r}",
            "write one comparison of a branch with a number, for example 'pt > 30' or '|eta| < 2.4'",
        )


def _number(text: str) -> int | float:
    """A float, or an integer that no float represents exactly."""
    number = float(text)
    return int(text) if math.isfinite(number) and re.fullmatch(r"[+-]?\d+", text) and int(text) != number else number


@dataclass(frozen=True)
class ObjectSpec:
    """Objects of one NanoAOD collection that a plugin reads.

    Parameters
    ----------
    collection
        Name of the collection in NanoAOD, for example ``Jet``.
    where
        Cuts that an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    at_least
        Events with fewer such objects are counted but not given to the plugin; its outputs are missing there.
    at_most
        Keep at most this number of objects, those with the largest pt; ``None`` keeps all.
    features
        Further branches of the collection, for example ``("btagDeepFlavB",)``.
    role
        Name of these objects in a configuration that binds selected objects to the plugin; by default the plural of
        the collection, such as ``jets``.
    """

    collection: str
    where: tuple[str, ...] = ()
    at_least: int = 0
    at_most: int | None = None
    features: tuple[str, ...] = ()
    role: str = ""

    def __post_init__(self) -> None:
        for cut in self.where:
            Comparison.parse(cut)
        if not self.role:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.collection)
            object.__setattr__(self, "role", f"{words.lower()}s")
        if self.at_most is not None and self.at_most < max(self.at_least, 1):
            raise ConfigError(
                f"{self.collection}: at_most = {self.at_most} is below at_least = {self.at_least} or below 1",
                "raise at_most or lower at_least",
            )


@dataclass(frozen=True)
class InputSpec:
    """The inputs of a plugin.

    Parameters
    ----------
    objects
        One :class:`ObjectSpec` per collection.
    missing_momentum
        The collection that holds missing transverse momentum, for example ``PuppiMET``; ``None`` reads none.
    event_features
        Columns with one number per event, for example ``("PV.npvs",)``, or a column of another plugin of the run.
    """

    objects: tuple[ObjectSpec, ...]
    missing_momentum: str | None = None
    event_features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [spec.collection for spec in self.objects]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"an input specification of the collections {names}", "name at least one, each once")

    @property
    def features(self) -> tuple[str, ...]:
        """All requested features, each once, in order."""
        return tuple(dict.fromkeys(feature for spec in self.objects for feature in spec.features))


def momentum_columns(inputs: InputSpec) -> tuple[str, ...]:
    """The columns of momenta and missing momentum that a plugin reads."""
    objects = [f"{spec.collection}.{name}" for spec in inputs.objects for name in MOMENTUM]
    missing = [f"{inputs.missing_momentum}.{name}" for name in ("pt", "phi")] if inputs.missing_momentum else []
    return (*objects, *missing)


def closest(name: str, names: list[str]) -> str:
    """Advice for a name that is not among ``names``."""
    matches = get_close_matches(name, names, n=3, cutoff=0.5)
    if matches:
        return f"the closest are {', '.join(matches)}; name the branch as your NanoAOD version does"
    if len(names) <= _FEW:
        return f"choose one of {', '.join(names)}"
    return "choose a branch that this NanoAOD version has"
