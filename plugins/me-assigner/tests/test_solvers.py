from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.plugin import TrainingOptions
from hepreco.testing import assert_invariant
from hepreco.weights import Card, save_weights
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner, Potential
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process import PROCESSES
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.solvers import greedy, marginal, topologies

#: ln|M|² of two ways of computing it.
SAME = 1e-9
#: Events whose every assignment is tried.
FEW = 60
PROCESS = "g g > t t~, (t > b w+, w+ > u d~), (t~ > b~ w-, w- > u~ d)"
PARTONS = MatrixElementAssigner(collection="LHEPart", where=("status == 1",), at_most=6)
TTBAR = Hypothesis("ttbar")


@pytest.fixture(scope="module")
def exact(ttbar: EventBatch) -> dict[str, torch.Tensor]:
    return dict(PARTONS.reconstruct(ttbar))


@dataclass(frozen=True)
class Scan:
    """All assignments of some events, and ln|M|² of each, without anything of the plugin."""

    orders: Tensor
    log_me2: Tensor

    def at(self, slots: Tensor) -> Tensor:
        """ln|M|² of one assignment per event."""
        where = (slots[:, None] == self.orders).all(dim=2).int().argmax(dim=1)
        return self.log_me2.gather(1, where[:, None])[:, 0]


@pytest.fixture(scope="module")
def scan(
    ttbar: EventBatch, in_every_order: Callable[..., tuple[Tensor, Tensor]], log_me2: Callable[..., Tensor]
) -> Scan:
    orders, momenta = in_every_order(ttbar.momenta[:FEW], 6)
    return Scan(orders, log_me2(PROCESS, momenta))


def slots(batch: EventBatch, index: Tensor) -> Tensor:
    """Where the objects of these indices stand."""
    return (index[:, :, None] == batch.index[:, None, :]).int().argmax(dim=2)


def test_the_optimum_is_the_largest_of_all_assignments(ttbar: EventBatch, exact: dict[str, Tensor], scan: Scan) -> None:
    torch.testing.assert_close(exact["log_me2"][:FEW], scan.log_me2.max(dim=1).values, rtol=0, atol=SAME)
    there = scan.at(slots(ttbar, exact["leg_index"])[:FEW])
    torch.testing.assert_close(there, scan.log_me2.max(dim=1).values, rtol=0, atol=SAME)
    assert (exact["certified"] == 1).all()


def test_truth_is_what_is_found(ttbar: EventBatch, exact: dict[str, torch.Tensor]) -> None:
    true = topologies(TTBAR, ttbar.index.sort(dim=1).values)
    right = topologies(TTBAR, exact["leg_index"]) == true
    assert 0.8 < right.double().mean() < 0.93  # |M|² has its maximum elsewhere in one event of eight
    tops = exact["top"]
    mass = (tops[..., 0] ** 2 - (tops[..., 1:] ** 2).sum(dim=-1)).sqrt()
    assert ((mass - 173).abs() < 6).double().mean() > 0.95


def test_columns_say_what_was_assigned(ttbar: EventBatch, exact: dict[str, torch.Tensor]) -> None:
    slot = (exact["leg_index"][:, :, None] == ttbar.index[:, None, :]).int().argmax(dim=2)
    assigned = ttbar.momenta.gather(1, slot[..., None].expand(-1, -1, 4))
    torch.testing.assert_close(exact["top"], torch.stack((assigned[:, :3].sum(1), assigned[:, 3:].sum(1)), dim=1))
    torch.testing.assert_close(exact["w"], torch.stack((assigned[:, 1:3].sum(1), assigned[:, 4:].sum(1)), dim=1))
    torch.testing.assert_close(exact["log_me2"], TTBAR.log_me2(partonic(assigned)))


