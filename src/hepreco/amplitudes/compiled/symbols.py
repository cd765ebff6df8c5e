"""Tensors of symbols: running torch code on them records the scalar operations that it does."""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Final

import torch
from torch import Tensor

from hepreco.amplitudes.compiled.expressions import Expressions

_ATEN: Final = torch.ops.aten
#: One entry of a tensor: the numbers of its real and imaginary part, which are 0 in a real tensor.
Entry = Sequence[int]


class Symbols(Tensor):
    """A tensor whose entries are expressions.

    ``numbers`` holds the number of each expression as a float64; a complex tensor holds those of its real and its
    imaginary part. Operations that only move entries, such as views and indices, move the numbers; a complex conjugate
    is a minus sign at the second one. All others record expressions. A tensor that is converted to ``bool`` is
    recorded as a guard, and is taken to be false.
    """

    numbers: Tensor
    expressions: Expressions
    __torch_function__ = torch._C._disabled_torch_function_impl  # noqa: SLF001  the documented way

    @staticmethod
    def __new__(cls, numbers: Tensor, expressions: Expressions, dtype: torch.dtype | None = None) -> "Symbols":
        made = Tensor._make_wrapper_subclass(cls, numbers.shape, dtype=dtype or numbers.dtype)  # type: ignore[attr-defined]
        made.numbers, made.expressions = numbers.resolve_conj(), expressions
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Symbols{tuple(self.shape)}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ARG003
        kwargs = kwargs or {}
        given = _expressions(args)
        operation = func._overloadpacket  # noqa: SLF001
        if operation in _ARITHMETIC:
            return _ARITHMETIC[operation](given, *args, **kwargs)
        if operation not in _MOVING:
            raise NotImplementedError(str(func))
        dtype = _kind(args)
        moved = func(*_numbers(args, given), **kwargs)
        return _symbols(moved, given, dtype)


def symbols(entries: Iterable[int], expressions: Expressions, *, shape: Sequence[int], is_complex: bool) -> Symbols:
    """A tensor of expressions; a complex one has two for each entry."""
    numbers = torch.tensor([*entries], dtype=torch.float64)
    if is_complex:
        numbers = torch.view_as_complex(numbers.reshape(-1, 2))
    return Symbols(numbers.reshape(tuple(shape)), expressions)


def numbers(value: Tensor, expressions: Expressions) -> list[int]:
    """The numbers of the entries of a tensor; of a complex one those of real and imaginary parts in turn."""
    entries = _entries(_lifted(value, expressions))
    return [number for entry in entries for number in (entry if value.is_complex() else entry[:1])]


def _expressions(args: Iterable[Any]) -> Expressions:
    for value in args:
        if isinstance(value, Symbols):
            return value.expressions
        if isinstance(value, (tuple, list)):
            for one in value:
                if isinstance(one, Symbols):
                    return one.expressions
    raise TypeError(args)


def _kind(args: Iterable[Any]) -> torch.dtype:
    for value in args:
        if isinstance(value, Symbols):
            return value.dtype
        if isinstance(value, (tuple, list)):
            for one in value:
                if isinstance(one, Symbols):
                    return one.dtype
    raise TypeError(args)


def _numbers(args: Iterable[Any], given: Expressions) -> list[Any]:
    """Arguments with symbols replaced by their numbers; other real or complex tensors become constants."""
    return [
        _lifted(value, given)
        if isinstance(value, Tensor)
        else [_lifted(one, given) for one in value]
        if isinstance(value, (tuple, list)) and any(isinstance(one, Tensor) for one in value)
        else value
        for value in args
    ]


def _lifted(value: Any, given: Expressions) -> Any:
    if isinstance(value, Symbols):
        return value.numbers
    if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()):
        pairs = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
        numbers = torch.tensor([given.constant(x) for x in pairs.flatten().tolist()], dtype=torch.float64)
        numbers = numbers.reshape(pairs.shape)
        return torch.view_as_complex(numbers) if value.is_complex() else numbers
    return value


def _symbols(moved: Any, given: Expressions, dtype: torch.dtype) -> Any:
    if isinstance(moved, Tensor):
        outer = dtype if moved.is_complex() == dtype.is_complex else moved.dtype
        return Symbols(moved, given, outer)
    return type(moved)(_symbols(one, given, dtype) for one in moved)


def _operand(value: Any, given: Expressions) -> Tensor:
    if isinstance(value, Tensor):
        return _lifted(value, given)
    if isinstance(value, bool):
        return torch.tensor(float(value), dtype=torch.float64)
    return _lifted(torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64), given)


def _entries(numbers: Tensor) -> list[list[int]]:
    if numbers.is_complex():
        return torch.view_as_real(numbers.resolve_conj()).reshape(-1, 2).long().tolist()
    return [[number, 0] for number in numbers.flatten().long().tolist()]


