"""Axes of histograms: bins of equal width or ratio, bins between given edges, integers, and categories."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.plugin import Axis
from hepreco.plugin.columns import MOST_BINS


@dataclass(frozen=True)
class Edges:
    """Bins between given edges.

    Parameters
    ----------
    edges
        At least two edges in increasing order.
    closed
        Whether a value equal to the last edge belongs to the last bin instead of the overflow.

    Example
    -------
    >>> Edges((0.0, 50.0, 200.0)).bins
    2
    """

    edges: tuple[float, ...]
    closed: bool = False

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all()):
            raise ConfigError(f"no histogram axis has the edges {list(self.edges)}", "give finite, increasing numbers")

    @property
    def bins(self) -> int:
        """Number of bins without underflow and overflow."""
        return len(self.edges) - 1

    @property
    def stop(self) -> float:
        """The upper end of the axis."""
        return self.edges[-1]

    @property
    def includes_stop(self) -> bool:
        """Whether a value equal to ``stop`` belongs to the last bin."""
        return self.closed


@dataclass(frozen=True)
class Integers:
    """One bin for each integer, for counts.

    Parameters
    ----------
    first, last
        The smallest and the largest integer with a bin; others are in the underflow or the overflow.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.last - self.first < MOST_BINS:
            raise ConfigError(
                f"no histogram axis has a bin for each integer from {self.first} to {self.last}",
                f"give first <= last, and at most {MOST_BINS} bins",
            )

    @property
    def bins(self) -> int:
        """Number of bins without underflow and overflow."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Categories:
    """One bin for each of the given integers, such as flavour codes; all others are in the overflow.

    Parameters
    ----------
    categories
        The integers, each once.
    """

    categories: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) < len(self.categories):
            raise ConfigError(
                f"no histogram axis has the categories {list(self.categories)}", "name at least one, each once"
            )

    @property
    def bins(self) -> int:
        """Number of bins without the overflow."""
        return len(self.categories)


AnyAxis = Axis | Edges | Integers | Categories
Booked: TypeAlias = hist.axis.Regular | hist.axis.Variable | hist.axis.Integer | hist.axis.IntCategory


def booked_axis(axis: AnyAxis, *, name: str, label: str, unit: str) -> Booked:
    """The axis as one of hist, with ``unit`` as an attribute."""
    options: dict[str, Any] = {"name": name, "label": label, "__dict__": {"unit": unit}}
    match axis:
        case Axis(spacing="log"):
            return hist.axis.Variable(axis.edges, **options)
        case Axis():
            return hist.axis.Regular(axis.bins, axis.start, axis.stop, **options)
        case Edges():
            return hist.axis.Variable(axis.edges, **options)
        case Integers():
            return hist.axis.Integer(axis.first, axis.last + 1, **options)
        case Categories():
            return hist.axis.IntCategory(list(axis.categories), overflow=True, **options)


def bin_numbers(values: NDArray[Any], axis: AnyAxis, booked: Booked) -> NDArray[np.intp]:
    """The bin of each value along an axis, where flow bins count: 0 is the underflow, if the axis has one.

    Values that are not integers are in the overflow of an axis of integers or categories.
    """
    if isinstance(axis, Integers | Categories):
        return _of_integers(values, axis)
    bins = np.asarray(booked.index(values)).astype(np.intp)
    if axis.includes_stop:
        bins[is_at_stop(values, axis)] = axis.bins - 1
    bins += 1
    return bins


def is_at_stop(values: NDArray[Any], axis: Axis | Edges) -> NDArray[np.bool_]:
    """Whether each value equals the upper end, rounded to the precision of the values."""
    return values == (values.dtype.type(axis.stop) if values.dtype.kind == "f" else axis.stop)


def _of_integers(values: NDArray[Any], axis: Integers | Categories) -> NDArray[np.intp]:
    """The bin of each value on an axis of integers or categories; NaN and fractions are in the overflow."""
    with np.errstate(invalid="ignore"):
        beyond = np.iinfo(np.int64).max // 2
        numbers = np.clip(np.nan_to_num(values, nan=beyond), -beyond, beyond).astype(np.int64)
    if isinstance(axis, Integers):
        bins = np.clip(numbers - axis.first + 1, 0, axis.bins + 1)
        return np.where(numbers == values, bins, axis.bins + 1)
    order = np.argsort(axis.categories)
    places = np.searchsorted(np.asarray(axis.categories)[order], numbers).clip(max=axis.bins - 1)
    bins = order[places]
    return np.where((np.asarray(axis.categories)[bins] == numbers) & (numbers == values), bins, axis.bins)
