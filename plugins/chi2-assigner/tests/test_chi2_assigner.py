from dataclasses import replace
from itertools import combinations, permutations

import pytest
import torch

import hepreco.testing
from hepreco.conventions import TOP_MASS, W_MASS
from hepreco.errors import ConfigError
from hepreco.kinematics import mass, two_body_decay
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_chi2_assigner.candidates import triplets
from hepreco_chi2_assigner.search import TopCandidates, best_disjoint_pair

VARIANTS = [
    Chi2Assigner(),
    Chi2Assigner(formula="mass-difference"),
    Chi2Assigner(b_tag="btagDeepFlavB", b_tag_threshold=0.5),
    Chi2Assigner(channel="lepton+jets"),
    Chi2Assigner(channel="lepton+jets", formula="mass-difference", b_tag="btagDeepFlavB", b_tag_threshold=0.5),
]


@pytest.mark.parametrize("plugin", VARIANTS, ids=lambda plugin: f"{plugin.channel}-{plugin.formula}-{plugin.b_tag}")
@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, plugin):
    check(plugin)


def test_manifest():
    hepreco.testing.assert_manifest("hepreco_chi2_assigner")


def slow_chi2(plugin, jets):
    """Every assignment, one at a time, straight from the formula."""
    best = (float("inf"), None)
    for chosen in permutations(range(len(jets)), 6):
        b1, q1, q2, b2, q3, q4 = chosen
        if q1 > q2 or q3 > q4 or b1 > b2:
            continue
        w = [mass(jets[q1] + jets[q2]).item(), mass(jets[q3] + jets[q4]).item()]
        top = [mass(jets[b1] + jets[q1] + jets[q2]).item(), mass(jets[b2] + jets[q3] + jets[q4]).item()]
        chi2 = sum(((m - plugin.w_mass) / plugin.sigma_w) ** 2 for m in w)
        if plugin.formula == "masses":
            chi2 += sum(((m - plugin.top_mass) / plugin.sigma_top) ** 2 for m in top)
        else:
            chi2 += ((top[0] - top[1]) / plugin.sigma_difference) ** 2
        best = min(
            best, (chi2, (frozenset([(b1, frozenset([q1, q2])), (b2, frozenset([q3, q4]))]))), key=lambda x: x[0]
        )
    return best


@pytest.mark.parametrize("formula", ["masses", "mass-difference"])
def test_finds_the_minimum_over_all_assignments(formula):
    plugin = Chi2Assigner(formula=formula)
    batch = hepreco.testing.toy_batch(plugin.inputs, events=12, seed=4)
    found = plugin.reconstruct(batch)
    for event in range(len(batch)):
        number = min(int(batch.mask[event].sum()), 7)
        few = plugin.reconstruct(_leading(batch, event, number))
        chi2, assignment = slow_chi2(plugin, batch.momenta[event, :number])
        assert few["chi2"].item() == pytest.approx(chi2, rel=1e-9)
        slots = {int(i): slot for slot, i in enumerate(batch.index[event, :number])}
        b, q = ([slots[int(i)] for i in few[name][0]] for name in ("b_index", "q_index"))
        assert {(b[0], frozenset(q[:2])), (b[1], frozenset(q[2:]))} == set(assignment)
    assert (found["chi2"] >= 0).all()


def _leading(batch, event, number):
    one = batch[event : event + 1]
    return one.objects_ordered_by(-torch.arange(one.mask.shape[1], dtype=torch.float64)[None], at_most=number)


def test_perfect_tops_cost_nothing_and_come_back():
    """Two tops at rest, decayed at their nominal masses, among two other jets."""
    generator = torch.Generator().manual_seed(1)
    top = torch.tensor([[TOP_MASS, 0.0, 0.0, 0.0]], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    partons = []
    for _ in range(2):
        b, w = two_body_decay(top, masses=(zero, zero + W_MASS), generator=generator)
        partons += [b, *two_body_decay(w, masses=(zero, zero), generator=generator)]
    plugin = Chi2Assigner(where=())
    batch = hepreco.testing.toy_batch(plugin.inputs, events=1, seed=1)
    extra = batch.momenta[:, :2]
    jets = torch.cat((extra, torch.stack(partons, dim=1)), dim=1)
    made = _with_jets(batch, jets)
    found = plugin.reconstruct(made)
    assert found["chi2"].item() == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(mass(found["top"]), torch.full((1, 2), TOP_MASS, dtype=torch.float64))
    triples = {
        (int(found["b_index"][0, i]), frozenset(found["q_index"][0, 2 * i : 2 * i + 2].tolist())) for i in (0, 1)
    }
    assert triples == {(2, frozenset([3, 4])), (5, frozenset([6, 7]))}


def _with_jets(batch, jets):
    shape = jets.shape[:2]
    return replace(
        batch,
        momenta=jets,
        mask=torch.ones(shape, dtype=torch.bool),
        species=torch.zeros(shape, dtype=torch.int64),
        index=torch.arange(shape[1]).expand(shape),
        features={},
    )


def test_ties_are_settled_by_order():
    """All jets alike: every assignment costs the same, and the answer is the same one every time."""
    plugin = Chi2Assigner()
    batch = hepreco.testing.toy_batch(plugin.inputs, events=1, seed=1)
    jets = batch.momenta[:, :1].expand(-1, 8, -1).contiguous()
    answers = [plugin.reconstruct(_with_jets(batch, jets))["b_index"].tolist() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


#: (b, q, q) and (b, q, q) of the jets by falling pt: of equal minima the first, where candidates are listed by jets.
FIRST = {6: ([0, 3], [1, 2, 4, 5]), 8: ([0, 3], [1, 2, 4, 5])}


@pytest.mark.parametrize("number", FIRST)
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [3, 7, 0, 5, 1, 6, 2, 4]])
def test_ties_go_to_the_jets_of_largest_pt(number, order):
    """Jets in one direction have no masses at all, so that all assignments cost the same, whatever their pts."""
    order = [slot for slot in order if slot < number]
    plugin = Chi2Assigner()
    batch = hepreco.testing.toy_batch(plugin.inputs, events=1, seed=1)
    pt = 10.0 * torch.tensor([2.0 ** (9 - rank) for rank in range(number)], dtype=torch.float64)[order]
    jets = torch.stack((pt, pt, 0 * pt, 0 * pt), dim=-1)[None]
    found = plugin.reconstruct(_with_jets(batch, jets))
    b, q = FIRST[number]
    by_pt = torch.tensor(order).argsort()
    assert found["b_index"][0].tolist() == by_pt[b].tolist()
    assert found["q_index"][0].tolist() == by_pt[q].tolist()


