"""Specifications of histograms."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hepreco.errors import ConfigError
from hepreco.events.paths import ColumnPath
from hepreco.histograms.axes import AnyAxis, Booked, Edges, booked_axis
from hepreco.names import check_name
from hepreco.plugin import Axis, Column, Reconstructor

#: Names that are taken: by the archive, by figures of studies, by other axes, and by arguments of hist.
RESERVED: Final = frozenset(
    {"index", "provenance", "roc", "dataset", "variation", "region", "weight", "sample", "threads"}
)
#: Largest number of axes of a histogram, without dataset, variation and region.
MOST_AXES: Final = 3
#: Largest size of all histograms of one dataset in bytes; every chunk has them, and merging needs several.
MOST_BYTES: Final = 2**30


@dataclass(frozen=True)
class Dimension:
    """One axis of a histogram with several axes.

    Parameters
    ----------
    column
        The column to fill, such as ``chi2_assigner.top.mass``. A column with one number per event is repeated for every
        entry of a column with several; other columns must have equal numbers of entries in each event.
    axis
        Its binning.
    name
        Name of the axis; by default the column with dots replaced by underscores.
    label, unit
        Label and unit of the axis; figures write ``label [unit]``.
    """

    column: str
    axis: AnyAxis
    name: str = ""
    label: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        ColumnPath.parse(self.column)
        check_name(self.name or _field_name(self.column), what="an axis", reserved=RESERVED)

    def booked(self) -> Booked:
        """The axis of hist."""
        name = self.name or _field_name(self.column)
        return booked_axis(self.axis, name=name, label=self.label or self.column, unit=self.unit)


@dataclass(frozen=True)
class HistogramSpec:
    """A histogram with one to three axes.

    Parameters
    ----------
    name
        Its name in the output, and the name of the axis if there is one.
    columns
        Columns to fill, for example ``("chi2_assigner.top.mass",)``, ``("jets.pt",)`` for all selected jets,
        ``("jets[0].pt",)`` for the first of them, or ``("len(jets)",)`` for their number. Every entry of every column
        is filled with the weight of its event; missing values are not filled.
    axis
        Its binning: ``{ bins, start, stop }``, ``{ edges }``, ``{ first, last }`` for integers, or ``{ categories }``.
    label, unit
        Label and unit of the axis; figures write ``label [unit]``.
    axes
        Two or three axes, each with its column, instead of ``columns`` and ``axis``. Entries that are missing in one of
        the columns are not filled.
    regions
        Names of the regions in which it is filled; all of them by default.

    Raises
    ------
    ConfigError
        The name is not valid for a file or is reserved, or there is no column or axis.
    """

    name: str
    columns: tuple[str, ...] = ()
    axis: AnyAxis | None = None
    label: str = ""
    unit: str = ""
    axes: tuple[Dimension, ...] = ()
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, what="a histogram", reserved=RESERVED)
        if self.axes:
            if self.columns or self.axis or not MOST_AXES >= len(self.axes) >= 2:
                raise ConfigError(
                    f"histogram {self.name!r} has {len(self.axes)} axes of its own, and columns or an axis",
                    "give columns and one axis, or two or three axes that name their columns",
                )
            names = [axis.name for axis in self.booked_axes()]
            if len(set(names)) < len(names):
                raise ConfigError(f"two axes of histogram {self.name!r} have one name", "give one of them a name")
        elif not self.columns:
            raise ConfigError(f"histogram {self.name!r} names no column", 'give it columns = ["..."]')
        elif self.axis is None:
            raise ConfigError(
                f"histogram {self.name!r} has no axis", "give it an axis, for example { bins, start, stop }"
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns with which it is filled."""
        return self.columns or tuple(axis.column for axis in self.axes)

    @property
    def binning(self) -> tuple[AnyAxis, ...]:
        """The binning of each axis."""
        return tuple(axis.axis for axis in self.axes) if self.axis is None else (self.axis,)

    def booked_axes(self) -> tuple[Booked, ...]:
        """The axes after ``dataset``, ``variation`` and ``region``, as axes of hist."""
        if self.axis is None:
            return tuple(axis.booked() for axis in self.axes)
        return (booked_axis(self.axis, name=self.name, label=self.label or self.name, unit=self.unit),)


def _field_name(column: str) -> str:
    return re.sub(r"\W+", "_", column).strip("_")


def check_memory(specs: Iterable[HistogramSpec], *, variations: int, regions: int = 1) -> None:
    """Refuse histograms that take too much memory together: sixteen bytes per bin, dataset, variation and region."""
    sizes = {
        spec.name: 16 * math.prod(axis.bins + 2 for axis in spec.binning) * variations * (len(spec.regions) or regions)
        for spec in specs
    }
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
    ends = {spec.name: spec.axis.stop for spec in specs if isinstance(spec.axis, Axis | Edges)}
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
