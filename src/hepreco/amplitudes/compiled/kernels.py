"""Kernels in LLVM's language: a recorded function as a loop over the rows of tables, on vectors of events."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hepreco.amplitudes.compiled.expressions import Expressions, Node, arguments

_BINARY: Final = {"mul": "fmul", "add": "fadd", "sub": "fsub", "div": "fdiv"}
#: Comparisons with NaN are false, except that NaN is unequal to everything.
_COMPARE: Final = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_LOGICAL: Final = {"and": "and", "or": "or"}
#: Products and sums may become one instruction, and the sign of a zero does not matter.
_FLAGS: Final = "contract nsz"


@dataclass(frozen=True)
class Output:
    """Expressions stored one after the other in a group, or added to what is there."""

    numbers: tuple[int, ...]
    accumulate: bool = False


@dataclass
class Uniforms:
    """The places in memory of expressions that are the same for all events."""

    places: dict[int, int] = field(default_factory=dict)

    def place(self, number: int) -> int:
        """The place of an expression."""
        return self.places.setdefault(number, len(self.places))


class Body:
    """The instructions that compute expressions, on vectors or, for uniform ones, on single numbers."""

    def __init__(self, expressions: Expressions, *, lanes: int) -> None:
        self.expressions, self.lines = expressions, list[str]()
        self.type = f"<{lanes} x double>" if lanes else "double"
        self._bit = f"<{lanes} x i1>" if lanes else "i1"
        self._lanes = lanes
        self._known: dict[int, str] = {}
        self._visited: set[int] = set()
        self._negative: dict[int, str] = {}

    def literal(self, value: float) -> str:
        """A constant."""
        text = f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}"
        return f"<{', '.join([f'double {text}'] * self._lanes)}>" if self._lanes else text

    def name(self, number: int) -> str:
        """The register or constant of an expression that :meth:`compute` has computed."""
        positive = self._known[abs(number)]
        if number >= 0:
            return positive
        if -number not in self._negative:
            self._negative[-number] = f"%n{-number}"
            self.lines.append(f"%n{-number} = fneg {self.type} {positive}")
        return self._negative[-number]

    def compute(self, numbers: Iterable[int], load: "LoadVectors | LoadParameters") -> None:
        """Compute expressions, each after those that it needs."""
        for number in self._ordered(numbers, load):
            node = self.expressions.nodes[number]
            if node[0] == "constant":
                self._known[number] = self.literal(float(node[1]))
            elif load.is_leaf(number):
                self._known[number] = f"%v{number}"
                self.lines += load.lines(number, node)
            else:
                self._known[number] = f"%v{number}"
                self.lines.append(f"%v{number} = {self._instruction(node)}")

    def store(self, number: int, *, group: int, position: int, accumulate: bool) -> None:
        """Store an expression at a position of a group, or add it to what is there."""
        value, address = self.name(number), f"%t{group}_{position}"
        self.lines.append(f"{address} = getelementptr {self.type}, ptr %g{group}, i64 {position}")
        if accumulate:
            self.lines += [
                f"{address}l = load {self.type}, ptr {address}",
                f"{address}s = fadd {self.type} {address}l, {value}",
            ]
            value = f"{address}s"
        self.lines.append(f"store {self.type} {value}, ptr {address}")

    def _ordered(self, numbers: Iterable[int], load: "LoadVectors | LoadParameters") -> Iterator[int]:
        """What is not computed yet of what these expressions need, each after its own arguments, depth first."""
        for root in numbers:
            stack = [(abs(root), False)]
            while stack:
                number, is_ready = stack.pop()
                if is_ready:
                    yield number
                elif number not in self._visited:
                    self._visited.add(number)
                    stack.append((number, True))
                    if not load.is_leaf(number):
                        stack += [(one, False) for one in reversed(arguments(self.expressions.nodes[number]))]

    def bit(self, number: int) -> str:
        """The register of a condition."""
        return ("false" if not self._lanes else "zeroinitializer") if number == 0 else self._known[number]

    def _instruction(self, node: Node) -> str:
        operation, *rest = node
        numbers = [int(number) for number in rest]
        if operation in _LOGICAL:
            return f"{_LOGICAL[str(operation)]} {self._bit} {self.bit(numbers[0])}, {self.bit(numbers[1])}"
        if operation == "not":
            ones = f"<{', '.join(['i1 true'] * self._lanes)}>" if self._lanes else "true"
            return f"xor {self._bit} {self.bit(numbers[0])}, {ones}"
        if operation == "select":
            condition, *cases = numbers
            one, other = (f"{self.type} {self.name(number)}" for number in cases)
            return f"select {self._bit} {self.bit(condition)}, {one}, {other}"
        names = [self.name(number) for number in numbers]
        if operation in _BINARY:
            return f"{_BINARY[str(operation)]} {_FLAGS} {self.type} {names[0]}, {names[1]}"
        if operation in _COMPARE:
            return f"fcmp {_COMPARE[str(operation)]} {self.type} {names[0]}, {names[1]}"
        function = {"sqrt": "sqrt", "abs": "fabs"}[str(operation)]
        return f"call {self.type} @llvm.{function}.{self.suffix}({self.type} {names[0]})"

    @property
    def suffix(self) -> str:
        """The ending of names of functions of LLVM."""
        return f"v{self._lanes}f64" if self._lanes else "f64"


class LoadVectors:
    """How a kernel loads its leaves: numbers of groups, and uniform expressions."""

    def __init__(self, body: Body, uniforms: Uniforms) -> None:
        self.body, self.uniforms = body, uniforms

    def is_leaf(self, number: int) -> bool:
        """Whether an expression is loaded."""
        node = self.body.expressions.nodes[number]
        return node[0] == "input" or (self.body.expressions.uniform[number] and node[0] != "constant")

    def lines(self, number: int, node: Node) -> list[str]:
        """The instructions that load a leaf."""
        vector = self.body.type
        if node[0] == "input":
            _, group, position = node
            return [
                f"%q{number} = getelementptr {vector}, ptr %g{group}, i64 {position}",
                f"%v{number} = load {vector}, ptr %q{number}",
            ]
        lanes = vector.split()[0][1:]
        return [
            f"%q{number} = getelementptr double, ptr %u, i64 {self.uniforms.place(number)}",
            f"%s{number} = load double, ptr %q{number}, !invariant.load !0",
            f"%i{number} = insertelement {vector} poison, double %s{number}, i64 0",
            f"%v{number} = shufflevector {vector} %i{number}, {vector} poison, <{lanes} x i32> zeroinitializer",
        ]


class LoadParameters:
    """How the uniform expressions load their leaves: the parameters of the model."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.places: dict[str, int] = {}

    def is_leaf(self, number: int) -> bool:
        """Whether an expression is a parameter."""
        return self.expressions.nodes[number][0] == "parameter"

    def lines(self, number: int, node: Node) -> list[str]:
        """The instructions that load a parameter."""
        place = self.places.setdefault(str(node[1]), len(self.places))
        return [f"%q{number} = getelementptr double, ptr %p, i64 {place}", f"%v{number} = load double, ptr %q{number}"]


