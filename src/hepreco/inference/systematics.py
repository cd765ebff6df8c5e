"""Assigns variations to systematic uncertainties."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hepreco.errors import ConfigError
from hepreco.inference.tables import FitConfig, SystematicConfig
from hepreco.plugin.options import closest

NOMINAL = "nominal"


@dataclass(frozen=True)
class Systematic:
    """A systematic uncertainty and its variations.

    Parameters
    ----------
    name
        Name of its parameter in the fit, to which ``uncorrelated`` appends process, region or period.
    variations
        An upward and a downward variation, a single one, or many members; none for a normalisation uncertainty.
    config
        Its table of the configuration.
    """

    name: str
    variations: tuple[str, ...]
    config: SystematicConfig

    def parameter(self, *, process: str, region: str, period: str) -> str:
        """The name of the parameter for one part of the templates.

        Example
        -------
        >>> Systematic("jes", (), SystematicConfig(uncorrelated=("period",))).parameter(
        ...     process="ttbar", region="4j", period="2018"
        ... )
        'jes_2018'
        """
        parts = {"process": process, "region": region, "period": period}
        return "_".join([self.name, *(parts[part] for part in parts if part in self.config.uncorrelated)])


def systematics(variations: Iterable[str], config: FitConfig) -> tuple[Systematic, ...]:
    """All systematics of a histogram with these variations: configured ones first, then those of other variations.

    Raises
    ------
    ConfigError
        A configured systematic has no variation, or too few members, or an odd number where pairs are needed.

    Example
    -------
    >>> [each.name for each in systematics(["nominal", "jes_up", "jes_down", "scale"], FitConfig())]
    ['jes', 'scale']
    """
    left = [name for name in variations if name != NOMINAL]
    dropped = {name for name in left for pattern in config.leave_out if fnmatchcase(name, pattern)}
    known = [name for name in left if name not in dropped]
    configured = [Systematic(name, _members(name, each, known), each) for name, each in config.systematics.items()]
    taken = {name for each in configured for name in each.variations}
    pairs = _pairs([name for name in known if name not in taken])
    return (*configured, *(Systematic(name, pair, SystematicConfig()) for name, pair in pairs.items()))


def _members(name: str, config: SystematicConfig, known: list[str]) -> tuple[str, ...]:
    if config.norm is not None:
        return ()
    if not config.members:
        found = _pairs(known).get(name)
        if found is None:
            raise ConfigError(
                f"[fit.systematics.{name}] has neither norm nor members, and there is no variation {name}_up",
                f"{closest(name, _pairs(known))} A normalisation uncertainty has norm = 0.02",
            )
        return found
    members = tuple(each for each in known if each != NOMINAL and fnmatchcase(each, config.members))
    if len(members) < 2 or (config.combine == "asymmetric-hessian" and len(members) % 2):
        raise ConfigError(
            f"[fit.systematics.{name}]: {len(members)} variations match members = {config.members!r}",
            f"{config.combine} needs {'pairs' if 'asym' in config.combine else 'at least two'}; variations are "
            f"{', '.join(known) or 'none'}",
        )
    return tuple(sorted(members, key=_number))


def _number(member: str) -> list[tuple[int, str]]:
    """A key that sorts members by their numbers, the tenth after the ninth."""
    return [(int(part) if part.isdecimal() else -1, part) for part in member.split("_")]


def _pairs(variations: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Upward and downward variations by their common name, single ones by their full names."""
    known = list(variations)
    pairs: dict[str, tuple[str, ...]] = {}
    for name in known:
        stem = name.removesuffix("_up").removesuffix("_down")
        ends = (f"{stem}_up", f"{stem}_down")
        pairs[stem] = tuple(end for end in ends if end in known) if name in ends else (name,)
    return pairs
