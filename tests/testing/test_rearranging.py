import torch

from hepreco.events import InputSpec, ObjectSpec
from hepreco.kinematics import pt
from hepreco.testing import toy_batch
from hepreco.testing.rearranging import follow, shuffled, soiled, widened

BATCH = toy_batch(
    InputSpec((ObjectSpec("Jet", at_least=1, features=("btagDeepFlavB",)), ObjectSpec("Muon", at_most=3)))
)
EXTRA = 2


def test_shuffle_keeps_objects_together():
    other, _ = shuffled(BATCH, seed=1)
    assert torch.equal(other.species, BATCH.species)
    assert torch.equal(other.mask, BATCH.mask)
    assert not torch.equal(other.momenta, BATCH.momenta)
    assert not torch.equal(other.index, BATCH.index)
    for name in BATCH.collections:
        before, after = (batch.collection(name) for batch in (BATCH, other))
        back = after.objects_ordered_by(pt(after.momenta), at_most=after.mask.shape[1])
        torch.testing.assert_close(back.momenta, before.momenta)
        assert torch.equal(back.index, before.index)
        assert torch.equal(back.features["btagDeepFlavB"], before.features["btagDeepFlavB"])


def test_values_follow_their_objects():
    other, order = shuffled(BATCH, seed=1)
    for name in BATCH.collections:
        followed = follow(BATCH.collection(name).index, name, batch=BATCH, order=order)
        assert torch.equal(followed, other.collection(name).index)


def test_widening_appends_padding_to_each_collection():
    wide = widened(BATCH, extra=EXTRA)
    for name in BATCH.collections:
        before, after = (batch.collection(name) for batch in (BATCH, wide))
        width = before.mask.shape[1]
        assert after.mask.shape[1] == width + EXTRA
        assert torch.equal(after.momenta[:, :width], before.momenta)
        assert torch.equal(after.index[:, :width], before.index)
        assert not after.mask[:, width:].any()
        assert (after.index[:, width:] == -1).all()
        assert (after.momenta[:, width:] == 0).all()


def test_soiling_spares_objects():
    dirty = soiled(BATCH, seed=1)
    assert torch.equal(dirty.momenta[BATCH.mask], BATCH.momenta[BATCH.mask])
    assert (dirty.momenta[~BATCH.mask] != 0).all()
    assert (dirty.features["btagDeepFlavB"][~BATCH.mask] != 0).all()
    assert torch.equal(dirty.index, BATCH.index)
