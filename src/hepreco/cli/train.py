"""``hepreco train``: make the weights of a plugin."""

import json
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from hepreco.cli.console import console, progress_bar
from hepreco.errors import ConfigError, PluginError
from hepreco.events import Dataset, read_batch
from hepreco.plugin import Trainable, TrainingOptions, discover
from hepreco.weights import Manifest, save_weights


@click.command()
@click.argument("plugin")
@click.option("--files", multiple=True, required=True, help="NanoAOD files to train on; may be repeated.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory for the weights.")
@click.option("--sample", help="What the files are, in words that let a reader regenerate them.")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the plugin, in TOML syntax."
)
@click.option("--epochs", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--learning-rate", type=float, default=1e-3, show_default=True)
@click.option("--schedule", type=click.Choice(["constant", "cosine"]), default="constant", show_default=True)
@click.option("--patience", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--validation-fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--resume", is_flag=True, help="Continue from the running checkpoint in the output directory.")
def train(
    plugin: str,
    files: tuple[str, ...],
    output: Path,
    sample: str | None,
    options: tuple[str, ...],
    resume: bool,
    **settings: Any,
) -> None:
    """Train the weights of PLUGIN and write them, with their manifest, into the output directory."""
    reconstructor = discover()[plugin].build(_parse(options))
    if not isinstance(reconstructor, Trainable):
        raise PluginError(f"plugin {plugin!r} has no weights to train", "choose a trainable plugin")
    checkpoint = output / "checkpoint"
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{checkpoint} holds an unfinished training", "continue it with --resume, or remove it")
    training = TrainingOptions(resume_from=checkpoint, **settings)
    batch = read_batch(Dataset("training", files), reconstructor.inputs)
    console.print(f"training {plugin} on {len(batch)} events", highlight=False)
    reached = [0]
    with progress_bar("Training", total=training.epochs) as advance:

        def report(epoch: int, losses: Mapping[str, float]) -> None:
            advance(epoch - reached[-1])
            reached.append(epoch)
            if epoch % 10 == 0:
                console.print(
                    f"epoch {epoch}: " + ", ".join(f"{k} {v:.5g}" for k, v in losses.items()), highlight=False
                )

        result = reconstructor.train(batch, training, report=report)
    arguments = [argument if "/" not in argument else Path(argument).name for argument in sys.argv[1:]]
    manifest = Manifest(
        sha256="",
        network=dict(result.network),
        sample=sample or ", ".join(Path(file).name for file in files),
        seed=training.seed,
        command=shlex.join(["hepreco", *arguments]),
        hepreco=version("hepreco"),
        metrics=dict(result.metrics),
    )
    save_weights(output, result.tensors, manifest)
    (output / "history.json").write_text(json.dumps({name: list(values) for name, values in result.history.items()}))
    shutil.rmtree(checkpoint, ignore_errors=True)
    console.print(f"weights: {output}; {dict(result.metrics)}", highlight=False)


def _parse(options: tuple[str, ...]) -> dict[str, object]:
    try:
        return tomllib.loads("\n".join(options))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"cannot read --option {' '.join(options)}: {error}", "write it as in TOML, for example latent=8"
        ) from None
