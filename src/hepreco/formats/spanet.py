"""Labelled events in the HDF5 files of SPANet (arXiv:2106.03898)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from hepreco.formats.records import DetectorEvents
from hepreco.formats.spanet_file import SpanetFile, open_spanet
from hepreco.kinematics import from_pt_eta_phi_mass


@dataclass(frozen=True)
class SpanetLabels:
    """The truth of a SPANet file, in the order of its events.

    Parameters
    ----------
    targets
        For each target, such as "t1/b", its position in each collection that a run reads from the file ("Jet", and
        "Electron" and "Muon" if there are any), (event,); −1 if it is not in this collection.
    classifications, regressions
        Numbers of every event, (event, …), by names such as "EVENT/signal".
    """

    targets: Mapping[str, Mapping[str, Int[NDArray[np.int64], " event"]]]
    classifications: Mapping[str, NDArray[Any]]
    regressions: Mapping[str, NDArray[Any]]


def spanet_labels(path: Path, *, start: int = 0, stop: int | None = None) -> SpanetLabels:
    """Read the truth of entries [start, stop) of a SPANet file, which plugins and cuts of a run never see.

    Events of a run have their entry in the file as ``event``, so ``labels.targets["t1/b"]["Jet"][events.event]`` are
    the positions in ``events.Jet``.

    Raises
    ------
    ConfigError, DatasetError
        As for :func:`read_spanet`.
    """
    with open_spanet(path) as file:
        rows = slice(start, file.entries if stop is None else stop)
        positions = {
            name: np.pad(np.where(held, held.cumsum(axis=1) - 1, -1), ((0, 0), (0, 1)), constant_values=-1)
            for name, held in file.members(rows).items()
        }
        slots = {name: file.target(name, rows) for name in file.targets}
        return SpanetLabels(
            {
                target: {name: each[np.arange(len(slot)), slot] for name, each in positions.items()}
                for target, slot in slots.items()
            },
            file.truth("CLASSIFICATIONS", rows),
            file.truth("REGRESSIONS", rows),
        )


def read_spanet(path: Path, *, block: int = 1000) -> Iterator[DetectorEvents]:
    """Read a SPANet file of version 1 or 2 in blocks of at most ``block`` events.

    Objects are the only sequence in ``INPUTS`` (``source`` in version 1), of any name, with ``MASK``, ``pt``, ``eta``,
    ``mass``, and ``phi`` or ``sin_phi`` and ``cos_phi``. The b-tag discriminator is ``btag`` of the jets, and missing
    momentum is ``met`` with its azimuth of the first input that has it; both are 0 if absent. Objects with the flags
    ``etag`` or ``utag`` are leptons; they are left out, because their charge is unknown.

    ``jet_parton`` is the position in :func:`spanet_targets`; if several targets are the same jet, that of the first.
    ``jet_flavour`` is 5 if the name of the target's product begins with b. In version 1, targets of a particle that its
    mask excludes are missing.

    Raises
    ------
    ConfigError
        h5py is not installed.
    DatasetError
        The file does not exist or lacks a group or dataset, shapes differ, or a target is not among the objects.
    """
    with open_spanet(path) as file:
        targets = file.targets
        for first in range(0, file.entries, block):
            yield _events(file, targets, rows=slice(first, min(first + block, file.entries)))


def spanet_targets(path: Path) -> tuple[str, ...]:
    """The targets of a SPANet file, such as "t1/b", in the order of ``jet_parton``.

    Raises
    ------
    ConfigError, DatasetError
        As for :func:`read_spanet`.
    """
    with open_spanet(path) as file:
        return file.targets


def _events(file: SpanetFile, targets: tuple[str, ...], *, rows: slice) -> DetectorEvents:
    def objects(name: str) -> Tensor:
        return torch.from_numpy(file.read(file.sequence, name, rows).astype(np.float64))

    jets = torch.from_numpy(file.members(rows)["Jet"])
    momenta = from_pt_eta_phi_mass(*map(objects, ("pt", "eta", "phi", "mass")))
    parton = torch.full(jets.shape, -1)
    flavour = torch.zeros_like(parton)
    for position, target in reversed(list(enumerate(targets))):
        slot = torch.from_numpy(file.target(target, rows))
        at, slot = (slot >= 0).nonzero()[:, 0], slot[slot >= 0]
        parton[at, slot] = position
        if target.rpartition("/")[2].startswith("b"):
            flavour[at, slot] = 5
    none = momenta.new_zeros(len(jets), 0)
    tagged = "btag" in file.names(file.sequence)
    return DetectorEvents(
        jets=torch.where(jets[..., None], momenta, 0.0),
        jet_parton=torch.where(jets, parton, -1),
        jet_flavour=torch.where(jets, flavour, 0),
        jet_btag=torch.where(jets, objects("btag"), 0.0) if tagged else torch.zeros_like(momenta[..., 0]),
        leptons=none[..., None].expand(-1, -1, 4),
        lepton_pdg_id=none.long(),
        lepton_particle=none.long(),
        missing_momentum=_missing_momentum(file, rows),
    )


def _missing_momentum(file: SpanetFile, rows: slice) -> Tensor:
    for name in file.inputs:
        if "met" in file.inputs[name]:
            met, azimuth = (torch.from_numpy(file.read(name, each, rows).astype(np.float64)) for each in ("met", "phi"))
            return torch.stack((met * azimuth.cos(), met * azimuth.sin()), dim=1)
    return torch.zeros(rows.stop - rows.start, 2, dtype=torch.float64)