@pytest.mark.parametrize(("solver", "least"), [("beam", 0.99), ("policy", 0.8), ("marginal", 0.95), ("greedy", 0.85)])
def test_solvers_find_the_optimum(
    solver: str, least: float, ttbar: EventBatch, exact: dict[str, torch.Tensor], scan: Scan
) -> None:
    found = replace(PARTONS, solver=solver).reconstruct(ttbar)
    alone = scan.at(slots(ttbar, found["leg_index"])[:FEW])
    largest = scan.log_me2.max(dim=1).values
    assert (alone > largest - 0.01).double().mean() > least - 0.05  # of fewer events
    if solver != "policy":
        torch.testing.assert_close(found["log_me2"][:FEW], alone, rtol=0, atol=SAME)
    slot = (found["leg_index"][:, :, None] == ttbar.index[:, None, :]).int().argmax(dim=2)
    value = TTBAR.log_me2(partonic(ttbar.momenta.gather(1, slot[..., None].expand(-1, -1, 4))))
    assert (value <= exact["log_me2"] + 1e-9).all()
    assert (value > exact["log_me2"] - 0.01).double().mean() > least
    if solver == "policy":
        assert (found["calls"] == 0).all()
        assert (found["log_me2"] - value).abs().median() < 0.2
    else:
        torch.testing.assert_close(found["log_me2"], value)


def test_marginal_probabilities(ttbar: EventBatch) -> None:
    found = marginal(Problem(TTBAR, ttbar.momenta), at_most=720)
    torch.testing.assert_close(found.on_leg.sum(dim=1), torch.ones(len(ttbar), 6).double())
    torch.testing.assert_close(found.on_leg.sum(dim=2), torch.ones(len(ttbar), 6).double())
    assert ((found.probability > 1 / 90) & (found.probability <= 1 + 1e-12)).all()
    # Calibrated: the topology is right as often as it says.
    right = topologies(TTBAR, ttbar.index.gather(1, found.objects)) == topologies(TTBAR, ttbar.index.sort(dim=1).values)
    assert right.double().mean() == pytest.approx(float(found.probability.mean()), abs=0.06)


def test_topologies_forget_what_cannot_be_told() -> None:
    order = torch.arange(6)
    same = [[3, 4, 5, 0, 1, 2], [0, 2, 1, 3, 4, 5], [3, 5, 4, 0, 2, 1]]
    other = [[1, 0, 2, 3, 4, 5], [3, 1, 2, 0, 4, 5], [0, 1, 4, 3, 2, 5]]
    assert all(topologies(TTBAR, torch.tensor(row)) == topologies(TTBAR, order) for row in same)
    assert all(topologies(TTBAR, torch.tensor(row)) != topologies(TTBAR, order) for row in other)


def test_greedy_never_ends_below_its_start(ttbar: EventBatch) -> None:
    problem = Problem(TTBAR, ttbar.momenta)
    start = ttbar.momenta[..., 0].argsort(dim=1, descending=True, stable=True)
    assert (greedy(problem).log_me2 >= problem.value(start[:, None])[:, 0]).all()


def test_features_are_invariant(ttbar: EventBatch) -> None:
    potential = Potential(process="ttbar", hidden=(8,)).double()

    def features(momenta: torch.Tensor) -> torch.Tensor:
        return potential.features(partonic(momenta))

    def rotated(momenta: torch.Tensor) -> torch.Tensor:
        angle = torch.tensor(0.7, dtype=torch.float64)
        x = momenta[..., 1] * angle.cos() - momenta[..., 2] * angle.sin()
        y = momenta[..., 1] * angle.sin() + momenta[..., 2] * angle.cos()
        return torch.stack((momenta[..., 0], x, y, -momenta[..., 3]), dim=-1)

    assert_invariant(features, ttbar.momenta[:20], rotated)


def test_tags_decide_between_jets(ttbar: EventBatch) -> None:
    b_quarks = torch.zeros_like(ttbar.mask)
    for leg in (0, 3):
        b_quarks |= ttbar.index == ttbar.index.sort(dim=1).values[:, leg : leg + 1]
    tagged = replace(ttbar, features={"btag": b_quarks.double()})
    found = replace(PARTONS, b_tag="btag").reconstruct(tagged)
    right = topologies(TTBAR, found["leg_index"]) == topologies(TTBAR, ttbar.index.sort(dim=1).values)
    assert right.double().mean() > 0.97


