"""Files of events as named columns: trees, RNTuples, Parquet and HDF5, with checks of their structure."""

import struct
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
from fsspec.utils import get_protocol
from numpy.typing import NDArray
from uproot.behaviors.RNTuple import HasFields
from uproot.reading import ReadOnlyKey

from hepreco.errors import DatasetError, UnreadableError
from hepreco.events.spanet import SpanetSource
from hepreco.events.trees import open_tree

#: Names that identify files of other formats, with the name of the format.
OTHER_FORMATS: Final = {
    "AnalysisJetsAuxDyn": "ATLAS PHYSLITE",
    "EventInfoAuxDyn": "an ATLAS derivation",
    "CollectionTree": "an ATLAS derivation, such as PHYSLITE",
    "Jet.PT": "Delphes",
    "Delphes": "Delphes",
    "podio_metadata": "EDM4hep",
    "EventHeader": "EDM4hep",
    "events": "EDM4hep",
    "EventAuxiliary": "CMS AOD or MiniAOD",
}
#: No compression stores so many events, which have event numbers, in one byte.
_ENTRIES_PER_BYTE: Final = 1000
#: Fields after the key of a basket: version, sizes, number of entries, and last byte.
_BASKET: Final = struct.Struct(">Hiiii")
PARQUET: Final = frozenset((".parquet", ".parq", ".pq"))
HDF5: Final = frozenset((".h5", ".hdf5", ".hdf"))


