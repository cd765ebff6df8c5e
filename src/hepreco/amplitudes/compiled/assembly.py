"""A whole program in LLVM's language: its kernels, in their order, in a loop over vectors of events."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hepreco.amplitudes.compiled.expressions import Expressions
from hepreco.amplitudes.compiled.kernels import Output, Uniforms, kernel, preparation

# Arguments of ``run``: momenta (event, component), their number; results (event, result); memory, uniform expressions,
# tables, and for each kernel the start and the number of rows of its table; the places to clear, from one to another;
# the place of the first result, and the number of results. The lanes after the last event repeat it.
_RUN = """
define void @run(ptr noalias %in, i64 %n, ptr noalias %out, ptr noalias %b, ptr noalias %u, ptr noalias %tables,
                 ptr noalias %calls, i64 %clear, i64 %cleared, i64 %results, i64 %count) #0 {{
entry:
  %last = sub i64 %n, 1
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i1, %next]
{lanes}
  br label %gather
gather:
  %c = phi i64 [0, %loop], [%c1, %gather]
{gathered}
  %pc = getelementptr {vector}, ptr %b, i64 %c
  store {vector} {all}, ptr %pc
  %c1 = add i64 %c, 1
  %cc = icmp slt i64 %c1, {components}
  br i1 %cc, label %gather, label %zero
zero:
  %z = phi i64 [%clear, %gather], [%z1, %zeros]
  %zc = icmp slt i64 %z, %cleared
  br i1 %zc, label %zeros, label %kernels
zeros:
  %zp = getelementptr {vector}, ptr %b, i64 %z
  store {vector} zeroinitializer, ptr %zp
  %z1 = add i64 %z, 1
  br label %zero
kernels:
{kernels}
  br label %copy
copy:
  %a = phi i64 [0, %kernels], [%a1, %copy]
  %ra = add i64 %results, %a
  %rp = getelementptr {vector}, ptr %b, i64 %ra
  %rv = load {vector}, ptr %rp
{scattered}
  %a1 = add i64 %a, 1
  %ac = icmp slt i64 %a1, %count
  br i1 %ac, label %copy, label %next
next:
  %i1 = add i64 %i, {width}
  %ic = icmp slt i64 %i1, %n
  br i1 %ic, label %loop, label %exit
exit:
  ret void
}}
"""
_LANE = """
  %e{lane}a = add i64 %i, {lane}
  %e{lane}c = icmp slt i64 %e{lane}a, %last
  %e{lane}m = select i1 %e{lane}c, i64 %e{lane}a, i64 %last
  %e{lane}o = mul i64 %e{lane}m, {components}
  %e{lane} = getelementptr double, ptr %in, i64 %e{lane}o
  %w{lane}o = mul i64 %e{lane}m, %count
  %w{lane} = getelementptr double, ptr %out, i64 %w{lane}o"""
_GATHER = """
  %p{lane} = getelementptr double, ptr %e{lane}, i64 %c
  %x{lane} = load double, ptr %p{lane}
  %y{lane} = insertelement {vector} {before}, double %x{lane}, i64 {lane}"""
_SCATTER = """
  %d{lane} = extractelement {vector} %rv, i64 {lane}
  %w{lane}p = getelementptr double, ptr %w{lane}, i64 %a
  store double %d{lane}, ptr %w{lane}p"""
_CALL = """
  %ps{number} = getelementptr i64, ptr %calls, i64 {start}
  %s{number} = load i64, ptr %ps{number}
  %pr{number} = getelementptr i64, ptr %ps{number}, i64 1
  %r{number} = load i64, ptr %pr{number}
  %f{number} = getelementptr i32, ptr %tables, i64 %s{number}
  call void {name}(ptr %b, ptr %u, ptr %f{number}, i64 %r{number}, ptr {table}, i64 {rows})"""
#: Vectors of this many bits are used where the machine has them.
_END = """
attributes #0 = { "min-legal-vector-width"="512" "prefer-vector-width"="512" }
!0 = !{}
"""


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

    def kernel(self, outputs: Sequence[Output], *, inputs: int) -> str:
        """The name of a kernel; equal ones are one."""
        body = kernel(self.expressions, outputs, self.uniforms, inputs=inputs, lanes=self.lanes)
        return self._names.setdefault(body, f"@k{len(self._names)}")

    def call(self, name: str, table: Sequence[Sequence[int]]) -> None:
        """Run a kernel for all rows of a constant table (row, group), beside a table of the run."""
        offsets = [f"i32 {offset}" for row in table for offset in row]
        text = f"constant [{len(offsets)} x i32] [{', '.join(offsets)}]"
        self._calls.append((name, self._tables.setdefault(text, f"@h{len(self._tables)}"), len(table)))

    def text(self, *, components: int) -> tuple[str, tuple[str, ...]]:
        """The module, for momenta with this many components, and the names of its parameters in order."""
        prepare, parameters = preparation(self.expressions, self.uniforms)
        declared = [
            f"declare {kind} @llvm.{name}.{ending}({kind})"
            for name in ("sqrt", "fabs")
            for kind, ending in ((self._vector, f"v{self.lanes}f64"), ("double", "f64"))
        ]
        tables = [f"{name} = private {text}" for text, name in self._tables.items()]
        kernels = [f"define internal void {name}{body}" for body, name in self._names.items()]
        return "\n".join((*declared, *tables, *kernels, prepare, self._run(components), _END)), parameters

    @property
    def _vector(self) -> str:
        return f"<{self.lanes} x double>"

    def _run(self, components: int) -> str:
        lanes, vector = range(self.lanes), self._vector
        before = ["poison", *(f"%y{lane}" for lane in lanes)]
        calls = (
            _CALL.format(number=number, start=2 * number, name=name, table=table, rows=rows)
            for number, (name, table, rows) in enumerate(self._calls)
        )
        return _RUN.format(
            vector=vector,
            width=self.lanes,
            components=components,
            all=before[-1],
            lanes="".join(_LANE.format(lane=lane, components=components) for lane in lanes),
            gathered="".join(_GATHER.format(lane=lane, vector=vector, before=before[lane]) for lane in lanes),
            scattered="".join(_SCATTER.format(lane=lane, vector=vector) for lane in lanes),
            kernels="".join(calls),
        )
