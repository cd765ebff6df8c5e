"""The end of a run: sums of weights of skims, luminosities, and warnings about data."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from hepreco.events import Dataset
from hepreco.events.filters import CERTIFIED
from hepreco.events.luminosity import LumiSections, luminosity
from hepreco.processing.report import Chunk, RunReport
from hepreco.processing.tasks import FileOfEvents

#: Relative difference of processed and configured luminosity above which a warning is given.
TOLERANCE: Final = 0.01


def conclude(
    report: RunReport,
    files: Sequence[FileOfEvents],
    datasets: Iterable[Dataset],
    *,
    configured: Callable[[str], float | None],
) -> None:
    """Complete the report of a run.

    Parameters
    ----------
    report
        Of all chunks.
    files
        Of all datasets, as they were found.
    configured
        The luminosity of a period in fb⁻¹.
    """
    for dataset in datasets:
        own = [file for file in files if file.dataset == dataset.name and not file.failure]
        if dataset.skim and dataset.name in report.sum_of_weights:
            report.warnings |= set(_use_generated(report, own))
        if dataset.certified:
            report.warnings |= set(_uncertified(report, dataset))
        if dataset.luminosity_table:
            report.warnings |= set(_use_table(report, dataset, own, configured(dataset.period)))


def _use_generated(report: RunReport, files: Sequence[FileOfEvents]) -> Iterator[str]:
    """Σw of a skim: of each file once, however many chunks it has."""
    name, terms, parts = files[0].dataset, [], 0
    for file in files:
        events, whole = report.processed.events(name, file.path), Chunk(name, file.path, 0, file.entries)
        share = 1.0 if whole in report.processed else events / max(file.entries, 1)
        parts += share not in (0.0, 1.0)
        terms.append(share * file.generated.sum_of_weights if file.generated else 0.0)
    report.sum_of_weights[name] = math.fsum(terms)
    if parts:
        yield (
            f"dataset {name!r}: {parts} of the skim's files were processed in part, and their sums of weights are"
            " scaled by the share of their entries, which is an estimate"
        )


def _uncertified(report: RunReport, dataset: Dataset) -> Iterator[str]:
    events = report.events(dataset.name)
    if events and report.removed.get(dataset.name, {}).get(CERTIFIED) == events:
        yield (
            f"dataset {dataset.name!r}: {dataset.certified} covers none of its {events} events, so that its histograms"
            " are empty: give the golden JSON of its data-taking period"
        )


def _use_table(
    report: RunReport, dataset: Dataset, files: Iterable[FileOfEvents], configured: float | None
) -> Iterator[str]:
    """Sum the luminosity of the processed sections; files processed completely add their sections without events."""
    sections = report.lumi_sections.get(dataset.name, LumiSections())
    for file in files:
        if Chunk(dataset.name, file.path, 0, file.entries) in report.processed:
            sections |= file.sections
    report.lumi_sections[dataset.name] = sections
    total, lacking = luminosity(dataset.luminosity_table, sections)
    report.luminosity[dataset.name] = total
    if len(lacking):
        yield (
            f"dataset {dataset.name!r}: {dataset.luminosity_table} lacks {len(lacking)} of {len(sections)} processed"
            f" luminosity sections, whose luminosity is not counted; the first is {lacking.numbers[0]} of run"
            f" {lacking.runs[0]}"
        )
    if configured is not None and abs(total - configured) > TOLERANCE * configured:
        yield (
            f"dataset {dataset.name!r}: {total:.4g} fb⁻¹ were processed, and simulation is normalised to"
            f" {configured:.4g} fb⁻¹"
        )


def copies(files: Iterable[FileOfEvents]) -> Iterator[str]:
    """Warnings about files that are copies of each other, which have the same UUID."""
    first: dict[tuple[str, str], str] = {}
    for file in files:
        if file.uuid and file.entries and not file.failure:
            other = first.setdefault((file.dataset, file.uuid), file.path)
            if other != file.path:
                yield (
                    f"dataset {file.dataset!r}: {file.path} is a copy of {other}, so that their {file.entries} events"
                    " count twice: name one of them"
                )
