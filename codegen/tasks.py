"""Kernels as C functions: the kernel, and a task for each loop over the pool's workers."""

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from nnc.codegen.errors import CodegenError
from nnc.codegen.functions import KernelPrinter, Program, is_repeatable
from nnc.codegen.helpers import Helpers
from nnc.codegen.linear import Linear
from nnc.codegen.scope import Scope, memory_type
from nnc.codegen.writer import Writer
from nnc.dialects import buffer, kernel, loop
from nnc.dialects.buffer import root


class TaskPrinter(KernelPrinter):
    """Prints a kernel for the CPU.

    A loop over threads becomes `task(context, begin, end, worker)`; the context is a struct of
    the kernel's pointers. Scratch that one such loop uses exists once for each worker, other
    scratch once.
    """

    def __init__(self, program: Program, function: kernel.FuncOp, out: Writer, helpers: Helpers):
        super().__init__(program, function, out, helpers)
        names = self.scope.names
        self.pool, self.packed = names.fresh("pool"), names.fresh("parts")
        self.context, self.begin = names.fresh("context"), names.fresh("begin")
        self.end, self.worker = names.fresh("end"), names.fresh("worker")
        self.phase: loop.ParallelOp | None = None

    def parameters(self) -> list[str]:
        declared = super().parameters()
        return [*declared, f"const nnc_pool *{self.pool}"] if self.facts.threaded else declared

    def print(self, prefix: str) -> None:
        """The whole kernel; `prefix` is `static …` or empty."""
        for number, op in enumerate(self.phases()):
            self.print_task(op, number)
        with self.out.function(f"{prefix}{self.signature()}"):
            self.mention_unused()
            self.sequence(
                op
                for op in self.function.block.ops
                if not is_repeatable(op) or None in self.users(op)
            )

    def phases(self) -> list[loop.ParallelOp]:
        if not self.facts.threaded:
            return []
        ops = self.function.block.ops
        return [op for op in ops if isinstance(op, loop.ParallelOp) and self.is_threaded(op)]

    def is_threaded(self, op: loop.ParallelOp) -> bool:
        return self.program.is_threaded(op)

    def task_names(self, number: int) -> tuple[str, str]:
        """The context struct and the function of a loop over threads."""
        return f"{self.name}_context{number or ''}", f"{self.name}_task{number or ''}"

    def print_task(self, op: loop.ParallelOp, number: int) -> None:
        """The context struct, and the function that runs a part of the loop."""
        context, task = self.task_names(number)
        members = [self.pointer(a) for a in self.function.block.args]
        members += [f"char *{self.scratch}"] if self.facts.scratch else []
        with self.out.block(f"struct {context}", end="};"):
            for member in members:
                self.out.line(f"{member};")
        self.out.line()
        outer = self.scope
        inner = Scope(self.out, outer.names, outer.helpers, outer.target, self.name)
        inner.columns = outer.columns
        ends = f"long {self.begin}, long {self.end}, long {self.worker}"
        with self.out.function(f"static void {task}(void *{self.context}, {ends})"):
            self.out.line(f"const struct {context} *{self.packed} = {self.context};")
            for argument in self.used_in(op):
                name = outer.buffers[argument]
                declared = self.pointer(argument, self.restrict)
                self.out.line(f"{declared} = {self.packed}->{name};")
                inner.buffers[argument] = name
            self.scope, self.phase = inner, op
            self.print_part(op)
            self.scope, self.phase = outer, None
        self.out.line()

    def print_part(self, op: loop.ParallelOp) -> None:
        """The worker's scratch, and its range of the outer dimension."""
        shared = self.shared(op)
        if self.uses_scratch(op, shared):
            start = f"{self.packed}->{self.scratch} + {self.worker} * {self.facts.scratch}"
            self.out.line(f"char *{self.scratch} = {start};")
        else:
            self.out.line(f"(void){self.worker};")
        self.sequence(shared)
        first, *others = op.body.block.args
        name = self.scope.names.fresh(first.name_hint or "i")
        head = f"for (long {name} = {self.begin}; {name} < {self.end}; {name}++)"
        with self.out.block(head):
            self.scope.indices[first] = Linear.variable(name)
            names = [self.scope.names.fresh(a.name_hint or "i") for a in others]
            self.nest(op, names, op.sizes[1:])

    def used_in(self, op: Operation) -> Sequence[SSAValue]:
        """The kernel's arguments that are used in a loop, or by what it repeats."""
        assert isinstance(op, loop.ParallelOp)
        ops = [*op.walk(), *self.shared(op)]
        used = {root(operand) for inner in ops for operand in inner.operands}
        return [a for a in self.function.block.args if a in used]

    def uses_scratch(self, op: loop.ParallelOp, shared: Sequence[Operation]) -> bool:
        """Whether a task needs its worker's scratch."""
        if any(isinstance(o, buffer.AllocOp) and self.is_private(o) for o in shared):
            return True
        return any(
            isinstance(inner, buffer.AllocOp)
            or (isinstance(inner, kernel.CallOp) and bool(self.extra_arguments(inner)))
            for inner in op.walk()
        )

    def is_private(self, op: buffer.AllocOp) -> bool:
        """Whether each worker has its own, as one loop over threads is all that uses it."""
        return op.parent is not self.function.block or len(self.users(op)) == 1

    def parallel(self, op: loop.ParallelOp) -> None:
        if not (self.facts.threaded and self.is_threaded(op)):
            super().parallel(op)
            return
        if op.parent is not self.function.block:
            raise CodegenError.at(op, "a loop over threads must not be inside another op")
        number = self.phases().index(op)
        context, task = self.task_names(number)
        values = [self.scope.buffers[a] for a in self.function.block.args]
        values += [self.scratch] if self.facts.scratch else []
        packed = f"{self.packed}{number or ''}"
        self.out.line(f"struct {context} {packed} = {{{', '.join(values)}}};")
        self.out.line(f"{self.pool}->parallel({op.sizes[0]}, {task}, &{packed});")

    def alloc(self, op: buffer.AllocOp) -> None:
        """A part of this worker's scratch; of the first one's where all share it."""
        name = self.scope.names.fresh(op.output.name_hint or "line")
        common = self.phase is not None and not self.is_private(op)
        base = f"{self.packed}->{self.scratch}" if common else self.scratch
        offset = self.facts.offsets[op]
        element = memory_type(op.output.type)
        place = f"({base} + {offset})" if offset else base
        self.out.line(f"{element} *{name} = ({element} *){place};")
        self.scope.buffers[op.output] = name