@runtime_checkable
class Source(AbstractContextManager["Source"], Protocol):
    """An open file of events.

    Attributes
    ----------
    names
        Names of all columns, in the style of NanoAOD: ``Jet_pt``, ``nJet``, ``run``.
    entries
        Number of events.
    uuid
        Unique identifier of the file; empty if its format has none.
    """

    names: tuple[str, ...]
    entries: int
    uuid: str

    def form(self, name: str) -> ak.forms.Form:
        """The awkward form of a column."""
        ...

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Entries [start, stop) of columns."""
        ...


def open_source(path: str, tree: str, *, wanted: Callable[[str], bool] = lambda _: True) -> Source:
    """Open a file with the wanted columns.

    Raises
    ------
    UnreadableError
        The file's structure is inconsistent, or the tree does not exist.
    DatasetError
        The file is not NanoAOD.
    """
    if PurePath(path).suffix in PARQUET:
        return ParquetSource(path)
    if PurePath(path).suffix in HDF5:
        return SpanetSource(path)
    try:
        opened, names = open_tree(path, tree, wanted=wanted)
    except KeyError as error:  # uproot's KeyInFileError lists the keys of the file, as 'CollectionTree;1'
        keys = dict.fromkeys(key.partition(";")[0] for key in error.__dict__.get("keys", ()))
        refuse_other_formats(path, (tree, *keys))
        held = f"; it has {', '.join(list(keys)[:10])}" if keys else ""
        raise UnreadableError(
            f"{path} has no tree {tree!r}{held}", "name its tree with 'tree' in the dataset, or use --skip-bad-files"
        ) from error
    refuse_other_formats(path, (tree, *names))
    return FieldSource(path, opened) if isinstance(opened, HasFields) else TreeSource(path, opened, names)


def refuse_other_formats(path: str, names: Iterable[str]) -> None:
    """Raise :class:`~hepreco.errors.DatasetError` if a name belongs to a format other than NanoAOD."""
    for name in names:
        known = OTHER_FORMATS.get(name.removesuffix(".").partition("/")[0]) or OTHER_FORMATS.get(name.split(".")[0])
        if known:
            raise DatasetError(
                f"{path} is not NanoAOD: {name!r} is a name of {known}",
                "convert it first: hepreco reads NanoAOD, with columns such as Jet_pt and nJet",
            )


Root = TypeVar("Root", bound="_RootSource")


class _RootSource:
    """Common base of trees and RNTuples."""

    def __init__(self, path: str, tree: Any) -> None:
        self.path = path
        self._tree = tree
        self.entries = int(tree.num_entries)
        self.uuid = str(tree.file.uuid)
        if self.entries < 0:
            raise contradiction(path, f"its tree says that it has {self.entries} entries")
        if get_protocol(path) != "file":
            return
        size = Path(path).stat().st_size
        if size < tree.file.fEND:
            raise contradiction(path, f"it is cut short, at {size} of {tree.file.fEND} bytes")
        if self.entries > _ENTRIES_PER_BYTE * size:
            raise contradiction(path, f"its tree says that it has {self.entries} entries, in {size} bytes")

    def __enter__(self: Root) -> Root:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tree.file.close()


class TreeSource(_RootSource):
    """A TTree; the metadata of its opened branches are checked against those of the tree."""

    def __init__(self, path: str, tree: Any, names: tuple[str, ...]) -> None:
        super().__init__(path, tree)
        self.names = names
        self._opened = {branch.name: branch for branch in tree.branches}
        for branch in tree.branches:
            self._check(branch)

    def form(self, name: str) -> ak.forms.Form:
        """The awkward form of a column."""
        return self._opened[name].interpretation.awkward_form(None)

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Entries [start, stop) of columns."""
        chosen = set(names)
        return self._tree.arrays(
            filter_branch=lambda branch: branch.name in chosen, entry_start=start, entry_stop=stop, how=dict
        )

    def _check(self, branch: Any) -> None:
        """Check that the branch has as many entries as the tree, and enough baskets and bytes for them."""
        if branch.num_entries != self.entries:
            raise contradiction(
                self.path, f"branch {branch.name} has {branch.num_entries} entries, the tree {self.entries}"
            )
        offsets = np.asarray(branch.entry_offsets)
        if offsets[0] != 0 or offsets[-1] != self.entries or (np.diff(offsets) < 0).any():
            raise contradiction(self.path, f"the baskets of branch {branch.name} do not cover {self.entries} entries")
        if get_protocol(self.path) == "file":  # for remote files every basket would be a request
            self._check_baskets(branch, offsets)
        size = getattr(getattr(branch.interpretation, "from_dtype", None), "itemsize", 1)
        if not branch.embedded_baskets and self.entries * size > branch.member("fTotBytes"):
            raise contradiction(
                self.path,
                f"branch {branch.name} has {branch.member('fTotBytes')} bytes, too few for {self.entries} entries",
            )

    def _check_baskets(self, branch: Any, offsets: NDArray[np.int64]) -> None:
        """Check that every basket belongs to this branch and has the expected number of entries."""
        for number in range(branch.num_baskets - len(branch.embedded_baskets)):
            chunk, cursor = branch.basket_chunk_cursor(number)
            name = ReadOnlyKey(chunk, cursor, {}, self._tree.file, branch, read_strings=True).fName
            entries = cursor.fields(chunk, _BASKET, {})[3]
            expected = offsets[number + 1] - offsets[number]
            if name != branch.name or entries != expected:
                raise contradiction(
                    self.path,
                    f"basket {number} of branch {branch.name}, of {expected} entries, is one of {name} with {entries}",
                )


