import pytest
import torch

from hepreco.events import EventBatch


def batch_of(
    momenta: list[list[tuple[float, ...]]],
    *,
    missing: list[tuple[float, float]],
    species: list[list[int]] | None = None,
) -> EventBatch:
    """Events of (E, px, py, pz); an empty tuple is a padded slot. All of one collection, or of those in ``species``."""
    mask = torch.tensor([[bool(p) for p in event] for event in momenta])
    events, slots = mask.shape
    filled = [[p or (0.0, 0.0, 0.0, 0.0) for p in event] for event in momenta]
    number = torch.arange(events)
    kinds = torch.tensor(species) if species else torch.zeros(events, slots, dtype=torch.int64)
    return EventBatch(
        momenta=torch.tensor(filled, dtype=torch.float64),
        mask=mask,
        species=kinds,
        index=torch.where(mask, torch.arange(slots), -1),
        features={},
        missing_momentum=torch.tensor(missing, dtype=torch.float64),
        event_id=torch.stack((number, number, number), dim=1),
        weight=torch.ones(events, dtype=torch.float64),
        collections=("Jet",) if species is None else ("Jet", "Electron", "Muon"),
    )


@pytest.fixture
def two_jets() -> EventBatch:
    """Two events: two massless jets; one jet and a padded slot."""
    return batch_of(
        [[(50.0, 30.0, 40.0, 0.0), (13.0, 0.0, -5.0, 12.0)], [(50.0, 30.0, 40.0, 0.0), ()]],
        missing=[(-30.0, -35.0), (-30.0, -40.0)],
    )
