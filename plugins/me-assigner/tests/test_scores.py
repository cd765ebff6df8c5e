import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hepreco.amplitudes import MatrixElement
from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco_me_assigner import Anomaly, Hypothesis, LikelihoodRatio, MatrixElementAssigner
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import MASSLESS, beams

WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"
PARTONS = {"collection": "LHEPart", "where": ("status == 1",)}


def test_the_ratio_is_that_of_polarised_matrix_elements(ttbar: EventBatch) -> None:
    few = ttbar[:20]
    found = LikelihoodRatio(assignments="greedy", **PARTONS).reconstruct(few)["log_ratio"]
    assigner = MatrixElementAssigner(process="wwuu", solver="greedy", at_most=6, **PARTONS)
    index = assigner.reconstruct(few)["leg_index"]
    slot = (index[:, :, None] == few.index[:, None, :]).int().argmax(dim=2)
    final = partonic(few.momenta.gather(1, slot[..., None].expand(-1, -1, 4)))
    expected = Hypothesis("wwuu").matrix_element.polarised(torch.cat((beams(final), final), dim=1))
    rest = expected["LT"] + expected["TL"] + expected["TT"]
    torch.testing.assert_close(found, (expected["LL"] / rest).log())


def test_the_marginal_ratio_is_that_of_sums_over_all_assignments(
    ttbar: EventBatch, in_every_order: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """All 720, summed one by one; what the plugin leaves out are assignments of small decay factors."""
    few = ttbar[:4]
    _, momenta = in_every_order(few.momenta, 6)
    polarised = MatrixElement(WWUU, model=MASSLESS).polarised(momenta)
    total = {letters: values.sum(dim=1) for letters, values in polarised.items()}
    expected = (total["LL"] / (total["LT"] + total["TL"] + total["TT"])).log()
    found = LikelihoodRatio(calls=360, **PARTONS).reconstruct(few)["log_ratio"]
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)
    one = LikelihoodRatio(assignments="exact", **PARTONS).reconstruct(few)["log_ratio"]
    assert (one - expected).abs().median() > 0.1  # which is another number than the ratio at the best assignment


def test_summing_over_more_assignments_changes_less_and_less(ttbar: EventBatch) -> None:
    plugin = LikelihoodRatio(calls=360, **PARTONS)
    every = plugin.reconstruct(ttbar[:20])["log_ratio"]
    errors = [
        float((replace(plugin, calls=calls).reconstruct(ttbar[:20])["log_ratio"] - every).abs().median())
        for calls in (2, 64, 256)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_the_anomaly_score_is_minus_ln_me2(ttbar: EventBatch) -> None:
    few = ttbar[:20]
    log_me2 = MatrixElementAssigner(solver="beam", at_most=6, **PARTONS).reconstruct(few)["log_me2"]
    score = Anomaly(solver="beam", **PARTONS).reconstruct(few)["score"]
    torch.testing.assert_close(score, -log_me2)
    twice = Anomaly(backgrounds=("ttbar", "ttbar"), fractions=(1.0, 3.0), solver="beam", **PARTONS)
    torch.testing.assert_close(twice.reconstruct(few)["score"], score - math.log(4))


def test_what_is_not_a_top_pair_is_anomalous(ttbar: EventBatch) -> None:
    plugin = Anomaly(**PARTONS)
    turned = ttbar.momenta.clone()
    turned[:, 0, 1:] = -turned[:, 0, 1:]  # the leading parton comes from the other side
    for name, value in plugin.reconstruct(ttbar[:100]).items():
        other = plugin.reconstruct(replace(ttbar, momenta=turned)[:100])[name]
        assert (other > value).double().mean() > 0.95


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="W"):
        LikelihoodRatio(process="u u~ > z z, z > d d~, z > d d~")
    with pytest.raises(ConfigError, match="equally many"):
        Anomaly(backgrounds=("ttbar", "ttw"), at_most=8)
    with pytest.raises(ConfigError, match="equally many"):
        Anomaly(backgrounds=("ttbar", "ttbar-lepton-jets"))
    with pytest.raises(ConfigError, match="fraction"):
        Anomaly(backgrounds=("ttbar",), fractions=(1.0, 2.0))
