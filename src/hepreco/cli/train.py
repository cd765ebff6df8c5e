"""``hepreco train``: train the weights of a plugin."""

import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from hepreco.cli.completion import complete_plugin
from hepreco.cli.console import progress_bar, say
from hepreco.cli.options import parse_options, plugin_option, training_options
from hepreco.cli.samples import from_configuration, from_files, table_of
from hepreco.config import AnalysisConfig, read_config
from hepreco.errors import ConfigError, PluginError
from hepreco.events import EventBatch
from hepreco.plugin import Trainable, TrainingOptions, discover
from hepreco.weights import Card, save_weights


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("plugin", shell_complete=complete_plugin)
@click.argument("plugin_options", nargs=-1, type=click.UNPROCESSED, metavar="[--KEY VALUE]...")
@click.option(
    "--files",
    multiple=True,
    metavar="[CLASS=]FILES",
    help="NanoAOD files to train on; may be repeated. CLASS= is for plugins that are trained on classes of events. "
    "Not for plugins that generate events.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Train on the events that the plugin gets in a run of this configuration, with its options from there.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME",
    help="A dataset of the configuration; by default all. For plugins that are trained on classes, each is a class.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory for the weights.")
@click.option("--sample", help="Description of the files, with which a reader can regenerate them.")
@plugin_option
@training_options
@click.option("--resume", is_flag=True, help="Continue from the running checkpoint in the output directory.")
def train(
    plugin: str,
    plugin_options: tuple[str, ...],
    files: tuple[str, ...],
    config: Path | None,
    datasets: tuple[str, ...],
    output: Path,
    sample: str | None,
    options: tuple[str, ...],
    resume: bool,
    **settings: Any,
) -> None:
    """Train the weights of PLUGIN and write them, with their card, into the output directory.

    An option of the plugin may also be given like an option of the command, for example ``--process ttbar``.
    """
    if datasets and not config:
        raise ConfigError(f"--dataset {datasets[0]} is given without a configuration", "give --config as well")
    analysis = read_config(config) if config else AnalysisConfig()
    table, configured = table_of(analysis, plugin) if config else (plugin, {})
    registered = discover()[plugin]
    reconstructor = registered.build({**configured, **parse_options(options), **_named(plugin_options)})
    if not isinstance(reconstructor, Trainable):
        raise PluginError(f"plugin {plugin!r} has no weights to train", "choose a trainable plugin")
    generates = reconstructor.trains_on == "generated"
    if bool(files) + bool(config) != (0 if generates else 1):
        raise ConfigError(
            f"plugin {plugin!r} trains on {'events that it generates' if generates else 'files'}",
            "leave --files and --config out" if generates else "give --files, or --config",
        )
    checkpoint = output / "checkpoint"
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{checkpoint} holds an unfinished training", "continue it with --resume, or remove it")
    training = TrainingOptions(resume_from=checkpoint, **settings)
    reached = [0]
    with progress_bar("Training", total=training.epochs) as advance:

        def report(epoch: int, losses: Mapping[str, float]) -> None:
            advance(epoch - reached[-1])
            reached.append(epoch)
            if epoch % 10 == 0:
                say(f"epoch {epoch}: " + ", ".join(f"{k} {v:.5g}" for k, v in losses.items()))

        if generates:
            samples = {}
        elif config:
            samples = from_configuration(analysis, table, reconstructor, datasets=datasets, output=output)
        else:
            classes = reconstructor.trains_on == "classes"
            samples = from_files(reconstructor, _by_class(files) if classes else {"events": files})
        if reconstructor.trains_on == "events":
            samples = {"events": EventBatch.concatenate(list(samples.values()))}
        if samples:
            say("training on " + ", ".join(f"{len(batch)} {name}" for name, batch in samples.items()))
        given: Any = samples if registered.api_version > 1 else samples.get("events", samples)
        result = reconstructor.train(given, training, report=report)
    arguments = [_without_folders(argument) for argument in sys.argv[1:]]
    card = Card(
        sha256="",
        network=dict(result.network),
        sample=sample or ", ".join(Path(file).name for file in files) or "generated by the command",
        seed=training.seed,
        command=shlex.join(["hepreco", *arguments]),
        hepreco=version("hepreco"),
        metrics=dict(result.metrics),
    )
    save_weights(output, result.tensors, card)
    (output / "history.json").write_text(json.dumps({name: list(values) for name, values in result.history.items()}))
    shutil.rmtree(checkpoint, ignore_errors=True)
    say(f"weights: {output}; {dict(result.metrics)}")


def _without_folders(argument: str) -> str:
    """An argument without the directories of its path, also after ``=``; text with spaces stays as it is."""
    return argument if " " in argument else re.sub(r"[^=]*/", "", argument.rstrip("/"))


def _by_class(files: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The files of each class, from arguments ``CLASS=FILES``."""
    found: dict[str, tuple[str, ...]] = {}
    for argument in files:
        name, separator, pattern = argument.partition("=")
        if not separator or "/" in name:
            raise ConfigError(
                f"--files {argument} names no class", "give --files CLASS=FILES, for example tttt=tttt.root"
            )
        found[name] = (*found.get(name, ()), pattern)
    return found


def _named(arguments: tuple[str, ...]) -> dict[str, object]:
    """Options from pairs ``--key value``; a value that is not TOML is a string."""
    names, values = arguments[::2], arguments[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise ConfigError(f"cannot read {shlex.join(arguments)}", "give options as --key value")
    found: dict[str, object] = {}
    for name, value in zip(names, values, strict=True):
        key = name.removeprefix("--").replace("-", "_")
        try:
            found |= tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found
