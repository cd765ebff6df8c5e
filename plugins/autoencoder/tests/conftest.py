from pathlib import Path

import pytest
import torch

from hepreco.events import EventBatch
from hepreco.training import initialised
from hepreco.weights import Card, save_weights
from hepreco_autoencoder import AutoencoderReconstructor


def random_batch(events: int, *, slots: int = 9, at_least: int = 6, seed: int = 1) -> EventBatch:
    """Massive jets with falling pt, ordered by pt, between ``at_least`` and ``slots`` per event."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(events, slots, 4, generator=generator, dtype=torch.float64)
    count = torch.randint(at_least, slots + 1, (events, 1), generator=generator)
    mask = torch.arange(slots) < count
    pt = torch.where(mask, 30 - 60 * uniform[..., 0].log(), 0.0).sort(dim=1, descending=True).values
    eta, phi, mass = 4.8 * uniform[..., 1] - 2.4, 2 * torch.pi * uniform[..., 2], 0.2 * pt * uniform[..., 3]
    px, py, pz = pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()
    energy = (px**2 + py**2 + pz**2 + mass**2).sqrt()
    number = torch.arange(events)
    return EventBatch(
        momenta=torch.stack((energy, px, py, pz), dim=-1),
        mask=mask,
        species=torch.zeros(events, slots, dtype=torch.int64),
        index=torch.where(mask, torch.arange(slots), -1),
        features={},
        missing_momentum=torch.full((events, 2), torch.nan, dtype=torch.float64),
        event_id=torch.stack((torch.ones_like(number), torch.ones_like(number), number), dim=1),
        weight=torch.ones(events, dtype=torch.float64),
        collections=("Jet",),
    )


@pytest.fixture
def batch() -> EventBatch:
    """Forty events."""
    return random_batch(40)


@pytest.fixture(scope="session")
def many() -> EventBatch:
    """Enough to train on."""
    return random_batch(1000, seed=2)


@pytest.fixture
def untrained(tmp_path: Path) -> AutoencoderReconstructor:
    """A reconstructor with random weights."""
    reconstructor = AutoencoderReconstructor(weights_directory=str(tmp_path / "weights"))
    network = initialised(reconstructor.build_network, seed=1)
    manifest = Card(sha256="", network=reconstructor.network, sample="none", seed=1, command="", hepreco="")
    save_weights(reconstructor.weights, network.state_dict(), manifest)
    return reconstructor
