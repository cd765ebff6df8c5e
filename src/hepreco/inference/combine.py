"""Templates as ROOT histograms, with a datacard for Combine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import hist
import numpy as np

from hepreco.errors import ConfigError, OutputError
from hepreco.inference.histfactory import free_parameter, observations
from hepreco.inference.shifts import Bins
from hepreco.inference.tables import FitConfig
from hepreco.inference.templates import Channel

#: Combine's name for observed events.
DATA = "data_obs"
#: Names that a datacard can contain.
_NAME = re.compile(r"[^\s/$*]+")


def nominal_names(names: str) -> str:
    """The names of nominal histograms, without the systematic and the separator before it.

    Example
    -------
    >>> nominal_names("{region}/{process}_{systematic}")
    '{region}/{process}'
    """
    return re.sub(r"[^{}A-Za-z0-9]*\{systematic\}", "", names).lstrip("_-./")


def root_histograms(channels: Sequence[Channel], config: FitConfig, *, asimov: bool = False) -> dict[str, hist.Hist]:
    """All histograms by name: nominal templates, ``…Up`` and ``…Down`` for every shift, and data."""
    nominal, observed = nominal_names(config.root_names), observations(channels, asimov=asimov)
    found: dict[str, hist.Hist] = {}
    for each in channels:
        found[nominal.format(region=each.name, process=DATA)] = _histogram(each, observed[each.name])
        for process, template in each.templates.items():
            name = nominal.format(region=each.name, process=process)
            found[name] = _histogram(each, template.values, template.variances)
            for parameter, shift in template.shifts.items():
                if shift.is_used:
                    name = config.root_names.format(region=each.name, process=process, systematic=parameter)
                    found[f"{name}Up"] = _histogram(each, shift.up, template.variances)
                    found[f"{name}Down"] = _histogram(each, shift.down, template.variances)
    return found


def _histogram(channel: Channel, values: Bins, variances: Bins | None = None) -> hist.Hist:
    axis = hist.axis.Variable(channel.edges, name="x", label=channel.label)
    made = hist.Hist(axis, storage=hist.storage.Weight())
    made.view()["value"] = values
    made.view()["variance"] = abs(values) if variances is None else variances
    return made


def write_root(path: Path, histograms: Mapping[str, hist.Hist]) -> None:
    """Write histograms into one file; slashes in names make directories."""
    import uproot  # noqa: PLC0415  not needed for figures

    try:
        with uproot.recreate(path) as file:
            for name, histogram in histograms.items():
                file[name] = histogram
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}", "choose another directory, or make room") from None


def datacard(channels: Sequence[Channel], config: FitConfig, *, file: str, asimov: bool = False) -> str:
    """The text of a datacard; the signal strength is Combine's own ``r``.

    Raises
    ------
    ConfigError
        A name contains a character that a datacard cannot have, such as a space.
    """
    nominal = _for_combine(nominal_names(config.root_names))
    shifted = _for_combine(config.root_names)
    columns = [(each, process) for each in channels for process, one in each.templates.items() if one.values.any()]
    _check_names([name for each, process in columns for name in (each.name, process, *each.templates[process].effects)])
    rows = [
        ["bin", "", *(each.name for each, _ in columns)],
        ["process", "", *(process for _, process in columns)],
        ["process", "", *(str(number) for number in _numbers(columns, config))],
        ["rate", "", *["-1"] * len(columns)],
        *_systematics(columns),
    ]
    observed = observations(channels, asimov=asimov)
    lines = [
        f"imax {len(channels)}",
        "jmax *",
        "kmax *",
        f"shapes * * {file} {nominal} {shifted}",
        f"bin {' '.join(observed)}",
        f"observation {' '.join('-1' for _ in observed)}",
        *_aligned(rows),
        *_free(channels, config),
        *(["* autoMCStats 0"] if config.template_statistics else []),
    ]
    return "\n".join(lines) + "\n"


def _for_combine(names: str) -> str:
    return names.format(region="$CHANNEL", process="$PROCESS", systematic="$SYSTEMATIC")


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot stand in a datacard", "rename it: no spaces, '/', '$' or '*'")


def _numbers(columns: Sequence[tuple[Channel, str]], config: FitConfig) -> Iterator[int]:
    """The numbers of processes, which are zero or negative for signals."""
    names = dict.fromkeys(process for _, process in columns)
    signals = [name for name in names if name in config.signal]
    others = [name for name in names if name not in config.signal]
    for _, process in columns:
        yield -signals.index(process) if process in signals else 1 + others.index(process)


def _systematics(columns: Sequence[tuple[Channel, str]]) -> Iterator[list[str]]:
    templates = [each.templates[process] for each, process in columns]
    for name in dict.fromkeys(name for each in templates for name in each.factors):
        yield [name, "lnN", *(_kappa(each.factors[name]) if name in each.factors else "-" for each in templates)]
    for name in dict.fromkeys(name for each in templates for name, shift in each.shifts.items() if shift.is_used):
        used = [name in each.shifts and each.shifts[name].is_used for each in templates]
        yield [name, "shape", *("1" if one else "-" for one in used)]


def _kappa(factors: tuple[float, float]) -> str:
    down, up = factors
    return f"{up:.6g}" if np.isclose(down * up, 1.0) else f"{down:.6g}/{up:.6g}"


def _free(channels: Sequence[Channel], config: FitConfig) -> Iterator[str]:
    low, high = config.bounds
    for process in config.free:
        for each in channels:
            yield f"{free_parameter(process)} rateParam {each.name} {process} 1 [{low:g},{high:g}]"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
