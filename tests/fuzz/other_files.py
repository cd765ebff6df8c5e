"""The other files that hepreco reads: events of Les Houches, weights with their card, configurations."""

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import tomli_w
import torch
from damage import DAMAGES
from oracle import ANALYSIS, Outcome, command
from torch import nn

from hepreco.errors import DatasetError, WeightsError
from hepreco.generation import CrossSection, LheHeader, LheWriter, PartonEvents, read_lhe, read_lhe_header
from hepreco.weights import Card, load_network, save_weights

#: Damage of bytes that needs no knowledge of their meaning.
BLIND: Final = ("cut short", "zeros", "noise", "block twice", "block lost", "blocks exchanged")


@dataclass(frozen=True)
class Bytes:
    """What the blind kinds of damage need of a file."""

    data: bytes


def damaged(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A kind of damage, and the damaged bytes: flips and digits too, since these files are text or have a hash."""
    kind = str(rng.choice([*BLIND, "flip", "digit"]))
    if kind in BLIND:
        return kind, DAMAGES[kind](Bytes(data), Bytes(data), rng)
    changed = bytearray(data)
    digits = [position for position, byte in enumerate(data) if chr(byte).isdigit()]
    for _ in range(int(rng.choice([1, 1, 2, 8]))):
        if kind == "digit" and digits:
            changed[int(rng.choice(digits))] = int(rng.choice(list(b"0123456789-+.eEnaif")))
        else:
            changed[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    return kind, bytes(changed)


def lhe_files(directory: Path) -> dict[str, bytes]:
    """A small whole file of events, plain and gzipped: two partons of 500 GeV that scatter by any angle."""
    rng = np.random.default_rng(1)
    events, energy = 30, 500.0
    momenta = np.zeros((events, 4, 4))
    momenta[:, :, 0] = energy
    momenta[:, :2, 3] = energy, -energy
    cos, azimuth = rng.uniform(-1, 1, events), rng.uniform(-3, 3, events)
    sin = np.sqrt(1 - cos**2)
    direction = energy * np.stack((sin * np.cos(azimuth), sin * np.sin(azimuth), cos), axis=-1)
    momenta[:, 2, 1:], momenta[:, 3, 1:] = direction, -direction
    row = torch.ones(events, 1, dtype=torch.int64)
    written = PartonEvents(
        momenta=torch.from_numpy(momenta),
        pdg_id=row * torch.tensor([2, -2, 1, -1]),
        status=row * torch.tensor([-1, -1, 1, 1]),
        mother=-row.expand(-1, 4),
        colour=row[..., None] * torch.tensor([[501, 0], [0, 501], [502, 0], [0, 502]]),
        weight=torch.ones(events, dtype=torch.float64),
    )
    header = LheHeader(6500.0, CrossSection(64.0, 0.5), 91.2, 0.118, 1 / 128, "u u~ > d d~")
    with LheWriter(directory / "whole.lhe", header) as writer:
        writer.write(written)
    data = (directory / "whole.lhe").read_bytes()
    return {"lhe": data, "lhe.gz": gzip.compress(data, mtime=0)}


def judge_lhe(name: str, data: bytes, whole: bytes, directory: Path) -> Outcome:
    """What reading gives: refused, or all numbers of events; a gzipped file has a checksum, and must not change."""
    directory.mkdir(parents=True)
    for content, stem in ((whole, "whole"), (data, "damaged")):
        (directory / f"{stem}.{name}").write_bytes(content)
    right = _read_lhe(directory / f"whole.{name}")
    try:
        found = _read_lhe(directory / f"damaged.{name}")
    except DatasetError as error:
        return Outcome("refused") if "damaged" in error.problem else Outcome("bare", f"no name: {error}")
    if torch.equal(right, found):
        return Outcome("right")
    if name.endswith(".gz"):
        return Outcome("wrong", "the checksum of a gzipped file was ignored")
    if whole.startswith(data) and len(found) < len(right):
        return Outcome("wrong", f"{len(found)} of {len(right)} events of a file that was cut short")
    return Outcome("hidden")


def _read_lhe(path: Path) -> torch.Tensor:
    header = read_lhe_header(path)
    blocks = [block.momenta.flatten(1) for block in read_lhe(path, block=7)]
    widest = max((block.shape[1] for block in blocks), default=0)
    rows = [nn.functional.pad(block, (0, widest - block.shape[1])) for block in blocks]
    head = torch.full((1, widest), header.cross_section.value, dtype=torch.float64)
    return torch.cat([head, *rows]) if rows else head


def linear(*, width: int, depth: int = 1) -> nn.Module:
    """A network to load weights into."""
    return nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))


def weight_files(directory: Path) -> dict[str, bytes]:
    """Small weights and their card."""
    torch.manual_seed(1)
    manifest = Card("", {"width": 3, "depth": 2}, "a sample", 1, "hepreco train", "0.1", {"loss": 0.5})
    save_weights(directory / "weights", linear(width=3, depth=2).state_dict(), manifest)
    return {name: (directory / "weights" / name).read_bytes() for name in ("weights.safetensors", "weights.toml")}


def judge_weights(name: str, data: bytes, whole: dict[str, bytes], directory: Path) -> Outcome:
    """Refused, or the network of the whole files: the card has the hash of the tensors."""
    for stem, contents in (("whole", whole), ("damaged", {**whole, name: data})):
        (directory / stem).mkdir(parents=True)
        for file, content in contents.items():
            (directory / stem / file).write_bytes(content)
    right = load_network(linear, directory=directory / "whole", device="cpu").state_dict()
    try:
        found = load_network(linear, directory=directory / "damaged", device="cpu").state_dict()
    except WeightsError as error:
        return Outcome("refused") if "damaged" in error.problem else Outcome("bare", f"no name: {error}")
    same = right.keys() == found.keys() and all(torch.equal(right[key], found[key]) for key in right)
    return Outcome("right") if same else Outcome("wrong", "other weights than the card describes")


# Configurations

WHOLE: Final[dict[str, Any]] = {
    "luminosity": 1.0,
    "datasets": {"x": {"files": ["x.root"], "cross_section": 2.0, "label": "X", "tree": "Events"}},
    **ANALYSIS,
    "variations": [{"name": "jes_up", "scale": 1.1, "missing_momentum": "PuppiMET"}],
    "mass_peaks": [{"histogram": "jet_mass", "dataset": "x", "window": [5.0, 15.0], "fit_range": [0.0, 50.0]}],
    "rocs": [{"histogram": "met", "signal": "x", "background": "x"}],
}
ODD: Final[tuple[object, ...]] = (
    *(math.nan, math.inf, -math.inf, -1, 0, 1, 2**70, -(2**63), 1e300, 1e-320, 0.5, True, False, date(2020, 2, 29)),
    *("", " ", "x", "nan", "../x", "/nowhere/x", "a\0b", "é", "x" * 5000, "Jet.pt", "[/red]", "%s{}", "os:system"),
    *([], [[]], [1, "a"], ["x.root"] * 3, ["*.root"], {}, {"a": 1}, [{}], [["pt", ">", 30]], ["pt > 1e999"]),
)  # fmt: skip
KEYS: Final = ("colour", "Files", "where", "", "a.b", "é", "x" * 300, "__class__", "function", "options", "sample")


def damaged_configuration(rng: np.random.Generator) -> tuple[str, bytes]:
    """A kind of damage and a configuration: values of another kind, keys renamed, lost or added, or bytes damaged."""
    table = json.loads(json.dumps(WHOLE))
    whole = tomli_w.dumps(table).encode()
    kind = str(rng.choice(["value", "value", "value", "key renamed", "key lost", "key added", "item twice", "bytes"]))
    if kind == "bytes":
        return kind, damaged(whole, rng)[1]
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        _change(table, kind, rng)
    return kind, tomli_w.dumps(table).encode()


def _change(table: dict[str, Any], kind: str, rng: np.random.Generator) -> None:
    places = list(_places(table))
    container, key = places[rng.integers(len(places))]
    odd = ODD[rng.integers(len(ODD))]
    if kind == "item twice" and isinstance(container, list):
        container.append(container[int(key)])
    elif isinstance(container, list):
        container[int(key)] = odd
    elif kind == "key renamed":
        container[KEYS[rng.integers(len(KEYS))]] = container.pop(key)
    elif kind == "key lost":
        del container[key]
    elif kind == "key added":
        container[KEYS[rng.integers(len(KEYS))]] = odd
    else:
        container[key] = odd


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every value in a table, as the container that holds it and its key or position."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def judge_configuration(content: bytes, root_file: bytes, directory: Path, *, figures: bool) -> Outcome:
    """A run that ends well, one whose failed chunks are named, or an error that says what to do."""
    directory.mkdir(parents=True)
    (directory / "x.root").write_bytes(root_file)
    (directory / "a.toml").write_bytes(content)
    outside = _files(directory)
    drawing = () if figures else ("--no-figures",)
    run = command("run", str(directory / "a.toml"), "--output", str(directory / "out"), *drawing)
    if _files(directory) != outside:
        return Outcome("wrong", f"files outside the output: {sorted(_files(directory) - outside)[:3]}")
    told = " ".join(run.output.split())[:400]
    if run.bare or run.status not in (0, 1, 2) or len(run.output) > 20_000:
        return Outcome("bare", told)
    if run.status == 0:
        return Outcome("right")
    return Outcome("refused") if "what to do" in run.output else Outcome("bare", told)


def _files(directory: Path) -> set[str]:
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.relative_to(directory).parts[0] != "out"
    }
