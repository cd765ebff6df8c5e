"""Parametrised detector simulation: from particles to measured objects."""

import math
from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco import kinematics
from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.detector import Detector
from hepreco.formats.records import DetectorEvents, PartonEvents, pad
from hepreco.generation.randomness import normals, uniforms

#: First streams of random numbers: of the event, each radiated jet, each measured jet and lepton, tails and hard jets.
_EVENT, _RADIATION, _JETS, _LEPTONS, _TAILS, _HARD = 100, 200, 300, 400, 500, 600
_MOST_RADIATED: Final = 12
_NEUTRINOS: Final = (12, 14, 16)


def radiate(
    events: PartonEvents, detector: Detector, *, seed: int, first: int
) -> tuple[PartonEvents, Float[Tensor, "event jet 4"]]:
    """Jets of initial-state radiation, and the events after their recoil.

    All particles but the incoming partons are boosted so that transverse momenta balance, with unchanged total mass and
    rapidity. Empty slots have momentum 0. ``first`` is the number of the first event in its sample.
    """
    count = len(events)
    u = uniforms(seed=seed, stream=_EVENT, first=first, count=count, width=3)[:, 0]
    number = torch.searchsorted(_poisson(detector.radiation), u.contiguous())
    jets = []
    for slot in range(_MOST_RADIATED):
        v = uniforms(seed=seed, stream=_RADIATION + slot, first=first, count=count, width=3)
        hard = uniforms(seed=seed, stream=_HARD + slot, first=first, count=count, width=1)[:, 0]
        is_hard = hard < detector.radiation_hard_fraction
        slope = torch.where(is_hard, detector.radiation_hard_slope, torch.full_like(hard, detector.radiation_slope))
        pt = detector.jet_pt_min - slope * torch.log(v[:, 0])
        eta, phi = detector.radiation_eta * normals(v[:, 1]), math.pi * (2 * v[:, 2] - 1)
        momentum = kinematics.from_pt_eta_phi_mass(pt, eta, phi, torch.zeros_like(pt))
        jets.append(torch.where((slot < number)[:, None], momentum, 0.0))
    radiation = torch.stack(jets, dim=1)
    return _recoiled(events, -radiation.sum(dim=1)[:, 1:3]), radiation


def to_objects(events: PartonEvents, radiation: Float[Tensor, "event jet 4"], *, radius: float) -> DetectorEvents:
    """Jets, leptons and missing momentum before measurement: one jet per quark or gluon; close jets are merged."""
    kind = torch.where(events.status == 1, events.pdg_id.abs(), 0)
    is_parton = ((kind >= 1) & (kind <= 5)) | (kind == 21)
    is_lepton = (kind == 11) | (kind == 13)
    is_neutrino = torch.isin(kind, torch.tensor(_NEUTRINOS))
    position = (events.status == 1).cumsum(dim=1) - 1
    flavour = torch.where((kind == 4) | (kind == 5), kind, 0)
    slots = radiation.shape[1]
    objects = DetectorEvents(
        jets=torch.cat((_only(events.momenta, is_parton), radiation), dim=1),
        jet_parton=torch.cat(
            (torch.where(is_parton, position, -1), position.new_full((len(events), slots), -1)), dim=1
        ),
        jet_flavour=pad(torch.where(is_parton, flavour, 0), flavour.shape[1] + slots),
        jet_btag=pad(torch.zeros_like(flavour, dtype=torch.float64), flavour.shape[1] + slots),
        leptons=_only(events.momenta, is_lepton),
        lepton_pdg_id=torch.where(is_lepton, events.pdg_id, 0),
        lepton_particle=torch.where(is_lepton, position, -1),
        missing_momentum=_only(events.momenta, is_neutrino).sum(dim=1)[:, 1:3],
    )
    return absorb_leptons(_merge(objects, radius), radius)


