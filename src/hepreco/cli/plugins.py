"""``hepreco plugins``: lists, describes and checks the installed plugins."""

from typing import Final

import click

from hepreco.cli.completion import complete_plugin
from hepreco.cli.console import answer, format_option, say
from hepreco.cli.lazy import LazyGroup, Source
from hepreco.cli.options import parse_options, plugin_option

COMMANDS: Final = {
    "list": Source(__name__, "list_command", "List all plugins."),
    "info": Source(__name__, "info", "Describe a plugin and its options."),
    "check": Source(__name__, "check", "Run the conformance kit on a plugin."),
    "manifest": Source(__name__, "manifest", "Print the manifest of a module of plugins."),
}


@click.group(cls=LazyGroup, sources=COMMANDS)
def plugins() -> None:
    """List, describe and check the installed plugins."""


@click.command("list", short_help=COMMANDS["list"].summary)
@click.option("--load", is_flag=True, help="Import all plugins, so that broken ones are found.")
@format_option
def list_command(load: bool, output_format: str) -> None:
    """List all plugins; broken ones with the reason.

    A plugin with a manifest (hepreco.json) is "installed"; one that was imported is "ready" or "broken".
    """
    from hepreco.plugin import list_plugins  # noqa: PLC0415  the other commands need more

    found = list_plugins(load=load)
    if output_format == "json":
        answer({"plugins": found})
        return
    width = max((len(plugin.name) for plugin in found), default=0)
    for plugin in found:
        source = f"{plugin.distribution} {plugin.version}".strip()
        say(f"{plugin.name:{width}}  {plugin.kind:13}  {plugin.state:9}  {source}")
        if text := plugin.reason or plugin.summary:
            say(f"    {text}")


@click.command(short_help=COMMANDS["info"].summary)
@click.argument("name", shell_complete=complete_plugin)
@plugin_option
@format_option
def info(name: str, options: tuple[str, ...], output_format: str) -> None:
    """Describe the options of the plugin NAME, and its inputs, outputs and weights or, of a correction, its columns.

    All but the options may depend on options, which --option sets.
    """
    from hepreco.cli.plugin_details import describe, show  # noqa: PLC0415  imports torch

    details = describe(name, parse_options(options))
    if output_format == "json":
        answer(details)
    else:
        show(details)


@click.command(short_help=COMMANDS["check"].summary)
@click.argument("name", shell_complete=complete_plugin)
@click.option(
    "--files", multiple=True, metavar="FILES", help="Use events of these NanoAOD files instead of toy events."
)
@click.option("--data", is_flag=True, help="Check a correction for data, which has no simulation truth.")
@plugin_option
@format_option
@click.pass_context
def check(
    context: click.Context, name: str, files: tuple[str, ...], data: bool, options: tuple[str, ...], output_format: str
) -> None:
    """Run the conformance kit on the plugin NAME; exit status 1 if a check fails.

    Without --option, the checks run with the default options and with all examples of the plugin.
    """
    from hepreco.cli.conformance import check_plugin, show  # noqa: PLC0415  imports torch

    outcomes = check_plugin(name, parse_options(options), files=files, data=data)
    passed = not any(outcome.passed is False for outcome in outcomes)
    show(outcomes)
    if output_format == "json":
        answer({"plugin": name, "passed": passed, "checks": outcomes})
    context.exit(0 if passed else 1)


@click.command(short_help=COMMANDS["manifest"].summary)
@click.argument("module")
def manifest(module: str) -> None:
    """Print the manifest of MODULE, to be stored as hepreco.json beside its __init__.py.

    With a manifest, plugins are listed without being imported.
    """
    from hepreco.plugin.description import describe_module  # noqa: PLC0415  imports torch

    click.echo(describe_module(module).as_json(), nl=False)
