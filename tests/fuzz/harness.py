"""Damage files and configurations from seeds, run each in a process of its own, and count what came out.

``python tests/fuzz/harness.py --files 2000 --others 550 --configurations 640 --table tests/fuzz/outcomes.md`` is what
``tox -e fuzz`` runs. ``--only file:17`` runs one case again and keeps its files, to look into it.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final

import click
import numpy as np
import torch
from bases import RECIPES, Base, make_base
from damage import DAMAGES
from damage import damaged as damaged_file
from oracle import FAULTS, MEANING, Outcome, judge_file
from other_files import (
    damaged,
    damaged_configuration,
    judge_configuration,
    judge_lhe,
    judge_weights,
    lhe_files,
    weight_files,
)

#: A case that computes or waits longer hangs; whole files take a fraction of a second, figures up to twenty. On a busy
#: machine most of the time is that of others.
CPU_LIMIT: Final = 60
WALL_LIMIT: Final = 1800
#: Memory that a case may take beyond that of the process that it was forked from.
MEMORY_LIMIT: Final = 4 << 30


@dataclass(frozen=True)
class Material:
    """The whole files, written once."""

    bases: dict[str, Base]
    others: dict[str, Base]
    texts: dict[str, bytes]
    weights: dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """One damaged input: its name (what and which seed), the whole it was made of, the kind of damage, and a judge."""

    name: str
    whole: str
    damage: str
    judge: Callable[[Path], Outcome]


@dataclass(frozen=True)
class Answer:
    """A case and what came out."""

    name: str
    whole: str
    damage: str
    verdict: str
    words: str
    seconds: float


def make_material(directory: Path) -> Material:
    """All whole files; two of each layout, so that one can be spliced with another."""
    bases, others = ({name: make_base(name, directory, seed=seed) for name in RECIPES} for seed in (1, 2))
    return Material(bases, others, lhe_files(directory), weight_files(directory))


def file_case(material: Material, seed: int) -> Case:
    """Layouts and kinds of damage in turn: as their numbers have no common factor, every pair comes."""
    whole, kind = list(RECIPES)[seed % len(RECIPES)], list(DAMAGES)[seed % len(DAMAGES)]
    rng = np.random.default_rng([1, seed])
    base, other = (
        material.bases[whole],
        material.others[whole if rng.random() < 0.7 else str(rng.choice(list(RECIPES)))],
    )
    data = damaged_file(kind, base, other, rng)
    return Case(f"file:{seed}", whole, kind, lambda directory: judge_file(base, data, directory))


def other_case(material: Material, seed: int) -> Case:
    """A file of Les Houches events, or weights."""
    rng = np.random.default_rng([2, seed])
    names = [*material.texts, *material.weights]
    whole = names[seed % len(names)]
    if whole in material.texts:
        text = material.texts[whole]
        kind, data = damaged(text, rng)
        return Case(f"other:{seed}", whole, kind, lambda directory: judge_lhe(whole, data, text, directory))
    kind, data = damaged(material.weights[whole], rng)
    return Case(f"other:{seed}", whole, kind, lambda directory: judge_weights(whole, data, material.weights, directory))


def configuration_case(material: Material, seed: int) -> Case:
    """A configuration; every eighth has its figures drawn, which takes far longer than all else."""
    kind, content = damaged_configuration(np.random.default_rng([3, seed]))
    root_file = material.bases["plain"].data
    return Case(
        f"configuration:{seed}",
        "configuration",
        kind,
        lambda directory: judge_configuration(content, root_file, directory, figures=seed % 8 == 0),
    )


CASES: Final = {"file": file_case, "other": other_case, "configuration": configuration_case}


def _answer(case: Case, connection: Connection) -> None:
    """In the child: judge, with limits, and nothing on the terminal, whatever compiled code prints."""
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
    with TemporaryDirectory() as directory:
        connection.send(case.judge(Path(directory) / "case"))


def answers(cases: Iterable[Case], *, workers: int) -> Iterator[Answer]:
    """Each case in a process of its own, at most so many at a time."""
    context, queue = multiprocessing.get_context("fork"), iter(cases)
    running: dict[Connection, tuple[Case, multiprocessing.process.BaseProcess, float]] = {}
    while True:
        while len(running) < workers and (case := next(queue, None)) is not None:
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(target=_answer, args=(case, sending), daemon=True)
            process.start()
            sending.close()
            running[receiving] = case, process, time.monotonic()
        if not running:
            return
        ready = wait(list(running), timeout=1.0)
        for connection, (case, process, began) in list(running.items()):
            seconds = time.monotonic() - began
            if connection in ready or seconds > WALL_LIMIT:
                outcome = _outcome(connection, process, late=connection not in ready)
                del running[connection]
                yield Answer(case.name, case.whole, case.damage, outcome.verdict, outcome.words, round(seconds, 2))


def read_answers(listing: Path) -> list[Answer]:
    """The outcomes in a list, one in a line."""
    return [Answer(**json.loads(line)) for line in listing.read_text().splitlines()]


def _outcome(connection: Connection, process: multiprocessing.process.BaseProcess, *, late: bool) -> Outcome:
    """What the child said; one that said nothing hung or died."""
    try:
        outcome: Outcome = Outcome("hang", f"more than {WALL_LIMIT} s") if late else connection.recv()
    except EOFError:
        process.join()
        hung = process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL)
        outcome = Outcome("hang" if hung else "died", f"exit code {process.exitcode}")
    process.kill()
    process.join()
    connection.close()
    return outcome


def table(found: list[Answer]) -> str:
    """Outcomes as Markdown: by kind of damage, by what was damaged, and every fault by name."""
    lines = [
        "# Outcomes of the fuzz harness",
        "",
        f"`tox -e fuzz` wrote this table: {len(found)} damaged inputs, each run in a process of its own.",
        "`tests/fuzz/harness.py --only NAME` runs one of them again.",
        "",
        *(f"- **{verdict}**: {meaning}" for verdict, meaning in MEANING.items()),
    ]
    for group in CASES:
        chosen = [answer for answer in found if answer.name.startswith(f"{group}:")]
        if chosen:
            lines += ["", f"## {len(chosen)} × {group}", "", *_rows(chosen, "damage"), "", *_rows(chosen, "whole")]
    faults = [answer for answer in found if answer.verdict in FAULTS]
    lines += ["", f"## {len(faults)} faults", ""]
    lines += [f"- `{a.name}` {a.verdict}, {a.damage} of {a.whole}: `{a.words[:160]}`" for a in faults]
    return "\n".join(lines).rstrip() + "\n"


def _rows(found: list[Answer], key: str) -> Iterator[str]:
    counts = Counter((getattr(answer, key), answer.verdict) for answer in found)
    yield "| " + " | ".join([key, *MEANING]) + " |"
    yield "|---" + "|---:" * len(MEANING) + "|"
    for name in dict.fromkeys(getattr(answer, key) for answer in found):
        yield "| " + " | ".join([name, *(str(counts[name, verdict] or "") for verdict in MEANING)]) + " |"
    totals = (str(sum(answer.verdict == verdict for answer in found) or "") for verdict in MEANING)
    yield "| " + " | ".join(["all", *totals]) + " |"


@click.command()
@click.option("--files", default=0, help="Damaged NanoAOD files.")
@click.option("--others", default=0, help="Damaged files of Les Houches events and of weights.")
@click.option("--configurations", default=0, help="Damaged configurations.")
@click.option("--first", default=0, help="The first seed of each.")
@click.option("--workers", default=max(len(os.sched_getaffinity(0)), 1), help="Processes at a time.")
@click.option("--only", help="One case, as the table names it; its files are kept.")
@click.option("--table", "markdown", type=click.Path(path_type=Path), help="Where the table of outcomes goes.")
@click.option(
    "--json", "listing", type=click.Path(path_type=Path), help="List of outcomes; what it has is not run again."
)
def harness(
    files: int,
    others: int,
    configurations: int,
    first: int,
    workers: int,
    only: str | None,
    markdown: Path | None,
    listing: Path | None,
) -> None:
    """Run the cases; the exit status is 1 if there is a fault among them."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as directory:
        material = make_material(Path(directory))
        whole = judge_file(material.bases["plain"], material.bases["plain"].data, Path(directory) / "warm")
    if whole.verdict != "right":
        raise click.ClickException(f"the whole file is not read: {whole}")
    if only is not None:
        kind, _, seed = only.partition(":")
        case, kept = CASES[kind](material, int(seed)), Path(mkdtemp()) / "case"
        click.echo(f"{case.damage} of {case.whole}: {case.judge(kept)}; files in {kept}")
        return
    counts = {"file": files, "other": others, "configuration": configurations}
    found = read_answers(listing) if listing is not None and listing.exists() else []
    known = {answer.name for answer in found}
    asked = ((kind, seed) for kind in CASES for seed in range(first, first + counts[kind]))
    cases = (CASES[kind](material, seed) for kind, seed in asked if f"{kind}:{seed}" not in known)
    for answer in answers(cases, workers=workers):
        found.append(answer)
        if listing is not None:
            with listing.open("a") as file:
                file.write(json.dumps(asdict(answer)) + "\n")
        if answer.verdict in FAULTS:
            click.echo(f"{answer.name} {answer.verdict}: {answer.damage} of {answer.whole}: {answer.words}", err=True)
    found.sort(
        key=lambda answer: (list(CASES).index(answer.name.partition(":")[0]), int(answer.name.partition(":")[2]))
    )
    if markdown is not None:
        markdown.write_text(table(found))
    click.echo(dict(Counter(answer.verdict for answer in found)))
    sys.exit(any(answer.verdict in FAULTS for answer in found))


if __name__ == "__main__":
    harness()
