"""Explains why correctionlib refuses a value: the input, the value, and the allowed values."""

import gzip
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from correctionlib import schemav2

Values = Mapping[str, Any]


def why(path: str, name: str, values: Values, evaluator: Any) -> str:
    """The reason for which the first refused values are refused; empty if the file does not show it.

    Parameters
    ----------
    path, name
        Path of the file, and name of the correction in it.
    values
        Values of its inputs, arrays or constants.
    evaluator
        The correction, which refuses them.
    """
    row = _first_refused(_rows(values), evaluator)
    content = Path(path).read_bytes()
    text = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    document = schemav2.CorrectionSet.model_validate_json(text)
    by_name = {each.name: each for each in document.corrections}
    stacks = {each.name: each.stack for each in document.compound_corrections or ()}
    for part in stacks.get(name, [name]):
        if reason := _refusal(by_name[part].data, row):
            return reason
    return ""


def _rows(values: Values) -> dict[str, Any]:
    """The values as flat arrays of equal length; texts stay as they are."""
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    numbers = {name: value for name, value in values.items() if name not in texts}
    arrays = ak.broadcast_arrays(*numbers.values()) if numbers else []
    flat = [np.atleast_1d(ak.to_numpy(ak.flatten(array, axis=None))) for array in arrays]
    return {**dict(zip(numbers, flat, strict=True)), **texts}


def _first_refused(rows: Values, evaluator: Any) -> dict[str, Any]:
    """The first refused values, found by bisection."""
    names = [variable.name for variable in evaluator.inputs]

    def part(start: int, stop: int) -> list[Any]:
        return [value if isinstance(value, str) else value[start:stop] for value in map(rows.__getitem__, names)]

    start, stop = 0, max((len(value) for value in rows.values() if not isinstance(value, str)), default=1)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            evaluator.evaluate(*part(start, middle))
            start = middle
        except (RuntimeError, IndexError, ValueError):
            stop = middle
    chosen = part(start, start + 1)
    return {name: value if isinstance(value, str) else value[0] for name, value in zip(names, chosen, strict=True)}


def _refusal(node: Any, row: Values) -> str:
    """The reason for which a node of the file, or one below it, refuses the values; empty if it accepts them."""
    match node:
        case schemav2.Category():
            return _of_category(node, row)
        case schemav2.Binning():
            edges = _edges(node.edges)
            return _of_bins([node.input], [edges], node, row)
        case schemav2.MultiBinning():
            return _of_bins(node.inputs, [_edges(edges) for edges in node.edges], node, row)
        case _:
            return ""


def _of_category(node: schemav2.Category, row: Values) -> str:
    value = row[node.input]
    for item in node.content:
        if item.key == value:
            return _refusal(item.value, row)
    if node.default is not None:
        return _refusal(node.default, row)
    keys = ", ".join(str(item.key) for item in node.content)
    return f"the input {node.input!r} is {value!s}, which is none of {keys}"


def _of_bins(
    inputs: list[str], edges: list[list[float]], node: schemav2.Binning | schemav2.MultiBinning, row: Values
) -> str:
    place = 0
    for name, axis in zip(inputs, edges, strict=True):
        inside = [low <= row[name] < high for low, high in pairwise(axis)]
        if not any(inside):
            if node.flow == "error":
                return f"the input {name!r} is {row[name]:g}, outside of {axis[0]:g} to {axis[-1]:g}"
            if node.flow != "clamp":
                return _refusal(node.flow, row)
            inside[0 if row[name] < axis[0] else -1] = True
        place = place * len(inside) + inside.index(True)
    return _refusal(node.content[place], row)


def _edges(edges: list[Any] | schemav2.UniformBinning) -> list[float]:
    if isinstance(edges, schemav2.UniformBinning):
        return [float(edge) for edge in np.linspace(edges.low, edges.high, edges.n + 1)]
    return [float(edge) for edge in edges]
