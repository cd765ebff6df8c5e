"""What to histogram."""

from collections.abc import Mapping
from dataclasses import dataclass

import hist
import numpy as np

from hepreco.plugin import Axis, Column, Reconstructor


@dataclass(frozen=True)
class HistogramSpec:
    """One histogram of one or more columns.

    Parameters
    ----------
    name
        Its name in the output, and that of its last axis.
    columns
        What is filled, for example ``("chi2_assigner.top.mass",)`` or ``("Jet.pt",)``: every entry of every column,
        with its event's weight. Missing values are not filled.
    axis
        Its binning.
    label, unit
        For figures.
    """

    name: str
    columns: tuple[str, ...]
    axis: Axis
    label: str = ""
    unit: str = ""

    def last_axis(self) -> hist.axis.Regular | hist.axis.Variable:
        """The axis after ``dataset`` and ``variation``, with under- and overflow."""
        label = f"{self.label or self.name}" + (f" [{self.unit}]" if self.unit else "")
        axis = self.axis
        if axis.spacing == "log":
            return hist.axis.Variable(np.geomspace(axis.start, axis.stop, axis.bins + 1), name=self.name, label=label)
        return hist.axis.Regular(axis.bins, axis.start, axis.stop, name=self.name, label=label)


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
