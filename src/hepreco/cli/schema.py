"""``hepreco schema``: what a configuration may hold, for editors and programs."""

import click

from hepreco.cli.console import answer


@click.command()
@click.option("--core", is_flag=True, help="Leave options of plugins open, whichever are installed.")
def schema(core: bool) -> None:
    """Print the JSON Schema of the configuration, with the options of the installed plugins.

    Store it, and name the file in the first line of a TOML file, "#:schema analysis.schema.json": editors then complete
    its keys and mark what is wrong.
    """
    from hepreco.config import configuration_schema  # noqa: PLC0415  imports torch
    from hepreco.plugin.listing import announced_plugins  # noqa: PLC0415  likewise

    answer(configuration_schema(() if core else announced_plugins()))
