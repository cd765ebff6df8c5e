"""Opens files, and reads and checks their columns, before anything else runs.

A failure here, or when a function reads a further column later, is the file's fault and becomes an
:class:`~hepreco.errors.UnreadableError`. No other part of hepreco decides whether a file can be read.
"""

import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import PurePath
from typing import Any, Final, TypeVar
from urllib.parse import quote

import awkward as ak
import numpy as np
from coffea import nanoevents
from coffea.nanoevents.mapping.uproot import UprootSourceMapping
from numpy.typing import NDArray

from hepreco.errors import DatasetError, HepRecoError, UnreadableError
from hepreco.events.arrays import finite
from hepreco.events.batch import EventBatch
from hepreco.events.bridge import to_batch
from hepreco.events.columns import EVENT_ID, WEIGHT, Columns, is_bit, missing_column, of_inputs
from hepreco.events.datasets import Dataset
from hepreco.events.filters import conditions
from hepreco.events.objects import InputSpec, momentum_columns
from hepreco.events.sources import Source, contradiction, open_source

Value = TypeVar("Value")

#: Collections that coffea gives a charge, which it requires.
CHARGED: Final = ("Electron", "GenVisTau", "LowPtElectron", "Muon", "Tau")
#: Time limit in seconds for opening a file or reading a chunk of it.
TIMEOUT: Final = 300.0


class NanoAODSchema(nanoevents.NanoAODSchema):  # type: ignore[misc]
    """coffea's NanoAOD schema without warnings about cross-references to collections that a slimmed file lacks.

    Leptons without a charge are momenta; coffea's own would refuse to be read. This is a subclass, since an attribute
    set on coffea's class would not reach the workers.
    """

    warn_missing_crossrefs = False

    def __init__(self, base_form: dict[str, Any], *arguments: Any, **options: Any) -> None:
        neutral = {name: "PtEtaPhiMCollection" for name in CHARGED if f"{name}_charge" not in base_form["fields"]}
        self.mixins: dict[str, str] = {**nanoevents.NanoAODSchema.mixins, **neutral}
        with warnings.catch_warnings():
            # Old NanoAOD stores Photon_mass and Photon_charge, which coffea sets to zero; the warning is harmless.
            warnings.filterwarnings("ignore", message="Branch .* already exists", category=RuntimeWarning)
            super().__init__(base_form, *arguments, **options)


def attempt(read: Callable[[], Value], *, path: str, timeout: float = TIMEOUT) -> Value:
    """Call ``read`` within a time limit and return its result.

    Raises
    ------
    UnreadableError
        Reading raises another exception, or takes longer than ``timeout`` seconds.
    HepRecoError
        Reading raises a HepRecoError, which is passed on.
    """
    outcome: list[Value | BaseException] = []

    def work() -> None:
        try:
            outcome.append(read())
        except BaseException as error:  # any exception is passed to the caller
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)  # a thread that hangs must not keep the process alive
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise UnreadableError(
            f"{path}: no answer within {timeout:g} seconds",
            "check that its server is up, or give it longer with --timeout",
        )
    match outcome[0]:
        case HepRecoError() as error:
            raise error
        case BaseException() as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UnreadableError(
                f"cannot read {path}: {reason[:300]}", "replace the file, or use --skip-bad-files"
            ) from error
        case value:
            return value


def first_readable(replicas: Iterable[str], read: Callable[[str], Value]) -> Value:
    """Read a file from its first address that can be read.

    Raises
    ------
    UnreadableError
        None of them can be read.
    """
    failures: list[UnreadableError] = []
    for address in replicas:
        try:
            return read(address)
        except UnreadableError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    listed = "; ".join(error.problem for error in failures)
    raise UnreadableError(f"none of {len(failures)} replicas can be read: {listed}", failures[-1].remedy)


