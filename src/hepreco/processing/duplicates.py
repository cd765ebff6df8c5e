"""Duplicate events among the selected events of data, in one dataset or in two."""

from collections.abc import Iterator
from itertools import combinations

from hepreco.processing.report import RunReport


def find_duplicates(report: RunReport) -> Iterator[str]:
    """Count duplicate events, remove the identifiers of events from the report, and give the warnings."""
    seen, report.event_ids = report.event_ids, {}
    for name, ids in sorted(seen.items()):
        count = ids.repeated()
        if count:
            report.duplicates.setdefault(name, {})[name] = count
            yield (
                f"dataset {name!r}: {_about(count, ids.fraction)} selected events come again, with the same run,"
                " luminosity section and event number: see whether files overlap, or are named twice"
            )
    for (one, ids), (other, others) in combinations(sorted(seen.items()), 2):
        count = ids.common(others)
        if count:
            report.duplicates.setdefault(one, {})[other] = report.duplicates.setdefault(other, {})[one] = count
            yield (
                f"{_about(count, min(ids.fraction, others.fraction))} selected events are in both datasets {one!r} and"
                f" {other!r}: give one of them veto_triggers or veto_datasets, the triggers or the name of the other"
            )


def _about(count: int, fraction: float) -> str:
    return str(count) if fraction == 1 else f"about {count}"
