"""Output of the commands: text with progress bars for people, or one JSON document for programs."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from itertools import pairwise
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from hepreco.errors import shorten

F = TypeVar("F", bound=Callable[..., Any])

#: Silent if a JSON document is requested.
console = Console(markup=False, emoji=False)


def say(text: str) -> None:
    """Print a line without breaking it, so that paths can be copied and searched for."""
    console.print(text, highlight=False, soft_wrap=True)


#: Gives a command the option ``--format``.
format_option: Callable[[F], F] = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: print one JSON document, also for errors.",
)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line requests JSON; it is not parsed, so that errors in it can be printed as JSON as well."""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def answer(document: Mapping[str, object]) -> None:
    """Print the JSON document of a command."""
    click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2))


def fail(problem: str, remedy: str, *, kind: str, status: int, prefix: str = "error: ") -> NoReturn:
    """Print an error, as text or as a JSON document, and end the command with a status."""
    problem, remedy = shorten(problem), shorten(remedy)
    if console.quiet:
        answer({"error": {"kind": kind, "problem": problem, "remedy": remedy, "status": status}})
    else:
        click.secho(f"{prefix}{problem}\n  what to do: {remedy}", err=True, fg="red")
    raise click.exceptions.Exit(status)


def plain(value: object) -> object:
    """A value for JSON: dataclasses become tables, non-finite numbers null, and other types text.

    Example
    -------
    >>> plain({"a": (1, float("nan")), "b": {3}})
    {'a': [1, None], 'b': [3]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | Set):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # of numpy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def on_terminal() -> bool:
    """Whether to show progress bars."""
    return sys.stdout.isatty() and not console.quiet


@contextmanager
def progress_bar(description: str, *, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar, as a function that takes the number of new items; silent in a pipe."""
    from rich.progress import (  # noqa: PLC0415  lists of plugins do not need it
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not on_terminal(), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.advance(task, done)
