"""The packaged weights reach what their cards say, on the events that were kept out of training."""

from pathlib import Path

import pytest
import torch

from hepreco.weights import load_network, read_card
from hepreco_event_variables import LearnedVariable
from hepreco_event_variables.network import EventVariable, loss_of_pairs
from hepreco_event_variables.reconstructor import FAKES, PACKAGED
from hepreco_event_variables.sampling import pairs

#: Nat, between a processor and the graphics card that trained.
SAME = 1e-4
BATCH = 1000


@pytest.mark.parametrize("topology", sorted(path.parent.name for path in Path(PACKAGED).glob("*/weights.toml")))
def test_the_validation_loss_is_that_of_the_card(topology: str) -> None:
    plugin = LearnedVariable(topology=topology)
    card = read_card(plugin.weights)
    network = load_network(EventVariable, directory=plugin.weights, device="cpu", dtype=torch.float32)
    training, validating = (int(card.metrics[f"{part}_events"]) for part in ("training", "validation"))
    assert training + validating == plugin.events
    sample = pairs(network, events=validating, seed=card.seed, first=training)
    total = 0.0
    with torch.no_grad():
        for rows in torch.arange(validating).tensor_split(validating // BATCH):
            loss = loss_of_pairs(network, *(tensor[rows] for tensor in sample), fakes=FAKES)
            total += float(loss) * len(rows) / validating
    assert total == pytest.approx(card.metrics["validation_loss"], abs=SAME)
    assert card.metrics["information_nat"] == pytest.approx(float(torch.tensor(2.0).log()) - total, abs=SAME)
