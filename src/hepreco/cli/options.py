"""Options of plugins on the command line."""

import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hepreco.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

#: Gives a command the option ``--option``, for :func:`parse_options`.
plugin_option: Callable[[F], F] = click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the plugin, in TOML syntax."
)


def parse_options(options: tuple[str, ...]) -> dict[str, Any]:
    """The options given as ``--option KEY=VALUE …``.

    Raises
    ------
    ConfigError
        An option is not TOML.

    Example
    -------
    >>> parse_options(("latent=8", 'where=["pt > 30"]'))
    {'latent': 8, 'where': ['pt > 30']}
    """
    try:
        return tomllib.loads("\n".join(options))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"cannot read --option {' '.join(options)}: {error}", "write it as in TOML, for example latent=8"
        ) from None
