"""Identifiers of events, to find events that occur twice."""

import base64
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepreco.events.hashes import mixed

#: Largest number of identifiers that are kept; of more events a sample of this size is kept.
LIMIT: Final = 2**22


def identifiers(
    runs: NDArray[np.integer], sections: NDArray[np.integer], events: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """A hash of run, luminosity section and number of each event."""
    run, section, event = (each.astype(np.uint64) for each in (runs, sections, events))
    return mixed(mixed((run << np.uint64(32)) | section) ^ event)


class EventIds:  # noqa: PLW1641  it grows, so it has no hash
    """Hashes of run, luminosity section and event number: eight bytes per event, at most 64 MiB.

    Of more than ``LIMIT`` events, those with the smallest hashes are kept as a sample, and counts become estimates. The
    result does not depend on the order in which events are added.

    Example
    -------
    >>> ids = EventIds([1, 1], [7, 7], [12, 13])
    >>> ids.add(EventIds([1], [7], [12]))
    >>> ids.repeated()
    1
    """

    def __init__(self, runs: ArrayLike = (), sections: ArrayLike = (), events: ArrayLike = ()) -> None:
        self._parts = [np.sort(identifiers(*(np.asarray(each, np.uint64) for each in (runs, sections, events))))]
        self._end: int = 2**64  # all smaller hashes are kept

    def add(self, other: "EventIds") -> None:
        """Add other events."""
        self._parts += other._parts
        self._end = min(self._end, other._end)
        if sum(map(len, self._parts)) > 2 * LIMIT:
            self._hashes()

    @property
    def fraction(self) -> float:
        """The fraction of events in the sample: 1 up to ``LIMIT`` events."""
        self._hashes()
        return self._end / 2**64

    def repeated(self) -> int:
        """Number of events that repeat an earlier one; an estimate if ``fraction`` is below 1."""
        hashes = self._hashes()
        return round((len(hashes) - len(np.unique(hashes))) / self.fraction)

    def common(self, other: "EventIds") -> int:
        """Number of events in both; an estimate if the fraction of either is below 1."""
        both = np.intersect1d(self._hashes(), other._hashes())
        return round(len(both) / min(self.fraction, other.fraction))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventIds) and np.array_equal(self._hashes(), other._hashes())

    def as_text(self) -> str:
        """A text that :meth:`from_text` reads."""
        hashes = self._hashes()
        return f"{self._end} {base64.b64encode(hashes.tobytes()).decode()}"

    @classmethod
    def from_text(cls, text: str) -> "EventIds":
        """The inverse of :meth:`as_text`."""
        end, _, hashes = text.partition(" ")
        ids = cls()
        ids._end = int(end)
        ids._parts = [np.frombuffer(base64.b64decode(hashes), np.uint64)]
        return ids

    def _hashes(self) -> NDArray[np.uint64]:
        """The hashes that are kept, sorted."""
        if len(self._parts) > 1 or len(self._parts[0]) > LIMIT or self._end < 2**64:
            hashes = np.sort(np.concatenate(self._parts))
            if self._end < 2**64:
                hashes = hashes[: np.searchsorted(hashes, np.uint64(self._end))]
            if len(hashes) > LIMIT:
                self._end = int(hashes[LIMIT])
                hashes = hashes[: np.searchsorted(hashes, hashes[LIMIT])]
            self._parts = [hashes]
        return self._parts[0]
