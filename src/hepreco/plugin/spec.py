"""The hooks that a plugin may implement."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from hepreco.plugin.corrections import Correction
    from hepreco.plugin.interface import Reconstructor

#: The newest version of the contract between hepreco and its plugins. A plugin module states the one that it was
#: written for as ``HEPRECO_API_VERSION``: an integer, or a pair of the oldest and the newest.
API_VERSION: Final = 2
#: Plugins that were written for this version, or a later one up to :data:`API_VERSION`, run.
OLDEST_API_VERSION: Final = 1

hookspec = pluggy.HookspecMarker("hepreco")
#: Marks a plugin's implementation of a hook.
hookimpl = pluggy.HookimplMarker("hepreco")


@hookspec
def hepreco_register_reconstructors(register: "Callable[[str, type[Reconstructor]], None]") -> None:
    """Offer reconstructors: call ``register(name, cls)`` for each.

    Called once in each process that looks plugins up, never per chunk. ``name`` is what a configuration uses
    (lower case, words joined by hyphens).
    """


@hookspec
def hepreco_register_corrections(register: "Callable[[str, type[Correction]], None]") -> None:
    """Offer corrections: call ``register(name, cls)`` for each, as for reconstructors, of which none has that name."""
