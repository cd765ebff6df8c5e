"""Options of plugins on the command line."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

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


def training_options(command: F) -> F:
    """Give a command an option for every field of :class:`~hepreco.plugin.TrainingOptions` that a user chooses.

    Types, limits, defaults and words are those of the class.
    """
    from hepreco.plugin import TrainingOptions  # noqa: PLC0415  imports torch
    from hepreco.plugin.schemas import descriptions_of  # noqa: PLC0415  likewise

    meanings, hints = descriptions_of(TrainingOptions), get_type_hints(TrainingOptions)
    for field in reversed(fields(TrainingOptions)):
        if field.name != "resume_from":
            command = click.option(
                f"--{field.name.replace('_', '-')}",
                type=_parameter(hints[field.name], field.metadata),
                default=field.default,
                show_default=True,
                help=meanings[field.name],
            )(command)
    return command


def _parameter(kind: Any, limits: Mapping[str, Any]) -> Any:
    """The type of an option: one of some words, a number within limits, or what Python calls it."""
    if choices := get_args(kind):
        return click.Choice(choices)
    ranges = {int: click.IntRange, float: click.FloatRange}
    return ranges[kind](**limits) if limits else kind
