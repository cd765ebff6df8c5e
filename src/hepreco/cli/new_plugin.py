"""``hepreco new-plugin``: a complete plugin to start from, whose tests pass."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, Literal, get_args

import click

from hepreco.cli.console import say
from hepreco.errors import ConfigError, OutputError

Kind = Literal["reconstructor", "correction"]
#: The file for each template.
FILES: Final = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "${kind}_README.md.tmpl": "README.md",
    "init.py.tmpl": "src/hepreco_${module}/__init__.py",
    "${kind}_hepreco.json.tmpl": "src/hepreco_${module}/hepreco.json",
    "${kind}.py.tmpl": "src/hepreco_${module}/${kind}.py",
    "test_${kind}.py.tmpl": "tests/test_${module}.py",
}
_DEPENDENCIES: Final[dict[Kind, str]] = {
    "reconstructor": '"hepreco", "torch"',
    "correction": '"hepreco", "awkward", "numpy"',
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@click.command()
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where to create the directory hepreco-NAME; by default the current directory.",
)
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="reconstructor",
    show_default=True,
    help="A reconstructor computes columns; a correction changes weights or objects.",
)
def new_plugin(name: str, directory: Path, kind: Kind) -> None:
    """Create a small plugin called NAME to start from, with tests that pass."""
    for path in write_plugin(name, directory, kind=kind):
        say(str(path))
    root = directory / f"hepreco-{name}"
    say(f"next: pip install --editable {root} && pytest {root}")


def write_plugin(name: str, directory: Path, *, kind: Kind = "reconstructor") -> list[Path]:
    """Create the distribution ``hepreco-<name>`` in a new directory of this name; return its files.

    Raises
    ------
    ConfigError
        ``name`` is not lower case letters and digits, joined by hyphens.
    OutputError
        The directory exists, or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a plugin name",
            "use lower case letters and digits, joined by hyphens, and a letter first: 'my-plugin'",
        )
    root = directory / f"hepreco-{name}"
    values = {
        "name": name,
        "module": name.replace("-", "_"),
        "cls": _class_name(name, kind),
        "kind": kind,
        "contract": kind.capitalize(),
        "dependencies": _DEPENDENCIES[kind],
    }
    templates = files("hepreco.cli") / "template"
    contents = {
        root / Template(path).substitute(values): Template(
            (templates / Template(source).substitute(values)).read_text("utf-8")
        ).substitute(values)
        for source, path in FILES.items()
    }
    try:
        root.mkdir(parents=True)
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except FileExistsError:
        raise OutputError(f"{root} exists", "choose another name or directory, or remove it first") from None
    except OSError as error:
        raise OutputError(
            f"cannot write {root}: {error.strerror}", "choose a directory that you may write to"
        ) from None
    return list(contents)


def _class_name(name: str, kind: Kind) -> str:
    """``my-plugin`` becomes ``MyPluginReconstructor``; with the suffix it cannot be a keyword or imported name."""
    return "".join(part.capitalize() for part in name.split("-")) + kind.capitalize()
