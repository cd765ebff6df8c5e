"""The report of a run: which chunks were processed, which were not, and why."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from hepreco.errors import HepRecoError, UnreadableError, one_line, what_was_raised
from hepreco.events.event_ids import EventIds
from hepreco.events.luminosity import LumiSections


class Chunk(NamedTuple):
    """Entries [start, stop) of one file."""

    dataset: str
    file: str
    start: int
    stop: int

    @property
    def events(self) -> int:
        """Number of entries."""
        return self.stop - self.start


@dataclass(frozen=True)
class Failure:
    """A chunk that was not processed.

    ``kind`` is ``unreadable`` (the file), ``error`` (the analysis or a plugin), or ``lost`` (its worker died). A file
    that could not be opened is listed as one chunk without entries, since their number is unknown.
    """

    chunk: Chunk
    kind: Literal["unreadable", "error", "lost"]
    reason: str
    remedy: str

    @classmethod
    def from_exception(cls, chunk: Chunk, error: BaseException) -> Self:
        """The failure of a chunk; it is ``unreadable`` only if reading raised an UnreadableError."""
        if isinstance(error, HepRecoError):
            kind: Literal["unreadable", "error"] = "unreadable" if isinstance(error, UnreadableError) else "error"
            return cls(chunk, kind, one_line(error.problem), one_line(error.remedy))
        return cls(
            chunk, "error", one_line(what_was_raised(error)), "this is unexpected: please report it with this message"
        )


class ProcessedChunks:  # noqa: PLW1641  it grows, so it has no hash
    """The processed entries by dataset and file; adjacent chunks are joined to save memory.

    Example
    -------
    >>> processed = ProcessedChunks([Chunk("a", "f.root", 0, 5), Chunk("a", "f.root", 5, 9)])
    >>> list(processed), processed.events("a")
    ([Chunk(dataset='a', file='f.root', start=0, stop=9)], 9)
    """

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        self._intervals: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.add(chunks)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Add chunks; ``ValueError`` if some of their entries were added before."""
        for chunk in chunks:
            _insert(self._intervals.setdefault((chunk.dataset, chunk.file), []), chunk)

    def __iter__(self) -> Iterator[Chunk]:
        for (dataset, file), intervals in sorted(self._intervals.items()):
            for start, stop in intervals:
                yield Chunk(dataset, file, start, stop)

    def __len__(self) -> int:
        return sum(map(len, self._intervals.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProcessedChunks) and self._intervals == other._intervals

    def __contains__(self, chunk: Chunk) -> bool:
        intervals = self._intervals.get((chunk.dataset, chunk.file), [])
        return any(start <= chunk.start and chunk.stop <= stop for start, stop in intervals)

    def datasets(self) -> set[str]:
        """The datasets with processed events."""
        return {dataset for dataset, _ in self._intervals}

    def events(self, dataset: str, file: str | None = None) -> int:
        """Number of processed events of a dataset, or of one of its files."""
        if file is not None:
            return sum(stop - start for start, stop in self._intervals.get((dataset, file), ()))
        return sum(chunk.events for chunk in self if chunk.dataset == dataset)


def _insert(intervals: list[tuple[int, int]], chunk: Chunk) -> None:
    """Insert an interval into a sorted list, joined with adjacent intervals."""
    start, stop = chunk.start, chunk.stop
    place = bisect_left(intervals, (start, stop))
    before = intervals[place - 1] if place else None
    after = intervals[place] if place < len(intervals) else None
    if (before and start < before[1]) or (after and (stop > after[0] or (start, stop) == after)):
        raise ValueError(f"chunks counted twice: {chunk}")
    first = place
    if before and before[1] == start:
        first, start = place - 1, before[0]
    last = place
    if after and after[0] == stop:
        last, stop = place + 1, after[1]
    intervals[first:last] = [(start, stop)]


@dataclass
class RunReport:
    """The outcome of a run by dataset; reports of chunks can be added.

    Parameters
    ----------
    processed
        The chunks whose events are in the histograms, adjacent ones joined.
    failures
        The chunks whose events are not in the histograms.
    sum_of_weights
        Sum of weights of all processed events before any cut, by dataset; of a skim, of all events that its files
        represent. Histograms are normalised with it.
    cross_section
        Cross-section in pb by dataset; ``None`` for data.
    period
        Data-taking period by dataset.
    removed
        Number of events that each filter (``certified``, ``triggers``) removed before the cuts, by dataset.
    lumi_sections
        The certified luminosity sections that were processed, by dataset of data.
    luminosity
        Their integrated luminosity in fb⁻¹, by dataset with a table of luminosities.
    duplicates
        Number of selected events that occur again in the same dataset of data, or in another one, by both names.
    event_ids
        Identifiers of the selected events, by dataset of data; removed at the end of the run.
    skims
        Names of the skim files that were written.
    without_answer
        Numbers of selected events without an answer, by dataset, plugin and reason (``too_few_objects``,
        ``no_answer``).
    partly_missing
        Numbers of selected events with an answer in which a column has missing values, by dataset, plugin and column.
    overflow
        Per histogram, how many nominal entries are ``at_stop``, exactly at the upper end of its axis, and ``beyond``.
    corrections
        Per dataset, the names of the corrections that were applied.
    warnings
        Warnings for readers of the histograms, in sentences.
    columns
        Names of the column files that were written.
    scale
        The factor by which histograms were multiplied at the end, by dataset.
    """

    processed: ProcessedChunks = field(default_factory=ProcessedChunks)
    failures: set[Failure] = field(default_factory=set)
    sum_of_weights: dict[str, float] = field(default_factory=dict)
    cross_section: dict[str, float | None] = field(default_factory=dict)
    without_answer: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    partly_missing: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    overflow: dict[str, dict[str, int]] = field(default_factory=dict)
    corrections: dict[str, list[str]] = field(default_factory=dict)
    warnings: set[str] = field(default_factory=set)
    scale: dict[str, float] = field(default_factory=dict)
    period: dict[str, str] = field(default_factory=dict)
    removed: dict[str, dict[str, int]] = field(default_factory=dict)
    lumi_sections: dict[str, LumiSections] = field(default_factory=dict)
    luminosity: dict[str, float] = field(default_factory=dict)
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    event_ids: dict[str, EventIds] = field(default_factory=dict)
    skims: set[str] = field(default_factory=set)

    def __iadd__(self, other: Self) -> Self:
        """Add another report, at a cost that does not grow with this one."""
        self.processed.add(other.processed)
        self.failures |= other.failures
        _add(self.sum_of_weights, other.sum_of_weights)
        self.cross_section |= other.cross_section
        _add(self.without_answer, other.without_answer)
        _add(self.partly_missing, other.partly_missing)
        _add(self.overflow, other.overflow)
        _add(self.removed, other.removed)
        for dataset, sections in other.lumi_sections.items():
            self.lumi_sections[dataset] = self.lumi_sections.get(dataset, LumiSections()) | sections
        for dataset, ids in other.event_ids.items():
            self.event_ids.setdefault(dataset, EventIds()).add(ids)
        self.period |= other.period
        self.corrections |= other.corrections
        self.columns |= other.columns
        self.skims |= other.skims
        self.warnings |= other.warnings
        return self

    def __add__(self, other: Self) -> Self:
        """The sum of both reports."""
        total = type(self)()
        total += self
        total += other
        return total

    @property
    def complete(self) -> bool:
        """Whether every chunk was processed."""
        return not self.failures

    @property
    def datasets(self) -> list[str]:
        """All datasets with processed or failed chunks, sorted."""
        return sorted(self.processed.datasets() | {failure.chunk.dataset for failure in self.failures})

    def events(self, dataset: str) -> int:
        """Number of processed events of a dataset."""
        return self.processed.events(dataset)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, sorted, with adjacent chunks of a file joined."""
        failures = [
            {**failure.chunk._asdict(), "kind": failure.kind, "reason": failure.reason, "remedy": failure.remedy}
            for failure in sorted(self.failures, key=lambda failure: (failure.chunk, failure.reason))
        ]
        return {
            "complete": self.complete,
            "events": {name: self.events(name) for name in self.datasets},
            "processed": [chunk._asdict() for chunk in self.processed],
            "failures": failures,
            "columns": sorted(self.columns),
            "skims": sorted(self.skims),
            "warnings": sorted(self.warnings),
            "lumi_sections": {name: self.lumi_sections[name].as_json() for name in sorted(self.lumi_sections)},
            **({"event_ids": {name: ids.as_text() for name, ids in self.event_ids.items()}} if self.event_ids else {}),
            **{name: dict(sorted(getattr(self, name).items())) for name in _PLAIN},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of :meth:`as_json`."""
        return cls(
            processed=ProcessedChunks(Chunk(**row) for row in values["processed"]),
            failures={
                Failure(Chunk(*(row[name] for name in Chunk._fields)), row["kind"], row["reason"], row["remedy"])
                for row in values["failures"]
            },
            columns=set(values["columns"]),
            skims=set(values["skims"]),
            warnings=set(values["warnings"]),
            lumi_sections={
                name: LumiSections.from_json(sections) for name, sections in values["lumi_sections"].items()
            },
            event_ids={name: EventIds.from_text(text) for name, text in values.get("event_ids", {}).items()},
            **{name: values[name] for name in _PLAIN},
        )


_PLAIN = (
    *("sum_of_weights", "cross_section", "without_answer", "partly_missing", "overflow", "scale", "corrections"),
    *("period", "removed", "luminosity", "duplicates"),
)


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add numbers by name in nested tables."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value