class FieldSource(_RootSource):
    """An RNTuple; the fields of a list of records become separate columns, such as Jet_pt."""

    def __init__(self, path: str, tree: Any) -> None:
        super().__init__(path, tree)
        if self.entries > 0 and not tree.keys(recursive=False):
            raise contradiction(path, "it has entries but no fields")
        self._check()
        top = {name: tree[name].to_akform()[0].contents[0] for name in tree.keys(recursive=False)}
        self._places: dict[str, tuple[str, str | None]] = {}
        self._forms: dict[str, ak.forms.Form] = {}
        for name, form in top.items():
            self._add(name, form)
        self.names = tuple(self._forms)

    def _check(self) -> None:
        """Check that the clusters cover all entries, and that no two pages overlap, nor the beginning of the file.

        Columns of equal content may share a page that has a checksum.
        """
        clusters = self._tree.cluster_summaries
        edges = np.cumsum([0, *(cluster.num_entries for cluster in clusters)])
        spans = sum(group.entry_span for group in self._tree.footer.cluster_group_records)
        if [cluster.num_first_entry for cluster in clusters] != edges[:-1].tolist() or edges[-1] != spans:
            raise contradiction(self.path, f"its clusters do not cover {spans} entries")
        columns = [column for cluster in self._tree.page_link_list for column in cluster]
        pages = [page for column in columns for page in column.pages if page.locator.num_bytes]
        alone, shared = (
            [(page.locator.offset, page.locator.num_bytes) for page in pages if page.has_checksum == checked]
            for checked in (False, True)
        )
        places = sorted([(0, self._tree.file.fBEGIN), *alone, *set(shared)])
        if any(start + size > following for (start, size), (following, _) in pairwise(places)):
            raise contradiction(self.path, "one of its pages lies where something else is")

    def _add(self, name: str, form: ak.forms.Form) -> None:
        if isinstance(form, ak.forms.RegularForm):
            form = ak.forms.ListOffsetForm("i64", form.content)
        record = form.content if isinstance(form, ak.forms.ListOffsetForm) else form
        if not isinstance(record, ak.forms.RecordForm):
            self._places[name], self._forms[name] = (name, None), form
            return
        for field, inner in zip(record.fields, record.contents, strict=True):
            flat = ak.forms.ListOffsetForm("i64", inner) if record is not form else inner
            self._places[f"{name}_{field}"], self._forms[f"{name}_{field}"] = (name, field), flat

    def form(self, name: str) -> ak.forms.Form:
        """The awkward form of a column."""
        return self._forms[name]

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Entries [start, stop) of columns."""
        found: dict[str, ak.Array] = {}
        whole: dict[str, ak.Array] = {}
        for name in names:
            field, inner = self._places[name]
            if field not in whole:
                whole[field] = self._tree[field].array(entry_start=start, entry_stop=stop)
            found[name] = whole[field] if inner is None else whole[field][inner]
        return found


class ParquetSource:
    """A Parquet file with NanoAOD's columns."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = pq.ParquetFile(path)
        self.entries = int(self._file.metadata.num_rows)
        self.names = tuple(self._file.schema_arrow.names)
        self.uuid = ""
        self._empty = ak.from_arrow(self._file.schema_arrow.empty_table(), generate_bitmasks=False)

    def __enter__(self) -> "ParquetSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def form(self, name: str) -> ak.forms.Form:
        """The awkward form of a column."""
        return _without_options(self._empty[name]).layout.form

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Entries [start, stop) of columns."""
        chosen = list(names)
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        edges = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        groups = np.flatnonzero((edges[:-1] < stop) & (edges[1:] > start)).tolist()
        if not groups:
            return {name: _without_options(self._empty[name]) for name in chosen}
        table = self._file.read_row_groups(groups, columns=chosen)
        rows = ak.from_arrow(table.slice(start - int(edges[groups[0]]), stop - start))
        return {name: _without_options(rows[name]) for name in chosen}


def contradiction(path: str, problem: str) -> UnreadableError:
    """The error for an inconsistent file."""
    return UnreadableError(f"{path} is damaged: {problem}", "replace the file, or use --skip-bad-files")


def _without_options(values: ak.Array) -> ak.Array:
    """Remove the option type, which Parquet gives to every column; NanoAOD has no missing values."""
    for axis in range(values.ndim):
        if ak.any(ak.is_none(values, axis=axis), axis=None):
            raise ValueError("a column has missing values, which NanoAOD does not allow")
    return ak.without_parameters(ak.to_packed(ak.drop_none(values, axis=None)))