class ChunkReader:
    """The columns of one chunk, each read once and checked against its counter.

    Parameters
    ----------
    source
        The open file.
    path
        Path of the file, for errors.
    start, stop
        The range of entries.
    timeout
        Time limit in seconds of each access.

    Attributes
    ----------
    failure
        The first reading error, even if it was caught later.
    notes
        Missing branches that were substituted, in words for the report.
    """

    def __init__(self, source: Source, *, path: str, start: int, stop: int, timeout: float = TIMEOUT) -> None:
        self.source = source
        self.path = path
        self.start, self.stop = start, stop
        self.timeout = timeout
        self.failure: HepRecoError | None = None
        self.notes: set[str] = set()
        self._read: dict[str, ak.Array] = {}
        self._lengths: dict[str, NDArray[Any]] = {}
        self._substitutes: dict[str, Callable[[], NDArray[Any]]] = {}

    def preload(self, columns: Columns) -> None:
        """Read the columns that a run needs at once, and substitute missing trigger bits and event numbers."""
        self._number_events()
        for path in columns.missing(self.source.names):
            if not is_bit(path):
                raise missing_column(path, file=self.path, names=self.source.names)
            self._substitutes[path.replace(".", "_")] = lambda: np.zeros(self.stop - self.start, dtype=bool)
        self._load(columns.present(self.source.names))

    @property
    def read_so_far(self) -> tuple[str, ...]:
        """The columns that were asked for, as the file has them."""
        return tuple(self._read)

    def form(self, names: list[str]) -> dict[str, Any]:
        """The awkward form of these columns and of substitutes, from which coffea's schema starts."""
        forms: dict[str, Any] = {
            name: lazy for name in names if (lazy := _lazy(name, self.source.form(name))) is not None
        }
        self._count_objects(forms)
        for name, make in self._substitutes.items():
            forms[name] = _lazy(name, ak.Array(make()).layout.form)
        return {
            "class": "RecordArray",
            "fields": list(forms),
            "contents": list(forms.values()),
            "parameters": {"__doc__": "Events"},
            "form_key": None,
            "typenames": {},
        }

    def __call__(self, name: str) -> ak.Array:
        """One column."""
        if name in self._substitutes:
            return ak.Array(self._substitutes[name]())
        self._load([name])
        return self._read[name]

    def _load(self, names: list[str]) -> None:
        new = [name for name in names if name not in self._read]
        if not new:
            return
        try:
            attempt(lambda: self._read_and_check(new), path=self.path, timeout=self.timeout)
        except HepRecoError as error:
            self.failure = self.failure or error
            raise

    def _read_and_check(self, names: list[str]) -> None:
        found = self.source.read(names, self.start, self.stop)
        for name in names:
            self._read[name] = self._checked(name, found[name])

    def _checked(self, name: str, values: ak.Array) -> ak.Array:
        if len(values) != self.stop - self.start:
            raise contradiction(self.path, f"{name} has {len(values)} of {self.stop - self.start} entries")
        if values.ndim == 1:
            return values
        layout = values.layout.to_ListOffsetArray64(True)
        if layout.content.length < layout.offsets[-1]:
            raise contradiction(self.path, f"{name} has fewer numbers than its lists have places")
        values = ak.Array(layout)
        counter = f"n{name.partition('_')[0]}"
        lengths = ak.to_numpy(ak.num(values))
        if counter in self.source.names:
            self._load([counter])
            if not np.array_equal(lengths, ak.to_numpy(self._read[counter])):
                raise contradiction(self.path, f"{counter} is not the number of entries of {name}")
        elif not np.array_equal(lengths, self._lengths.setdefault(counter, lengths)):
            raise contradiction(self.path, f"{name} has other list lengths than the other columns of its collection")
        return values

    def _number_events(self) -> None:
        lacking = [name for name in EVENT_ID if name not in self.source.names]
        size = self.stop - self.start
        file = zlib.crc32(PurePath(self.path).name.encode())  # distinguishes the files of a dataset, wherever they are
        numbers: dict[str, NDArray[Any]] = {
            "run": np.zeros(size, dtype=np.uint32),
            "luminosityBlock": np.full(size, file, dtype=np.uint32),
            "event": np.arange(self.start, self.stop, dtype=np.uint64),
        }
        for name in lacking:
            self._substitutes[name] = partial(numbers.__getitem__, name)
        if lacking:
            self.notes.add(f"{', '.join(lacking)}: missing, entries are numbered instead")

    def _count_objects(self, forms: dict[str, Any]) -> None:
        """Add the counter of a collection of lists if the file lacks it."""
        for name in [name for name, form in forms.items() if form["class"] == "ListOffsetArray" and "_" in name]:
            counter = f"n{name.partition('_')[0]}"
            if counter not in self.source.names and counter not in self._substitutes:
                self._substitutes[counter] = partial(self._count, name)
                self.notes.add(f"{counter} is missing, the lengths of {name} are used instead")

    def _count(self, name: str) -> NDArray[Any]:
        return ak.to_numpy(ak.num(self(name)))


