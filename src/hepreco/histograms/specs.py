"""Specifications of histograms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import hist

from hepreco.errors import ConfigError
from hepreco.names import check_name
from hepreco.plugin import Axis, Column, Reconstructor

#: Names of other entries of the archive, of a figure, of the other axes, and of arguments of hist.
RESERVED: Final = frozenset({"index", "provenance", "roc", "dataset", "variation", "weight", "sample", "threads"})
#: Largest size in bytes of all histograms of one dataset: every chunk makes them, and merging holds several copies.
MOST_BYTES: Final = 2**30


@dataclass(frozen=True)
class HistogramSpec:
    """One histogram of one or more columns.

    Parameters
    ----------
    name
        Name of the histogram in the output, and of its last axis.
    columns
        Columns to fill, for example ``("chi2_assigner.top.mass",)``, ``("jets.pt",)`` for all selected jets,
        ``("jets[0].pt",)`` for the first of them, or ``("len(jets)",)`` for their number. Every entry of every column
        is filled with the weight of its event; missing values are not filled.
    axis
        Binning.
    label, unit
        Label and unit of the axis; figures show ``label [unit]``.

    Raises
    ------
    ConfigError
        The name cannot be that of a file or is reserved, or there is no column.
    """

    name: str
    columns: tuple[str, ...]
    axis: Axis
    label: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, what="a histogram", reserved=RESERVED)
        if not self.columns:
            raise ConfigError(f"histogram {self.name!r} names no column", 'give it columns = ["..."]')

    def last_axis(self) -> hist.axis.Regular | hist.axis.Variable:
        """The axis after ``dataset`` and ``variation``, with under- and overflow and an attribute ``unit``."""
        axis, unit = self.axis, {"unit": self.unit}
        label = self.label or self.name
        if axis.spacing == "log":
            return hist.axis.Variable(axis.edges, name=self.name, label=label, __dict__=unit)
        return hist.axis.Regular(axis.bins, axis.start, axis.stop, name=self.name, label=label, __dict__=unit)


def check_memory(specs: Iterable[HistogramSpec], *, variations: int) -> None:
    """Refuse histograms that together need too much memory: sixteen bytes per bin, dataset and variation."""
    sizes = {spec.name: 16 * (spec.axis.bins + 2) * variations for spec in specs}
    if sum(sizes.values()) > MOST_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise ConfigError(
            f"{len(sizes)} histograms of {variations} variations take {sum(sizes.values()) / 2**30:.1f} GiB for each "
            f"dataset, more than {MOST_BYTES / 2**30:.0f}",
            f"use fewer bins; {largest!r} has the most",
        )


def overflow_warnings(specs: Iterable[HistogramSpec], overflow: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Warnings about histograms whose overflow holds only entries at the upper end of their axis.

    ``overflow`` counts entries ``at_stop`` and ``beyond`` by the histogram's name, as in
    :class:`~hepreco.histograms.filling.Filled`.
    """
    ends = {spec.name: spec.axis.stop for spec in specs}
    return [
        f"histogram {name!r}: its overflow holds {counts['at_stop']} entries, all exactly at the upper end "
        f"{ends[name]:g}; set 'closed = true' in its axis to count them in the last bin, or choose a larger stop"
        for name, counts in overflow.items()
        if name in ends and counts["at_stop"] and not counts["beyond"]
    ]


def default_histograms(reconstructors: Mapping[str, Reconstructor]) -> tuple[HistogramSpec, ...]:
    """One histogram for each column that has a default axis, named ``<plugin>.<column>``."""
    return tuple(
        _from_column(field, column, column.axis)
        for field, reconstructor in reconstructors.items()
        for column in reconstructor.outputs
        if column.axis is not None
    )


def _from_column(field: str, column: Column, axis: Axis) -> HistogramSpec:
    path = f"{field}.{column.name}"
    if column.kind == "four-vector":
        return HistogramSpec(f"{path}.mass", (f"{path}.mass",), axis, column.label, "GeV")
    return HistogramSpec(path, (path,), axis, column.label, column.unit)
