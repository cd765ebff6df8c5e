"""A whole program in LLVM's language: its kernels, in their order, in a loop over vectors of events."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hepreco.amplitudes.compiled.expressions import Expressions
from hepreco.amplitudes.compiled.kernels import Output, Uniforms, kernel, preparation


@dataclass
class Assembly:
    """Collects kernels, each with a constant table of offsets.

    Parameters
    ----------
    expressions
        The expressions of all kernels.
    lanes
        Events in a vector.
    """

    expressions: Expressions
    lanes: int
    uniforms: Uniforms = field(default_factory=Uniforms)
    _names: dict[str, str] = field(default_factory=dict)
    _tables: dict[str, str] = field(default_factory=dict)
    _calls: list[tuple[str, str, int]] = field(default_factory=list)

    def call(self, outputs: Sequence[Output], *, inputs: int, table: Sequence[Sequence[int]]) -> None:
        """Run a kernel for all rows of a constant table (row, group), beside a table of the run."""
        body = kernel(self.expressions, outputs, self.uniforms, inputs=inputs, lanes=self.lanes)
        name = self._names.setdefault(body, f"@k{len(self._names)}")
        flat = ", ".join(f"i32 {offset}" for row in table for offset in row)
        count = len(table) * len(table[0])
        text = f"constant [{count} x i32] [{flat}]"
        self._calls.append((name, self._tables.setdefault(text, f"@h{len(self._tables)}"), len(table)))

    def text(self, *, components: int) -> tuple[str, tuple[str, ...]]:
        """The module, for momenta with this many components, and the names of its parameters in order."""
        parameters: dict[str, int] = {}
        prepare = preparation(self.expressions, self.uniforms, parameters)
        vector, lanes = f"<{self.lanes} x double>", self.lanes
        declared = [
            f"declare {kind} @llvm.{name}.{ending}({kind})"
            for name in ("sqrt", "fabs")
            for kind, ending in ((vector, f"v{lanes}f64"), ("double", "f64"))
        ]
        tables = [f"{name} = private {text}" for text, name in self._tables.items()]
        kernels = [f"define internal void {name}{body}" for body, name in self._names.items()]
        ending = ['attributes #0 = { "min-legal-vector-width"="512" "prefer-vector-width"="512" }', "!0 = !{}"]
        run = self._run(components, vector)
        return "\n".join((*declared, *tables, *kernels, prepare, *run, *ending)), tuple(parameters)

    def _run(self, components: int, vector: str) -> list[str]:
        """``run``: gathers momenta, clears what sums are added to, runs all kernels and copies the results.

        Arguments: momenta (event, component), their number; results (event, result); memory, uniform expressions, tables,
        and for each kernel the start and the number of rows of its table; the range of places to clear; the
        places of the results, and their number.
        """
        lanes = self.lanes
        lines = [
            "define void @run(ptr noalias %in, i64 %n, ptr noalias %out, ptr noalias %b, ptr noalias %u, "
            "ptr noalias %tables, ptr noalias %calls, i64 %clear, i64 %cleared, i64 %results, i64 %count) #0 {",
            "entry: %last = sub i64 %n, 1",
            "br label %loop",
            "loop: %i = phi i64 [0, %entry], [%i1, %next]",
        ]
        for lane in range(lanes):
            lines += [
                f"%e{lane}a = add i64 %i, {lane}",
                f"%e{lane}c = icmp slt i64 %e{lane}a, %last",
                f"%e{lane}m = select i1 %e{lane}c, i64 %e{lane}a, i64 %last",
                f"%e{lane}o = mul i64 %e{lane}m, {components}",
                f"%e{lane} = getelementptr double, ptr %in, i64 %e{lane}o",
                f"%w{lane}o = mul i64 %e{lane}m, %count",
                f"%w{lane} = getelementptr double, ptr %out, i64 %w{lane}o",
            ]
        lines += ["br label %gather", "gather: %c = phi i64 [0, %loop], [%c1, %gather]"]
        value = "poison"
        for lane in range(lanes):
            lines += [
                f"%p{lane} = getelementptr double, ptr %e{lane}, i64 %c",
                f"%x{lane} = load double, ptr %p{lane}",
                f"%y{lane} = insertelement {vector} {value}, double %x{lane}, i64 {lane}",
            ]
            value = f"%y{lane}"
        lines += [
            f"%pc = getelementptr {vector}, ptr %b, i64 %c",
            f"store {vector} {value}, ptr %pc",
            "%c1 = add i64 %c, 1",
            f"%cc = icmp slt i64 %c1, {components}",
            "br i1 %cc, label %gather, label %zero",
            "zero: %z = phi i64 [%clear, %gather], [%z1, %zero1]",
            "%zc = icmp slt i64 %z, %cleared",
            "br i1 %zc, label %zero1, label %kernels",
            f"zero1: %zp = getelementptr {vector}, ptr %b, i64 %z",
            f"store {vector} zeroinitializer, ptr %zp",
            "%z1 = add i64 %z, 1",
            "br label %zero",
            "kernels:",
        ]
        for number, (name, table, rows) in enumerate(self._calls):
            lines += [
                f"%ps{number} = getelementptr i64, ptr %calls, i64 {2 * number}",
                f"%s{number} = load i64, ptr %ps{number}",
                f"%pr{number} = getelementptr i64, ptr %calls, i64 {2 * number + 1}",
                f"%r{number} = load i64, ptr %pr{number}",
                f"%f{number} = getelementptr i32, ptr %tables, i64 %s{number}",
                f"call void {name}(ptr %b, ptr %u, ptr %f{number}, i64 %r{number}, ptr {table}, i64 {rows})",
            ]
        lines += [
            "br label %copy",
            "copy: %a = phi i64 [0, %kernels], [%a1, %copy]",
            "%ra = add i64 %results, %a",
            f"%rp = getelementptr {vector}, ptr %b, i64 %ra",
            f"%rv = load {vector}, ptr %rp",
        ]
        for lane in range(lanes):
            lines += [
                f"%d{lane} = extractelement {vector} %rv, i64 {lane}",
                f"%w{lane}p = getelementptr double, ptr %w{lane}, i64 %a",
                f"store double %d{lane}, ptr %w{lane}p",
            ]
        lines += [
            "%a1 = add i64 %a, 1",
            "%ac = icmp slt i64 %a1, %count",
            "br i1 %ac, label %copy, label %next",
            f"next: %i1 = add i64 %i, {lanes}",
            "%ic = icmp slt i64 %i1, %n",
            "br i1 %ic, label %loop, label %exit",
            "exit: ret void",
            "}",
        ]
        return lines