_HEAD = """(ptr noalias %b, ptr noalias %u, ptr noalias %F, i64 %nf, ptr noalias %H, i64 %nh) #0 {{
entry:
  br label %outer
outer:
  %f = phi i64 [0, %entry], [%f1, %next]
  %fi = mul i64 %f, {groups}
  br label %inner
inner:
  %h = phi i64 [0, %outer], [%h1, %inner]
  %hi = mul i64 %h, {groups}"""
_GROUP = """
  %fa{group} = add i64 %fi, {group}
  %fp{group} = getelementptr i32, ptr %F, i64 %fa{group}
  %fo{group} = load i32, ptr %fp{group}
  %ha{group} = add i64 %hi, {group}
  %hp{group} = getelementptr i32, ptr %H, i64 %ha{group}
  %ho{group} = load i32, ptr %hp{group}
  %o{group} = add i32 %fo{group}, %ho{group}
  %x{group} = sext i32 %o{group} to i64
  %g{group} = getelementptr {vector}, ptr %b, i64 %x{group}"""
_TAIL = """
  %h1 = add i64 %h, 1
  %hc = icmp slt i64 %h1, %nh
  br i1 %hc, label %inner, label %next
next:
  %f1 = add i64 %f, 1
  %fc = icmp slt i64 %f1, %nf
  br i1 %fc, label %outer, label %exit
exit:
  ret void
}
"""


def kernel(expressions: Expressions, outputs: Sequence[Output], uniforms: Uniforms, *, inputs: int, lanes: int) -> str:
    """The parameters and the body of a kernel with tables of addresses: rows of one table for every row of another.

    A row has an offset for each group of inputs and then of outputs; those of both tables are added.
    """
    body = Body(expressions, lanes=lanes)
    load = LoadVectors(body, uniforms)
    for group, output in enumerate(outputs, start=inputs):
        for position, number in enumerate(output.numbers):
            body.compute([number], load)
            body.store(number, group=group, position=position, accumulate=output.accumulate)
    groups = inputs + len(outputs)
    addresses = (_GROUP.format(group=group, vector=body.type) for group in range(groups))
    return "".join((_HEAD.format(groups=groups), *addresses, "\n", "\n".join(body.lines), _TAIL))


def preparation(expressions: Expressions, uniforms: Uniforms) -> tuple[str, tuple[str, ...]]:
    """The function that computes the uniform expressions from parameters, and the names of these in order."""
    body = Body(expressions, lanes=0)
    load = LoadParameters(expressions)
    body.compute(uniforms.places, load)
    for number, place in uniforms.places.items():
        body.lines += [
            f"%t{place} = getelementptr double, ptr %u, i64 {place}",
            f"store double {body.name(number)}, ptr %t{place}",
        ]
    lines = ("define void @prepare(ptr noalias %p, ptr noalias %u) {", *body.lines, "ret void", "}")
    return "\n".join(lines), tuple(load.places)
