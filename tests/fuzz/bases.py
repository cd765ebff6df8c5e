"""Small whole files of several layouts, what is in them, and where: the material that is damaged."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import awkward as ak
import numpy as np
import uproot
from uproot.writing import WritableDirectory

#: Entries of every file but the empty one: a number whose bytes stand for nothing else in a file.
EVENTS = 0x7B
MOST_JETS = 7
#: What the analysis of the trial reads; all other branches may be damaged without an effect.
READ = (
    *("run", "luminosityBlock", "event", "genWeight", "PuppiMET_pt", "PuppiMET_phi"),
    *("nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"),
)

Columns = dict[str, ak.Array | np.ndarray]
Range = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where the parts of a file are, as ranges of bytes.

    Parameters
    ----------
    metadata
        Everything that is in no other part: the description of the tree, streamers, directories, free space.
    tree
        The description of the tree, or the envelopes of an RNTuple, which end in a checksum of what precedes it.
    keys
        The headers of baskets; none in an RNTuple.
    payloads
        What baskets or pages hold.
    counters
        Those payloads that say how many jets an event has, uncompressed.
    free
        Bytes that no other byte of the file depends on: numbers in uncompressed baskets, or in compressed ones that
        have no checksum. That they were changed cannot be seen.
    byteorder
        Of numbers in the description, as :mod:`struct` writes it.
    """

    metadata: tuple[Range, ...]
    tree: tuple[Range, ...]
    keys: tuple[Range, ...]
    payloads: tuple[Range, ...]
    counters: tuple[Range, ...]
    free: tuple[Range, ...]
    byteorder: Literal[">", "<"] = ">"


@dataclass(frozen=True)
class Base:
    """A whole file: its name, bytes, columns and layout."""

    name: str
    data: bytes
    columns: Columns
    layout: Layout

    @property
    def events(self) -> int:
        return len(self.columns["run"])


