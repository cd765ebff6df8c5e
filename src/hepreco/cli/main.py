"""The group of commands, and how it fails."""

import logging
import sys
from importlib import import_module
from importlib.metadata import version

import click

from hepreco.errors import HepRecoError, IncompleteRunError

COMMANDS = {
    "run": ("hepreco.cli.run", "run"),
    "plot": ("hepreco.cli.plot", "plot"),
    "plugins": ("hepreco.cli.plugins", "plugins"),
    "generate": ("hepreco.cli.generate", "generate"),
    "import": ("hepreco.cli.generate", "import_events"),
    "train": ("hepreco.cli.train", "train"),
    "new-plugin": ("hepreco.cli.new_plugin", "new_plugin"),
}


class _Commands(click.Group):
    """Imports a command when it is asked for, and turns errors into advice."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HepRecoError as error:
            click.secho(f"error: {error}", err=True, fg="red")
            sys.exit(1 if isinstance(error, IncompleteRunError) else 2)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            click.secho(
                f"unexpected {type(error).__name__}: {error}\n"
                "  what to do: run 'hepreco --traceback …' and report what it prints",
                err=True,
                fg="red",
            )
            sys.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show the Python traceback of an unexpected error.")
@click.version_option(version("hepreco"), prog_name="hepreco")
def main(traceback: bool) -> None:  # noqa: ARG001  read by the group
    """Run reconstruction plugins over NanoAOD files, and look at what they find."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # says which of many fonts are not installed
