"""That types and shapes are checked while testing."""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation, BeartypeCallHintReturnViolation
from jaxtyping import Float
from torch import Tensor

spec = importlib.util.spec_from_file_location("shapes_under_test", Path(__file__).parent / "shapes.py")
shapes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shapes)


@shapes.checked(typechecker=None)
def shifted(x: Float[Tensor, "event 4"], by: Float[Tensor, " event"], *, keep: int = 4) -> Float[Tensor, "event 4"]:
    return (x + by[:, None])[:, :keep]


@shapes.checked
@dataclass(frozen=True)
class Pair:
    one: Float[Tensor, " event"]
    other: Float[Tensor, " event"]

    @shapes.checked
    @property
    def total(self) -> Float[Tensor, " event"]:
        return self.one + self.other

    @shapes.checked
    @classmethod
    def of(cls, length: int) -> "Pair":
        return cls(torch.zeros(length), torch.ones(length))


def test_what_fits_passes():
    assert shifted(torch.zeros(3, 4), torch.ones(3)).sum() == 12
    assert shifted(torch.zeros(2, 4), torch.ones(2)).shape == (2, 4)
    assert Pair.of(3).total.tolist() == [1.0, 1.0, 1.0]


def test_an_axis_has_one_length_in_a_call():
    with pytest.raises(BeartypeCallHintParamViolation, match="by"):
        shifted(torch.zeros(3, 4), torch.ones(2))
    with pytest.raises(BeartypeCallHintParamViolation, match="other"):
        Pair(torch.zeros(3), torch.zeros(2))


def test_types_are_checked():
    with pytest.raises(BeartypeCallHintParamViolation, match="x"):
        shifted(torch.zeros(3, 4, dtype=torch.int64), torch.ones(3))
    with pytest.raises(BeartypeCallHintParamViolation, match="length"):
        Pair.of("3")


def test_results_are_checked():
    with pytest.raises(BeartypeCallHintReturnViolation, match="return"):
        shifted(torch.zeros(3, 4), torch.ones(3), keep=3)


def test_the_first_calls_of_every_test_are_checked():
    @shapes.checked
    def length(x: Float[Tensor, " event"]) -> int:
        return len(x)

    for _ in range(2):
        shapes.pytest_runtest_setup()
        for _ in range(shapes.CALLS):
            with pytest.raises(BeartypeCallHintParamViolation, match="x"):
                length(torch.zeros(2, 4))
        assert length(torch.zeros(2, 4)) == 2


def test_the_contract_is_checked_though_it_is_imported_when_it_is_used():
    code = (
        "import shapes; shapes.pytest_load_initial_conftests();"
        "import torch; from hepreco import EventBatch;"
        "EventBatch(*[torch.zeros(2, 3, 5)] * 4, {}, *[torch.zeros(2, 3)] * 3, ('Jet',))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert "BeartypeCallHintParamViolation" in done.stderr
    assert "momenta" in done.stderr