def _elementwise(
    given: Expressions, function: Callable[..., Entry | int], values: Sequence[Any], dtype: torch.dtype | None = None
) -> Symbols:
    """Apply a function to all entries of broadcast tensors."""
    single = all(value.dtype in (torch.float32, torch.complex64) for value in values if isinstance(value, Symbols))
    operands = [_operand(value, given) for value in values]
    is_complex = any(operand.is_complex() for operand in operands)
    operands = list(torch.broadcast_tensors(*operands))
    results = [function(*entries) for entries in zip(*map(_entries, operands), strict=True)]
    if dtype is not None or not is_complex:
        flat = results if dtype is not None else [result[0] for result in results]  # type: ignore[index]
        numbers = torch.tensor(flat, dtype=torch.float64).reshape(operands[0].shape)
        return Symbols(numbers, given, dtype or (torch.float32 if single else torch.float64))
    numbers = torch.tensor(results, dtype=torch.float64).reshape(*operands[0].shape, 2)
    return Symbols(torch.view_as_complex(numbers), given, torch.complex64 if single else torch.complex128)


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


def _minus(given: Expressions) -> Callable[[Entry, Entry], Entry]:
    return lambda a, b: (given.add(a[0], -b[0]), given.add(a[1], -b[1]))


def _divide(given: Expressions) -> Callable[[Entry, Entry], Entry]:
    def divide(a: Entry, b: Entry) -> Entry:
        if not b[1]:
            return given.div(a[0], b[0]), given.div(a[1], b[0])
        square = given.add(given.mul(b[0], b[0]), given.mul(b[1], b[1]))
        inverse = given.div(1, square)
        return _multiply(given)(a, (given.mul(b[0], inverse), -given.mul(b[1], inverse)))

    return divide


def _mul(given: Expressions, a: Any, b: Any) -> Symbols:
    if isinstance(a, Tensor) and a.dtype == torch.bool:
        return _logical(Expressions.both)(given, a, b)
    return _elementwise(given, _multiply(given), (a, b))


def _scaled(given: Expressions, value: Any, factor: Any) -> Any:
    return value if factor == 1 else _mul(given, value, factor)


def _add(given: Expressions, a: Any, b: Any, *, alpha: Any = 1) -> Symbols:
    return _elementwise(given, _plus(given), (a, _scaled(given, b, alpha)))


def _sub(given: Expressions, a: Any, b: Any, *, alpha: Any = 1) -> Symbols:
    return _elementwise(given, _minus(given), (a, _scaled(given, b, alpha)))


def _addcmul(given: Expressions, a: Any, b: Any, c: Any, *, value: Any = 1) -> Symbols:
    combine = _minus if value == -1 else _plus
    product = _scaled(given, _mul(given, b, c), 1 if value == -1 else value)
    return _elementwise(given, combine(given), (a, product))


def _pow(given: Expressions, a: Symbols, exponent: Any) -> Symbols:
    if exponent not in range(5):
        raise NotImplementedError(f"power {exponent}")
    ones = Symbols(torch.ones_like(a.numbers.real), given, a.dtype)
    return reduce(lambda x, y: _mul(given, x, y), [a] * int(exponent)) if exponent else ones


def _view(given: Expressions, a: Symbols, shape: Sequence[int], **_: Any) -> Symbols:
    # The numbers may be stored in another order than the tensor that they stand for.
    return Symbols(a.numbers.reshape(tuple(shape)), given, a.dtype)


def _function(name: str) -> Callable[..., Symbols]:
    return lambda given, a: _elementwise(given, lambda x: (given.apply(name, x[0]), 0), (a,))


def _sum(given: Expressions, a: Symbols, dim: Any = None, keepdim: bool = False, **_: Any) -> Symbols:  # noqa: FBT001, FBT002
    return _reduced(a, dim, keepdim=keepdim, combine=lambda x, y: _add(given, x, y))


def _reduced(a: Symbols, dim: Any, *, keepdim: bool, combine: Callable[[Symbols, Symbols], Symbols]) -> Symbols:
    dims = range(a.ndim) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    for one in sorted((number % a.ndim for number in dims), reverse=True):
        parts = a.unbind(one) or (a.new_zeros([*a.shape[:one], *a.shape[one + 1 :]]),)
        a = reduce(combine, parts)
        a = a.unsqueeze(one) if keepdim else a
    return a


def _matmul(given: Expressions, a: Any, b: Any) -> Symbols:
    left, right = (_operand(value, given) for value in (a, b))
    is_complex = left.is_complex() or right.is_complex()
    batch = left.shape[:-2]
    multiply, plus = _multiply(given), _plus(given)
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    results: list[Entry] = []
    for one, other in zip(left.reshape(-1, rows, inner), right.reshape(-1, inner, columns), strict=True):
        x, y = _entries(one), _entries(other)
        for i in range(rows):
            row = [(k, x[i * inner + k]) for k in range(inner) if any(x[i * inner + k])]
            for j in range(columns):
                total: Entry = (0, 0)
                for k, entry in row:
                    total = plus(total, multiply(entry, y[k * columns + j]))
                results.append(total)
    entries = [number for result in results for number in (result if is_complex else result[:1])]
    return symbols(entries, given, shape=(*batch, rows, columns), is_complex=is_complex)