def test_training_lowers_the_loss(ttbar: EventBatch) -> None:
    plugin = replace(PARTONS, calls=8, hidden=(32,))
    result = plugin.train(
        {"events": ttbar}, TrainingOptions(epochs=5, batch_size=16), report=lambda _epoch, _losses: None
    )
    losses = result.history["validation_loss"]
    assert losses[-1] < 0.9 * losses[0]
    assert result.metrics["bound_overall"] > 0


def test_weights_of_another_process_are_refused(tmp_path: Path) -> None:
    network = Potential(process="wwuu", hidden=(4,))
    manifest = Card(sha256="", network=network.options, sample="none", seed=1, command="", hepreco="")
    save_weights(tmp_path, network.state_dict(), manifest)
    plugin = replace(PARTONS, solver="policy", weights_directory=str(tmp_path))
    with pytest.raises(ConfigError, match="wwuu"):
        plugin.setup("cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_most": 5}, "at_most"),
        ({"process": "g g > t t~"}, "massless"),
        ({"process": PROCESSES["ttw-two-leptons"].replace("w- > u~ d", "w- > e- ve~")}, "has 3 neutrinos"),
        ({"process": "g g > h, (h > w+ w-, w+ > e+ ve, w- > e- ve~)"}, "has 2 neutrinos, 0 of them from top quarks"),
        ({"process": "u u~ > z z, z > e+ e-, z > d d~"}, "no jets"),
        ({"process": "u u~ > a a a a"}, "no jets"),
        ({"process": "u d~ > e+ ve g g g g"}, "neutrino from a W"),
        ({"process": "ttbar-lepton-jets", "solver": "beam"}, "lepton"),
        ({"process": "ttbar-lepton-jets", "at_most": 3}, "give 4 to 16"),
        ({"solver": "policy", "top_width": 10.0}, "natural widths"),
        ({"calls": 0}, "out of range"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MatrixElementAssigner(**options)


@pytest.mark.parametrize("solver", ["exact", "marginal", "policy", "beam", "greedy"])
@pytest.mark.parametrize("process", ["ttbar", "wwuu"])
def test_events_that_cannot_be_have_no_answer(process: str, solver: str, ttbar: EventBatch) -> None:
    momenta = ttbar.momenta[:6].clone()
    momenta[0, 2, 1] = torch.nan
    momenta[1, 2] = torch.inf
    momenta[2] = momenta[2, :1]  # all in one direction
    momenta[3, 5] = 0
    momenta[4, 1] = momenta[4, 0]  # twice the same
    found = replace(PARTONS, process=process, solver=solver).reconstruct(replace(ttbar[:6], momenta=momenta))
    assert found["log_me2"].isfinite().tolist() == [False] * 4 + [True] * 2
    assert (found["leg_index"][:4] == -1).all()
    assert found["w"][:4].isnan().all()
    assert (found["leg_index"][4:] >= 0).all()


def test_a_process_is_data(
    ttbar: EventBatch, in_every_order: Callable[..., tuple[Tensor, Tensor]], log_me2: Callable[..., Tensor]
) -> None:
    """Four of six partons on the legs of two Z bosons: the best of 360 ways, and the bosons are made of them."""
    process = "u u~ > z z, z > d d~, z > d d~"
    plugin = replace(PARTONS, process=process)
    few = ttbar[:20]
    found = plugin.reconstruct(few)
    orders, momenta = in_every_order(few.momenta, 4)
    every = Scan(orders, log_me2(process, momenta))
    chosen = slots(few, found["leg_index"])
    torch.testing.assert_close(found["log_me2"], every.log_me2.max(dim=1).values, rtol=0, atol=SAME)
    torch.testing.assert_close(every.at(chosen), found["log_me2"], rtol=0, atol=SAME)
    assigned = few.momenta.gather(1, chosen[..., None].expand(-1, -1, 4))
    assert found["z"].shape == (20, 2, 4)
    torch.testing.assert_close(found["z"], assigned.unflatten(1, (2, 2)).sum(dim=2))
    assert (found["calls"] >= 360).all()
    assert (found["certified"] == 0).all()