def nanoaod(events: int, *, seed: int) -> Columns:
    """Columns whose sums are on no edge of a bin: pt are whole numbers and an eighth, of at most seven jets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, MOST_JETS + 1, events)
    total = int(lengths.sum())
    jets = {
        "pt": rng.integers(20, 200, total) + 0.125,
        "eta": rng.uniform(-2, 2, total),
        "phi": rng.uniform(-3, 3, total),
        "mass": rng.integers(5, 20, total) + 0.5,
    }
    return {
        "run": np.ones(events, np.uint32),
        "luminosityBlock": np.ones(events, np.uint32),
        "event": np.arange(events, dtype=np.uint64),
        "genWeight": rng.integers(1, 4, events).astype(np.float32),
        "PuppiMET_pt": (rng.integers(0, 200, events) + 0.5).astype(np.float32),
        "PuppiMET_phi": rng.uniform(-3, 3, events).astype(np.float32),
        "Jet": ak.zip({name: ak.unflatten(values.astype(np.float32), lengths) for name, values in jets.items()}),
    }


def wide(events: int, *, seed: int) -> Columns:
    """The same with what real NanoAOD has beside it: collections, flags, indices, weights."""
    rng = np.random.default_rng(seed + 1000)
    others: Columns = {f"HLT_Path{i}": rng.random(events) < 0.5 for i in range(12)}
    others |= {f"Flag_filter{i}": np.ones(events, bool) for i in range(6)}
    others |= {"LHEScaleWeight": ak.from_regular(ak.Array(rng.uniform(0.5, 2, (events, 9)).astype("f4")))}
    for collection, kind in (("Muon", "f4"), ("Electron", "f4"), ("GenPart", "f4"), ("FatJet", "f4")):
        lengths = rng.integers(0, 3, events)
        fields = {name: rng.uniform(1, 100, lengths.sum()).astype(kind) for name in ("pt", "eta", "phi", "mass")}
        fields |= {
            "charge": rng.integers(-1, 2, lengths.sum()).astype("i4"),
            "jetIdx": np.full(lengths.sum(), -1, "i2"),
        }
        others[collection] = ak.zip({name: ak.unflatten(values, lengths) for name, values in fields.items()})
    return {**nanoaod(events, seed=seed), **others}


def _tree(file: WritableDirectory, columns: Columns, *, baskets: int) -> None:
    types = {name: v.type.content if isinstance(v, ak.Array) else v.dtype for name, v in columns.items()}
    file.mktree("Events", types, counter_name=lambda counted: f"n{counted}")
    events = len(columns["run"])
    size = max(math.ceil(events / baskets), 1)
    for start in range(0, max(events, 1), size):
        file["Events"].extend({name: values[start : start + size] for name, values in columns.items()})


def _ntuple(file: WritableDirectory, columns: Columns, *, baskets: int) -> None:
    flat = {name: values for name, values in columns.items() if name != "Jet"}
    flat["nJet"] = ak.to_numpy(ak.num(columns["Jet"])).astype(np.int32)
    flat |= {f"Jet_{name}": columns["Jet"][name] for name in columns["Jet"].fields}
    file.mkrntuple("Events", flat)


@dataclass(frozen=True)
class Recipe:
    """How a file is written."""

    write: Callable[..., None] = _tree
    compression: uproot.compression.Compression | None = None
    baskets: int = 1
    events: int = EVENTS
    columns: Callable[..., Columns] = nanoaod


RECIPES = {
    "plain": Recipe(),
    "zlib": Recipe(compression=uproot.ZLIB(4)),
    "lz4": Recipe(compression=uproot.LZ4(4)),
    "zstd": Recipe(compression=uproot.ZSTD(4)),
    "lzma": Recipe(compression=uproot.LZMA(4)),
    "baskets": Recipe(baskets=4),
    "zlib baskets": Recipe(compression=uproot.ZLIB(4), baskets=4),
    "wide": Recipe(compression=uproot.ZLIB(4), columns=wide, baskets=2),
    "ntuple": Recipe(_ntuple),
    "zlib ntuple": Recipe(_ntuple, uproot.ZLIB(4)),
    "empty": Recipe(events=0),
}
#: Layouts whose compressed blocks have a checksum, so that any change of their content can be seen.
_CHECKED = (uproot.ZLIB, uproot.LZ4, uproot.LZMA)


def make_base(name: str, directory: Path, *, seed: int) -> Base:
    """Write one file, and find its parts."""
    recipe = RECIPES[name]
    columns = recipe.columns(recipe.events, seed=seed)
    path = directory / f"{name.replace(' ', '_')}.root"
    with uproot.recreate(path, compression=recipe.compression) as file:
        recipe.write(file, columns, baskets=recipe.baskets)
    find = _layout_of_ntuple if recipe.write is _ntuple else _layout_of_tree
    with uproot.open(path) as file:
        layout = find(file["Events"], path.stat().st_size, recipe.compression)
    return Base(name, path.read_bytes(), columns, layout)


def _layout_of_tree(tree: uproot.TTree, size: int, compression: uproot.compression.Compression | None) -> Layout:
    keys, payloads, counters, free = [], [], [], []
    for branch in tree.branches:
        for number in range(branch.num_baskets):
            key, basket = branch.basket_key(number), branch.basket(number)
            start = key.fSeekKey + key.fKeylen
            payload = (start, key.fSeekKey + key.fNbytes)
            keys.append((key.fSeekKey, start))
            if start == payload[1]:
                continue
            payloads.append(payload)
            compressed = key.fObjlen != payload[1] - start
            if not compressed and branch.name == "nJet":
                counters.append(payload)
            elif not compressed and basket.border:
                free.append((start, start + basket.border))
            elif compressed and not isinstance(compression, _CHECKED):
                free.append(payload)
    description = tree.parent
    return Layout(
        metadata=tuple(_between((*keys, *payloads), size)),
        tree=((description.fSeekKey, description.fSeekKey + description.fNbytes),),
        keys=tuple(keys),
        payloads=tuple(payloads),
        counters=tuple(counters),
        free=tuple(free),
    )


def _layout_of_ntuple(ntuple: uproot.behaviors.RNTuple, size: int, compression: object) -> Layout:
    pages, counters, free = [], [], []
    for cluster in ntuple.page_link_list:
        for column, found in enumerate(cluster):
            record = ntuple.column_records[column]
            name = ntuple.field_records[record.field_id].field_name
            for page in found.pages:
                where = (page.locator.offset, page.locator.offset + page.locator.num_bytes)
                pages.append(where)
                if compression is None and name == "nJet":
                    counters.append(where)
                elif compression is None and not name.startswith("Jet_"):  # those are the ends of the lists
                    free.append(where)
    links = [group.page_list_link.locator for group in ntuple.footer.cluster_group_records]
    members = ntuple.members
    envelopes = [
        (members["fSeekHeader"], members["fSeekHeader"] + members["fNBytesHeader"]),
        (members["fSeekFooter"], members["fSeekFooter"] + members["fNBytesFooter"]),
        *((link.offset, link.offset + link.num_bytes) for link in links),
    ]
    return Layout(
        metadata=tuple(_between(pages, size)),
        tree=tuple(envelopes),
        keys=(),
        payloads=tuple(pages),
        counters=tuple(counters),
        free=tuple(free),
        byteorder="<",
    )


def _between(parts: list[Range] | tuple[Range, ...], size: int) -> Iterator[Range]:
    """What lies between these parts of a file, without its first hundred bytes, which are the header."""
    position = 100
    for start, stop in sorted(parts):
        if start > position:
            yield position, start
        position = max(position, stop)
    if position < size:
        yield position, size
