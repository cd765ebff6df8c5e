"""The account of a run: which chunks were processed, which were not, and why."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from traceback import walk_tb
from typing import Any, Literal, NamedTuple, TypeVar

from hepreco.errors import HepRecoError

Number = TypeVar("Number", int, float)


class Chunk(NamedTuple):
    """Entries [start, stop) of one file."""

    dataset: str
    file: str
    start: int
    stop: int

    @property
    def events(self) -> int:
        """How many entries it has."""
        return self.stop - self.start


@dataclass(frozen=True)
class Failure:
    """A chunk that was not processed.

    ``kind`` is ``unreadable`` (the file), ``error`` (the analysis or a plugin), or ``lost`` (its worker died). A file
    that could not be opened stands as one chunk of no entries: how many it has is not known.
    """

    chunk: Chunk
    kind: Literal["unreadable", "error", "lost"]
    reason: str
    remedy: str

    @classmethod
    def from_exception(cls, chunk: Chunk, error: BaseException) -> "Failure":
        """Say why a chunk failed, from the exception and what caused it."""
        chain = [error]
        while chain[-1].__cause__ is not None:
            chain.append(chain[-1].__cause__)
        for link in chain:
            if isinstance(link, HepRecoError):
                return cls(chunk, "error", link.problem, link.remedy)
        root = chain[-1]
        reason = " ".join(f"{type(root).__name__}: {root}".split())
        if isinstance(root, OSError | EOFError) or _raised_while_reading(root):
            return cls(
                chunk,
                "unreadable",
                f"cannot read {chunk.file}: {reason[:300]}",
                "replace the file, or use --skip-bad-files",
            )
        return cls(chunk, "error", reason[:500], "this is unexpected: please report it with this message")


@dataclass
class RunReport:
    """What a run did, per dataset; reports of chunks add up.

    Parameters
    ----------
    processed
        The chunks whose events are in the histograms.
    failures
        The chunks whose events are not.
    sum_of_weights
        Of all processed events before any cut, per dataset: what histograms are normalised to.
    cross_section
        In pb, per dataset; ``None`` for data.
    without_answer
        Per dataset, plugin and reason (``too_few_objects``, ``no_answer``), how many selected events have no answer.
    partly_missing
        Per dataset, plugin and column, how many selected events with an answer lack an entry of this column.
    overflow
        Per histogram, how many nominal entries are ``at_stop``, exactly at the upper end of its axis, and ``beyond``.
    warnings
        What a reader of the histograms should know, in sentences.
    columns
        Names of the files of columns that were written.
    scale
        Per dataset, what the sums of weights were multiplied by in the end.
    """

    processed: frozenset[Chunk] = frozenset()
    failures: frozenset[Failure] = frozenset()
    sum_of_weights: dict[str, float] = field(default_factory=dict)
    cross_section: dict[str, float | None] = field(default_factory=dict)
    without_answer: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    partly_missing: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    overflow: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: frozenset[str] = frozenset()
    scale: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "RunReport") -> "RunReport":
        """Both accounts in one; a dataset has one cross-section."""
        twice = self.processed & other.processed
        if twice:
            raise ValueError(f"chunks counted twice: {sorted(twice)[:3]}")
        return RunReport(
            self.processed | other.processed,
            self.failures | other.failures,
            _sum(self.sum_of_weights, other.sum_of_weights),
            self.cross_section | other.cross_section,
            _by_dataset(self.without_answer, other.without_answer),
            self.columns | other.columns,
            _by_dataset(self.partly_missing, other.partly_missing),
            _by_plugin(self.overflow, other.overflow),
            self.warnings | other.warnings,
        )

    @property
    def complete(self) -> bool:
        """Whether every chunk was processed."""
        return not self.failures

    @property
    def datasets(self) -> list[str]:
        """All datasets of which the run saw a chunk, sorted."""
        return sorted(
            {chunk.dataset for chunk in self.processed} | {failure.chunk.dataset for failure in self.failures}
        )

    def events(self, dataset: str) -> int:
        """How many events of a dataset were processed."""
        return sum(chunk.events for chunk in self.processed if chunk.dataset == dataset)

    def as_json(self) -> dict[str, Any]:
        """Plain values, sorted, with neighbouring chunks of a file joined."""
        values = asdict(self)
        values["processed"] = [chunk._asdict() for chunk in _joined(self.processed)]
        values["failures"] = [
            {**failure.chunk._asdict(), "kind": failure.kind, "reason": failure.reason, "remedy": failure.remedy}
            for failure in sorted(self.failures, key=lambda failure: failure.chunk)
        ]
        values["columns"], values["warnings"] = sorted(self.columns), sorted(self.warnings)
        return {"complete": self.complete, "events": {name: self.events(name) for name in self.datasets}, **values}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunReport":
        """The inverse of :meth:`as_json`."""
        failures = frozenset(
            Failure(Chunk(*(row[name] for name in Chunk._fields)), row["kind"], row["reason"], row["remedy"])
            for row in values["failures"]
        )
        chunks = frozenset(Chunk(**row) for row in values["processed"])
        names = ("sum_of_weights", "cross_section", "without_answer", "partly_missing", "overflow", "scale")
        plain: dict[str, Any] = {name: values[name] for name in names}
        plain |= {name: frozenset(values[name]) for name in ("columns", "warnings")}
        return cls(processed=chunks, failures=failures, **plain)


def _sum(first: dict[str, Number], second: dict[str, Number]) -> dict[str, Number]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in first | second}


def _by_dataset(
    first: dict[str, dict[str, dict[str, int]]], second: dict[str, dict[str, dict[str, int]]]
) -> dict[str, dict[str, dict[str, int]]]:
    return {name: _by_plugin(first.get(name, {}), second.get(name, {})) for name in first | second}


def _by_plugin(first: dict[str, dict[str, int]], second: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {name: _sum(first.get(name, {}), second.get(name, {})) for name in first | second}


def _joined(chunks: Iterable[Chunk]) -> list[Chunk]:
    joined: list[Chunk] = []
    for chunk in sorted(chunks):
        if joined and joined[-1][:2] == chunk[:2] and joined[-1].stop == chunk.start:
            joined[-1] = joined[-1]._replace(stop=chunk.stop)
        else:
            joined.append(chunk)
    return joined


def _raised_while_reading(error: BaseException) -> bool:
    """Whether the innermost frame is uproot's: corrupt bytes show as many a type of exception."""
    frames = list(walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").partition(".")[0] == "uproot"
