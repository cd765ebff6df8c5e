"""``hepreco plugins``: which plugins are installed, what they do, and whether they keep the contract."""

import inspect
import sys
from dataclasses import MISSING, fields

import click
from rich.table import Table

from hepreco.cli.console import console
from hepreco.cli.train import parse_options
from hepreco.plugin import discover
from hepreco.weights import read_manifest


@click.group()
def plugins() -> None:
    """List, describe and check the installed plugins."""


@plugins.command("list")
def list_plugins() -> None:
    """Every plugin found, broken ones with their reason."""
    registry = discover()
    table = Table("plugin", "distribution", "version", "state")
    for plugin in registry.plugins:
        table.add_row(plugin.name, plugin.distribution, plugin.version, "ready")
    for broken in registry.broken:
        table.add_row(broken.name, broken.distribution, "", f"broken: {broken.reason}")
    for name in registry.disabled:
        table.add_row(name, "", "", "disabled by HEPRECO_DISABLE_PLUGINS")
    console.print(table)


@plugins.command()
@click.argument("name")
def info(name: str) -> None:
    """Options, inputs, outputs and weights of the plugin NAME."""
    plugin = discover()[name]
    console.print(f"{plugin.name} ({plugin.distribution} {plugin.version})", highlight=False)
    console.print(inspect.cleandoc(plugin.reconstructor.__doc__ or ""), highlight=False, markup=False)
    options = Table("option", "type", "default", title="Options")
    for option in fields(plugin.reconstructor):
        kind = option.type if isinstance(option.type, str) else getattr(option.type, "__name__", str(option.type))
        options.add_row(option.name, str(kind), "required" if option.default is MISSING else repr(option.default))
    console.print(options)
    reconstructor = plugin.build({})
    inputs = Table("collection", "cuts", "at least", "at most", "features", title="Inputs")
    for spec in reconstructor.inputs.objects:
        at_most = "all" if spec.at_most is None else str(spec.at_most)
        inputs.add_row(spec.collection, ", ".join(spec.where), str(spec.at_least), at_most, ", ".join(spec.features))
    console.print(inputs)
    if reconstructor.inputs.missing_momentum:
        console.print(f"missing transverse momentum: {reconstructor.inputs.missing_momentum}", highlight=False)
    outputs = Table("column", "kind", "per", "unit", title="Outputs")
    for column in reconstructor.outputs:
        outputs.add_row(column.name, column.kind, str(column.per or "event"), column.unit)
    console.print(outputs)
    if reconstructor.weights:
        manifest = read_manifest(reconstructor.weights)
        console.print(f"weights: {manifest.sample}; seed {manifest.seed}; {manifest.metrics}", highlight=False)


@plugins.command()
@click.argument("name")
@click.option(
    "--files", multiple=True, metavar="FILES", help="Ask about events of these NanoAOD files instead of toy events."
)
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the plugin, in TOML syntax."
)
def check(name: str, files: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Run the conformance kit on the plugin NAME; exit status 1 if a check fails.

    With its default options, and then with those that the plugin offers as examples; where options are given, with
    these alone.
    """
    from hepreco.cli.conformance import check_plugin  # noqa: PLC0415  the kit is only needed here

    plugin = discover()[name].build(parse_options(options))
    others = () if options else type(plugin).examples()
    passed = [check_plugin(one, files=files) for one in (plugin, *others)]
    sys.exit(0 if all(passed) else 1)
