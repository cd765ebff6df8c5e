"""The hooks that a plugin may implement."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from hepreco.plugin.corrections import Correction
    from hepreco.plugin.interface import Reconstructor

#: The newest version of the contract between hepreco and its plugins. A plugin module states the version that it was
#: written for as ``HEPRECO_API_VERSION``: an integer, or a pair of the oldest and the newest version.
API_VERSION: Final = 2
#: The oldest version of the contract that still runs.
OLDEST_API_VERSION: Final = 1

hookspec = pluggy.HookspecMarker("hepreco")
#: Marks a plugin's implementation of a hook.
hookimpl = pluggy.HookimplMarker("hepreco")


@hookspec
def hepreco_register_reconstructors(register: "Callable[[str, type[Reconstructor]], None]") -> None:
    """Register reconstructors by calling ``register(name, cls)`` for each.

    Called once in each process that looks plugins up, never per chunk. ``name`` is the plugin's name in configurations
    (lower case, words joined by hyphens).
    """


@hookspec
def hepreco_register_corrections(register: "Callable[[str, type[Correction]], None]") -> None:
    """Offer corrections: call ``register(name, cls)`` for each, as for reconstructors, of which none has that name."""
