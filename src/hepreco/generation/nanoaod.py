"""Writing events under NanoAOD's names."""

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import torch
import uproot
from torch import Tensor

from hepreco.generation.toy import BLOCK, ToyEvents, ToySample, toy_events
from hepreco.kinematics import to_pt_eta_phi_mass


def write_toy(sample: ToySample, path: Path, *, progress: Callable[[int], None] = lambda _: None) -> Path:
    """Write a toy sample as a NanoAOD-format ROOT file, in place only once it is whole; returns the path.

    ``Jet_truthParton`` is truth: which parton a jet comes from (0 to 5, −1 for none). ``progress`` is told how many
    events each block held.
    """
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(partial) as file:
        tree = None
        for start in range(0, max(sample.events, 1), BLOCK):
            branches = _branches(toy_events(sample, start=start), start)
            if tree is None:
                tree = file.mktree(
                    "Events", {name: values.type.content for name, values in branches.items()}, title="Events"
                )
            tree.extend(branches)
            progress(len(branches["run"]))
    partial.replace(path)
    return path


def _branches(events: ToyEvents, start: int) -> dict[str, ak.Array]:
    size = len(events.jets)
    number = np.arange(start, start + size)
    pt = torch.hypot(events.missing_momentum[:, 0], events.missing_momentum[:, 1])
    phi = torch.atan2(events.missing_momentum[:, 1], events.missing_momentum[:, 0])
    return {
        "run": ak.from_numpy(np.ones(size, dtype=np.uint32)),
        "luminosityBlock": ak.from_numpy((1 + number // BLOCK).astype(np.uint32)),
        "event": ak.from_numpy((1 + number).astype(np.uint64)),
        "genWeight": ak.from_numpy(np.ones(size, dtype=np.float32)),
        "PuppiMET_pt": ak.from_numpy(pt.float().numpy()),
        "PuppiMET_phi": ak.from_numpy(phi.float().numpy()),
        "Jet": _collection(
            events.jets,
            btagDeepFlavB=events.btag.float(),
            hadronFlavour=events.flavour.to(torch.uint8),
            truthParton=events.parton.to(torch.int16),
        ),
        "Electron": _leptons(events, pdg_id=11),
        "Muon": _leptons(events, pdg_id=13),
    }


def _leptons(events: ToyEvents, *, pdg_id: int) -> ak.Array:
    momenta = torch.where((events.lepton_pdg_id == pdg_id)[:, None], events.lepton, 0.0)[:, None]
    charge = torch.full(momenta.shape[:2], -1, dtype=torch.int32)
    return _collection(momenta, charge=charge, pdgId=-pdg_id * charge)


def _collection(momenta: Tensor, **features: Tensor) -> ak.Array:
    """A NanoAOD collection ordered by pt, of the slots that hold something."""
    coordinates = to_pt_eta_phi_mass(momenta)
    order = torch.argsort(coordinates[..., 0], dim=1, descending=True, stable=True)
    held = torch.take_along_dim(coordinates[..., 0], order, dim=1) > 0
    columns = {name: coordinates[..., i].float() for i, name in enumerate(("pt", "eta", "phi", "mass"))} | features
    counts = held.sum(dim=1).numpy()
    return ak.zip(
        {
            name: ak.unflatten(torch.take_along_dim(values, order, dim=1)[held].numpy(), counts)
            for name, values in columns.items()
        }
    )
