"""What is recorded, evaluated one operation at a time, is what torch computes."""

import math

import pytest
import torch

from hepreco.amplitudes.compiled.expressions import Expressions
from hepreco.amplitudes.compiled.symbols import entries_of, symbols

OPERATIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: 2 - a - b * 3, "mul": lambda a, b: a * b / 2,
    "div": lambda a, b: a / b + 1 / b,
    "neg": lambda a, b: -a + 0 * b, "lt": lambda a, b: a < b, "ge": lambda a, b: a >= b,
    "sqrt": lambda a, b: torch.sqrt(a) + torch.abs(-b), "select": lambda a, b: torch.where(a < b, a, b),
}  # fmt: skip


def evaluated(expressions, number, inputs):
    """The value of an expression."""
    if number < 0:
        return -evaluated(expressions, -number, inputs)
    name, *arguments = expressions.nodes[number]
    if name == "constant":
        return arguments[0]
    if name == "input":
        return inputs[arguments[1]]
    values = [evaluated(expressions, argument, inputs) for argument in arguments]
    functions = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "lt": lambda a, b: a < b, "ge": lambda a, b: a >= b, "sqrt": math.sqrt, "abs": abs,
        "select": lambda c, a, b: a if c else b,
    }  # fmt: skip
    return functions[name](*values)


def check(function, *tensors):
    """Assert that a function of tensors gives the same on symbols."""
    expressions, values, given = Expressions(), [], []
    for tensor in tensors:
        flat = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).flatten().tolist()
        numbers = [expressions.input(0, len(values) + place) for place in range(len(flat))]
        values += flat
        given.append(symbols(numbers, expressions, shape=tensor.shape, is_complex=tensor.is_complex()))
    found, expected = function(*given), function(*tensors)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    numbers = [float(evaluated(expressions, number, values)) for number in entries_of(found, expressions)]
    expected = torch.view_as_real(expected.resolve_conj()) if expected.is_complex() else expected
    torch.testing.assert_close(torch.tensor(numbers, dtype=torch.float64), expected.flatten().double())


def tensors(*shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(shape, generator=generator, dtype=dtype) + 0.1 for shape in shapes]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    check(OPERATIONS[name], *tensors((2, 3), (3,)))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "neg"])
def test_complex_operations(name):
    check(OPERATIONS[name], *tensors((2, 3), (1, 3), dtype=torch.complex128))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: torch.einsum("ij,kj->ik", a, b.conj()),
        lambda a, b: torch.tensordot(a, b, dims=([1], [1])),
        lambda a, b: a @ b.mT,
        lambda a, b: torch.cat((a, b.flip(0)), dim=1).unflatten(1, (2, 3))[:, :, 1],
        lambda a, b: torch.stack((a, b)).sum(dim=(0, 2)).real,
        lambda a, b: torch.addcmul(a, a, b, value=-1).movedim(0, 1),
        lambda a, b: a**2 * b,
    ],
)
def test_functions(function):
    check(function, *tensors((2, 3), (2, 3), dtype=torch.complex128))


def test_equal_expressions_are_one():
    given = Expressions()
    a, b = given.input(0, 0), given.input(0, 1)
    assert given.add(a, b) == given.add(b, a)
    assert given.mul(a, -b) == -given.mul(b, a)
    assert given.add(a, -b) == -given.add(b, -a)
    assert given.add(a, -a) == 0
    assert given.mul(given.constant(0.5), given.add(a, a)) == a


def test_a_condition_is_a_guard():
    given = Expressions()
    (a,) = (symbols([given.input(0, 0)], given, shape=(1,), is_complex=False),)
    assert not bool((a > 1).any())
    assert len(given.guards) == 1
    with pytest.raises(TypeError, match="no value"):
        bool(a)
    with pytest.raises(NotImplementedError, match="sin of symbols"):
        torch.sin(a)