def measure(objects: DetectorEvents, detector: Detector, *, seed: int, first: int) -> DetectorEvents:
    """Smear and tag objects and apply the acceptance; missing momentum balances the mismeasured momenta.

    Parameters
    ----------
    objects
        True objects, from :func:`to_objects` or a parton shower; their ``jet_btag`` is ignored.
    """
    jets, btag = _measure_jets(objects, detector, seed=seed, first=first)
    leptons = _measure_leptons(objects, detector, seed=seed, first=first)
    noise = normals(uniforms(seed=seed, stream=_EVENT, first=first, count=len(objects), width=3)[:, 1:])
    lost = objects.jets.sum(dim=1) + objects.leptons.sum(dim=1) - jets.sum(dim=1) - leptons.sum(dim=1)
    seen = jets[..., 0] > 0
    return replace(
        objects,
        jets=jets,
        jet_parton=torch.where(seen, objects.jet_parton, -1),
        jet_flavour=torch.where(seen, objects.jet_flavour, 0),
        jet_btag=torch.where(seen, btag, 0.0),
        leptons=leptons,
        lepton_pdg_id=torch.where(leptons[..., 0] > 0, objects.lepton_pdg_id, 0),
        missing_momentum=objects.missing_momentum + lost[:, 1:3] + detector.missing_noise * noise,
    )


def _measure_jets(objects: DetectorEvents, detector: Detector, *, seed: int, first: int) -> tuple[Tensor, Tensor]:
    """Momenta (event, jet, 4), 0 for jets outside the acceptance, and discriminators (event, jet)."""
    u = _per_slot(objects.jets, _JETS, seed=seed, first=first, width=4)
    energy = objects.jets[..., 0].clamp(min=1e-9)
    in_tail = _per_slot(objects.jets, _TAILS, seed=seed, first=first, width=1)[..., 0] < detector.jet_tail_fraction
    spread, width = normals(u[..., 0]), detector.jet_resolution(energy)
    tail = torch.exp(torch.hypot(width, width.new_tensor(detector.jet_tail_width)) * spread)
    response = torch.full_like(energy, detector.light_response)
    response = torch.where(objects.jet_flavour == 5, detector.b_response, response)
    factor = response * torch.where(in_tail, tail, 1 + width * spread)
    jets = _smeared(objects.jets, factor, detector.jet_angle * normals(u[..., 1:3]))
    inside = (kinematics.pt(jets) > detector.jet_pt_min) & (kinematics.eta(jets).abs() < detector.jet_eta_max)
    efficiency = torch.full_like(energy, detector.light_efficiency)
    for flavour, value in ((4, detector.c_efficiency), (5, detector.b_efficiency)):
        efficiency = torch.where(objects.jet_flavour == flavour, value, efficiency)
    efficiency = torch.where(kinematics.eta(jets).abs() < detector.b_tag_eta_max, efficiency, 0.0)
    return _only(jets, inside), _discriminator(u[..., 3], efficiency)


def _measure_leptons(objects: DetectorEvents, detector: Detector, *, seed: int, first: int) -> Tensor:
    u = _per_slot(objects.leptons, _LEPTONS, seed=seed, first=first, width=2)
    still = torch.zeros_like(u)
    leptons = _smeared(objects.leptons, 1 + detector.lepton_resolution * normals(u[..., 0]), still)
    inside = (kinematics.pt(leptons) > detector.lepton_pt_min) & (
        kinematics.eta(leptons).abs() < detector.lepton_eta_max
    )
    return _only(leptons, inside & (u[..., 1] < detector.lepton_efficiency))


def _discriminator(u: Tensor, efficiency: Tensor) -> Tensor:
    """A discriminator in [0, 1], above the working point with this probability; the larger it is, the closer to 1."""
    passing = u < efficiency
    above = 1 - (1 - B_TAG_THRESHOLD) * (u / efficiency.clamp(min=1e-12)) ** (2 * efficiency + 0.2)
    below = B_TAG_THRESHOLD * ((1 - u) / (1 - efficiency).clamp(min=1e-12)).clamp(max=1.0) ** 2
    return torch.where(passing, above, below)


def _per_slot(momenta: Tensor, stream: int, *, seed: int, first: int, width: int) -> Float[Tensor, "event slot number"]:
    """Uniform numbers of every slot, which do not depend on the number of slots."""
    count = len(momenta)
    slots = range(momenta.shape[1])
    return torch.stack(
        [uniforms(seed=seed, stream=stream + slot, first=first, count=count, width=width) for slot in slots], dim=1
    )


def _smeared(momenta: Tensor, factor: Tensor, angles: Float[Tensor, "event slot 2"]) -> Tensor:
    """Momenta scaled by ``factor`` and shifted by small angles in η and φ; empty slots stay empty."""
    held = momenta[..., 0] > 0
    safe = torch.where(held[..., None], momenta, momenta.new_tensor([1.0, 1.0, 0.0, 0.0]))
    factor = factor.clamp(min=0.05)
    smeared = kinematics.from_pt_eta_phi_mass(
        kinematics.pt(safe) * factor,
        kinematics.eta(safe) + angles[..., 0],
        kinematics.phi(safe) + angles[..., 1],
        kinematics.mass(safe) * factor,
    )
    return _only(smeared, held)


