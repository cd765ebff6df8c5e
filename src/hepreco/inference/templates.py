"""Templates: the bins of each process, with its systematic shifts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.inference.bins import Rows, rows
from hepreco.inference.grouping import Grouping
from hepreco.inference.shifts import Bins, Shift, combined, smoothed, symmetrised
from hepreco.inference.systematics import NOMINAL, Systematic, systematics
from hepreco.inference.tables import ChannelConfig, FitConfig
from hepreco.plugin.options import closest


@dataclass(frozen=True)
class Template:
    """One process in one channel.

    Parameters
    ----------
    values, variances
        Σw and Σw², of shape ``(bin,)``.
    shifts
        Shifts by parameter, with those that were pruned or have no effect.
    factors
        Factors of normalisation uncertainties, down and up, by parameter.
    remarks
        ``empty``, ``negative bins``, and ``negative bins set to zero``.
    """

    values: Bins
    variances: Bins
    shifts: Mapping[str, Shift]
    factors: Mapping[str, tuple[float, float]]
    remarks: tuple[str, ...] = ()

    @property
    def effects(self) -> dict[str, Shift]:
        """All shifts that are used, with those of normalisation uncertainties."""
        norms = {name: Shift(self.values * up, self.values * down) for name, (down, up) in self.factors.items()}
        return {name: shift for name, shift in self.shifts.items() if shift.is_used} | norms


@dataclass(frozen=True)
class Band:
    """The uncertainty of a sum of templates, of shape ``(bin,)`` each.

    ``up`` and ``down`` are those of all systematics, added in quadrature; neither is negative.
    """

    statistical: Bins
    up: Bins
    down: Bins

    @property
    def total(self) -> tuple[Bins, Bins]:
        """Downward and upward uncertainties, with the statistical one."""
        return np.hypot(self.statistical, self.down), np.hypot(self.statistical, self.up)


@dataclass(frozen=True)
class Channel:
    """The bins of one region.

    Parameters
    ----------
    name, region
        Name of the channel, and the region of the histogram, if it has regions.
    edges, label
        Edges, of shape ``(bin + 1,)``, and label of the axis.
    templates
        Templates by process.
    data
        Observed events, of shape ``(bin,)``; ``None`` without data.
    bins
        Names of the bins if they are integers or categories.
    """

    name: str
    region: str
    edges: NDArray[np.float64]
    label: str
    templates: Mapping[str, Template]
    data: Bins | None
    bins: tuple[str, ...] = ()

    @property
    def values(self) -> Bins:
        """The sum of all processes."""
        return sum((template.values for template in self.templates.values()), np.zeros(len(self.edges) - 1))

    @property
    def band(self) -> Band:
        """The uncertainty of the sum; a parameter shifts all processes together."""
        changes: dict[str, list[Bins]] = {}
        for template in self.templates.values():
            for name, shift in template.effects.items():
                up, down = changes.setdefault(name, [np.zeros_like(template.values), np.zeros_like(template.values)])
                up += shift.up - template.values
                down += shift.down - template.values
        both = np.array([*changes.values()]).reshape(len(changes), 2, len(self.edges) - 1)
        variances = sum((template.variances for template in self.templates.values()), np.zeros(len(self.edges) - 1))
        return Band(
            np.sqrt(variances),
            *(np.sqrt((np.maximum(sign * both, 0).max(axis=1, initial=0.0) ** 2).sum(axis=0)) for sign in (1, -1)),
        )


def channels(histograms: Mapping[str, hist.Hist], config: FitConfig, grouping: Grouping) -> tuple[Channel, ...]:
    """All channels of a fit.

    Raises
    ------
    ConfigError
        A histogram, region, process or variation that the configuration names does not exist.
    """
    _check_processes(config, grouping)
    for each in config.channels:
        if each.histogram not in histograms:
            raise ConfigError(
                f"channel {each.title!r} of the fit names histogram {each.histogram!r}, which is not there",
                closest(each.histogram, histograms),
            )
    return tuple(
        channel(histograms[each.histogram], each, config=config, grouping=grouping) for each in config.channels
    )


def channel(histogram: hist.Hist, one: ChannelConfig, *, config: FitConfig, grouping: Grouping) -> Channel:
    """One channel of a fit, from its histogram."""
    bins = rows(histogram, one)
    known = systematics(bins.variations, config)
    observed = [name for name in grouping.data if name in bins.datasets]
    return Channel(
        one.title,
        one.region,
        bins.edges,
        bins.label,
        {
            process: _template(bins, process, datasets, of=known, channel=one.title, config=config, grouping=grouping)
            for process, datasets in grouping.processes.items()
        },
        bins.sum(observed, NOMINAL, varied=())[0] if observed else None,
        bins.bins,
    )


def _template(
    bins: Rows,
    process: str,
    datasets: Sequence[str],
    *,
    of: Sequence[Systematic],
    channel: str,
    config: FitConfig,
    grouping: Grouping,
) -> Template:
    """A process in a channel, with the systematics that apply to it."""
    values, variances = bins.sum(datasets, NOMINAL, varied=())
    shifts: dict[str, Shift] = {}
    factors: dict[str, tuple[float, float]] = {}
    for systematic in of:
        if process not in (systematic.config.processes or (process,)):
            continue
        if channel not in (systematic.config.regions or (channel,)):
            continue
        for period, some in _periods(datasets, grouping, systematic).items():
            name = systematic.parameter(process=process, region=channel, period=period)
            if systematic.variations:
                shifts[name] = _shift(bins, datasets, some, systematic, nominal=values, prune=config.prune)
            else:
                factors[name] = systematic.config.factors
    return _checked(Template(values, variances, shifts, factors if values.any() else {}), config)


def _periods(datasets: Sequence[str], grouping: Grouping, systematic: Systematic) -> dict[str, list[str]]:
    """The datasets that one parameter shifts, by period; all of them if periods are correlated."""
    if "period" not in systematic.config.uncorrelated:
        return {"": list(datasets)}
    found: dict[str, list[str]] = {}
    for name in datasets:
        found.setdefault(grouping.periods.get(name, "no_period"), []).append(name)
    return found


def _shift(
    bins: Rows, datasets: Sequence[str], varied: Sequence[str], systematic: Systematic, *, nominal: Bins, prune: float
) -> Shift:
    """The shift of all datasets of a process if some of them are varied."""
    config, names = systematic.config, systematic.variations
    members = np.array([bins.sum(datasets, name, varied=varied)[0] for name in names])
    if config.members:
        shift = combined(members, nominal, how=config.combine)
    elif len(names) == 2:
        shift = Shift(members[0], members[1])
    else:
        up, down = (nominal, members[0]) if names[0].endswith("_down") else (members[0], nominal)
        shift = Shift(up, down, ("one-sided",))
    if not all(bins.has(dataset, name) for dataset in varied for name in names):
        shift = shift.remarked("no variation")
    if shift.largest(nominal) == 0:
        return shift.remarked("no effect")
    if config.smooth:
        shift = smoothed(shift, nominal)
    if config.symmetrise:
        shift = symmetrised(shift, nominal)
    if shift.is_on_one_side(nominal):
        shift = shift.remarked("same side")
    return shift.remarked("pruned") if shift.largest(nominal) < prune else shift


def _checked(template: Template, config: FitConfig) -> Template:
    """The template with remarks on empty and negative bins, which are set to zero if the configuration says so."""
    zero = config.negative_bins == "zero"
    shifts = {name: each.without_negative(template.values, zero=zero) for name, each in template.shifts.items()}
    remarks = ["empty"] if not template.values.any() else []
    values = template.values
    if (values < 0).any():
        remarks.append("negative bins set to zero" if zero else "negative bins")
        values = np.maximum(values, 0) if zero else values
    return Template(values, template.variances, shifts, template.factors, tuple(remarks))


def _check_processes(config: FitConfig, grouping: Grouping) -> None:
    known = list(grouping.processes)
    for what, names in _named(config):
        for name in names:
            if name not in known:
                raise ConfigError(f"{what} names the process {name!r}, which is not there", closest(name, known))
    titles = [each.title for each in config.channels]
    for name, systematic in config.systematics.items():
        for region in systematic.regions:
            if region not in titles:
                raise ConfigError(
                    f"[fit.systematics.{name}] names the channel {region!r}, which is not there",
                    closest(region, titles),
                )


def _named(config: FitConfig) -> Iterator[tuple[str, Sequence[str]]]:
    yield "[fit] signal", config.signal
    yield "[fit] free", config.free
    for name, systematic in config.systematics.items():
        yield f"[fit.systematics.{name}]", systematic.processes
