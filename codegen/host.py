"""The host program as the C entry: arguments, views, launches, copies and fills."""

from collections.abc import Callable, Sequence

from xdsl.dialects import func, scf
from xdsl.ir import Operation, SSAValue

from nnc.codegen.boxes import Range, border, collapsed
from nnc.codegen.elements import kind, literal
from nnc.codegen.errors import CodegenError
from nnc.codegen.functions import Program, aligned, called
from nnc.codegen.helpers import Helpers
from nnc.codegen.interface import Host
from nnc.codegen.linear import Linear
from nnc.codegen.names import Names
from nnc.codegen.printer import LoopPrinter
from nnc.codegen.scope import Scope, memory_type, plus
from nnc.codegen.text import comment, note
from nnc.codegen.writer import Writer
from nnc.dialects import buffer, kernel, loop
from nnc.dialects.buffer import root, strides_of, type_of
from nnc.dialects.syntax import integers


class HostPrinter(LoopPrinter):
    """Prints the host function as `int entry(void *const *arguments, char *arena, …)`."""

    def __init__(self, host: Host, program: Program, entry: str, out: Writer, helpers: Helpers):
        names = Names([*program.names.values(), entry])
        self.arguments = names.fresh("arguments")
        self.arena, self.pool = names.fresh("arena"), names.fresh("pool")
        super().__init__(Scope(out, names, helpers, program.target, entry))
        self.host, self.program, self.entry = host, program, entry
        arguments = zip(host.values, host.arguments, strict=True)
        self.constants = {value for value, argument in arguments if argument.access == "in"}
        self.closed = True

    def print(self) -> None:
        threads = self.program.target.threads
        pool = f", const nnc_pool *{self.pool}" if threads else ""
        signature = f"int {self.entry}(void *const *{self.arguments}, char *{self.arena}{pool})"
        with self.out.function(signature):
            self.declare_arguments()
            self.block(self.host.function.body.block)
            self.out.line("return 0;")

    def declare_arguments(self) -> None:
        scope, host = self.scope, self.host
        for name, used in self.parameters_used().items():
            if not used:
                self.out.line(f"(void){name};")
        if host.arena is not None:
            scope.buffers[host.arena] = self.arena
        for i, (value, argument) in enumerate(zip(host.values, host.arguments, strict=True)):
            if value.uses:
                name = scope.names.fresh(value.name_hint or argument.name)
                element = f"{self.qualifier(value)}{memory_type(value.type)}"
                about = comment(argument.described())
                self.out.line(f"{element} *{name} = {self.arguments}[{i}]; {about}")
                scope.buffers[value] = name

    def parameters_used(self) -> dict[str, bool]:
        """Which parameters of the entry its body names."""
        host = self.host
        facts = [self.program.facts(called(op, self.program.kernels)) for op in host.launches()]
        views = host.arena is not None and bool(host.arena.uses)
        used = {
            self.arguments: any(value.uses for value in host.values),
            self.arena: views or any(f.scratch for f in facts),
        }
        if self.program.target.threads:
            used[self.pool] = any(f.threaded for f in facts)
        return used

    def paragraph(self) -> None:
        """A blank line before what follows a launch, a copy or a fill."""
        if self.closed:
            self.out.line()
        self.closed = False

    def qualifier(self, value: SSAValue) -> str:
        return "const " if root(value) in self.constants else ""

    def pointee(self, value: SSAValue) -> str:
        return "char" if value is self.host.arena else super().pointee(value)

    def op(self, op: Operation) -> None:
        if isinstance(op, loop.YieldOp | scf.YieldOp):
            self.closed = False
            return
        if not isinstance(op, buffer.ViewOp) or op.output.uses:
            self.paragraph()
        match op:
            case func.ReturnOp():
                pass
            case kernel.LaunchOp():
                self.launch(op)
            case buffer.CopyOp():
                self.copy(op)
            case buffer.FillOp():
                self.fill(op.target, literal(op.value.value.data, kind(op.target.type)))
            case buffer.FillBorderOp():
                self.fill_border(op)
            case buffer.ViewOp() if not op.output.uses:
                pass
            case buffer.AllocOp():
                raise CodegenError.at(op, "the arena is not planned; run plan-memory first")
            case _:
                super().op(op)
                self.closed = bool(op.regions)

    def launch(self, op: kernel.LaunchOp) -> None:
        callee = called(op, self.program.kernels)
        facts = self.program.facts(callee)
        arguments = [self.scope.buffers[value] for value in (*op.ins, *op.outs, *op.inouts)]
        if facts.scratch:
            arguments.append(plus(self.arena, Linear(aligned(self.host.arena_bytes))))
        if facts.threaded:
            arguments.append(self.pool)
        if about := note(op):
            self.out.line(comment(about))
        self.out.line(f"{self.program.names[callee.sym_name.data]}({', '.join(arguments)});")
        self.closed = True

    # Copies and fills

    def copy(self, op: buffer.CopyOp) -> None:
        target, source = (self.scope.buffers[v] for v in (op.target, op.source))
        strides = [strides_of(type_of(v)) for v in (op.target, op.source)]
        ranges = [(0, n) for n in type_of(op.source).get_shape()]
        size = f"sizeof({memory_type(op.source.type)})"
        self.sweep(
            ranges,
            strides,
            lambda at: f"{target}[{at[0]}] = {source}[{at[1]}];",
            lambda at, n: f"memcpy({plus(target, at[0])}, {plus(source, at[1])}, {n} * {size});",
        )

    def fill(self, target: SSAValue, value: str, ranges: Sequence[Range] | None = None) -> None:
        name = self.scope.buffers[target]
        if ranges is None:
            ranges = [(0, n) for n in type_of(target).get_shape()]
        size = f"sizeof({memory_type(target.type)})"
        self.sweep(
            ranges,
            [strides_of(type_of(target))],
            lambda at: f"{name}[{at[0]}] = {value};",
            (lambda at, n: f"memset({plus(name, at[0])}, 0, {n} * {size});")
            if value in ("0", "0.0", "0.0f", "0LL")
            else None,
        )

    def fill_border(self, op: buffer.FillBorderOp) -> None:
        """For each dimension the slabs below and above, within the interior of those before."""
        value = literal(op.value.value.data, kind(op.target.type))
        for ranges in border(type_of(op.target).get_shape(), integers(op.low), integers(op.high)):
            self.fill(op.target, value, ranges)

    def sweep(
        self,
        ranges: Sequence[Range],
        strides: Sequence[Sequence[int]],
        element: Callable[[Sequence[Linear]], str],
        stretch: Callable[[Sequence[Linear], int], str] | None,
    ) -> None:
        """Loops over ranges; `element` or, where memory is contiguous, `stretch` is a statement.

        They are given the offset by each of `strides`.
        """
        ranges, strides = collapsed(ranges, strides)
        first, end = ranges[-1] if ranges else (0, 1)
        whole = stretch and ranges and end - first > 1 and all(by[-1] == 1 for by in strides)
        outer = ranges[:-1] if whole else ranges
        names = self.scope.names.scope()
        points: list[Linear] = []
        loops: list[tuple[str, Range]] = []
        for d, (low, high) in enumerate(outer):
            if high - low == 1:
                points.append(Linear(low))
            else:
                name = names.fresh("ijklmnop"[d])
                points.append(Linear.variable(name))
                loops.append((name, (low, high)))
        offsets = [
            sum((point * s for point, s in zip(points, by, strict=False)), Linear())
            for by in strides
        ]
        if stretch and whole:
            statement = stretch([offset + Linear(first) for offset in offsets], end - first)
        else:
            statement = element(offsets)
        self._sweep(loops, statement)
        self.closed = True

    def _sweep(self, loops: Sequence[tuple[str, Range]], statement: str) -> None:
        if not loops:
            self.out.line(statement)
            return
        name, (first, end) = loops[0]
        with self.out.block(f"for (long {name} = {first}; {name} < {end}; {name}++)"):
            self._sweep(loops[1:], statement)
