"""``hepreco schema``: the JSON Schema of the configuration, for editors and programs."""

import click

from hepreco.cli.console import answer


@click.command()
@click.option("--core", is_flag=True, help="Accept any options of plugins, independent of the installed ones.")
def schema(core: bool) -> None:
    """Print the JSON Schema of the configuration, with the options of the installed plugins.

    If the first line of a TOML file names the stored schema, "#:schema analysis.schema.json", editors complete its keys
    and mark errors.
    """
    from hepreco.config import configuration_schema  # noqa: PLC0415  imports torch
    from hepreco.plugin.listing import announced_plugins  # noqa: PLC0415  likewise

    answer(configuration_schema(() if core else announced_plugins()))
