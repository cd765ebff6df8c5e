"""Events in the text format of the Dark Machines challenge, read as NanoAOD and written as NanoAOD.

One line per event, ``;`` between fields, energies in MeV::

    event; process; weight; MET; METphi; obj1,E1,pt1,eta1,phi1; obj2,E2,pt2,eta2,phi2; ...

References
----------
Aarrestad et al., The Dark Machines anomaly score challenge, arXiv:2105.14027, section 3.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepreco.errors import DatasetError, OutputError

_BLOCK: Final = 10_000
_EVENTS_PER_LUMINOSITY_BLOCK: Final = 1000
_GEV: Final = 1e-3
#: Numbers must be smaller than this, so that they fit into single precision.
_LARGEST: Final = 1e30
#: |η| above this is reduced to it, so that squares of momenta do not overflow.
_FORWARD: Final = 100.0

#: For each symbol the collection, and for jets the b tag, for others the PDG number.
_SYMBOLS: Final = {
    "j": ("Jet", 0),
    "b": ("Jet", 1),
    "e-": ("Electron", 11),
    "e+": ("Electron", -11),
    "m-": ("Muon", 13),
    "m+": ("Muon", -13),
    "g": ("Photon", 22),
}
#: Cross-references between collections, which are −1 here.
_REFERENCES: Final = {
    "Jet": ("electronIdx1", "electronIdx2", "muonIdx1", "muonIdx2"),
    "Electron": ("jetIdx", "photonIdx"),
    "Muon": ("fsrPhotonIdx", "jetIdx"),
    "Photon": ("electronIdx", "jetIdx"),
}
#: Collections of NanoAOD that the format lacks: they are written empty, with the branches that readers expect.
_EMPTY: Final = {
    "FatJet": ("subJetIdx1", "subJetIdx2"),
    "FsrPhoton": ("muonIdx",),
    "LowPtElectron": ("charge", "electronIdx", "photonIdx"),
    "SubJet": (),
    "Tau": ("charge", "jetIdx"),
}
#: NanoAOD has no branch for the mass of photons.
_WITHOUT_MASS: Final = ("FsrPhoton", "Photon")

_Columns = dict[str, NDArray[Any]]


class _Event(NamedTuple):
    """One line of the file: scalars, and for each object its symbol with E, pt (MeV), η and φ."""

    number: int
    process: str
    weight: float
    missing: tuple[float, float]
    objects: list[tuple[str, list[float]]]


def read_dark_machines(path: Path | str, *, process: str | None = None) -> ak.Array:
    """Events of a text file, with NanoAOD's names and in GeV.

    The collections are ``Jet`` (pt, eta, phi, mass, and ``btagDeepFlavB`` of 1 for b and 0 for j), ``Electron`` and
    ``Muon`` (with charge and pdgId) and ``Photon``, in decreasing order of pt, and ``PuppiMET`` and ``MET``. All events
    have run 1 and the event number of the file; a luminosity block has a thousand lines. ``genWeight`` is the weight
    and ``process`` the name of the process in the file. Masses follow from E and p, and are 0 where E is less than p.

    Parameters
    ----------
    path
        A text file, or a gzipped one whose name ends in ``.gz``. Blank lines are skipped.
    process
        Read only events of this process.

    Raises
    ------
    DatasetError
        If the file cannot be read or has no such events, or if a line is not an event: too few fields, an unknown
        symbol, a number that cannot be parsed or is not finite, or an energy, pt or missing momentum out of range.
    """
    events = [ak.zip(columns, depth_limit=1) for columns in _blocks(Path(path), process=process)]
    return ak.concatenate(events)


def write_nanoaod(source: Path | str, path: Path | str, *, process: str | None = None) -> int:
    """Write a text file as NanoAOD for ``hepreco run`` and ``hepreco train``; returns the number of events.

    The name of the process is not written. The output appears under its name only when it is complete, and replaces an
    existing file.

    Parameters
    ----------
    source, process
        As for :func:`read_dark_machines`.
    path
        The output, whose name ends in ``.root``.

    Raises
    ------
    DatasetError
        As for :func:`read_dark_machines`; no output is left then.
    OutputError
        If the name of the output has another ending, or the output cannot be written.
    """
    source, path = Path(source), Path(path)
    if path.suffix != ".root":
        raise OutputError(f"cannot write events to {path.name}", "give a name that ends in .root")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            written = _write(_blocks(source, process=process), partial, source=source)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", "free disk space or choose another output"
        ) from None
    return written


def _write(blocks: Iterable[Mapping[str, ak.Array]], path: Path, *, source: Path) -> int:
    tree, written, weights = None, 0, 0.0
    with uproot.recreate(path) as file:
        for block in blocks:
            columns = {name: values for name, values in block.items() if name != "process"}
            if tree is None:
                types = {name: values.type.content for name, values in columns.items()}
                tree = file.mktree("Events", types, title="Events")
            tree.extend(columns)
            written += len(columns["event"])
            weights += float(ak.sum(columns["genWeight"].to_numpy().astype(np.float64)))
        file["Runs"] = {
            "run": np.ones(1, dtype=np.uint32),
            "genEventCount": np.array([written], dtype=np.int64),
            "genEventSumw": np.array([weights]),
        }
        file["hepreco"] = json.dumps({"source": source.name, "version": version("hepreco")})
    return written


def _blocks(path: Path, *, process: str | None) -> Iterator[dict[str, ak.Array]]:
    """Columns of the events, block by block; there is at least one event, or an error."""
    chosen = ((line, event) for line, event in _events(path) if process in (None, event.process))
    found = False
    while block := list(islice(chosen, _BLOCK)):
        found = True
        yield _columns(block)
    if not found:
        kind = "events" if process is None else f"events of the process {process!r}"
        raise DatasetError(f"{path}: no {kind}", "give a file that has some, or another process")


def _events(path: Path) -> Iterator[tuple[int, _Event]]:
    """The events, each with the number of its line, from 1."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _parsed(line)
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read after line {number}: {error}", "check the file") from error
    except ValueError as error:
        raise DatasetError(
            f"{path}, line {number}: {error}",
            "mend or remove the line; events look like 1;ttbar;1;50000;0.5;j,E,pt,eta,phi;e-,E,pt,eta,phi in MeV",
        ) from None


