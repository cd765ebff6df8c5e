"""Scalar expressions: a graph in which equal expressions are one node."""

import math
from typing import Final

#: The operations of two or three numbers whose order does not matter.
_SYMMETRIC: Final = frozenset(("mul", "add", "eq", "ne", "and", "or"))
_COMPARE: Final = {
    "lt": float.__lt__, "le": float.__le__, "gt": float.__gt__,
    "ge": float.__ge__, "eq": float.__eq__, "ne": float.__ne__,
}  # fmt: skip
_FUNCTIONS: Final = {"sqrt": math.sqrt, "log": math.log, "exp": math.exp, "abs": abs}

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
        if (a < 0) != (b < 0):
            return -self.mul(abs(a), abs(b))
        a, b = abs(a), abs(b)
        if a == 1:
            return b
        if b == 1:
            return a
        if b in self._values:
            a, b = b, a
        if a in self._values:
            if b in self._values:
                return self.constant(self._values[a] * self._values[b])
            name, *rest = self.nodes[b]
            if name == "mul" and rest[0] in self._values:
                return self.mul(self.constant(self._values[a] * self._values[int(rest[0])]), int(rest[1]))
            return self._op("mul", a, b)
        return self._op("mul", a, b) if a < b else self._op("mul", b, a)

    def add(self, a: int, b: int) -> int:
        """A sum."""
        if not a:
            return b
        if not b:
            return a
        if a == -b:
            return 0
        if a == b:
            return self.mul(self.constant(2.0), a)
        if abs(a) in self._values and abs(b) in self._values:
            return self.constant(float(self.value(a) or 0) + float(self.value(b) or 0))
        if a < 0:
            a, b = b, a
        if a < 0:
            return -self.add(-a, -b)
        if b < 0:
            return self._op("sub", a, -b) if a < -b else -self._op("sub", -b, a)
        return self._op("add", a, b) if a < b else self._op("add", b, a)

    def div(self, a: int, b: int) -> int:
        """A ratio."""
        if not a:
            return 0
        if (a < 0) != (b < 0):
            return -self.div(abs(a), abs(b))
        a, b = abs(a), abs(b)
        if b in self._values or (self.uniform[b] and a != 1):
            return self.mul(a, self.div(1, b) if b not in self._values else self.constant(1 / self._values[b]))
        if a in self._values and a != 1:
            return self.mul(a, self.div(1, b))
        return self._op("div", a, b)

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
        if a == b or b == TRUE:
            return a
        return b if a == TRUE else self._op("and", *sorted((a, b))) if a and b else 0

    def either(self, a: int, b: int) -> int:
        """Or."""
        if a == b or not b:
            return a
        return b if not a else TRUE if TRUE in (a, b) else self._op("or", *sorted((a, b)))

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
