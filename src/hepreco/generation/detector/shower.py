"""Parton shower, hadronisation and the underlying event by Pythia 8 (arXiv:2203.11601), jets by FastJet."""

import gzip
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import awkward as ak
import numpy as np
import torch
from torch import Tensor

from hepreco import kinematics
from hepreco.errors import ConfigError, DatasetError
from hepreco.formats.lhe import read_lhe
from hepreco.formats.records import DetectorEvents, PartonEvents
from hepreco.generation.detector.parametrised import absorb_leptons, distances

_OUTGOING: Final = 23  # Pythia's status of outgoing particles of the hard process
_LEAST_HADRON_PT: Final = 5.0
_SAME_MOMENTUM: Final = 1e-2  # GeV; Pythia puts light partons on its own mass shells
_NEUTRINOS: Final = (12, 14, 16)
_CHARGED_LEPTONS: Final = (11, 13)
_RESONANCES: Final = (6, 23, 24, 25)
_PARTONS: Final = (1, 2, 3, 4, 5, 21)
_SETTINGS: Final = ("Print:quiet = on", "Random:setSeed = on", "Beams:frameType = 4")


def shower(path: Path, *, seed: int, radius: float, pt_min: float) -> Iterator[tuple[PartonEvents, DetectorEvents]]:
    """Shower the events of a Les Houches event file, and find the objects of a perfect detector, in blocks.

    Pythia runs with its default tune. Anti-kT jets (arXiv:0802.1189) are made of all visible particles except prompt
    electrons and muons, which are leptons unless they are in a jet. A parton belongs to the nearest jet within the
    radius; a jet of several partons has the position of the hardest. The flavour of a jet is that of the heaviest
    hadron with pt above 5 GeV within the radius. Missing momentum is that of neutrinos.

    Parameters
    ----------
    seed
        Seed of Pythia; an event does not depend on later events of the file.
    radius, pt_min
        Radius and smallest pt (GeV) of jets.

    Raises
    ------
    ConfigError
        pythia8mc or fastjet is not installed.
    DatasetError
        The file is damaged, or Pythia cannot shower one of its events.
    """
    pythia8, fastjet = _libraries(path)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    with _unzipped(path) as plain:
        pythia = pythia8.Pythia("", False)
        for setting in (*_SETTINGS, f"Random:seed = {1 + seed % 900_000_000}", f"Beams:LHEF = {plain}"):
            pythia.readString(setting)
        if not pythia.init():
            raise DatasetError(f"Pythia cannot begin with {path}", "look for its message above")
        first = 1
        for events in read_lhe(path):
            found = []
            for number in range(len(events)):
                if not pythia.next():
                    raise DatasetError(
                        f"Pythia cannot shower {path}, event {first + number}", "look for its message above"
                    )
                found.append(_particles(pythia, events[number : number + 1], f"{path}, event {first + number}"))
            clustered = fastjet.ClusterSequence(ak.Array([event["visible"] for event in found]), definition)
            yield events, _objects(found, clustered.inclusive_jets(min_pt=pt_min), radius)
            first += len(events)


def _libraries(path: Path) -> tuple[Any, Any]:
    try:
        import fastjet  # noqa: PLC0415
        import pythia8mc  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"cannot shower {path} without {error.name}, which is not installed",
            "pip install --only-binary pythia8mc 'hepreco[shower]'",
        ) from None
    return pythia8mc, fastjet


@contextmanager
def _unzipped(path: Path) -> Iterator[Path]:
    """The file, or a temporary uncompressed copy, since not every build of Pythia reads gzipped files."""
    if path.suffix != ".gz":
        yield path
        return
    with TemporaryDirectory() as directory:
        plain = Path(directory) / path.stem
        with gzip.open(path) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield plain


def _particles(pythia: Any, hard: PartonEvents, name: str) -> dict[str, Any]:
    """The particles of one event by kind."""
    visible, hadrons, missing = [], [], [0.0, 0.0]
    leptons: tuple[list[float], ...] = ([], [], [], [], [])  # E, px, py, pz, number
    for particle in pythia.event:
        kind = particle.idAbs()
        if not particle.isFinal():
            if (flavour := _flavour(kind)) and particle.pT() > _LEAST_HADRON_PT:
                hadrons.append((particle.eta(), particle.phi(), flavour))
        elif kind in _NEUTRINOS:
            missing[0] += particle.px()
            missing[1] += particle.py()
        elif kind in _CHARGED_LEPTONS and _is_prompt(particle, pythia.event):
            values = particle.e(), particle.px(), particle.py(), particle.pz(), particle.id()
            for column, value in zip(leptons, values, strict=True):
                column.append(value)
        elif particle.isVisible():
            momentum = particle.px(), particle.py(), particle.pz(), particle.e()
            visible.append(dict(zip(("px", "py", "pz", "E"), momentum, strict=True)))
    position = _positions(pythia.process, hard, name)
    outgoing = [particle for particle in pythia.event if particle.statusAbs() == _OUTGOING]
    partons = [
        (particle.eta(), particle.phi(), particle.pT(), at)
        for particle, at in zip(outgoing, position, strict=True)
        if particle.idAbs() in _PARTONS
    ]
    return {"visible": visible, "leptons": leptons, "hadrons": hadrons, "partons": partons, "missing": missing}