def _parsed(line: str) -> _Event:
    """The event of a line; a ``;`` at its end is ignored."""
    fields = [field.strip() for field in line.strip().removesuffix(";").split(";")]
    if len(fields) < 5:
        raise ValueError(f"{len(fields)} fields, expected at least 5")
    weight, missing, azimuth = (_number(field) for field in fields[2:5])
    if missing < 0:
        raise ValueError(f"a missing momentum of {missing}, expected a number that is not negative")
    number = int(fields[0])
    if not 0 <= number < 2**63:
        raise ValueError(f"event number {number}, expected one from 0 to 2⁶³ − 1")
    return _Event(number, fields[1], weight, (missing, azimuth), [_object(field) for field in fields[5:]])


def _object(field: str) -> tuple[str, list[float]]:
    symbol, *values = (value.strip() for value in field.split(","))
    if symbol not in _SYMBOLS:
        raise ValueError(f"unknown symbol {symbol!r}, expected one of {', '.join(_SYMBOLS)}")
    if len(values) != 4:
        raise ValueError(f"an object {field!r} of {len(values)} numbers, expected 4: E, pt, eta, phi")
    numbers = [_number(value) for value in values]
    if numbers[0] <= 0 or numbers[1] <= 0:
        raise ValueError(f"an object {field!r}, expected E and pt above 0")
    return symbol, numbers


def _number(text: str) -> float:
    """The number of a text, if it fits into single precision."""
    number = float(text)
    if not -_LARGEST < number < _LARGEST:
        raise ValueError(f"{text!r} where a finite number was expected")
    return number


def _columns(block: list[tuple[int, _Event]]) -> dict[str, ak.Array]:
    """The branches of some events."""
    size, (lines, events) = len(block), zip(*block, strict=True)
    missing = np.array([event.missing for event in events])
    scalars = {
        "run": np.ones(size, dtype=np.uint32),
        "luminosityBlock": (1 + (np.array(lines) - 1) // _EVENTS_PER_LUMINOSITY_BLOCK).astype(np.uint32),
        "event": np.array([event.number for event in events], dtype=np.uint64),
        "genWeight": np.array([event.weight for event in events], dtype=np.float32),
    }
    for name in ("MET", "PuppiMET"):
        scalars[f"{name}_pt"] = (missing[:, 0] * _GEV).astype(np.float32)
        scalars[f"{name}_phi"] = missing[:, 1].astype(np.float32)
    return {
        **{name: ak.from_numpy(values) for name, values in scalars.items()},
        "process": ak.Array([event.process for event in events]),
        **{name: _collection(name, events) for name in _REFERENCES},
        **{name: _nothing(name, references, size) for name, references in _EMPTY.items()},
    }


def _collection(name: str, events: tuple[_Event, ...]) -> ak.Array:
    """A collection in decreasing order of pt."""
    rows = [
        (position, _SYMBOLS[symbol][1], *numbers)
        for position, event in enumerate(events)
        for symbol, numbers in event.objects
        if _SYMBOLS[symbol][0] == name
    ]
    event, code, energy, pt, eta, phi = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    order = np.lexsort((-pt, event))
    momentum = pt * np.cosh(np.clip(eta, -_FORWARD, _FORWARD))
    mass = np.sqrt(np.maximum((energy - momentum) * (energy + momentum), 0.0))
    columns = {"pt": pt * _GEV, "eta": eta, "phi": phi, "mass": mass * _GEV}
    if name == "Jet":
        columns["btagDeepFlavB"] = code
    held: _Columns = {key: values.astype(np.float32) for key, values in columns.items()}
    if name in ("Electron", "Muon"):
        held |= {"pdgId": code.astype(np.int32), "charge": -np.sign(code).astype(np.int32)}
    if name in _WITHOUT_MASS:
        del held["mass"]
    held |= {reference: np.full(len(code), -1, dtype=np.int16) for reference in _REFERENCES[name]}
    counts = np.bincount(event.astype(np.int64), minlength=len(events))
    return _lists({key: values[order] for key, values in held.items()}, counts)


def _nothing(name: str, references: tuple[str, ...], size: int) -> ak.Array:
    coordinates = ("pt", "eta", "phi") if name in _WITHOUT_MASS else ("pt", "eta", "phi", "mass")
    columns: _Columns = dict.fromkeys(coordinates, np.zeros(0, dtype=np.float32))
    columns |= dict.fromkeys(references, np.zeros(0, dtype=np.int16))
    return _lists(columns, np.zeros(size, dtype=np.int64))


def _lists(columns: _Columns, counts: NDArray[np.int64]) -> ak.Array:
    return ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()})
