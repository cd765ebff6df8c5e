"""How often the assignment is right, on simulated events whose truth is known."""

import pytest
import torch

import hepreco
from hepreco.events import Dataset, read_batch
from hepreco.generation import Sample, write_sample
from hepreco_chi2_assigner import Chi2Assigner


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """All-hadronic tt̄ with the truth beside the jets, which the plugin is not given."""
    path = tmp_path_factory.mktemp("samples") / "hadronic.root"
    write_sample(Sample("ttbar-hadronic", 20_000, seed=11), path)
    inputs = hepreco.InputSpec(
        (hepreco.ObjectSpec("Jet", Chi2Assigner().where, at_least=6, features=("btagDeepFlavB", "truthParton")),)
    )
    return read_batch(Dataset("ttbar", (str(path),)), inputs)


def efficiency(plugin, batch):
    """Fraction of events with all six quarks selected in which both tops and both W pairs are right."""
    parton = torch.where(batch.mask, batch.features["truthParton"], -9).long()
    whole = torch.stack([(parton == k).any(dim=1) for k in range(6)]).all(dim=0)
    found = plugin.reconstruct(batch)

    def truth(index):
        same = batch.index[:, None] == index[..., None]
        return (same * parton[:, None]).sum(dim=-1)

    b, q = truth(found["b_index"]), truth(found["q_index"]).view(-1, 2, 2).sort(dim=-1).values
    first = (b == 0) & (q == torch.tensor([1, 2])).all(dim=-1)
    second = (b == 3) & (q == torch.tensor([4, 5])).all(dim=-1)
    right = (first | second).all(dim=1)
    return right[whole].double().mean().item(), int(whole.sum())


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (Chi2Assigner(), 0.512),
        (Chi2Assigner(b_tag="btagDeepFlavB"), 0.754),
        (Chi2Assigner(formula="mass-difference"), 0.405),
    ],
    ids=["masses", "masses with b tags", "mass difference"],
)
def test_event_efficiency(plugin, expected, batch):
    """Measured on another seed (20 000 events, seed 1): 0.512, 0.754, 0.405, each ± 0.011."""
    found, events = efficiency(plugin, batch)
    assert events > 1500
    assert found == pytest.approx(expected, abs=4 * (0.25 / events) ** 0.5)
