"""The layout of SPANet's HDF5 files, as docs/Dataset.md of SPANet describes it, and that of its first version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError, UnreadableError

if TYPE_CHECKING:
    import h5py

#: Flags of objects that are leptons, by the NanoAOD collection that these belong to.
LEPTON_FLAGS: Final = {"Electron": "etag", "Muon": "utag"}
#: Names at the root of HDF5 files of other programs, or of attributes there, with what they are.
OTHER_LAYOUTS: Final = {
    "jets": "dumps of ATLAS flavour tagging, which Umami and Salt read",
    "procInfo": "LHEH5, parton-level events of Sherpa and Pepper",
    "particle_features": "JetNet",
    "model_weights": "weights of Keras",
    "pandas_type": "tables of pandas",
}
_OLDER_SOURCE: Final = "source"  # files before SPANet 2 have neither INPUTS nor TARGETS, and lower-case masks
_SCALAR: Final = ((), (1,))  # axes of a dataset beyond events and slots
_REMEDY: Final = "write it as docs/Dataset.md of SPANet describes: INPUTS/<objects> with MASK, pt, eta, phi and mass"


class SpanetFile:
    """An open file, with one sequence of objects.

    Attributes
    ----------
    entries
        Number of events.
    sequence
        Name of the sequence among ``inputs``.
    inputs
        Groups of measured numbers: one per object in the sequence, one per event in the others.
    targets
        The assignment targets, such as "t1/b".
    """

    def __init__(self, file: "h5py.File", *, path: str) -> None:
        self.path = path
        self._file = file
        self._is_older = "INPUTS" not in file
        self._mask = "mask" if self._is_older else "MASK"
        groups = {_OLDER_SOURCE: file[_OLDER_SOURCE]} if self._is_older else file["INPUTS"]
        self.inputs: dict[str, h5py.Group] = {name: each for name, each in groups.items() if hasattr(each, "keys")}
        self.sequence = self._only_sequence()
        self.entries, self._slots = self._shape_of_mask()

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that the objects belong to: jets, and leptons if the file has flags of them."""
        objects = self.inputs[self.sequence]
        return ("Jet", *(name for name, flag in LEPTON_FLAGS.items() if flag in objects))

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets, such as "t1/b"."""
        root = self._file if self._is_older else self._member(self._file, "TARGETS")
        return tuple(
            f"{particle}/{product}"
            for particle, group in root.items()
            if particle != _OLDER_SOURCE
            for product in group
            if product != "mask"
        )

    def names(self, group: str) -> tuple[str, ...]:
        """The numbers in a group of inputs, without masks and flags; "phi" stands for its sine and cosine as well."""
        left_out = {self._mask, "sin_phi", "cos_phi", *LEPTON_FLAGS.values()}
        shape = self._shape(group)
        numbers = {
            name: data for name, data in self.inputs[group].items() if name not in left_out and _is_numeric(data)
        }
        found = [name for name, data in numbers.items() if data.shape[len(shape) :] in _SCALAR]
        for name in found:
            self._check(numbers[name], shape)
        return tuple(dict.fromkeys((*found, "phi") if "sin_phi" in self.inputs[group] else found))

    def read(self, group: str, name: str, rows: slice) -> NDArray[Any]:
        """Numbers of a group of inputs, (event, slot) for objects and (event,) for others, in the type of the file."""
        if name == "phi" and "phi" not in self.inputs[group] and "sin_phi" in self.inputs[group]:
            return np.arctan2(*(self.read(group, each, rows) for each in ("sin_phi", "cos_phi")))
        return self._read(self._member(self.inputs[group], name), self._shape(group), rows)

    def members(self, rows: slice) -> "dict[str, Bool[NDArray[np.bool_], 'event slot']]":
        """Which slots hold the objects of each collection."""
        held = self.read(self.sequence, self._mask, rows) > 0
        found = {"Jet": held}
        for name in self.collections[1:]:
            flagged = self.read(self.sequence, LEPTON_FLAGS[name], rows) > 0
            found[name] = found["Jet"] & flagged
            found["Jet"] = found["Jet"] & ~flagged
        return found

    def target(self, name: str, rows: slice) -> "Int[NDArray[np.int64], ' event']":
        """The slot of a target in every event; −1 if it has none."""
        group, _, product = (name if self._is_older else f"TARGETS/{name}").rpartition("/")
        slot = np.nan_to_num(self._of_events(self._file[group][product], rows), nan=-1.0).astype(np.int64)
        if "mask" in self._file[group]:
            slot = np.where(self._of_events(self._file[group]["mask"], rows) > 0, slot, -1)
        slot = np.maximum(slot, -1)
        held = np.pad(self.read(self.sequence, self._mask, rows) > 0, ((0, 0), (0, 1)))
        wrong = np.flatnonzero((slot >= 0) & ~held[np.arange(len(slot)), np.minimum(slot, self._slots)])
        if len(wrong):
            raise DatasetError(
                f"target {name} of {self.path} is {slot[wrong[0]]} in event {rows.start + wrong[0]}, "
                "which has no such jet or lepton",
                "indices count the slots of the objects from 0, and are -1 for an object that is missing",
            )
        return slot

    def truth(self, root: str, rows: slice) -> dict[str, NDArray[Any]]:
        """All numbers below ``CLASSIFICATIONS`` or ``REGRESSIONS``, such as "EVENT/signal"."""
        found: dict[str, NDArray[Any]] = {}

        def add(name: str, data: Any) -> None:
            if _is_numeric(data):
                found[name] = self._of_events(data, rows)

        if root in self._file:
            self._file[root].visititems(add)
        return found

    def _of_events(self, data: "h5py.Dataset", rows: slice) -> NDArray[Any]:
        return self._read(data, (self.entries,), rows)

    def _shape(self, group: str) -> tuple[int, ...]:
        return (self.entries, self._slots) if group == self.sequence else (self.entries,)

    def _read(self, data: "h5py.Dataset", shape: tuple[int, ...], rows: slice) -> NDArray[Any]:
        """Rows of a dataset of this shape."""
        self._check(data, shape)
        values = np.asarray(data[rows], dtype=np.promote_types(data.dtype, data.dtype))  # in the order of this machine
        return values.reshape(len(values), *shape[1:])

    def _check(self, data: "h5py.Dataset", shape: tuple[int, ...]) -> None:
        if data.shape not in tuple(shape + rest for rest in _SCALAR):
            raise UnreadableError(
                f"{data.name} of {self.path} has shape {data.shape}, expected {shape}: events of the objects' mask",
                _REMEDY,
            )

    def _only_sequence(self) -> str:
        sequences = [name for name, group in self.inputs.items() if self._mask in group]
        if len(sequences) != 1:
            raise DatasetError(
                f"{self.path} has {len(sequences)} sequences with a mask, expected one: of jets, among which leptons "
                f"may be marked by the flags {' and '.join(LEPTON_FLAGS.values())}; it has {sorted(self.inputs)}",
                _REMEDY,
            )
        return sequences[0]

    def _shape_of_mask(self) -> tuple[int, int]:
        mask = self.inputs[self.sequence][self._mask]
        if mask.ndim != 2:
            raise UnreadableError(f"{mask.name} of {self.path} has shape {mask.shape}, expected two axes", _REMEDY)
        entries, slots = mask.shape
        return entries, slots

    def _member(self, group: "h5py.Group", name: str) -> Any:
        if name not in group:
            raise DatasetError(f"no {name} in {group.name} of {self.path}, which has {sorted(group)}", _REMEDY)
        return group[name]


@contextmanager
def open_spanet(path: Path | str, stream: object | None = None) -> Iterator[SpanetFile]:
    """Open a file by its path, or by an open stream.

    Raises
    ------
    ConfigError
        h5py is not installed.
    DatasetError
        The file does not exist, is unreadable, or has another layout, which is named if it is known.
    """
    try:
        import h5py  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            f"cannot read {path} without h5py, which is not installed", "pip install 'hepreco[spanet]'"
        ) from None
    if stream is None and not Path(path).exists():
        raise DatasetError(f"no file {path}", "check the name")
    try:
        file = h5py.File(stream or path, "r")
    except OSError as error:
        raise UnreadableError(f"{path} is not a readable HDF5 file ({error})", "copy it again") from error
    with file:
        if "INPUTS" not in file and _OLDER_SOURCE not in file:
            _refuse_other_layouts(file, str(path))
        yield SpanetFile(file, path=str(path))


def _is_numeric(member: "h5py.Group | h5py.Dataset") -> bool:
    return hasattr(member, "dtype") and member.dtype.kind in "biuf"


def _refuse_other_layouts(file: "h5py.File", path: str) -> None:
    for name in (*file, *(attribute for member in file.values() for attribute in member.attrs)):
        if name in OTHER_LAYOUTS:
            raise DatasetError(
                f"{path} is not a file of SPANet: {name!r} is a name of {OTHER_LAYOUTS[name]}",
                f"convert it to NanoAOD, or {_REMEDY}",
            )
    raise DatasetError(f"{path} is not a file of SPANet: it has {sorted(file)}, and no INPUTS", _REMEDY)
