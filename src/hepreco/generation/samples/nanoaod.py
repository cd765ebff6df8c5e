"""Converts events to the branches of NanoAOD."""

import awkward as ak
import numpy as np
import torch
from torch import Tensor

from hepreco.formats.records import DetectorEvents, PartonEvents
from hepreco.kinematics import to_pt_eta_phi_mass

_EVENTS_PER_BLOCK = 1000
#: NanoAOD's bits 0, 7, 8, 12, 13: prompt, hard process, from hard process, first and last copy.
_HARD_PROCESS_FLAGS = 1 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13
#: Pythia's codes for incoming, intermediate and outgoing particles of the hard process.
_PYTHIA_STATUS = {-1: 21, 2: 22, 1: 23}
_COORDINATES = ("pt", "eta", "phi", "mass")
#: NanoAOD has no branch for the mass of photons.
_WITHOUT_MASS = ("FsrPhoton", "Photon")
#: Empty collections of NanoAOD, with the branches that readers expect: references to other collections, and charges.
_EMPTY = {
    "FatJet": ("genJetAK8Idx", "subJetIdx1", "subJetIdx2"),
    "FsrPhoton": ("muonIdx",),
    "GenJetAK8": (),
    "GenVisTau": ("charge", "genPartIdxMother"),
    "LowPtElectron": ("charge", "electronIdx", "genPartIdx", "photonIdx"),
    "Photon": ("electronIdx", "genPartIdx", "jetIdx"),
    "SubJet": (),
    "Tau": ("charge", "genPartIdx", "jetIdx"),
}


