"""Groups of commands that import a command only when it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class Source:
    """The module and name of a command, and its description in lists."""

    module: str
    name: str
    summary: str


class LazyGroup(click.Group):
    """A group that lists and completes its commands without importing them."""

    def __init__(self, *arguments: Any, sources: Mapping[str, Source], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.sources = dict(sources)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names of the commands, in the given order."""
        return list(self.sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        """Import one command."""
        source = self.sources.get(cmd_name)
        command: click.Command | None = getattr(import_module(source.module), source.name) if source else None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        """Write the section of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.summary) for name, source in self.sources.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options that begin with ``incomplete``."""
        commands = [
            CompletionItem(name, help=source.summary)
            for name, source in self.sources.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