def _only(momenta: Tensor, keep: Tensor) -> Tensor:
    return torch.where(keep[..., None], momenta, 0.0)


def _poisson(mean: float) -> Float[Tensor, " number"]:
    """P(n ≤ 0), P(n ≤ 1), …; the last is 1."""
    number = torch.arange(_MOST_RADIATED, dtype=torch.float64)
    probabilities = torch.exp(
        torch.xlogy(number, torch.tensor(mean, dtype=torch.float64)) - mean - torch.lgamma(number + 1)
    )
    return torch.cat((probabilities.cumsum(0), probabilities.new_ones(1)))


def _recoiled(events: PartonEvents, kick: Float[Tensor, "event 2"]) -> PartonEvents:
    """Boost all particles but the incoming partons, so that their total transverse momentum is ``kick``."""
    total = events.momenta[:, :2].sum(dim=1)
    mass = kinematics.mass(total)
    plus, minus = total[:, 0] + total[:, 3], total[:, 0] - total[:, 3]
    scale = torch.sqrt((mass**2 + (kick**2).sum(dim=1)) / mass**2)
    target = torch.stack(((plus + minus) / 2 * scale, *kick.unbind(1), (plus - minus) / 2 * scale), dim=1)
    momenta = events.momenta
    for momentum, sign in ((total, -1.0), (target, 1.0)):
        velocity = sign * momentum[:, 1:] / momentum[:, :1]
        momenta = kinematics.boost(momenta, velocity=velocity[:, None].expand(-1, momenta.shape[1], -1))
    return replace(events, momenta=torch.where((events.status > 0)[..., None], momenta, events.momenta))


def _merge(objects: DetectorEvents, radius: float) -> DetectorEvents:
    """Merge the two nearest jets into the harder one, as long as they are closer than ``radius``."""
    jets, parton, flavour = objects.jets, objects.jet_parton, objects.jet_flavour
    rows = torch.arange(len(jets))
    while len(jets):
        distance, pair = distances(jets, jets).masked_fill(_lower(jets.shape[1]), math.inf).flatten(1).min(dim=1)
        close = distance < radius
        if not close.any():
            break
        one, other = pair // jets.shape[1], pair % jets.shape[1]
        pt = kinematics.pt(jets)
        first_harder = pt[rows, one] >= pt[rows, other]
        harder, softer = torch.where(first_harder, one, other)[close], torch.where(first_harder, other, one)[close]
        at = rows[close]
        jets, parton, flavour = jets.clone(), parton.clone(), flavour.clone()
        jets[at, harder] += jets[at, softer]
        flavour[at, harder] = torch.maximum(flavour[at, harder], flavour[at, softer])
        jets[at, softer], parton[at, softer], flavour[at, softer] = 0.0, -1, 0
    return replace(objects, jets=jets, jet_parton=parton, jet_flavour=flavour)


def absorb_leptons(objects: DetectorEvents, radius: float) -> DetectorEvents:
    """Add leptons within ``radius`` of a jet to the nearest jet."""
    if not len(objects):
        return objects
    distance, nearest = distances(objects.leptons, objects.jets).min(dim=2)
    inside = distance < radius
    share = torch.zeros_like(objects.jets).scatter_add(
        1, nearest[..., None].expand_as(objects.leptons), _only(objects.leptons, inside)
    )
    return replace(
        objects,
        jets=objects.jets + share,
        leptons=_only(objects.leptons, ~inside),
        lepton_pdg_id=torch.where(inside, 0, objects.lepton_pdg_id),
    )


def distances(
    first: Float[Tensor, "event one 4"], second: Float[Tensor, "event other 4"]
) -> Float[Tensor, "event one other"]:
    """ΔR of every pair; infinite if a slot is empty."""
    empty = (first[..., 0] <= 0)[:, :, None] | (second[..., 0] <= 0)[:, None]
    return kinematics.delta_r(first[:, :, None], second[:, None]).masked_fill(empty, math.inf)


def _lower(size: int) -> Tensor:
    """A mask of pairs that are duplicates or combine a jet with itself."""
    return torch.ones(size, size, dtype=torch.bool).tril()