def branches(
    partons: PartonEvents, recoiled: PartonEvents, objects: DetectorEvents, measured: DetectorEvents, *, first: int
) -> dict[str, ak.Array]:
    """The branches of some events.

    ``LHEPart`` is the original hard process, with balanced momenta; ``GenPart`` contains the same particles after the
    recoil against radiation, and ``GenJet`` the jets before measurement. Truth about reconstructed objects is marked in
    the name of the branch. NanoAOD's other collections are empty.

    Parameters
    ----------
    partons, recoiled
        The hard process before and after the recoil.
    objects, measured
        Objects before and after the measurement, in the same slots.
    first
        The number of the first event in its sample.
    """
    size = len(partons)
    number = np.arange(first, first + size)
    scalars = {
        "run": np.ones(size, dtype=np.uint32),
        "luminosityBlock": (1 + number // _EVENTS_PER_BLOCK).astype(np.uint32),
        "event": (1 + number).astype(np.uint64),
        "genWeight": partons.weight.numpy().astype(np.float32),
    }
    neutrinos = torch.isin(recoiled.pdg_id.abs(), torch.tensor((12, 14, 16))) & (recoiled.status == 1)
    invisible = torch.where(neutrinos[..., None], recoiled.momenta, 0.0).sum(dim=1)[:, 1:3]
    for name, momentum in (
        ("GenMET", invisible),
        ("MET", measured.missing_momentum),
        ("PuppiMET", measured.missing_momentum),
    ):
        scalars[f"{name}_pt"] = torch.hypot(*momentum.unbind(1)).float().numpy()
        scalars[f"{name}_phi"] = torch.atan2(momentum[:, 1], momentum[:, 0]).float().numpy()
    return {
        **{name: ak.from_numpy(values) for name, values in scalars.items()},
        "LHEPart": _lhe_part(partons),
        "GenPart": _gen_part(recoiled),
        "GenJet": _gen_jets(objects),
        "Jet": _jets(objects, measured, partons),
        "Electron": _leptons(measured, partons, 11),
        "Muon": _leptons(measured, partons, 13),
        **{name: _nothing(name, references, size) for name, references in _EMPTY.items()},
    }


def _lhe_part(events: PartonEvents) -> ak.Array:
    incoming = events.status == -1
    at_collision = ~incoming & (events.mother < 0)
    coordinates = to_pt_eta_phi_mass(events.momenta)
    coordinates = torch.where(incoming[..., None], 0.0, coordinates)
    return _collection(
        events.status != 0,
        {name: coordinates[..., i].float() for i, name in enumerate(_COORDINATES)}
        | {
            "incomingpz": torch.where(incoming, events.momenta[..., 3], 0.0).float(),
            "pdgId": events.pdg_id.int(),
            "status": events.status.int(),
            "spin": torch.full_like(events.status, 9).int(),
            "firstMotherIdx": torch.where(at_collision, 0, events.mother).short(),
            "lastMotherIdx": torch.where(at_collision, 1, events.mother).short(),
        },
    )


def _gen_part(events: PartonEvents) -> ak.Array:
    incoming = events.status == -1
    at_collision = ~incoming & (events.mother < 0)
    coordinates = to_pt_eta_phi_mass(events.momenta)
    # Along the beam η is infinite; NanoAOD has large numbers there.
    coordinates[..., 1] = coordinates[..., 1].clamp(-3e4, 3e4)
    lepton = (events.pdg_id.abs() >= 11) & (events.pdg_id.abs() <= 16)
    status = torch.zeros_like(events.status)
    for ours, pythia in _PYTHIA_STATUS.items():
        status = torch.where(events.status == ours, pythia, status)
    return _collection(
        events.status != 0,
        {name: coordinates[..., i].float() for i, name in enumerate(_COORDINATES)}
        | {
            "pdgId": events.pdg_id.int(),
            "status": torch.where((status == 23) & lepton, 1, status).int(),
            "statusFlags": torch.full_like(events.status, _HARD_PROCESS_FLAGS).int(),
            "genPartIdxMother": torch.where(at_collision, 0, events.mother).short(),
        },
    )


def _gen_jets(objects: DetectorEvents) -> ak.Array:
    coordinates, order, held = _by_pt(objects.jets)
    flavour = objects.jet_flavour.gather(1, order)
    return _collection(held, coordinates | {"hadronFlavour": flavour.to(torch.uint8)})


def _jets(objects: DetectorEvents, measured: DetectorEvents, partons: PartonEvents) -> ak.Array:
    coordinates, order, held = _by_pt(measured.jets)
    rank_before = torch.argsort(_by_pt(objects.jets)[1], dim=1)
    features = {
        "btagDeepFlavB": measured.jet_btag.float(),
        "hadronFlavour": measured.jet_flavour.to(torch.uint8),
        "truthParton": measured.jet_parton.short(),
        "truthGenPartIdx": _rows(partons, measured.jet_parton).short(),
        "genJetIdx": rank_before.short(),
    }
    ordered = {name: values.gather(1, order) for name, values in features.items()}
    return _collection(
        held, coordinates | ordered | _none("electronIdx1", "electronIdx2", "muonIdx1", "muonIdx2", of=held)
    )


def _leptons(objects: DetectorEvents, partons: PartonEvents, pdg_id: int) -> ak.Array:
    chosen = objects.lepton_pdg_id.abs() == pdg_id
    coordinates, order, held = _by_pt(torch.where(chosen[..., None], objects.leptons, 0.0))
    number = objects.lepton_pdg_id.gather(1, order).int()
    truth = _rows(partons, objects.lepton_particle).gather(1, order).short()
    others = ("photonIdx",) if pdg_id == 11 else ("fsrPhotonIdx",)
    columns = {"pdgId": number, "charge": -torch.sign(number), "genPartIdx": truth}
    return _collection(held, coordinates | columns | _none("jetIdx", *others, of=held))


def _nothing(name: str, references: tuple[str, ...], size: int) -> ak.Array:
    """A collection that is empty in every event."""
    empty = torch.zeros(size, 0)
    coordinates = _COORDINATES[:3] if name in _WITHOUT_MASS else _COORDINATES
    columns = dict.fromkeys(coordinates, empty) | dict.fromkeys(references, empty.short())
    return _collection(empty.bool(), columns)


def _none(*names: str, of: Tensor) -> dict[str, Tensor]:
    """Empty references, since leptons are in no jet."""
    return {name: torch.full_like(of, -1, dtype=torch.int16) for name in names}


def _rows(partons: PartonEvents, position: Tensor) -> Tensor:
    """Convert positions among the final particles to rows of the record; −1 stays."""
    rows = torch.argsort((partons.status != 1).int(), dim=1, stable=True)
    return torch.where(position < 0, -1, rows.gather(1, position.clamp(min=0)))


def _by_pt(momenta: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Coordinates of the slots by decreasing pt, that order, and a mask of filled slots."""
    coordinates = to_pt_eta_phi_mass(momenta)
    order = torch.argsort(coordinates[..., 0], dim=1, descending=True, stable=True)
    ordered = torch.take_along_dim(coordinates, order[..., None], dim=1)
    return {name: ordered[..., i].float() for i, name in enumerate(_COORDINATES)}, order, ordered[..., 0] > 0


def _collection(held: Tensor, columns: dict[str, Tensor]) -> ak.Array:
    counts = held.sum(dim=1).numpy()
    return ak.zip({name: ak.unflatten(values[held].numpy(), counts) for name, values in columns.items()})
