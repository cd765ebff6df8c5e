"""Files of SPANet as a source of events: measured objects with NanoAOD's names, and no truth."""

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

import awkward as ak
import fsspec
import numpy as np
from fsspec.utils import get_protocol

from hepreco.errors import DatasetError
from hepreco.formats.spanet_file import open_spanet

#: The collections that the missing momentum of a file is given as, because analyses of NanoAOD read one or the other.
_MISSING_MOMENTA = ("MET", "PuppiMET")


class SpanetSource:
    """The inputs of a SPANet file as NanoAOD's columns; targets, classifications and regressions are not among them.

    Objects are ``Jet``, or with the flag ``etag`` or ``utag`` ``Electron`` or ``Muon``, in the order of the file. A
    group with ``met`` is ``MET`` and ``PuppiMET``, with ``pt`` in place of ``met``. All other numbers have the names
    that the file gives them, such as ``Jet_btag``.
    """

    uuid = ""

    def __init__(self, path: str) -> None:
        self._stack = ExitStack()
        remote = get_protocol(path) != "file"
        stream = self._stack.enter_context(fsspec.open(path, "rb")) if remote else None
        self._file = self._stack.enter_context(open_spanet(path, stream))
        self.entries: int = self._file.entries
        self._counted = {f"n{name}": name for name in self._file.collections}
        self._places: dict[str, tuple[str, str]] = {}
        for group in self._file.inputs:
            for collection in self._collections(group):
                self._add(group, collection)
        self.names = (*self._counted, *self._places)

    def __enter__(self) -> "SpanetSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def form(self, name: str) -> ak.forms.Form:
        """The awkward form of a column."""
        return self.read([name], 0, 0)[name].layout.form

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Entries [start, stop) of columns."""
        names, rows = tuple(names), slice(start, stop)
        members = self._file.members(rows)
        places = {self._places[name] for name in names if name in self._places}
        values = {place: self._file.read(*place, rows) for place in places}
        found: dict[str, ak.Array] = {}
        for name in names:
            collection = name.partition("_")[0]
            if name in self._counted:
                found[name] = ak.Array(members[self._counted[name]].sum(axis=1, dtype=np.int32))
            elif collection in members:
                held = members[collection]
                found[name] = ak.unflatten(values[self._places[name]][held], held.sum(axis=1))
            else:
                found[name] = ak.Array(values[self._places[name]])
        return found

    def _collections(self, group: str) -> tuple[str, ...]:
        if group == self._file.sequence:
            return self._file.collections
        if "met" in self._file.inputs[group]:
            return _MISSING_MOMENTA
        return (group.replace("_", ""),)

    def _add(self, group: str, collection: str) -> None:
        for name in self._file.names(group):
            column = f"{collection}_{'pt' if name == 'met' else name}"
            if column in self._places or (collection in self._counted.values() and group != self._file.sequence):
                raise DatasetError(
                    f"INPUTS of {self._file.path} has two groups that would be {collection}: "
                    f"{self._places.get(column, (self._file.sequence,))[0]!r} and {group!r}",
                    "rename one of them",
                )
            self._places[column] = (group, name)