def _compare(name: str) -> Callable[..., Symbols]:
    return lambda given, a, b: _elementwise(
        given, lambda x, y: given.compare(name, x[0], y[0]), (a, b), dtype=torch.bool
    )


def _logical(function: Callable[[Expressions, int, int], int]) -> Callable[..., Symbols]:
    return lambda given, a, b: _elementwise(given, lambda x, y: function(given, x[0], y[0]), (a, b), dtype=torch.bool)


def _invert(given: Expressions, a: Any) -> Symbols:
    return _elementwise(given, lambda x: given.invert(x[0]), (a,), dtype=torch.bool)


def _logical_reduction(function: Callable[[Expressions, int, int], int]) -> Callable[..., Symbols]:
    combine = _logical(function)
    return lambda given, a, dim=None, keepdim=False: _reduced(
        a, dim, keepdim=keepdim, combine=lambda x, y: combine(given, x, y)
    )


def _where(given: Expressions, condition: Any, a: Any, b: Any) -> Symbols:
    def choose(c: Entry, x: Entry, y: Entry) -> Entry:
        return given.select(c[0], x[0], y[0]), given.select(c[0], x[1], y[1])

    return _elementwise(given, choose, (condition, a, b))


def _maximum(given: Expressions, a: Any, b: Any) -> Symbols:
    return _where(given, a > b, a, b)


def _amax(given: Expressions, a: Symbols, dim: Any = None, keepdim: bool = False) -> Symbols:  # noqa: FBT001, FBT002
    return _reduced(a, dim, keepdim=keepdim, combine=lambda x, y: _maximum(given, x, y))


def _converted(given: Expressions, a: Symbols, *, dtype: torch.dtype | None = None, **_: Any) -> Symbols:
    dtype = dtype or a.dtype
    return Symbols(a.numbers.to(torch.complex128) if dtype.is_complex else a.numbers, given, dtype)


def _guard(given: Expressions, a: Symbols) -> bool:
    if a.dtype != torch.bool:
        raise TypeError("a symbol has no value")
    given.guards += [number for number, _ in _entries(a.numbers)]
    return False


def _constants(operation: Callable[..., Tensor]) -> Callable[..., Symbols]:
    """An operation that makes a tensor of constants in the shape of a tensor."""

    def make(given: Expressions, a: Symbols, *args: Any, **kwargs: Any) -> Symbols:
        made = operation(torch.empty(a.shape, dtype=a.dtype), *args, **kwargs)
        return Symbols(_lifted(made, given), given)

    return make


_ARITHMETIC: Final[dict[Any, Callable[..., Any]]] = {
    _ATEN.mul: _mul,
    _ATEN.add: _add,
    _ATEN.sub: _sub,
    _ATEN.rsub: lambda given, a, b: _sub(given, b, a),
    _ATEN.div: lambda given, a, b: _elementwise(given, _divide(given), (a, b)),
    _ATEN.reciprocal: lambda given, a: _elementwise(given, _divide(given), (1.0, a)),
    _ATEN.neg: lambda given, a: Symbols(-a.numbers, given, a.dtype),
    _ATEN.addcmul: _addcmul,
    _ATEN.pow: _pow,
    _ATEN.view: _view,
    _ATEN._unsafe_view: _view,
    _ATEN.sqrt: _function("sqrt"),
    _ATEN.rsqrt: lambda given, a: _elementwise(given, lambda x: (given.div(1, given.apply("sqrt", x[0])), 0), (a,)),
    _ATEN.abs: _function("abs"),
    _ATEN.log: _function("log"),
    _ATEN.exp: _function("exp"),
    _ATEN.sum: _sum,
    _ATEN.mm: _matmul,
    _ATEN.bmm: _matmul,
    _ATEN.complex: lambda given, a, b: Symbols(torch.complex(_operand(a, given), _operand(b, given)), given),
    _ATEN.where: _where,
    _ATEN.amax: _amax,
    _ATEN.bitwise_not: _invert,
    _ATEN.logical_not: _invert,
    _ATEN.bitwise_and: _logical(Expressions.both),
    _ATEN.bitwise_or: _logical(Expressions.either),
    _ATEN.all: _logical_reduction(Expressions.both),
    _ATEN.any: _logical_reduction(Expressions.either),
    _ATEN._to_copy: _converted,
    _ATEN._local_scalar_dense: _guard,
    _ATEN.ones_like: _constants(torch.ones_like),
    _ATEN.full_like: _constants(torch.full_like),
} | {getattr(_ATEN, name): _compare(name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}
#: Operations that only move entries.
_MOVING: Final = frozenset(
    getattr(_ATEN, name)
    for name in """reshape permute transpose t expand unsqueeze squeeze select slice cat stack index
    index_select clone alias detach unbind split split_with_sizes flip _conj view_as_real view_as_complex real imag
    zeros_like new_zeros lift_fresh""".split()
)
