from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save_model

from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.plugin import discover
from hepreco.testing import toy_batch
from hepreco_models import ModelReconstructor

JETS = {"collection": "Jet", "where": ["pt > 30"], "at_least": 1}
FEATURES = ["pt", {"name": "eta", "offset": 0.5, "factor": 2.0}, "btagDeepFlavB"]
#: Five jets of three features, and what becomes of a matrix product with them.
TABLE: dict[str, Any] = {
    "collections": [JETS],
    "tensors": [{"name": "x", "collection": "Jet", "objects": 5, "features": FEATURES, "axes": "flat"}],
    "columns": [{"column": "score", "component": 1}],
}
INPUTS = InputSpec((ObjectSpec("Jet", ("pt > 30",), at_least=1, features=("btagDeepFlavB",)),), "PuppiMET")


def build(table: dict[str, Any], file: Path) -> ModelReconstructor:
    """As a configuration builds it."""
    found = discover()["models"].build({**table, "file": str(file)})
    assert isinstance(found, ModelReconstructor)
    return found


@pytest.fixture
def batch() -> EventBatch:
    """Three hundred events of jets and missing momentum: more than two blocks."""
    return toy_batch(INPUTS, events=300)


@pytest.fixture(scope="session")
def matrix() -> np.ndarray:
    """Fifteen features to two outputs."""
    return np.random.default_rng(1).normal(size=(15, 2)).astype(np.float32)


@pytest.fixture
def write_onnx(tmp_path: Path, matrix: np.ndarray) -> Callable[..., Path]:
    """Write a matrix product as ONNX."""

    def write(*, events: str | int = "n", shape: tuple[int, ...] = (15,), dtype: int = TensorProto.FLOAT) -> Path:
        given, nodes = "x", []
        if dtype != TensorProto.FLOAT:
            nodes.append(helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT))
            given = "cast"
        nodes.append(helper.make_node("MatMul", [given, "w"], ["y"]))
        graph = helper.make_graph(
            nodes,
            "product",
            [helper.make_tensor_value_info("x", dtype, (events, *shape))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (events, 2))],
            [numpy_helper.from_array(matrix, "w")],
        )
        path = tmp_path / "model.onnx"
        save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return write


def by_hand(batch: EventBatch, matrix: np.ndarray) -> np.ndarray:
    """The product of the five jets of largest pt, event by event, in double precision."""
    rows = []
    for momenta, mask, tag in zip(batch.momenta, batch.mask, batch.features["btagDeepFlavB"], strict=True):
        jets = [(torch.hypot(p[1], p[2]), p, b) for p, held, b in zip(momenta, mask, tag, strict=True) if held]
        jets = sorted(jets, key=lambda jet: -float(jet[0]))[:5]
        numbers = [float(value) for pt, p, b in jets for value in (pt, 2 * (torch.asinh(p[3] / pt) - 0.5), b)]
        rows.append(numbers + [0.0] * (15 - len(numbers)))
    return np.array(rows) @ matrix.astype(np.float64)
