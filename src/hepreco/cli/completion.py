"""What the shell completes: names of plugins, told by their manifests."""

import click
from click.shell_completion import CompletionItem


def complete_plugin(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The plugins whose names begin so; none of those with a manifest is imported."""
    from hepreco.plugin import list_plugins  # noqa: PLC0415  while the shell waits, import nothing else

    return [
        CompletionItem(plugin.name, help=plugin.summary)
        for plugin in list_plugins()
        if plugin.name.startswith(incomplete) and plugin.state in ("installed", "ready")
    ]
