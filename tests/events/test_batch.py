from dataclasses import replace

import pytest
import torch

from hepreco.events import EventBatch


@pytest.fixture
def batch() -> EventBatch:
    """Two events of three jets and two muons, some slots empty; every number is another one."""
    mask = torch.tensor([[True, True, False, True, False], [True, True, True, True, True]])
    number = torch.arange(1.0, 11.0, dtype=torch.float64).view(2, 5)
    return EventBatch(
        momenta=torch.where(mask[..., None], number[..., None] * torch.tensor([1.0, 0.1, 0.2, 0.3]).double(), 0.0),
        mask=mask,
        species=torch.tensor([[0, 0, 0, 1, 1]]).expand(2, -1).contiguous(),
        index=torch.where(mask, torch.tensor([2, 0, 1, 0, 1]), -1),
        features={"tag": torch.where(mask, 10 * number, 0.0)},
        missing_momentum=torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64),
        event_id=torch.tensor([[1, 1, 7], [1, 1, 8]]),
        weight=torch.tensor([0.5, 2.0], dtype=torch.float64),
        collections=("Jet", "Muon"),
    )


def test_objects_are_ordered_and_padding_comes_last(batch):
    """By negative keys, and by a key that is largest in padding."""
    key = torch.tensor([[-5.0, -2.0, 100.0, -9.0, 100.0], [1.0, 5.0, 3.0, 3.0, -1.0]], dtype=torch.float64)
    found = batch.objects_ordered_by(key, at_most=4)
    assert found.features["tag"].tolist() == [
        [20.0, 10.0, 40.0, 0.0],
        [70.0, 80.0, 90.0, 60.0],
    ]  # a tie: first comes first
    assert found.mask.tolist() == [[True, True, True, False], [True] * 4]
    assert found.momenta[..., 0].tolist() == [[2.0, 1.0, 4.0, 0.0], [7.0, 8.0, 9.0, 6.0]]
    assert found.momenta[0, 0].tolist() == pytest.approx([2.0, 0.2, 0.4, 0.6])
    assert found.species.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]
    assert found.index.tolist() == [[0, 2, 0, -1], [0, 1, 0, 2]]
    assert found.event_id is batch.event_id
    assert batch.objects_ordered_by(key, at_most=9).mask.shape == (2, 5)


def test_collections_are_their_slots(batch):
    muons = batch.collection("Muon")
    assert muons.features["tag"].tolist() == [[40.0, 0.0], [90.0, 100.0]]
    assert muons.species.tolist() == [[1, 1], [1, 1]]
    assert batch.collection("Jet").index.tolist() == [[2, 0, -1], [2, 0, 1]]
    with pytest.raises(ValueError, match="not in"):
        batch.collection("Tau")


@pytest.mark.parametrize("slots", [3, 5, 7])
def test_padding_adds_empty_slots_at_the_end(batch, slots):
    found = batch.padded(slots)
    size = max(slots, 5)
    assert found.mask.shape == (2, size)
    assert not found.mask[:, 5:].any()
    assert (found.momenta[:, 5:] == 0).all()
    assert (found.index[:, 5:] == -1).all()
    assert (found.species[:, 5:] == 1).all()
    for name in ("momenta", "mask", "species", "index"):
        assert torch.equal(getattr(found, name)[:, :5], getattr(batch, name))
    assert found.features["tag"].shape == (2, size)
    assert torch.equal(found.weight, batch.weight)


def test_some_of_the_events(batch):
    found = batch[torch.tensor([1])]
    assert len(found) == 1
    assert found.event_id.tolist() == [[1, 1, 8]]
    assert found.weight.tolist() == [2.0]
    assert found.features["tag"].tolist() == [[60.0, 70.0, 80.0, 90.0, 100.0]]
    assert found.to("cpu").device == torch.device("cpu")


def test_joined_events_are_in_order_and_padded_by_collection(batch):
    few = batch[:1].objects_ordered_by(-torch.arange(5.0).double()[None], at_most=2)
    few = replace(few, species=torch.tensor([[0, 1]]))
    joined = EventBatch.concatenate([few, batch])
    assert joined.event_id[:, 2].tolist() == [7, 7, 8]
    assert joined.species.tolist() == [[0, 0, 0, 1, 1]] * 3
    assert joined.features["tag"].tolist()[0] == [10.0, 0.0, 0.0, 20.0, 0.0]
    assert joined.mask.sum(dim=1).tolist() == [2, 3, 5]
    assert torch.equal(joined.missing_momentum[1:], batch.missing_momentum)
