"""The group of commands, and the handling of errors."""

import io
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import click

from hepreco.cli.console import console, fail, wants_json
from hepreco.cli.lazy import LazyGroup, Source
from hepreco.errors import HepRecoError, IncompleteRunError, describe
from hepreco.plugin.isolation import interrupts

COMMANDS: Final = {
    "run": Source("hepreco.cli.run", "run", "Run the analysis described in the TOML file CONFIG."),
    "plot": Source("hepreco.cli.plot", "plot", "Draw the figures of a run again."),
    "export": Source("hepreco.cli.fit", "export", "Write a workspace, ROOT histograms and a datacard of a run."),
    "fit": Source("hepreco.cli.fit", "fit", "Fit the histograms of a run."),
    "plugins": Source("hepreco.cli.plugins", "plugins", "List, describe and check the installed plugins."),
    "generate": Source("hepreco.cli.generate", "generate", "Generate events of a process."),
    "import": Source("hepreco.cli.generate", "import_events", "Convert a Les Houches event file to NanoAOD format."),
    "train": Source("hepreco.cli.train", "train", "Train the weights of a plugin."),
    "new-plugin": Source("hepreco.cli.new_plugin", "new_plugin", "Create a small plugin to start from."),
    "schema": Source("hepreco.cli.schema", "schema", "Print the JSON Schema of the configuration."),
}
#: Exit status of an interrupted command, as usual for signals: 128 + SIGINT.
INTERRUPTED: Final = 130


class _Commands(LazyGroup):
    """Prints errors with their remedies, for people or for programs."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        console.quiet = wants_json(words)
        _print_anything()
        command = partial(super().main, words, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return command()
        try:
            status = _status(command)
        except click.exceptions.Exit as end:
            status = end.exit_code
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> object:
        with interrupts() as interrupted:
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except HepRecoError as error:
                status = 1 if isinstance(error, IncompleteRunError) else 2
                fail(error.problem, error.remedy, kind=type(error).__name__, status=status)
            except BaseException as error:  # a plugin that calls sys.exit has failed too
                if interrupted() or ctx.params.get("traceback"):
                    raise
                remedy = "run 'hepreco --traceback …' and report what it prints"
                problem = f"unexpected {describe(error)}"
                fail(problem, remedy, kind=type(error).__name__, status=2, prefix="")


def _status(command: Callable[[], object]) -> object:
    """Run a command, and report click's own errors like all others."""
    try:
        return command()
    except click.ClickException as error:
        if console.quiet:
            fail(error.format_message(), "see the command's --help", kind="UsageError", status=error.exit_code)
        error.show()
        return error.exit_code
    except click.Abort:
        fail("interrupted", "repeat the command", kind="Interrupted", status=INTERRUPTED, prefix="")


def _print_anything() -> None:
    """Print characters that cannot be encoded, for example of file names, as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@click.group(cls=_Commands, sources=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show the Python traceback of an unexpected error.")
@click.version_option(version("hepreco"), prog_name="hepreco")
def main(traceback: bool) -> None:  # noqa: ARG001  read by the group
    """Run reconstruction plugins on NanoAOD files, and study their results."""
    fonts = logging.getLogger("matplotlib.font_manager")  # warns about missing fonts
    click.get_current_context().call_on_close(partial(fonts.setLevel, fonts.level))
    fonts.setLevel(logging.ERROR)
