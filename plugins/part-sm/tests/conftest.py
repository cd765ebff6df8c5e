from dataclasses import replace

import pytest
import torch

from hepreco.events import EventBatch
from hepreco.kinematics import from_pt_eta_phi_mass
from hepreco_part_sm import Kind, Particles

KINDS = torch.tensor([Kind.JET] * 4 + [Kind.B_JET] * 2 + [Kind.ELECTRON, Kind.ANTIMUON, Kind.PHOTON])


def toy_particles(*, events: int, seed: int, scale: float = 1.0) -> Particles:
    """Objects of exponential pt, of which the last two are missing in every second event."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(3, events, len(KINDS), generator=generator, dtype=torch.float64)
    pt = (25 - 60 * scale * torch.log(u[0])).sort(dim=1, descending=True).values
    momenta = from_pt_eta_phi_mass(pt, 4 * u[1] - 2, 6.28 * u[2] - 3.14, 0.05 * pt)
    kinds = KINDS.expand(events, -1).gather(1, torch.rand(events, 9, generator=generator).argsort(dim=1))
    kinds = kinds.clone()
    kinds[::2, -2:] = 0
    missing = 50 * torch.randn(events, 2, generator=generator, dtype=torch.float64)
    return Particles(torch.where((kinds > 0)[..., None], momenta, 0.0), kinds, missing)


def toy_batch(*, events: int, seed: int, scale: float = 1.0) -> EventBatch:
    """The same as a plugin is given it: per collection by falling pt."""
    particles = toy_particles(events=events, seed=seed, scale=scale)
    collection = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    parts = []
    for number in range(4):
        chosen = (collection[particles.kinds] == number) & particles.mask
        order = (~chosen).int().argsort(dim=1, stable=True)
        parts.append([torch.take_along_dim(x, order, dim=1) for x in (chosen, particles.kinds)])
        momenta = torch.take_along_dim(particles.momenta, order[..., None], dim=1)
        parts[-1].append(torch.where(parts[-1][0][..., None], momenta, 0.0))
    mask, kinds, momenta = (torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True))
    number = torch.arange(events)
    return EventBatch(
        momenta=momenta,
        mask=mask,
        species=torch.arange(4).repeat_interleave(9).expand(events, -1),
        index=torch.where(mask, torch.arange(9).repeat(4), -1),
        features={
            "btagDeepFlavB": torch.where(mask & (kinds == Kind.B_JET), 0.9, 0.0).double(),
            "charge": torch.where(mask & ((kinds == Kind.ELECTRON) | (kinds == Kind.MUON)), -1.0, 1.0).double() * mask,
        },
        missing_momentum=particles.missing_momentum,
        event_id=torch.stack((number, torch.full_like(number, seed), number), dim=1),
        weight=torch.ones(events, dtype=torch.float64),
        collections=("Jet", "Electron", "Muon", "Photon"),
    )


def shuffled(batch: EventBatch) -> EventBatch:
    """The same events with the slots in another order."""
    order = torch.randperm(batch.mask.shape[1], generator=torch.Generator().manual_seed(1))
    return replace(
        batch,
        momenta=batch.momenta[:, order],
        mask=batch.mask[:, order],
        species=batch.species[:, order],
        index=batch.index[:, order],
        features={name: values[:, order] for name, values in batch.features.items()},
    )


@pytest.fixture
def particles() -> Particles:
    return toy_particles(events=12, seed=3)
