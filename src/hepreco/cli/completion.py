"""Shell completion of plugin names."""

import click
from click.shell_completion import CompletionItem


def complete_plugin(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The plugins whose names begin with ``incomplete``; plugins with a manifest are not imported."""
    from hepreco.plugin import list_plugins  # noqa: PLC0415  the shell waits, so import only this

    return [
        CompletionItem(plugin.name, help=plugin.summary)
        for plugin in list_plugins()
        if plugin.name.startswith(incomplete) and plugin.state in ("installed", "ready")
    ]
