"""Writes the columns of plugins per event to Parquet or ROOT files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepreco.errors import ConfigError, OutputError, what_was_raised
from hepreco.events.objects import MOMENTUM
from hepreco.names import safe_name
from hepreco.plugin import Reconstructor
from hepreco.plugin.columns import REASON
from hepreco.processing.report import Chunk


@dataclass(frozen=True)
class ColumnWriter:
    """Writes one file per chunk, on the worker that processed it.

    The file holds the selected events of the nominal variation: ``run``, ``luminosityBlock``, ``event``, ``weight``
    (the generator weight, not normalised), and ``<plugin>_<column>``, with four-vectors as ``…_pt``, ``…_eta``,
    ``…_phi``, ``…_mass``. Missing numbers are NaN. All workers must see the directory.
    """

    directory: Path
    format: Literal["parquet", "root"]

    def name(self, chunk: Chunk) -> str:
        """The file of a chunk, relative to the directory."""
        return file_name(chunk, self.format)

    def __call__(self, events: ak.Array, *, plugins: Iterable[str], weight: NDArray[np.float32], chunk: Chunk) -> str:
        """Write the file of a chunk, replacing an earlier one, and return its name relative to the directory."""
        table = {name: ak.to_numpy(events[name]) for name in ("run", "luminosityBlock", "event")} | {"weight": weight}
        for plugin in plugins:
            for name in events[plugin].fields:
                table |= _flat(f"{plugin}_{name}", events[plugin, name])
        name = self.name(chunk)
        write_file(self.directory / name, partial(self._write, table))
        return name

    def _write(self, table: Mapping[str, Any], path: Path) -> None:
        if self.format == "parquet":
            ak.to_parquet(ak.zip(table, depth_limit=1), path)
        else:
            with uproot.recreate(path) as file:
                file.mktree("Events", {field: _type(values) for field, values in table.items()}).extend(table)


def file_name(chunk: Chunk, suffix: str) -> str:
    """The name of the file for a chunk, in the directory of its dataset."""
    digest = sha256(f"{chunk.dataset}:{chunk.file}:{chunk.start}-{chunk.stop}".encode()).hexdigest()[:12]
    return f"{chunk.dataset}/{safe_name(Path(chunk.file).stem)}-{chunk.start}-{chunk.stop}-{digest}.{suffix}"


def write_file(path: Path, write: Callable[[Path], None]) -> None:
    """Have a file written under another name, and give it its own when it is whole.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    unfinished = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        unfinished.replace(path)
    except Exception as error:  # on a full disk pyarrow and uproot raise what their clean-up meets
        problem = f"cannot write {path}: {what_was_raised(error)}"
        raise OutputError(problem, "make room, or choose another directory for --output") from None


def check_column_names(reconstructors: Mapping[str, Reconstructor]) -> None:
    """Refuse columns of plugins that would have the same name in a column file.

    Raises
    ------
    ConfigError
        Two names coincide, for example those of a four-vector ``z``, written as ``z_mass`` and others, and of a scalar
        ``z_mass``.
    """
    origins: dict[str, str] = {}
    for plugin, reconstructor in reconstructors.items():
        for written, origin in _branches(plugin, reconstructor):
            other = origins.setdefault(written, origin)
            if other != origin:
                raise ConfigError(
                    f"the columns {other!r} and {origin!r} would both be written as {written!r}",
                    "rename the plugin's table, tell the plugin's author, or write no columns",
                )


def _branches(plugin: str, reconstructor: Reconstructor) -> Iterator[tuple[str, str]]:
    """Every name in a plugin's files with its column; ROOT adds a counter ``n…`` for each list."""
    yield f"{plugin}_{REASON}", f"{plugin}.{REASON}"
    for column in reconstructor.outputs:
        components = [f"_{name}" for name in MOMENTUM] if column.kind == "four-vector" else [""]
        for component in components:
            written = f"{plugin}_{column.name}{component}"
            for name in (written,) if column.per is None else (written, f"n{written}"):
                yield name, f"{plugin}.{column.name}"


def _flat(name: str, values: ak.Array) -> dict[str, ak.Array]:
    if values.fields:
        return {key: value for field in values.fields for key, value in _flat(f"{name}_{field}", values[field]).items()}
    values = ak.fill_none(values, np.float32(np.nan), axis=-1) if "?" in str(values.type) else values
    return {name: ak.to_packed(ak.without_parameters(values))}


def _type(values: ak.Array | NDArray[np.generic]) -> Any:
    return values.dtype if isinstance(values, np.ndarray) else values.type.content
