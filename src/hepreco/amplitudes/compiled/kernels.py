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
        text = "0x%016X" % struct.unpack("<Q", struct.pack("<d", value))
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

    def compute(self, numbers: Iterable[int], load: "Load | LoadParameters") -> None:
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

    def _ordered(self, numbers: Iterable[int], load: "Load | LoadParameters") -> Iterator[int]:
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


class Load:
    """How a kernel loads its leaves: numbers of groups, and uniform expressions."""

    def __init__(self, body: Body, uniforms: Uniforms) -> None:
        self.body, self.uniforms = body, uniforms

    def is_leaf(self, number: int) -> bool:
        """Whether an expression is loaded."""
        node = self.body.expressions.nodes[number]
        return node[0] == "input" or (self.body.expressions.uniform[number] and node[0] != "constant")

    def lines(self, number: int, node: Node) -> Iterator[str]:
        """The instructions that load a leaf."""
        if node[0] == "input":
            _, group, position = node
            yield f"%q{number} = getelementptr {self.body.type}, ptr %g{group}, i64 {position}"
            yield f"%v{number} = load {self.body.type}, ptr %q{number}"
        else:
            place = self.uniforms.place(number)
            lanes = self.body.type
            yield f"%q{number} = getelementptr double, ptr %u, i64 {place}"
            yield f"%s{number} = load double, ptr %q{number}, !invariant.load !0"
            yield f"%i{number} = insertelement {lanes} poison, double %s{number}, i64 0"
            count = lanes.split()[0][1:]
            yield f"%v{number} = shufflevector {lanes} %i{number}, {lanes} poison, <{count} x i32> zeroinitializer"


class LoadParameters:
    """How the uniform expressions load their leaves: parameters of the model, and constants."""

    def __init__(self, expressions: Expressions, parameters: dict[str, int]) -> None:
        self.expressions, self.parameters = expressions, parameters

    def is_leaf(self, number: int) -> bool:
        """Whether an expression is a parameter."""
        return self.expressions.nodes[number][0] == "parameter"

    def lines(self, number: int, node: Node) -> Iterator[str]:
        """The instructions that load a parameter."""
        place = self.parameters.setdefault(str(node[1]), len(self.parameters))
        yield f"%q{number} = getelementptr double, ptr %p, i64 {place}"
        yield f"%v{number} = load double, ptr %q{number}"


def kernel(expressions: Expressions, outputs: Sequence[Output], uniforms: Uniforms, *, inputs: int, lanes: int) -> str:
    """The parameters and the body of a kernel with tables of addresses: rows of one table for every row of another.

    A row has an offset for each group of inputs and then of outputs; those of both tables are added.
    """
    body = Body(expressions, lanes=lanes)
    load = Load(body, uniforms)
    groups = inputs + len(outputs)
    head = [
        "(ptr noalias %b, ptr noalias %u, ptr noalias %F, i64 %nf, ptr noalias %H, i64 %nh) #0 {",
        "entry: br label %outer",
        f"outer: %f = phi i64 [0, %entry], [%f1, %next]\n%fi = mul i64 %f, {groups}",
        "br label %inner",
        f"inner: %h = phi i64 [0, %outer], [%h1, %inner]\n%hi = mul i64 %h, {groups}",
    ]
    for group in range(groups):
        for table, row in (("F", "f"), ("H", "h")):
            head += [
                f"%{row}a{group} = add i64 %{row}i, {group}",
                f"%{row}p{group} = getelementptr i32, ptr %{table}, i64 %{row}a{group}",
                f"%{row}o{group} = load i32, ptr %{row}p{group}",
            ]
        head += [
            f"%o{group} = add i32 %fo{group}, %ho{group}",
            f"%x{group} = sext i32 %o{group} to i64",
            f"%g{group} = getelementptr {body.type}, ptr %b, i64 %x{group}",
        ]
    for place, output in enumerate(outputs, start=inputs):
        for position, number in enumerate(output.numbers):
            body.compute([number], load)
            value, address = body.name(number), f"%t{place}_{position}"
            body.lines.append(f"{address} = getelementptr {body.type}, ptr %g{place}, i64 {position}")
            if output.accumulate:
                body.lines += [
                    f"{address}l = load {body.type}, ptr {address}",
                    f"{address}s = fadd {body.type} {address}l, {value}",
                ]
                value = f"{address}s"
            body.lines.append(f"store {body.type} {value}, ptr {address}")
    tail = [
        "%h1 = add i64 %h, 1",
        "%hc = icmp slt i64 %h1, %nh",
        "br i1 %hc, label %inner, label %next",
        "next: %f1 = add i64 %f, 1",
        "%fc = icmp slt i64 %f1, %nf",
        "br i1 %fc, label %outer, label %exit",
        "exit: ret void",
        "}",
    ]
    return "\n".join((*head, *body.lines, *tail))


def preparation(expressions: Expressions, uniforms: Uniforms, parameters: dict[str, int]) -> str:
    """The function that computes the uniform expressions from the parameters; it adds to ``parameters``."""
    body = Body(expressions, lanes=0)
    load = LoadParameters(expressions, parameters)
    body.compute(uniforms.places, load)
    for number, place in uniforms.places.items():
        body.lines += [
            f"%t{place} = getelementptr double, ptr %u, i64 {place}",
            f"store double {body.name(number)}, ptr %t{place}",
        ]
    return "\n".join(("define void @prepare(ptr noalias %p, ptr noalias %u) {", *body.lines, "ret void", "}"))
