"""Tensors of symbols: running torch code on them records the scalar operations that it does."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, Final

import torch
from torch import Tensor

from hepreco.amplitudes.compiled.expressions import Expressions

#: One entry of a tensor: the numbers of its real and of its imaginary part, which is 0 in a real tensor.
Entry = Sequence[int]
#: Records an operation on the arguments of a function of torch.
Recorder = Callable[..., Any]


class Symbols(Tensor):
    """A tensor whose entries are expressions.

    ``numbers`` holds the number of each expression as a float64; a complex tensor holds those of its real and its
    imaginary part. Functions that only move entries, such as views and indices, move the numbers; a complex conjugate
    is a minus sign at the second one. All others record expressions. A tensor that is converted to ``bool`` is
    recorded as a guard, and is taken to be false.
    """

    numbers: Tensor
    expressions: Expressions

    @staticmethod
    def __new__(cls, numbers: Tensor, expressions: Expressions, dtype: torch.dtype | None = None) -> "Symbols":
        """Entries by their numbers, as a tensor of a type, by default that of the numbers."""
        like = torch.empty(numbers.shape, dtype=dtype or numbers.dtype)
        made: Symbols = Tensor._make_subclass(cls, like)
        made.numbers, made.expressions = numbers.resolve_conj(), expressions
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = (func.__self__ if func.__name__ == "__get__" else func).__name__.strip("_")
        if name in _ASKING:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        first = next(_symbols_in(args))
        if name in _RECORDED:
            return _RECORDED[name](first.expressions, *args, **kwargs)
        if name in _MOVING:
            moved = func(*_numbers(args, first.expressions), **kwargs)
            return _moved(moved, first.expressions, first.dtype)
        raise NotImplementedError(f"{name} of symbols")

    def __iter__(self) -> Iterator[Tensor]:
        """The tensors along the first axis."""
        return iter(self.unbind(0))


def symbols(entries: Iterable[int], expressions: Expressions, *, shape: Sequence[int], is_complex: bool) -> Symbols:
    """A tensor of expressions; a complex one has two for each entry."""
    numbers = torch.tensor([*entries], dtype=torch.float64)
    if is_complex:
        numbers = torch.view_as_complex(numbers.reshape(-1, 2))
    return Symbols(numbers.reshape(tuple(shape)), expressions)


def entries_of(value: Tensor, expressions: Expressions) -> list[int]:
    """The numbers of the entries of a tensor; of a complex one those of real and imaginary parts in turn."""
    entries = _entries(_lifted(value, expressions))
    return [number for entry in entries for number in (entry if value.is_complex() else entry[:1])]


def _symbols_in(args: Iterable[Any]) -> Iterator[Symbols]:
    for value in args:
        if isinstance(value, Symbols):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _symbols_in(value)


def _numbers(args: Iterable[Any], given: Expressions) -> list[Any]:
    """Arguments with symbols replaced by their numbers; other real or complex tensors become constants."""
    return [
        _lifted(value, given)
        if isinstance(value, Tensor)
        else _numbers(value, given)
        if isinstance(value, (tuple, list)) and any(isinstance(one, Tensor) for one in value)
        else value
        for value in args
    ]


def _lifted(value: Tensor, given: Expressions) -> Tensor:
    if isinstance(value, Symbols):
        return value.numbers
    if not (value.is_floating_point() or value.is_complex()):
        return value
    pairs = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
    numbers = torch.tensor([given.constant(x) for x in pairs.flatten().tolist()], dtype=torch.float64)
    numbers = numbers.reshape(pairs.shape)
    return torch.view_as_complex(numbers) if value.is_complex() else numbers


def _moved(moved: Any, given: Expressions, dtype: torch.dtype) -> Any:
    if isinstance(moved, Tensor):
        return Symbols(moved, given, dtype if moved.is_complex() == dtype.is_complex else moved.dtype)
    return tuple(_moved(one, given, dtype) for one in moved)


def _operand(value: Any, given: Expressions) -> Tensor:
    if isinstance(value, Tensor):
        return _lifted(value, given)
    return _lifted(torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64), given)


def _entries(numbers: Tensor) -> list[list[int]]:
    if numbers.is_complex():
        return torch.view_as_real(numbers.resolve_conj()).reshape(-1, 2).long().tolist()
    return [[number, 0] for number in numbers.flatten().long().tolist()]


def _elementwise(given: Expressions, function: Callable[..., Entry], *values: Any) -> Symbols:
    """Apply a function to all entries of broadcast tensors."""
    operands = torch.broadcast_tensors(*(_operand(value, given) for value in values))
    results = [function(*entries) for entries in zip(*map(_entries, operands), strict=True)]
    shape = operands[0].shape
    if any(operand.is_complex() for operand in operands):
        numbers = torch.tensor(results, dtype=torch.float64).reshape(*shape, 2)
        return Symbols(torch.view_as_complex(numbers), given)
    return Symbols(torch.tensor([result[0] for result in results], dtype=torch.float64).reshape(shape), given)


def _conditions(given: Expressions, function: Callable[..., int], *values: Any) -> Symbols:
    """Apply a function with a condition as result."""
    made = _elementwise(given, lambda *entries: (function(*(entry[0] for entry in entries)), 0), *values)
    return Symbols(made.numbers, given, torch.bool)


def _multiply(given: Expressions) -> Callable[[Entry, Entry], Entry]:
    mul, add = given.mul, given.add

    def multiply(a: Entry, b: Entry) -> Entry:
        (u, v), (x, y) = a, b
        if not v and not y:
            return mul(u, x), 0
        return add(mul(u, x), -mul(v, y)), add(mul(u, y), mul(v, x))

    return multiply


def _plus(given: Expressions) -> Callable[[Entry, Entry], Entry]:
    return lambda a, b: (given.add(a[0], b[0]), given.add(a[1], b[1]))


def _divide(given: Expressions) -> Callable[[Entry, Entry], Entry]:
    multiply = _multiply(given)

    def divide(a: Entry, b: Entry) -> Entry:
        if not b[1]:
            return given.div(a[0], b[0]), given.div(a[1], b[0])
        square = given.add(given.mul(b[0], b[0]), given.mul(b[1], b[1]))
        inverse = given.div(1, square)
        return multiply(a, (given.mul(b[0], inverse), -given.mul(b[1], inverse)))

    return divide


def _mul(given: Expressions, a: Any, b: Any) -> Symbols:
    return _elementwise(given, _multiply(given), a, b)


def _add(given: Expressions, a: Any, b: Any) -> Symbols:
    return _elementwise(given, _plus(given), a, b)


def _neg(given: Expressions, a: Any) -> Symbols:
    return Symbols(-_operand(a, given), given)


def _sub(given: Expressions, a: Any, b: Any) -> Symbols:
    return _add(given, a, _neg(given, b))


def _div(given: Expressions, a: Any, b: Any) -> Symbols:
    return _elementwise(given, _divide(given), a, b)


def _addcmul(given: Expressions, a: Any, b: Any, c: Any, *, value: int = 1) -> Symbols:
    return _add(given, a, _mul(given, _mul(given, b, c), value))


def _pow(given: Expressions, a: Any, exponent: int) -> Symbols:
    if exponent not in range(1, 5):
        return Symbols(torch.ones_like(a.numbers), given) if exponent == 0 else NotImplemented
    return reduce(lambda x, y: _mul(given, x, y), [a] * exponent)


def _function(name: str) -> Recorder:
    return lambda given, a: _elementwise(given, lambda x: (given.apply(name, x[0]), 0), a)


def _rsqrt(given: Expressions, a: Any) -> Symbols:
    return _elementwise(given, lambda x: (given.div(1, given.apply("sqrt", x[0])), 0), a)


def _reduced(a: Tensor, dim: Any, combine: Callable[[Any, Any], Any], *, keepdim: bool) -> Tensor:
    dims = range(a.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    for one in sorted((number % a.ndim for number in dims), reverse=True):
        parts = a.unbind(one) or (a.new_zeros([*a.shape[:one], *a.shape[one + 1 :]]),)
        a = reduce(combine, parts)
        a = a.unsqueeze(one) if keepdim else a
    return a


def _reduction(record: Recorder) -> Recorder:
    """A reduction over axes by a function of two tensors."""
    return lambda given, a, dim=None, *, keepdim=False: _reduced(
        a, dim, lambda x, y: record(given, x, y), keepdim=keepdim
    )


def _einsum(given: Expressions, equation: str, *operands: Any) -> Tensor:
    names, output = equation.split("->")
    summed = "".join(dict.fromkeys(letter for letter in names if letter not in f"{output},"))
    order = output + summed

    def aligned(operand: Any, letters: str) -> Symbols:
        numbers = _operand(operand, given).permute([letters.index(one) for one in order if one in letters])
        sizes = iter(numbers.shape)
        return Symbols(numbers.reshape([next(sizes) if one in letters else 1 for one in order]), given)

    factors = [aligned(operand, letters) for operand, letters in zip(operands, names.split(","), strict=True)]
    product = reduce(lambda x, y: _mul(given, x, y), factors)
    dims = range(len(output), len(order))
    return _reduced(product, dims, lambda x, y: _add(given, x, y), keepdim=False)


def _tensordot(given: Expressions, a: Any, b: Any, dims: Any, **_: Any) -> Tensor:
    letters = [chr(ord("a") + axis) for axis in range(a.ndim + b.ndim)]
    left, right = letters[: a.ndim], letters[a.ndim :]
    for one, other in zip(*dims, strict=True):
        right[other] = left[one]
    output = [one for one in (*left, *right) if not (one in left and one in right)]
    return _einsum(given, f"{''.join(left)},{''.join(right)}->{''.join(output)}", a, b)


def _matmul(given: Expressions, a: Any, b: Any) -> Tensor:
    return _einsum(given, "ij,jk->ik", a, b)


def _compare(name: str) -> Recorder:
    return lambda given, a, b: _conditions(given, lambda x, y: given.compare(name, x, y), a, b)


def _both(given: Expressions, a: Any, b: Any) -> Symbols:
    return _conditions(given, given.both, a, b)


def _either(given: Expressions, a: Any, b: Any) -> Symbols:
    return _conditions(given, given.either, a, b)


def _invert(given: Expressions, a: Any) -> Symbols:
    return _conditions(given, given.invert, a)


def _isfinite(given: Expressions, a: Any) -> Symbols:
    return _conditions(given, lambda x: given.compare("lt", given.apply("abs", x), given.constant(math.inf)), a)


def _where(given: Expressions, condition: Any, a: Any, b: Any) -> Symbols:
    def choose(c: Entry, x: Entry, y: Entry) -> Entry:
        return given.select(c[0], x[0], y[0]), given.select(c[0], x[1], y[1])

    return _elementwise(given, choose, condition, a, b)


def _maximum(given: Expressions, a: Any, b: Any) -> Symbols:
    return _where(given, a > b, a, b)


def _converted(given: Expressions, a: Tensor, to: torch.dtype | Tensor) -> Symbols:
    dtype = to.dtype if isinstance(to, Tensor) else to
    numbers = _lifted(a, given)
    return Symbols(numbers.to(torch.complex128) if dtype.is_complex else numbers, given, dtype)


def _guard(given: Expressions, a: Symbols) -> bool:
    if a.dtype != torch.bool:
        raise TypeError("a symbol has no value")
    given.guards += [number for number, _ in _entries(a.numbers)]
    return False


#: What functions record, by their names without underscores.
_RECORDED: Final[dict[str, Recorder]] = {
    "mul": _mul,
    "rmul": _mul,
    "add": _add,
    "radd": _add,
    "sub": _sub,
    "rsub": lambda given, a, b: _sub(given, b, a),
    "div": _div,
    "truediv": _div,
    "rdiv": lambda given, a, b: _div(given, b, a),
    "rtruediv": lambda given, a, b: _div(given, b, a),
    "neg": _neg,
    "addcmul": _addcmul,
    "pow": _pow,
    "sqrt": _function("sqrt"),
    "rsqrt": _rsqrt,
    "abs": _function("abs"),
    "sum": _reduction(_add),
    "amax": _reduction(_maximum),
    "all": _reduction(_both),
    "any": _reduction(_either),
    "invert": _invert,
    "isfinite": _isfinite,
    "where": _where,
    "einsum": _einsum,
    "tensordot": _tensordot,
    "matmul": _matmul,
    "rmatmul": lambda given, a, b: _matmul(given, b, a),
    "to": _converted,
    "double": lambda given, a: _converted(given, a, torch.float64),
    "bool": _guard,
    **{name: _compare(name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
}
#: Functions that only move entries.
_MOVING: Final = frozenset(
    [
        "broadcast_tensors",
        "cat",
        "clone",
        "complex",
        "conj",
        "contiguous",
        "detach",
        "expand",
        "flatten",
        "flip",
        "getitem",
        "imag",
        "index_select",
        "mT",
        "movedim",
        "narrow",
        "new_zeros",
        "permute",
        "real",
        "reshape",
        "resolve_conj",
        "select",
        "split",
        "squeeze",
        "stack",
        "transpose",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view_as_complex",
        "view_as_real",
        "zeros_like",
    ]
)
#: Functions that ask for properties of a tensor other than its entries.
_ASKING: Final = frozenset(
    ("device", "dim", "dtype", "is_complex", "is_floating_point", "len", "ndim", "numel", "shape", "size")
)