@pytest.mark.parametrize(("jets", "count"), [(3, 3), (6, 60), (8, 168), (40, 29640)])
def test_all_triplets_are_candidates(jets, count):
    members = triplets(jets)
    assert len({tuple(row) for row in members.tolist()}) == len(members) == count
    assert all(q < other and b not in (q, other) for b, q, other in members[:200].tolist())


@pytest.mark.parametrize("sigma", [None, 5.0])
def test_the_search_is_exact_where_the_first_look_is_not_enough(sigma):
    generator = torch.Generator().manual_seed(3)
    members = torch.tensor(list(combinations(range(9), 3)))
    cost = torch.rand(50, len(members), generator=generator, dtype=torch.float64)
    cost[:, (members == 0).any(dim=1)] *= 1e-3  # the cheapest forty all share jet 0, and exclude each other
    masses = 100 * torch.rand(50, len(members), generator=generator, dtype=torch.float64)
    side = TopCandidates(cost, masses, (1 << members).sum(dim=1))
    first, second = best_disjoint_pair(side, side, sigma=sigma)
    grid = cost[:, :, None] + cost[:, None, :]
    if sigma:
        grid = grid + ((masses[:, :, None] - masses[:, None, :]) / sigma) ** 2
    grid[:, (side.jets[:, None] & side.jets[None, :]) != 0] = torch.inf
    events = torch.arange(50)
    torch.testing.assert_close(grid[events, first, second], grid.flatten(1).min(dim=1).values)


def test_forty_jets():
    plugin = Chi2Assigner()
    batch = hepreco.testing.toy_batch(plugin.inputs, events=2, seed=5)
    generator = torch.Generator().manual_seed(6)
    direction = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    momentum = 70 * direction / direction.norm(dim=-1, keepdim=True)
    jets = torch.cat((torch.full((2, 40, 1), 71.0, dtype=torch.float64), momentum), dim=-1)
    found = plugin.reconstruct(_with_jets(batch, jets))
    used = torch.cat((found["b_index"], found["q_index"]), dim=1)
    assert all(len(set(row)) == 6 for row in used.tolist())
    assert (found["chi2"] < 1).all()


def test_tags_come_before_masses():
    plugin = Chi2Assigner(b_tag="btagDeepFlavB", b_tag_threshold=0.5)
    batch = hepreco.testing.toy_batch(plugin.inputs, events=64, seed=7)
    tags = torch.zeros_like(batch.features["btagDeepFlavB"])
    tags[:, [1, 4]] = 1.0
    batch = replace(batch, features={"btagDeepFlavB": tags})
    found = plugin.reconstruct(batch)
    expected = batch.index[:, [1, 4]].sort(dim=1).values
    assert torch.equal(found["b_index"].sort(dim=1).values, expected)


def test_no_lepton_no_answer():
    plugin = Chi2Assigner(channel="lepton+jets")
    batch = hepreco.testing.toy_batch(plugin.inputs, events=8, seed=8)
    leptons = batch.species > 0
    bare = replace(
        batch,
        momenta=batch.momenta.masked_fill(leptons[..., None], 0.0),
        mask=batch.mask & ~leptons,
        index=batch.index.masked_fill(leptons, -1),
    )
    found = plugin.reconstruct(bare)
    assert torch.isnan(found["chi2"]).all()
    assert (found["b_index"] == -1).all()


@pytest.mark.parametrize("options", [{"at_most": 5}, {"at_most": 61}, {"sigma_w": 0.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="give"):
        Chi2Assigner(**options)