class _Mapping(UprootSourceMapping):  # type: ignore[misc]
    """Lets coffea read columns through a :class:`ChunkReader`."""

    def __init__(self, reader: ChunkReader) -> None:
        super().__init__(None, reader.start, reader.stop, cache={}, virtual=True)
        self._reader = reader

    def _column_source(self, uuid: str, path_in_source: str) -> ChunkReader:  # noqa: ARG002  coffea's signature
        return self._reader

    def get_column_handle(self, columnsource: ChunkReader, name: str, allow_missing: bool) -> str:  # noqa: ARG002
        return name

    def extract_column(
        self,
        columnhandle: str,
        start: int,  # noqa: ARG002  the reader knows its entries
        stop: int,  # noqa: ARG002
        allow_missing: bool,  # noqa: ARG002
        use_ak_forth: bool = True,  # noqa: ARG002
    ) -> ak.Array:
        return self._reader(columnhandle)


def read_events(reader: ChunkReader, columns: Columns, *, metadata: Mapping[str, Any]) -> ak.Array:
    """NanoAOD events of a chunk: declared columns are read and checked at once, others on first access.

    Raises
    ------
    UnreadableError
        The file cannot be read, or is inconsistent.
    DatasetError
        The file is not NanoAOD.
    """
    reader.preload(columns)
    names = [name for name in reader.source.names if columns.wanted(name)]
    form = attempt(lambda: reader.form(names), path=reader.path, timeout=reader.timeout)
    form["parameters"]["metadata"] = dict(metadata)
    schema = NanoAODSchema(form)
    key = f"{quote(reader.path, safe='')}/Events/{reader.start}-{reader.stop}"
    return nanoevents.NanoEventsFactory(schema, _Mapping(reader), key, mode="virtual").events()


def read_batch(
    dataset: Dataset,
    inputs: InputSpec,
    *,
    chunksize: int = 50_000,
    progress: Callable[[int], None] = lambda _: None,
) -> EventBatch:
    """All events of a dataset that have the required objects, read as in an analysis.

    ``progress`` is called with the number of events of each chunk. Events with non-finite momenta are left out.

    Raises
    ------
    DatasetError
        A file cannot be read, or no event has the required objects.
    """
    batches = []
    for chunk in read_chunks(dataset, of_inputs(inputs), chunksize=chunksize):
        events = chunk[finite(chunk, momentum_columns(inputs))]
        weight = events[WEIGHT] if WEIGHT in events.fields else np.ones(len(events))
        batches.append(to_batch(events, inputs, weight=np.asarray(weight, np.float64))[0])
        progress(len(chunk))
    if not any(len(batch) for batch in batches):
        raise DatasetError(
            f"dataset {dataset.name!r}: no event has the objects of {inputs}", "use a sample that has them"
        )
    return EventBatch.concatenate(batches)


def read_chunks(dataset: Dataset, columns: Columns, *, chunksize: int = 50_000) -> Iterator[ak.Array]:
    """The events of a dataset, chunk by chunk.

    Raises
    ------
    DatasetError
        A file cannot be read.
    """
    columns, of_events = columns | dataset.columns, conditions([dataset])[dataset.name]

    def opened(path: str) -> Source:
        return attempt(partial(open_source, path, dataset.tree, wanted=columns.wanted), path=path)

    for replicas in dataset.replicas():
        path = replicas[0]
        with first_readable(replicas, opened) as source:
            for start in range(0, source.entries, chunksize):
                reader = ChunkReader(source, path=path, start=start, stop=min(start + chunksize, source.entries))
                metadata = {
                    "dataset": dataset.name, "filename": path, "cross_section": dataset.cross_section,
                    "entrystart": start, "entrystop": reader.stop, **of_events,
                }  # fmt: skip
                yield read_events(reader, columns, metadata=metadata)


def _lazy(name: str, form: ak.forms.Form) -> dict[str, Any] | None:
    """The form of a column that coffea reads on first access; ``None`` for types outside NanoAOD, such as strings."""
    parameters = {"__doc__": name, "typename": str(form.type)}
    key = quote(f"{name},!load", safe="")
    content = form.content if isinstance(form, ak.forms.ListOffsetForm) else form
    if not isinstance(content, ak.forms.NumpyForm):
        return None
    primitive = {"class": "NumpyArray", "primitive": content.primitive, "inner_shape": list(content.inner_shape)}
    if content is form:
        return {**primitive, "parameters": parameters, "form_key": key}
    inner = {**primitive, "parameters": parameters, "form_key": quote(f"{name},!load,!content", safe="")}
    return {"class": "ListOffsetArray", "offsets": "i64", "content": inner, "parameters": parameters, "form_key": key}
