"""Write the example: a small layer with random weights for each jet, a sum over jets, and a second layer.

Run ``python make_example.py src/hepreco_models/example.onnx``; this needs the package onnx.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

OBJECTS, FEATURES, WIDTH, EVENT, CLASSES = 4, 4, 8, 2, 2


def example(seed: int = 1) -> ModelProto:
    """The graph, with inputs ``jets``, ``mask`` and ``event``, and output ``logits``."""
    generator = np.random.default_rng(seed)
    shapes = {"first": (FEATURES, WIDTH), "bias": (WIDTH,), "second": (WIDTH + EVENT, CLASSES)}
    weights = [
        numpy_helper.from_array(generator.normal(0, 0.5, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    weights += [numpy_helper.from_array(np.array([axis]), f"axis_{axis}") for axis in (1, 2)]
    nodes = [
        helper.make_node("MatMul", ["jets", "first"], ["linear"]),
        helper.make_node("Add", ["linear", "bias"], ["shifted"]),
        helper.make_node("Tanh", ["shifted"], ["hidden"]),
        helper.make_node("Unsqueeze", ["mask", "axis_2"], ["held"]),
        helper.make_node("Mul", ["hidden", "held"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis_1"], ["summed"], keepdims=0),
        helper.make_node("Concat", ["summed", "event"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "second"], ["logits"]),
    ]
    given = {"jets": (OBJECTS, FEATURES), "mask": (OBJECTS,), "event": (EVENT,)}
    graph = helper.make_graph(
        nodes,
        "example",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("events", *shape)) for name, shape in given.items()],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("events", CLASSES))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(example().SerializeToString())
