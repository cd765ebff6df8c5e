"""The bins of a run's histogram, with one row for each dataset and variation."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, StudyError
from hepreco.inference.systematics import NOMINAL
from hepreco.inference.tables import ChannelConfig
from hepreco.plugin.options import closest


@dataclass(frozen=True)
class Rows:
    """The bins of one region.

    Parameters
    ----------
    datasets, variations
        Names of the rows.
    values, variances
        Σw and Σw², of shape ``(dataset, variation, bin)``.
    edges
        Edges of the bins, of shape ``(bin + 1,)``. The bins of histograms with several axes are put in a row, with
        edges 0, 1, 2, …
    label
        Label of the axis.
    bins
        Names of the bins of an axis of integers or categories, which has edges 0, 1, 2, …
    """

    datasets: tuple[str, ...]
    variations: tuple[str, ...]
    values: NDArray[np.float64]
    variances: NDArray[np.float64]
    edges: NDArray[np.float64]
    label: str
    bins: tuple[str, ...]

    def has(self, dataset: str, variation: str) -> bool:
        """Whether the dataset has the variation; the row of a variation that only other datasets have is empty."""
        if dataset not in self.datasets or variation not in self.variations:
            return False
        row = self.variances[self.datasets.index(dataset), self.variations.index(variation)]
        return bool(row.any()) or variation == NOMINAL

    def sum(self, datasets: Collection[str], variation: str, *, varied: Collection[str]) -> NDArray[np.float64]:
        """Sums of Σw and Σw² over datasets, of shape ``(2, bin)``.

        Datasets in ``varied`` enter with the variation, if they have it, and all others with their nominal bins.
        """
        total = np.zeros((2, self.values.shape[-1]))
        for name in datasets:
            which = variation if name in varied and self.has(name, variation) else NOMINAL
            if name in self.datasets:
                row = self.datasets.index(name), self.variations.index(which)
                total += self.values[row], self.variances[row]
        return total


def rows(histogram: hist.Hist, channel: ChannelConfig) -> Rows:
    """Take the bins of a channel from a histogram of a run.

    Raises
    ------
    StudyError
        It is not a histogram of a run.
    ConfigError
        It lacks the region or an edge of the channel, or the channel names no region of a histogram with regions.
    """
    axis_names = list(histogram.axes.name)
    if axis_names[:2] != ["dataset", "variation"] or not issubclass(histogram.storage_type, hist.storage.Weight):
        raise StudyError(
            f"a histogram with axes {tuple(axis_names)} came, expected were dataset, variation, … with Weight storage",
            "give a histogram of a run as it is, without slicing",
        )
    if NOMINAL not in histogram.axes["variation"]:
        raise StudyError(f"histogram {channel.histogram!r} has no {NOMINAL!r} variation", "fill it too")
    one = _region(histogram, channel)
    axes = one.axes[2:]
    folded = [_inner(one.view(flow=True)[part], one, overflow=channel.overflow) for part in ("value", "variance")]
    names = bin_names(axes[0]) if len(axes) == 1 else ()
    numbered = bool(names) or len(axes) > 1
    edges = np.asarray(np.arange(folded[0].shape[-1] + 1) if numbered else axes[0].edges, dtype=np.float64)
    if channel.edges:
        folded, edges = _merged(folded, edges, channel, flat=len(axes) == 1), np.asarray(channel.edges, np.float64)
    values, variances = folded
    kept = () if channel.edges else names
    return Rows(tuple(one.axes[0]), tuple(one.axes[1]), values, variances, edges, _label(axes), kept)


def bin_names(axis: Any) -> tuple[str, ...]:
    """Names of the bins of an axis of integers or categories; empty for other axes.

    Example
    -------
    >>> bin_names(hist.axis.Integer(4, 7)), bin_names(hist.axis.Regular(3, 0, 1))
    (('4', '5', '6'), ())
    """
    discrete = hist.axis.Integer | hist.axis.IntCategory | hist.axis.StrCategory | hist.axis.Boolean
    return tuple(str(axis.bin(at)) for at in range(len(axis))) if isinstance(axis, discrete) else ()


def _label(axes: tuple[hist.axis.AxesMixin, ...]) -> str:
    def one(axis: hist.axis.AxesMixin) -> str:
        unit = getattr(axis, "unit", "")
        return f"{axis.label or axis.name} [{unit}]" if unit else str(axis.label or axis.name)

    return one(axes[0]) if len(axes) == 1 else f"bin of {' × '.join(str(axis.label or axis.name) for axis in axes)}"


def _region(histogram: hist.Hist, channel: ChannelConfig) -> hist.Hist:
    regions = list(histogram.axes["region"]) if "region" in histogram.axes.name else []
    if not regions and not channel.region:
        return histogram
    if channel.region not in regions:
        said = f"region {channel.region!r}" if channel.region else "no region"
        remedy = f"{closest(channel.region, regions)}" if regions else "leave region out of the channel"
        raise ConfigError(f"channel {channel.title!r} names {said} of histogram {channel.histogram!r}", remedy)
    return histogram[{"region": channel.region}]


def _inner(view: NDArray[np.float64], histogram: hist.Hist, *, overflow: bool) -> NDArray[np.float64]:
    """The bins, of shape ``(dataset, variation, bin)``; ``overflow`` adds flow bins to their neighbours."""
    for number, axis in enumerate(histogram.axes):
        moved = np.moveaxis(view, number, 0).copy()
        first = int(axis.traits.underflow)
        inner = moved[first : first + len(axis)]
        if overflow and number >= 2 and axis.traits.ordered:
            inner[0] += moved[0] if axis.traits.underflow else 0
            inner[-1] += moved[-1] if axis.traits.overflow else 0
        view = np.moveaxis(inner, 0, number)
    return np.ascontiguousarray(view).reshape(*view.shape[:2], -1)


def _merged(
    folded: list[NDArray[np.float64]], edges: NDArray[np.float64], channel: ChannelConfig, *, flat: bool
) -> list[NDArray[np.float64]]:
    """The bins merged between the edges of the channel."""
    at = [int(abs(edges - edge).argmin()) for edge in channel.edges]
    width = np.diff(edges).min()
    odd = [edge for edge, place in zip(channel.edges, at, strict=True) if abs(edges[place] - edge) > 1e-6 * width]
    if odd or not flat:
        raise ConfigError(
            f"channel {channel.title!r}: {odd[0] if odd else 'edges'} is no edge of histogram {channel.histogram!r}",
            "edges merge bins of a histogram with one axis, which has the edges "
            f"{', '.join(f'{edge:g}' for edge in edges[:50])}{' …' if len(edges) > 50 else ''}",
        )
    outside = [slice(None, at[0]), slice(at[-1], None)] if channel.overflow else []
    merged = [np.add.reduceat(each[..., : at[-1]], at[:-1], axis=-1) for each in folded]
    for target, source in zip(merged, folded, strict=True):
        for place, part in zip((0, -1), outside, strict=False):
            target[..., place] += source[..., part].sum(axis=-1)
    return merged