def _positions(process: Any, hard: PartonEvents, name: str) -> list[int]:
    """The position of every outgoing particle, in Pythia's order, among the final particles of the file.

    It is −1 for decay products of resonances that the file leaves undecayed and Pythia decays.
    """
    final = hard.status[0] == 1
    outgoing = [particle for particle in process if particle.statusAbs() == _OUTGOING]
    momenta = hard.momenta.new_tensor([(particle.px(), particle.py(), particle.pz()) for particle in outgoing])
    kinds = torch.tensor([particle.id() for particle in outgoing])
    positions = [-1] * len(outgoing)
    rows = zip(hard.pdg_id[0, final].tolist(), hard.momenta[0, final, 1:], strict=True)
    for position, (kind, momentum) in enumerate(rows):
        distance = (momenta - momentum).abs().amax(dim=1).masked_fill(kinds != kind, math.inf)
        if distance.min() < _SAME_MOMENTUM:
            positions[int(distance.argmin())] = position
        elif abs(kind) not in _RESONANCES:
            raise DatasetError(f"{name}: Pythia has another event than the file", "report this, with the file")
    return positions


def _is_prompt(particle: Any, event: Any) -> bool:
    """Whether an electron or muon comes from the hard process, perhaps through a τ, and not from a hadron."""
    while True:
        particle = event[particle.iTopCopyId()]
        mother = event[particle.mother1()]
        if particle.statusAbs() == _OUTGOING or mother.idAbs() not in (11, 13, 15):
            return bool(particle.statusAbs() == _OUTGOING)
        particle = mother


def _flavour(kind: int) -> int:
    """5 or 4 for hadrons with a b or c quark, from the digits of the PDG identifier; otherwise 0."""
    if not 100 < kind < 1_000_000:
        return 0
    heaviest = max(kind // 1000 % 10, kind // 100 % 10)
    return heaviest if heaviest in (4, 5) else 0


def _objects(found: list[dict[str, Any]], jets: ak.Array, radius: float) -> DetectorEvents:
    momenta = torch.stack([_padded(jets[name]) for name in ("E", "px", "py", "pz")], dim=2)
    order = kinematics.pt(momenta).argsort(dim=1, descending=True, stable=True)
    momenta = torch.take_along_dim(momenta, order[..., None], dim=1)
    parton = torch.full(momenta.shape[:2], -1)
    flavour = torch.zeros_like(parton)
    for row, event in enumerate(found):
        for hadron_eta, hadron_phi, kind in event["hadrons"]:
            near = _distances(momenta[row], hadron_eta, hadron_phi) < radius
            flavour[row, near] = flavour[row, near].clamp(min=kind)
        for parton_eta, parton_phi, _, position in sorted(event["partons"], key=itemgetter(2)):  # the hardest last
            distance, nearest = _distances(momenta[row], parton_eta, parton_phi).min(dim=0)
            if distance < radius:
                parton[row, nearest] = position
    leptons = torch.stack([_padded(ak.Array([event["leptons"][i] for event in found])) for i in range(5)], dim=2)
    number = leptons[..., 4].long()
    return absorb_leptons(
        DetectorEvents(
            jets=momenta,
            jet_parton=parton,
            jet_flavour=flavour,
            jet_btag=torch.zeros_like(momenta[..., 0]),
            leptons=leptons[..., :4],
            lepton_pdg_id=number,
            lepton_particle=torch.full_like(number, -1),
            missing_momentum=torch.tensor([event["missing"] for event in found], dtype=torch.float64),
        ),
        radius,
    )


def _distances(jets: Tensor, eta: float, phi: float) -> Tensor:
    """ΔR of jets to a direction; infinite for empty slots."""
    direction = kinematics.from_pt_eta_phi_mass(*jets.new_tensor([[1.0], [eta], [phi], [0.0]]))
    return distances(jets[None], direction[None])[0, :, 0]


def _padded(values: ak.Array) -> Tensor:
    """A jagged array padded with 0 to (event, slot), with at least one slot."""
    slots = max(1, *ak.num(values).tolist())
    return torch.from_numpy(np.asarray(ak.fill_none(ak.pad_none(values, slots, clip=True), 0), dtype=np.float64))
