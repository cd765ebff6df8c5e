"""Scalar expressions: a graph in which equal expressions are one node."""

import math
from collections.abc import Callable
from typing import Final

#: The operations of two or three numbers whose order does not matter.
_SYMMETRIC: Final = frozenset(("mul", "add", "eq", "ne", "and", "or"))
_COMPARE: Final = {
    "lt": float.__lt__, "le": float.__le__, "gt": float.__gt__,
    "ge": float.__ge__, "eq": float.__eq__, "ne": float.__ne__,
}  # fmt: skip
_FUNCTIONS: Final[dict[str, Callable[[float], float]]] = {"sqrt": math.sqrt, "abs": abs}

#: The name of an operation and its arguments: numbers of nodes, a value or the position of an input.
Node = tuple[str | int | float, ...]
TRUE: Final = 1


class TooLargeError(Exception):
    """A graph has more nodes than it may have."""


class Expressions:
    """Scalar expressions by number; a negative number stands for the negative of an expression.

    Node 0 is 0.0 (or false), node 1 is 1.0 (or true). *Uniform* expressions depend on constants and parameters only, so
    that they are the same for all events.

    Parameters
    ----------
    most
        The number of nodes beyond which :class:`TooLargeError` is raised.
    """

    def __init__(self, most: int = 2**31) -> None:
        self.nodes: list[Node] = [("constant", 0.0), ("constant", 1.0)]
        self.uniform = [True, True]
        #: Conditions that the recorded code tested and that are assumed to be false.
        self.guards: list[int] = []
        self._numbers: dict[Node, int] = {node: number for number, node in enumerate(self.nodes)}
        self._values: dict[int, float] = {0: 0.0, 1: 1.0}
        self._most = most

    def constant(self, value: float) -> int:
        """A number."""
        if value < 0:
            return -self.constant(-value)
        number = self._node(("constant", value + 0.0), uniform=True)
        self._values[number] = value
        return number

    def parameter(self, name: str) -> int:
        """A parameter of the model."""
        return self._node(("parameter", name), uniform=True)

    def input(self, group: int, position: int) -> int:
        """A number in memory: the position within a group that a table of addresses locates."""
        return self._node(("input", group, position), uniform=False)

    def value(self, number: int) -> float | None:
        """The value of a constant."""
        found = self._values.get(abs(number))
        return None if found is None else -found if number < 0 else found

    def mul(self, a: int, b: int) -> int:
        """A product."""
        if not a or not b:
            return 0
        # A constant comes first.
        one, other = sorted((abs(a), abs(b)), key=lambda number: (number not in self._values, number))
        number = self._product(one, other)
        return number if (a < 0) == (b < 0) else -number

    def _product(self, a: int, b: int) -> int:
        if a == 1:
            return b
        if a in self._values:
            name, *factors = self.nodes[b]
            if b in self._values:
                return self.constant(self._values[a] * self._values[b])
            if name == "mul" and factors[0] in self._values:
                return self._product(self.constant(self._values[a] * self._values[int(factors[0])]), int(factors[1]))
        return self._op("mul", a, b)

    def add(self, a: int, b: int) -> int:
        """A sum."""
        if not a or not b:
            return a or b
        if abs(a) == abs(b):
            return self.mul(self.constant(2.0), a) if a == b else 0
        one, other = self.value(a), self.value(b)
        if one is not None and other is not None:
            return self.constant(one + other)
        return self._sum(a, b)

    def _sum(self, a: int, b: int) -> int:
        if (a < 0) == (b < 0):
            number = self._op("add", *sorted((abs(a), abs(b))))
            return number if a > 0 else -number
        plus, minus = (a, -b) if a > 0 else (b, -a)
        return self._op("sub", plus, minus) if plus < minus else -self._op("sub", minus, plus)

    def div(self, a: int, b: int) -> int:
        """A ratio; uniform denominators are inverted once."""
        if not a:
            return 0
        one, other = abs(a), abs(b)
        if other in self._values:
            number = self.mul(one, self.constant(1 / self._values[other]))
        elif one != 1 and (self.uniform[other] or one in self._values):
            number = self.mul(one, self._op("div", 1, other))
        else:
            number = self._op("div", one, other)
        return number if (a < 0) == (b < 0) else -number

    def apply(self, name: str, a: int) -> int:
        """A function of one number."""
        value = self.value(a)
        if name == "abs" and a < 0:
            a = -a
        return self._op(name, a) if value is None else self.constant(_FUNCTIONS[name](value))

    def compare(self, name: str, a: int, b: int) -> int:
        """Whether two numbers compare as ``name`` says."""
        one, other = self.value(a), self.value(b)
        if one is not None and other is not None:
            return int(_COMPARE[name](one, other))
        return self._op(name, a, b)

    def invert(self, a: int) -> int:
        """Not."""
        return 1 - a if a in (0, TRUE) else self._op("not", a)

    def both(self, a: int, b: int) -> int:
        """And."""
        if not a or not b:
            return 0
        return max(a, b) if a == b or TRUE in {a, b} else self._op("and", *sorted((a, b)))

    def either(self, a: int, b: int) -> int:
        """Or."""
        if a == b or not a or not b:
            return a or b
        return TRUE if TRUE in {a, b} else self._op("or", *sorted((a, b)))

    def select(self, condition: int, a: int, b: int) -> int:
        """The first number where a condition holds, the second elsewhere."""
        return a if a == b or condition == TRUE else b if not condition else self._op("select", condition, a, b)

    def _op(self, name: str, *arguments: int) -> int:
        return self._node((name, *arguments), uniform=all(self.uniform[abs(number)] for number in arguments))

    def _node(self, node: Node, *, uniform: bool) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self.nodes)
            if number >= self._most:
                raise TooLargeError
            self.nodes.append(node)
            self.uniform.append(uniform)
        return number


def arguments(node: Node) -> tuple[int, ...]:
    """The numbers of the nodes that a node combines."""
    return () if node[0] in ("constant", "parameter", "input") else tuple(abs(int(number)) for number in node[1:])
