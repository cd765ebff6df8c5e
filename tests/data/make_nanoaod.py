"""Write small files with the structure of CMS NanoAOD, and nothing of CMS in them.

    python tests/data/make_nanoaod.py

``nanoaod_branches.toml`` has names and types of the branches: counters beside their branches and numbers of what is
inside objects, references to other collections, arrays of weights without fields, trigger bits, and numbers of 8 to 64
bits with and without a sign. Values are random. ``nanoaod_v15.root`` is like simulation; ``nanoaod_v12.root`` is like
data and has no generator branches. Both hold two baskets of every branch, an event without jets, and other trees.
"""

import tomllib
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

HERE = Path(__file__).parent
#: What indices refer to, by the beginning of their names; those of FatJetPFCand_jetIdx are fat jets.
REFERENCES = {
    "ele": "Electron", "electron": "Electron", "firstMother": "LHEPart", "fsrPhoton": "FsrPhoton", "genJet": "GenJet",
    "genJetAK8": "GenJetAK8", "genPart": "GenPart", "jet": "Jet", "lastMother": "LHEPart", "mu": "Muon", "muon": "Muon",
    "pfCand": "PFCand", "photon": "Photon", "subGenJetAK8": "SubGenJetAK8", "subJet": "SubJet", "sv": "SV",
}  # fmt: skip
#: Objects of each event; other collections have up to three.
COUNTS = {
    "Jet": [0, 7, 6, 8, 5, 9, 6, 7, 11, 6, 8, 6],
    "Electron": [1, 0, 1, 0, 0, 2, 0, 1, 0, 1, 0, 1],
    "Muon": [0, 1, 1, 0, 0, 1, 0, 0, 2, 0, 1, 1],
    "LHEPart": [8] * 12,
    "GenPart": [12] * 12,
    "PFCand": [20] * 12,
    "PSWeight": [4] * 12,
    "LHEScaleWeight": [9] * 12,
    "LHEPdfWeight": [103] * 12,
}
EVENTS = 12


def listed(*, simulation: bool) -> dict[str, dict[str, str]]:
    """Types of branches by collection and name."""
    found: dict[str, dict[str, str]] = {}
    tables = tomllib.loads((HERE / "nanoaod_branches.toml").read_text("utf-8"))
    for part in ("every", "simulation")[: 1 + simulation]:
        for collection, columns in tables[part].items():
            kinds = {name: dtype for dtype, names in columns.items() for name in names}
            found.setdefault(collection, {}).update(kinds)
    return found


def values(name: str, dtype: str, size: int, rng: np.random.Generator) -> NDArray[np.generic]:
    """Random numbers in the range that a branch of this name has."""
    match name.rpartition("_")[2], dtype:
        case ("pt" | "rawPt" | "l1pt", _):
            found = 32 + rng.exponential(60, size)
        case ("eta", _):
            found = rng.uniform(-2.3, 2.3, size)
        case ("phi", _):
            found = rng.uniform(-np.pi, np.pi, size)
        case ("mass", _):
            found = rng.exponential(5, size)
        case ("charge", _):
            found = rng.choice([-1, 1], size)
        case ("genWeight", _):
            found = rng.choice([-21.5, 21.5], size, p=[0.2, 0.8])
        case (_, "bool"):
            found = rng.integers(0, 2, size)
        case (_, "float32" | "float64"):
            found = rng.random(size)
        case (_, "uint64"):
            found = rng.integers(2**40, 2**63, size)
        case _:
            found = rng.integers(0, 100, size)
    return found.astype(dtype)


def branches(*, simulation: bool, rng: np.random.Generator) -> dict[str, ak.Array]:
    """All branches, collections as records; counters are written with them."""
    collections = listed(simulation=simulation)
    scalars = collections.pop("") | {"BeamSpot_type": "int16" if simulation else "int8"}
    found = {name: ak.from_numpy(values(name, dtype, EVENTS, rng)) for name, dtype in scalars.items()}
    counts = {name: np.array(COUNTS.get(name, rng.integers(0, 4, EVENTS))) for name in collections}
    found |= {"run": ak.from_numpy(np.full(EVENTS, 1 if simulation else 355_872, np.uint32))}
    found |= {"event": ak.from_numpy(np.arange(1, EVENTS + 1, dtype=np.uint64) * 12_345_678_901)}
    for name, count in counts.items():
        columns = {}
        for column, dtype in collections[name].items():
            flat = values(column, dtype, int(count.sum()), rng)
            if "Idx" in column:
                target = "FatJet" if name == "FatJetPFCand" and column == "jetIdx" else refers_to(column)
                present = np.repeat(counts.get(target, np.zeros(EVENTS, int)), count)
                flat = rng.integers(-1, present).astype(dtype)
            columns[column] = ak.unflatten(flat, count)
        found[name] = by_pt(columns[""] if "" in columns else ak.zip(columns))
    if simulation:
        found["LHEPart"] = hard_process(found["LHEPart"])
    return found


def by_pt(objects: ak.Array) -> ak.Array:
    """Objects in falling order of pt, as they are in NanoAOD."""
    return objects[ak.argsort(objects.pt, ascending=False)] if "pt" in objects.fields else objects


def hard_process(particles: ak.Array) -> ak.Array:
    """Two incoming gluons and the six massless quarks of b u d̄ b̄ ū d in random directions."""
    for name, cells in (
        ("pdgId", [21, 21, 5, 2, -1, -5, -2, 1]), ("status", [-1, -1, 1, 1, 1, 1, 1, 1]), ("mass", [0.0] * 8),
        ("firstMotherIdx", [-1, -1, 0, 0, 0, 0, 0, 0]), ("lastMotherIdx", [-1, -1, 1, 1, 1, 1, 1, 1]),
    ):  # fmt: skip
        dtype = ak.to_numpy(particles[name]).dtype
        particles = ak.with_field(particles, ak.from_regular(np.tile(np.array(cells, dtype), (EVENTS, 1))), name)
    return particles


def refers_to(column: str) -> str:
    """The collection that an index points into."""
    return REFERENCES[column.partition("Idx")[0]]


def write(path: Path, *, simulation: bool, seed: int) -> None:
    """Write a file of two baskets, with the trees beside ``Events``."""
    found = branches(simulation=simulation, rng=np.random.default_rng(seed))
    with uproot.recreate(path, compression=uproot.LZMA(9)) as file:
        file["tag"] = f"structure of NanoAOD v{15 if simulation else 12}, random values"
        tree = file.mktree("Events", {name: array.type.content for name, array in found.items()})
        for half in (slice(0, EVENTS // 2), slice(EVENTS // 2, EVENTS)):
            tree.extend({name: array[half] for name, array in found.items()})
        file["LuminosityBlocks"] = {"run": np.ones(1, np.uint32), "luminosityBlock": np.ones(1, np.uint32)}
        runs = {"run": np.ones(1, np.uint32)}
        if simulation:
            weight = ak.to_numpy(found["genWeight"]).astype(np.float64)
            runs |= {"genEventCount": np.array([EVENTS]), "genEventSumw": np.array([weight.sum()])}
        file["Runs"] = runs


if __name__ == "__main__":
    write(HERE / "nanoaod_v15.root", simulation=True, seed=15)
    write(HERE / "nanoaod_v12.root", simulation=False, seed=12)
