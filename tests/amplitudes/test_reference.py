"""Agreement with MadGraph5_aMC@NLO 3.2.0 standalone, point by point."""

import json
from pathlib import Path

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel

#: Worst relative deviation at any point; what is found is near 1e-11.
TOLERANCE = 1e-9

DECAYED = ("tt", "ttw", "tttt", "wwuu")
PRODUCTION = ("prod_tt", "prod_ttw", "prod_tth", "prod_ttz", "prod_ttww", "prod_tttt", "prod_wwuu")
DIAGRAMS = {
    "tt": 3, "ttw": 2, "tttt": 72, "wwuu": 102,
    "prod_tt": 3, "prod_ttw": 2, "prod_tth": 8, "prod_ttz": 8, "prod_ttww": 39, "prod_tttt": 72, "prod_wwuu": 102,
}  # fmt: skip
MASSIVE, MASSLESS = StandardModel(), StandardModel(m_b=0.0)


@pytest.fixture
def agree(record_property):
    """Assert agreement of all points, and record the worst one for the validation table."""

    def check(name, found, expected):
        deviation = float((found / expected - 1).abs().max())
        record_property("validation", (name, expected.numel(), deviation))
        assert deviation < TOLERANCE

    return check


@pytest.mark.parametrize("name", [*PRODUCTION, *DECAYED])
def test_conventions(reference, name):
    card = reference(name)
    me = MatrixElement(card.process)
    assert me.pdg_ids == card.pdg_ids
    assert me.process.averaging_factor == card.averaging_factor
    assert me.diagrams == DIAGRAMS[name]


@pytest.mark.parametrize("name", [*PRODUCTION, *DECAYED])
def test_points(reference, agree, name):
    card = reference(name)
    me = MatrixElement(card.process)
    agree(card.process, me(card.tensor("p")), card.tensor("me2"))


@pytest.mark.parametrize("name", DECAYED)
def test_points_with_massless_b(reference, agree, name):
    card = reference(name)
    me = MatrixElement(card.process, model=MASSLESS)
    agree(f"{card.process}, m_b = 0", me(card.tensor("mb0_p")), card.tensor("mb0_me2"))


@pytest.mark.parametrize("name", [*PRODUCTION, *DECAYED])
def test_permuted_points(reference, agree, name):
    """Sweeps; with massless b where light and b quarks are exchanged."""
    card = reference(name)
    prefix, model = ("mb0_", MASSLESS) if name in DECAYED else ("", MASSIVE)
    me = MatrixElement(card.process, model=model)
    momenta = card.tensor(f"{prefix}p")[card.arrays["perm_event"]]
    found = torch.cat([me.sweep(p[None], perm) for p, perm in zip(momenta, card.tensor("perm"), strict=True)])
    agree(f"permutations of {card.process}", found.exp(), card.tensor(f"{prefix}perm_me2"))


@pytest.mark.parametrize("name", DECAYED)
def test_permuted_points_with_massive_b(reference, agree, name):
    """Those permutations that leave every momentum on its mass shell."""
    card = reference(name)
    me = MatrixElement(card.process)
    momenta, perms = card.tensor("p")[card.arrays["perm_event"]], card.tensor("perm")
    is_b = torch.tensor([abs(pdg_id) == 5 for pdg_id in card.pdg_ids[2:]])
    kept = (is_b[perms] == is_b).all(-1)
    found = torch.cat([me.sweep(p[None], perm) for p, perm in zip(momenta, perms, strict=True)])
    assert int(kept.sum()) >= 100
    agree(f"light or b permutations of {card.process}", found.exp()[kept], card.tensor("perm_me2")[kept])


@pytest.mark.parametrize("letters", ["LL", "LT", "TL", "TT"])
@pytest.mark.parametrize(("frame", "prefix"), [("partonic", ""), ("ww", "wwframe_")])
def test_polarised_points(reference, agree, letters, frame, prefix):
    card = reference("wwuu")
    found = MatrixElement(card.process).polarised(card.tensor("p"), frame=frame)[letters]
    agree(f"{letters} ({frame} frame) of {card.process}", found, card.tensor(f"{prefix}me2_{letters}"))


@pytest.mark.parametrize("letters", ["LL", "LT", "TL", "TT"])
def test_polarised_permutations(reference, agree, letters):
    card = reference("wwuu")
    momenta, perms = card.tensor("p")[card.arrays["perm_event"]], card.tensor("perm")
    everything = torch.cat((torch.tensor([0, 1]).expand(*perms.shape[:2], 2), perms + 2), dim=-1)
    permuted = momenta[torch.arange(len(momenta))[:, None, None], everything]
    found = MatrixElement(card.process).polarised(permuted)[letters]
    agree(f"permutations of {letters} of {card.process}", found, card.tensor(f"perm_me2_{letters}"))


@pytest.mark.parametrize(("letters", "polarisations"), [("LL", "00"), ("LT", "0T"), ("TL", "T0"), ("TT", "TT")])
def test_polarisations_in_the_process(reference, letters, polarisations):
    card = reference("wwuu")
    plus, minus = polarisations
    process = card.process.replace("w+ w-", f"w+{{{plus}}} w-{{{minus}}}")
    found, expected = MatrixElement(process)(card.tensor("p")), card.tensor(f"me2_{letters}")
    assert float((found / expected - 1).abs().max()) < TOLERANCE


FROZEN = json.loads((Path(__file__).parents[1] / "data" / "madgraph_points.json").read_text())


@pytest.mark.parametrize("point", FROZEN["points"], ids=lambda point: point["process"])
def test_frozen_points(point):
    """A few of MadGraph's numbers that the repository carries."""
    me = MatrixElement(point["process"], model=StandardModel(**point["model"]))
    momenta = torch.tensor(point["momenta"], dtype=torch.float64)
    torch.testing.assert_close(me(momenta), torch.tensor(point["me2"], dtype=torch.float64), rtol=TOLERANCE, atol=0.0)
