"""The figures of a run's histograms."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import hist
import numpy as np
from matplotlib.figure import Figure

from hepreco import plotting
from hepreco.cli.console import say
from hepreco.config import AnalysisConfig
from hepreco.errors import StudyError
from hepreco.inference import Channel, ChannelConfig, FitConfig, Grouping
from hepreco.inference.templates import channel


def figures(
    name: str, histogram: hist.Hist, *, analysis: AnalysisConfig, grouping: Grouping, labels: Mapping[str, str]
) -> Iterator[tuple[str, Figure]]:
    """All figures of a histogram, with the names of their files.

    If processes or data are configured, processes are stacked; otherwise datasets are overlaid.
    """
    if is_cutflow(histogram):
        yield name, plotting.cutflow_figure(histogram, labels=labels)
        return
    regions = list(histogram.axes["region"]) if "region" in histogram.axes.name else [""]
    dimensions = histogram.ndim - 2 - (regions != [""])
    if dimensions == 2:
        yield from _planes(name, histogram, regions, analysis, grouping)
    elif dimensions > 2:
        say(f"  {name}: has {dimensions} axes and is not drawn")
    elif grouping.is_configured and grouping.processes:
        yield from _processes(name, histogram, regions, analysis, grouping)
    else:
        for region in regions:
            one = histogram[{"region": region}] if region else histogram
            yield _stem(name, region), plotting.histogram_figure(one, labels=labels)


def is_cutflow(histogram: hist.Hist) -> bool:
    """Whether a histogram of a run is a cut flow, of the selection or of a region."""
    return "cut" in histogram.axes.name


def _stem(*parts: str) -> str:
    return "-".join(part for part in parts if part)


def _processes(
    name: str, histogram: hist.Hist, regions: list[str], analysis: AnalysisConfig, grouping: Grouping
) -> Iterator[tuple[str, Figure]]:
    """Stacks of each region and of all regions side by side, and the configured shapes and shifts."""
    options = analysis.figures
    channels = [_channel(name, histogram, region, analysis, grouping) for region in regions]
    stacks = [plotting.stack_of(each) for each in channels]
    draw = partial(plotting.stack_figure, histogram=name, grouping=grouping, options=options)
    for stack in stacks:
        yield _stem(name, stack.region), draw(stack)
    if len(stacks) > 1:
        yield name, draw(*stacks)
    for each in channels:
        if options.shapes and any(template.values.sum() > 0 for template in each.templates.values()):
            yield (
                _stem(name, each.region, "shapes"),
                plotting.shape_figure(each, grouping=grouping, options=options),
            )
        for process in options.shifts:
            try:
                figure = plotting.shift_figure(each, process, grouping=grouping, options=options)
            except StudyError as error:
                say(f"  {name}: {error.problem}")
            else:
                yield _stem(name, each.region, process, "shifts"), figure


def _channel(name: str, histogram: hist.Hist, region: str, analysis: AnalysisConfig, grouping: Grouping) -> Channel:
    """The templates, without smoothing and pruning."""
    config = analysis.fit or FitConfig()
    raw = {key: replace(each, smooth=False) for key, each in config.systematics.items()}
    edges = _fewer(histogram.axes[-1], analysis.figures.most_bins)
    return channel(
        histogram,
        ChannelConfig(name, region, edges=edges),
        config=replace(config, systematics=raw, prune=0.0),
        grouping=grouping,
    )


def _fewer(axis: hist.axis.AxesMixin, most: int) -> tuple[float, ...]:
    """Edges that merge the bins of an axis into at most ``most``, of equal size if possible; empty to keep all bins.

    Example
    -------
    >>> _fewer(hist.axis.Regular(1000, 0, 1), 3)
    (0.0, 0.5, 1.0)
    """
    bins = len(axis)
    if bins <= most or not isinstance(axis, hist.axis.Regular | hist.axis.Variable):
        return ()
    least = -(-bins // most)
    merged = next((count for count in range(least, 2 * least + 1) if bins % count == 0), least)
    edges = np.asarray(axis.edges, dtype=np.float64)
    return tuple(float(edge) for edge in [*edges[:-1:merged], edges[-1]])


def _planes(
    name: str, histogram: hist.Hist, regions: list[str], analysis: AnalysisConfig, grouping: Grouping
) -> Iterator[tuple[str, Figure]]:
    """A map of each process in each region."""
    for region in regions:
        one = histogram[{"region": region, "variation": "nominal"}] if region else histogram[{"variation": "nominal"}]
        for process, datasets in {**grouping.processes, **({"data": grouping.data} if grouping.data else {})}.items():
            known = [dataset for dataset in datasets if dataset in histogram.axes["dataset"]]
            if known:
                total = sum((one[{"dataset": dataset}] for dataset in known[1:]), one[{"dataset": known[0]}])
                title = ", ".join(part for part in (grouping.labels.get(process, process), region) if part)
                logarithmic = name in analysis.figures.logarithmic
                yield (
                    _stem(name, region, process),
                    plotting.plane_figure(total, title=title, logarithmic=logarithmic, options=analysis.figures),
                )
