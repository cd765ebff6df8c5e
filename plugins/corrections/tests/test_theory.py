from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import CorrectionInput, WeightCorrection
from hepreco_corrections import LhePdf, LheScale, PartonShower


def members(column: str, *events: list[float]) -> CorrectionInput:
    return CorrectionInput({column: ak.Array(events)}, np.zeros((len(events), 3), dtype=np.int64), "tt")


def everything(correction: WeightCorrection, events: CorrectionInput) -> dict[str, list[float]]:
    wanted = ("nominal", *correction.variations)
    return {name: values.tolist() for name, values in correction.weights(events, wanted).items()}


def test_seven_points() -> None:
    events = members("LHEScaleWeight", [1.6, 1.4, 1.2, 1.1, 2.0, 0.9, 0.8, 0.7, 0.6])
    found = everything(LheScale(), events)
    assert found == {
        "nominal": [1.0],
        "mur_down_muf_down": [0.8],
        "mur_down": [0.7],
        "muf_down": [0.55],
        "muf_up": [0.45],
        "mur_up": [0.35],
        "mur_up_muf_up": [0.3],
    }


def test_eight_members_lack_the_central_one() -> None:
    events = members("LHEScaleWeight", [1.6, 1.4, 1.2, 1.1, 0.9, 0.8, 0.7, 0.6])
    found = everything(LheScale(members=8), events)
    assert (found["muf_down"], found["muf_up"], found["mur_up_muf_up"]) == ([1.1], [0.9], [0.6])


def test_replicas_and_hessians() -> None:
    events = members("LHEPdfWeight", [2.0, 2.2, 1.8, 2.4, 2.6])
    assert everything(LhePdf(5, "replicas", alpha_s=False), events)["replica_4"] == [1.3]
    symmetric = everything(LhePdf(5), events)
    assert [*symmetric] == ["nominal", "eigenvector_1", "eigenvector_2", "alpha_s_down", "alpha_s_up"]
    assert (symmetric["eigenvector_2"], symmetric["alpha_s_up"]) == ([0.9], [1.3])
    pairs = everything(LhePdf(5, "hessian", alpha_s=False), events)
    assert (pairs["eigenvector_1_down"], pairs["eigenvector_2_up"]) == ([0.9], [1.2])


def test_parton_shower() -> None:
    found = everything(PartonShower(), members("PSWeight", [1.1, 1.2, 0.9, 0.8]))
    assert found == {"nominal": [1.0], "isr_up": [1.1], "fsr_up": [1.2], "isr_down": [0.9], "fsr_down": [0.8]}


def test_the_test_file_has_another_number(read: Callable[..., CorrectionInput]) -> None:
    events = read(PartonShower())
    number = ak.num(events["PSWeight"], axis=1)[0]
    assert PartonShower(number, {"isr_up": 0}).weights(events, ("isr_up",))["isr_up"].shape == (len(events),)


@pytest.mark.parametrize(
    ("correction", "events", "problem", "remedy"),
    [
        (LhePdf(), members("LHEPdfWeight", [1.0] * 101), "of dataset 'tt' has 101 members, 103 were", "members = 101"),
        (PartonShower(), members("PSWeight", [1.0], [1.0]), "has 1 members, 4 were expected", "leave the dataset out"),
        (LheScale(), members("LHEScaleWeight", [1.0] * 9, []), "has 0 or 9 members", "members = 0"),
        (LheScale(), members("LHEScaleWeight", [0.0] * 9), "central member of 0", "leave the dataset out"),
    ],
)
def test_other_members(correction: WeightCorrection, events: CorrectionInput, problem: str, remedy: str) -> None:
    with pytest.raises(DatasetError, match=problem) as error:
        correction.weights(events, ("nominal",))
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("build", "options", "problem"),
    [
        (LheScale, {"members": 44}, "nothing is known of the order of 44 members"),
        (LheScale, {"points": {"up": 9}}, "up is member 9, and there are 9"),
        (LhePdf, {"members": 100, "kind": "hessian"}, "100 members are no Hessian of pairs with a central member"),
        (LhePdf, {"members": 1}, "1 members are no symmetric Hessian"),
        (PartonShower, {"members": 2}, "isr_down is member 2, and there are 2"),
    ],
)
def test_options_that_cannot_be(build: Callable[..., Any], options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        build(**options)
