"""Labelled events in the HDF5 files of SPANet (arXiv:2106.03898)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hepreco.errors import ConfigError, DatasetError
from hepreco.formats.records import DetectorEvents
from hepreco.kinematics import from_pt_eta_phi_mass

if TYPE_CHECKING:
    import h5py

_OLDER_SOURCE = "source"  # files before SPANet 2 have neither INPUTS nor TARGETS, and lower-case masks
_REMEDY = "write it as docs/Dataset.md of SPANet describes"


def read_spanet(path: Path, *, block: int = 1000) -> Iterator[DetectorEvents]:
    """Read a SPANet file of version 1 or 2 in blocks of at most ``block`` events.

    Jets are the only sequence in ``INPUTS`` (``source`` in version 1), of any name, with ``MASK``, ``pt``, ``eta``,
    ``mass``, and ``phi`` or ``sin_phi`` and ``cos_phi``. The b-tag discriminator is ``btag`` of the jets, and missing
    momentum is ``met`` with its azimuth of the first input that has it; both are 0 if absent. There are no leptons.

    ``jet_parton`` is the position in :func:`spanet_targets`; if several targets are the same jet, that of the first.
    ``jet_flavour`` is 5 if the name of the target's product begins with b. In version 1, targets of a particle that its
    mask excludes are missing.

    Raises
    ------
    ConfigError
        h5py is not installed.
    DatasetError
        The file does not exist or lacks a group or dataset, shapes differ, or a target is not among the jets.
    """
    with _open(path) as file:
        source, targets = _source(file), _targets(file)
        size = len(_member(source, _mask(source)))
        for first in range(0, size, block):
            yield _events(file, source, targets, size=size, rows=slice(first, min(first + block, size)))


def spanet_targets(path: Path) -> tuple[str, ...]:
    """The targets of a SPANet file, such as "t1/b", in the order of ``jet_parton``.

    Raises
    ------
    ConfigError, DatasetError
        As for :func:`read_spanet`.
    """
    with _open(path) as file:
        return _targets(file)


def _events(
    file: "h5py.File", source: "h5py.Group", targets: tuple[str, ...], *, size: int, rows: slice
) -> DetectorEvents:
    shape = (size, *_member(source, _mask(source)).shape[1:])

    def jets(name: str) -> Tensor:
        return _read(source, name, shape, rows)

    held = jets(_mask(source)) > 0
    momenta = from_pt_eta_phi_mass(jets("pt"), jets("eta"), _azimuth(source, shape, rows), jets("mass"))
    parton = torch.full(held.shape, -1)
    flavour = torch.zeros_like(parton)
    for position, target in reversed(list(enumerate(targets))):
        jet = _target(file, target, held, size=size, rows=rows)
        at, jet = (jet >= 0).nonzero()[:, 0], jet[jet >= 0]
        parton[at, jet] = position
        if target.rpartition("/")[2].startswith("b"):
            flavour[at, jet] = 5
    none = momenta.new_zeros(len(held), 0)
    return DetectorEvents(
        jets=torch.where(held[..., None], momenta, 0.0),
        jet_parton=parton,
        jet_flavour=flavour,
        jet_btag=torch.where(held, jets("btag"), 0.0) if "btag" in source else torch.zeros_like(momenta[..., 0]),
        leptons=none[..., None].expand(-1, -1, 4),
        lepton_pdg_id=none.long(),
        lepton_particle=none.long(),
        missing_momentum=_missing_momentum(file, size, rows),
    )


def _target(file: "h5py.File", target: str, held: Tensor, *, size: int, rows: slice) -> Tensor:
    """The jet of a target in every event; −1 if there is none."""
    group, _, product = f"{_root(file)}{target}".rpartition("/")
    jet = _read(file[group], product, (size,), rows).nan_to_num(-1.0).long()
    if "mask" in file[group]:
        jet = torch.where(_read(file[group], "mask", (size,), rows) > 0, jet, -1)
    slots = held.shape[1]
    inside = held.gather(1, jet.clamp(0, slots - 1)[:, None])[:, 0] & (jet < slots)
    wrong = ((jet >= 0) & ~inside).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise DatasetError(
            f"{file[group][product].name} of {file.filename} is {int(jet[row])} in event {rows.start + row}, "
            f"which has no such jet",
            "indices count the slots of the jets from 0, and are -1 for a jet that is missing",
        )
    return jet


def _missing_momentum(file: "h5py.File", size: int, rows: slice) -> Tensor:
    for group in _inputs(file).values():
        if "met" in group:
            met, azimuth = _read(group, "met", (size,), rows), _azimuth(group, (size,), rows)
            return torch.stack((met * azimuth.cos(), met * azimuth.sin()), dim=1)
    return torch.zeros(rows.stop - rows.start, 2, dtype=torch.float64)


def _azimuth(group: "h5py.Group", shape: tuple[int, ...], rows: slice) -> Tensor:
    if "sin_phi" in group and "phi" not in group:
        return torch.atan2(*(_read(group, name, shape, rows) for name in ("sin_phi", "cos_phi")))
    return _read(group, "phi", shape, rows)


def _read(group: "h5py.Group", name: str, shape: tuple[int, ...], rows: slice) -> Tensor:
    """Read rows of a dataset of this shape; scalars per event may have a second axis of size 1."""
    data = _member(group, name)
    if data.shape not in (shape, (*shape, 1)):
        raise DatasetError(
            f"{data.name} of {group.file.filename} has shape {data.shape}, expected {shape}: events of the jets' mask",
            _REMEDY,
        )
    return torch.from_numpy(np.asarray(data[rows], dtype=np.float64)).reshape(-1, *shape[1:])


def _member(group: "h5py.Group", name: str) -> "h5py.Group | h5py.Dataset":
    if name not in group:
        raise DatasetError(f"no {name} in {group.name} of {group.file.filename}, which has {sorted(group)}", _REMEDY)
    return group[name]


def _source(file: "h5py.File") -> "h5py.Group":
    """The sequence of jets."""
    sequences = [group for group in _inputs(file).values() if _mask(group) in group]
    if len(sequences) != 1:
        raise DatasetError(
            f"{file.filename} has {len(sequences)} sequences with a mask, expected one: of jets; "
            f"it has {sorted(_inputs(file))}",
            _REMEDY,
        )
    return sequences[0]


def _inputs(file: "h5py.File") -> "dict[str, h5py.Group]":
    if _OLDER_SOURCE in file:
        return {_OLDER_SOURCE: file[_OLDER_SOURCE]}
    return dict(_member(file, "INPUTS").items())


def _targets(file: "h5py.File") -> tuple[str, ...]:
    root = file if _OLDER_SOURCE in file else _member(file, "TARGETS")
    return tuple(
        f"{particle}/{product}"
        for particle, group in root.items()
        if particle != _OLDER_SOURCE
        for product in group
        if product != "mask"
    )


def _root(file: "h5py.File") -> str:
    return "" if _OLDER_SOURCE in file else "TARGETS/"


def _mask(group: "h5py.Group") -> str:
    return "mask" if group.name == f"/{_OLDER_SOURCE}" else "MASK"


@contextmanager
def _open(path: Path) -> "Iterator[h5py.File]":
    try:
        import h5py  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            f"cannot read {path} without h5py, which is not installed", "pip install 'hepreco[spanet]'"
        ) from None
    if not path.exists():
        raise DatasetError(f"no file {path}", "check the name")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DatasetError(f"{path} is not a readable HDF5 file ({error})", "copy it again") from error
    with file:
        yield file
