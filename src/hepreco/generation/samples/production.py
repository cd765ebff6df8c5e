"""Produces the events of a sample at parton level, in batches that are stored until the sample is complete."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hepreco.errors import OutputError
from hepreco.formats.records import CrossSection, PartonEvents, join
from hepreco.generation.hard.decay_channels import DecayChannels
from hepreco.generation.hard.hard_process import HardProcess
from hepreco.generation.hard.importance import Grid
from hepreco.generation.hard.parton_level import Batch, make_batch
from hepreco.generation.hard.sampler import BATCH, Channel, Sampler, Tally, adapt
from hepreco.generation.samples.sample import Sample

_SAMPLER: Final = "sampler.safetensors"


@dataclass(frozen=True)
class Production:
    """Events of a sample at parton level on disk; there may be more than the sample needs.

    Parameters
    ----------
    directory
        Directory of the batches.
    events
        Number of events of the sample.
    cross_section
        Cross-section in pb from all trials, including branching fractions.
    efficiency
        The fraction of trials that were accepted.
    overweight
        The excess of weights over the largest expected weight, as a fraction of the cross-section.
    """

    directory: Path
    events: int
    batches: int
    cross_section: CrossSection
    efficiency: float
    overweight: float

    def blocks(self, size: int) -> Iterator[PartonEvents]:
        """The events in blocks of this size; the last may be smaller. A sample without events has one empty block."""
        left, waiting = self.events, []
        for number in range(self.batches):
            waiting.append(_load_batch(self.directory, number).events)
            while sum(map(len, waiting)) >= size and left > 0:
                together = join(waiting)
                yield together[: min(size, left)]
                left -= size
                waiting = [together[size:]]
        if left > 0 or not self.events:
            yield join(waiting)[: max(left, 0)]

    def discard(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.directory)


def produce(
    sample: Sample,
    directory: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Production:
    """Make the events of a sample, or continue an interrupted production.

    Parameters
    ----------
    directory
        Directory of finished batches. It may hold batches of the same sample, with any number of events.
    workers
        Number of processes; the events do not depend on it.
    overwrite
        Whether to remove unfinished events of another sample from the directory.
    progress
        Called with the number of new events.

    Raises
    ------
    OutputError
        The directory holds another sample, or cannot be written to.
    ConfigError
        The cross-section is zero.
    """
    _claim(directory, sample, overwrite=overwrite)
    sampler = _load_sampler(directory, sample) or _adapt(directory, sample)
    tally, made, excess, number = sampler.tally, 0, 0.0, 0
    while made < sample.events and (batch := _find_batch(directory, number)):
        made, excess, tally, number = made + len(batch.events), excess + batch.excess, tally + batch.tally, number + 1
        progress(len(batch.events))
    if made < sample.events or not number:
        for batch in _batches(sampler, number, decay_channels=sample.decay_channels, workers=workers):
            _save(directory / _batch_name(number), _as_tensors(batch))
            made, excess, tally, number = (
                made + len(batch.events),
                excess + batch.excess,
                tally + batch.tally,
                number + 1,
            )
            progress(len(batch.events))
            if made >= sample.events:
                break
    factor = _factor(sampler, sample)
    computed = tally.cross_section
    return Production(
        directory,
        sample.events,
        number,
        cross_section=CrossSection(computed.value * factor, computed.error * factor),
        efficiency=made / (number * BATCH),
        overweight=excess / max(made + excess, 1),
    )


def _factor(sampler: Sampler, sample: Sample) -> float:
    """The branching fractions of decay channels, which are the same for all processes of a sample."""
    decays = sample.decay_channels(sampler.channels[0].process)
    return decays.factor if decays else 1.0


def _batches(
    sampler: Sampler, first: int, *, decay_channels: Callable[[HardProcess], DecayChannels | None], workers: int
) -> Iterator[Batch]:
    """An endless sequence of batches, in order."""
    if workers == 1:
        yield from (make_batch(sampler, number * BATCH, decay_channels=decay_channels) for number in count(first))
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        numbers = count(first)

        def submit() -> Future[Batch]:
            return pool.submit(make_batch, sampler, next(numbers) * BATCH, decay_channels=decay_channels)

        running = [submit() for _ in range(2 * workers)]
        try:
            while True:
                yield running.pop(0).result()
                running.append(submit())
        finally:
            for future in running:
                future.cancel()


def _claim(directory: Path, sample: Sample, *, overwrite: bool) -> None:
    """Mark the directory as that of this sample; raise if it belongs to another."""
    owner = directory / "sample"
    try:
        if overwrite and owner.exists() and owner.read_text() != sample.partons_digest:
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if not owner.exists():
            owner.write_text(sample.partons_digest)
        if owner.read_text() != sample.partons_digest:
            raise OutputError(
                f"{directory} holds the unfinished events of another sample",
                "finish it with its own settings, remove the directory, or choose another output",
            )
    except OSError as error:
        raise OutputError(f"cannot write to {directory}: {error.strerror}", "choose another output") from None


def _adapt(directory: Path, sample: Sample) -> Sampler:
    preset = sample.preset
    sampler = adapt(sample.hard_processes(), seed=sample.seed, budget=preset.budget, overweight=preset.overweight)
    processes = sampler.processes
    tensors = {
        "process": torch.tensor([processes.index(channel.process) for channel in sampler.channels]),
        "t_channel": torch.tensor([channel.t_channel for channel in sampler.channels]),
        "max_weight": torch.tensor([channel.max_weight for channel in sampler.channels], dtype=torch.float64),
        "sums": sampler.tally.sums,
    }
    grids = {f"grid-{number}": channel.grid.edges for number, channel in enumerate(sampler.channels)}
    _save(directory / _SAMPLER, tensors | grids)
    return sampler


def _load_sampler(directory: Path, sample: Sample) -> Sampler | None:
    if not (directory / _SAMPLER).exists():
        return None
    tensors = load_file(directory / _SAMPLER)
    processes = sample.hard_processes()
    rows = zip(tensors["process"].tolist(), tensors["t_channel"].tolist(), tensors["max_weight"].tolist(), strict=True)
    channels = tuple(
        Channel(processes[process], t_channel, Grid(tensors[f"grid-{number}"]), max_weight)
        for number, (process, t_channel, max_weight) in enumerate(rows)
    )
    return Sampler(channels, Tally(tensors["sums"]), sample.seed)


def _batch_name(number: int) -> str:
    return f"batch-{number:06d}.safetensors"


def _as_tensors(batch: Batch) -> dict[str, torch.Tensor]:
    events = {field.name: getattr(batch.events, field.name).contiguous() for field in fields(PartonEvents)}
    small = {name: values if values.is_floating_point() else values.to(torch.int16) for name, values in events.items()}
    return small | {"sums": batch.tally.sums, "excess": torch.tensor(batch.excess, dtype=torch.float64)}


def _find_batch(directory: Path, number: int) -> Batch | None:
    return _load_batch(directory, number) if (directory / _batch_name(number)).exists() else None


def _load_batch(directory: Path, number: int) -> Batch:
    path = directory / _batch_name(number)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot read {path}: {error}", f"remove {directory} and start again") from None
    tally, excess = Tally(tensors.pop("sums")), float(tensors.pop("excess"))
    wide = {name: values if values.is_floating_point() else values.long() for name, values in tensors.items()}
    return Batch(PartonEvents(**wide), tally, excess)


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Save a file, which gets its name only when it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {path}: {error}", "make room, then run the same command again") from None
