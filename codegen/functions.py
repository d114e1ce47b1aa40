"""C functions of kernels: signatures, scratch, and tasks for the thread pool."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from nnc.codegen.cells import is_cellwise
from nnc.codegen.errors import CodegenError
from nnc.codegen.expressions import EXPRESSIONS
from nnc.codegen.helpers import Helpers
from nnc.codegen.interface import root
from nnc.codegen.linear import Linear
from nnc.codegen.names import Names
from nnc.codegen.printer import LoopPrinter
from nnc.codegen.scope import Scope, memory_type
from nnc.codegen.tiles import columns
from nnc.codegen.writer import Writer
from nnc.dialects import arith, buffer, kernel, loop, tile
from nnc.dialects.buffer import element_bytes, type_of
from nnc.dialects.target import Target

ALIGNMENT = 64
"""Of scratch buffers, in bytes."""


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def buffer_bytes(value: SSAValue) -> int:
    type = type_of(value)
    size = element_bytes(type.element_type)
    for extent in type.get_shape():
        size *= extent
    return size


def kernels_of(module: ModuleOp) -> dict[str, kernel.FuncOp]:
    """All kernels of a module by symbol, in order."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, kernel.FuncOp)}


def callees(function: kernel.FuncOp, kernels: dict[str, kernel.FuncOp]) -> list[kernel.FuncOp]:
    """The micro-kernels a kernel calls, the innermost first, each once."""
    found: dict[str, kernel.FuncOp] = {}
    for op in function.walk():
        if isinstance(op, kernel.CallOp):
            callee = called(op, kernels)
            for inner in [*callees(callee, kernels), callee]:
                found.setdefault(inner.sym_name.data, inner)
    return list(found.values())


def called(op: kernel.CallOp, kernels: dict[str, kernel.FuncOp]) -> kernel.FuncOp:
    name = op.callee.string_value()
    if name not in kernels:
        raise CodegenError.at(op, f"there is no kernel.func @{name}")
    return kernels[name]


@dataclass(frozen=True)
class Facts:
    """What the text of a kernel depends on beyond its body."""

    written: frozenset[int]
    """Arguments that are stored to."""
    scratch: int
    """Bytes of scratch of one worker, callees included."""
    offsets: dict[Operation, int]
    """Of its own allocations within the scratch."""
    threaded: bool
    """Whether it hands work to the pool."""


@dataclass
class Program:
    """Kernels of one module, with their facts and C names."""

    kernels: dict[str, kernel.FuncOp]
    names: dict[str, str]
    target: Target
    distinct: dict[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
    """By kernel, the arguments whose memory no other argument of any launch overlaps."""
    _facts: dict[str, Facts] = field(default_factory=dict[str, Facts])

    def facts(self, function: kernel.FuncOp) -> Facts:
        name = function.sym_name.data
        if name not in self._facts:
            self._facts[name] = self._analyse(function)
        return self._facts[name]

    def _analyse(self, function: kernel.FuncOp) -> Facts:
        written: set[SSAValue] = set()
        offsets: dict[Operation, int] = {}
        own = inner = 0
        threaded = False
        for op in function.walk():
            match op:
                case buffer.StoreOp() | tile.StoreOp():
                    written.add(root(op.buffer))
                case buffer.AllocOp():
                    offsets[op] = own
                    own += aligned(buffer_bytes(op.output))
                case kernel.CallOp():
                    facts = self.facts(called(op, self.kernels))
                    written.update(root(op.buffers[i]) for i in facts.written)
                    inner = max(inner, facts.scratch)
                case loop.ParallelOp():
                    threaded |= self.target.threads and is_threaded(op)
                case _:
                    pass
        arguments = function.block.args
        stored = frozenset(i for i, a in enumerate(arguments) if a in written)
        return Facts(stored, own + inner, offsets, threaded)

    def own_scratch(self, function: kernel.FuncOp) -> int:
        """Bytes of the kernel's own allocations; callees' scratch follows them."""
        return sum(aligned(buffer_bytes(op.results[0])) for op in self.facts(function).offsets)


class KernelPrinter(LoopPrinter):
    """Prints a kernel as C functions: itself, and a task for each loop over the pool's workers."""

    def __init__(self, program: Program, function: kernel.FuncOp, out: Writer, helpers: Helpers):
        names = Names([*program.names.values(), "context", "begin", "end", "worker"])
        scope = Scope(out, names, helpers, program.target, columns(function.body))
        super().__init__(scope)
        self.program, self.function = program, function
        self.facts = program.facts(function)
        self.name = program.names[function.sym_name.data]
        for argument in function.block.args:
            hint = argument.name_hint or f"arg{argument.index}"
            scope.buffers[argument] = scope.names.fresh(hint)
        self.scratch = scope.names.fresh("scratch")
        self.pool = scope.names.fresh("pool")
        self.packed = scope.names.fresh("parts")
        self.in_task = False

    def parameters(self) -> list[str]:
        """Parameter declarations: buffers, then scratch and pool where they are used."""
        declared = [self.pointer(a, restrict=True) for a in self.function.block.args]
        if self.facts.scratch:
            declared.append(f"char *{self.scratch}")
        if self.facts.threaded:
            declared.append(f"const nnc_pool *{self.pool}")
        return declared

    def pointer(self, argument: SSAValue, restrict: bool = False) -> str:
        """`const float *restrict x`."""
        assert isinstance(argument, BlockArgument)
        index = argument.index
        const = "" if index in self.facts.written else "const "
        alone = index in self.program.distinct.get(self.function.sym_name.data, frozenset())
        star = "*restrict " if restrict and alone else "*"
        return f"{const}{memory_type(argument.type)} {star}{self.scope.buffers[argument]}"

    def signature(self) -> str:
        return f"void {self.name}({', '.join(self.parameters()) or 'void'})"

    def print(self, prefix: str) -> None:
        """The whole kernel; `prefix` is `static …` or empty."""
        tasks = self.tasks()
        for number, op in enumerate(tasks):
            self.print_task(op, number)
        with self.out.function(f"{prefix}{self.signature()}"):
            for argument in self.function.block.args:
                if not argument.uses:
                    self.out.line(f"(void){self.scope.buffers[argument]};")
            self.sequence(op for op in self.function.block.ops if not self._only_in_tasks(op))

    # Threads

    def tasks(self) -> list[loop.ParallelOp]:
        if not self.facts.threaded:
            return []
        return [
            op
            for op in self.function.block.ops
            if isinstance(op, loop.ParallelOp) and is_threaded(op)
        ]

    def print_task(self, op: loop.ParallelOp, number: int) -> None:
        """The context struct of a threaded loop, and the function that runs a part of it."""
        context, task = f"{self.name}_context{number or ''}", f"{self.name}_task{number or ''}"
        shared = self.shared(op)
        outer = self.scope
        members = [self.pointer(a) for a in self.function.block.args]
        members += [f"char *{self.scratch}"] if self.facts.scratch else []
        self.out.line(f"struct {context} {{ {'; '.join(members)}; }};")
        self.out.line()
        signature = f"static void {task}(void *context, long begin, long end, long worker)"
        inner = Scope(self.out, outer.names, outer.helpers, outer.target, outer.columns)
        with self.out.function(signature):
            self.out.line(f"const struct {context} *{self.packed} = context;")
            for argument in self.used_in(op):
                name = outer.buffers[argument]
                self.out.line(f"{self.pointer(argument, restrict=True)} = {self.packed}->{name};")
                inner.buffers[argument] = name
            self.scope, self.in_task = inner, True
            if self.worker_scratch(op):
                size = self.facts.scratch
                self.out.line(
                    f"char *{self.scratch} = {self.packed}->{self.scratch} + worker * {size};"
                )
            else:
                self.out.line("(void)worker;")
            self.sequence(shared)
            self.thread_range(op)
        self.out.line()
        self.scope, self.in_task = outer, False

    def used_in(self, op: Operation) -> Sequence[SSAValue]:
        used = {root(operand) for inner in op.walk() for operand in inner.operands}
        return [a for a in self.function.block.args if a in used]

    def thread_range(self, op: loop.ParallelOp) -> None:
        arguments = op.body.block.args
        name = self.scope.names.fresh(arguments[0].name_hint or "i")
        with self.out.block(f"for (long {name} = begin; {name} < end; {name}++)"):
            self.scope.indices[arguments[0]] = Linear.variable(name)
            inner = [self.scope.names.fresh(a.name_hint or "i") for a in arguments[1:]]
            self.nest(op, inner, op.sizes[1:])

    def shared(self, op: loop.ParallelOp) -> list[Operation]:
        """What the loop's body uses of the ops before it, in order; its task repeats them."""
        needed = {operand.owner for inner in op.walk() for operand in inner.operands}
        found: list[Operation] = []
        before = op.prev_op
        while before is not None:
            if before in needed:
                self._check_repeatable(before)
                found.append(before)
                needed.update(operand.owner for operand in before.operands)
            before = before.prev_op
        return found[::-1]

    def _check_repeatable(self, op: Operation) -> None:
        written = isinstance(op, buffer.LoadOp | tile.LoadOp) and (
            not isinstance(place := root(op.buffer), BlockArgument)
            or place.index in self.facts.written
        )
        if written or not _is_repeatable(op):
            raise CodegenError.at(op, "a loop over threads cannot use what is computed before it")

    def worker_scratch(self, op: loop.ParallelOp) -> bool:
        """Whether the loop's body uses scratch."""
        inside = any(isinstance(inner, buffer.AllocOp | kernel.CallOp) for inner in op.walk())
        before = any(isinstance(shared, buffer.AllocOp) for shared in self.shared(op))
        return bool(self.facts.scratch) and (inside or before)

    def _only_in_tasks(self, op: Operation) -> bool:
        """Whether only tasks use an op's results, directly or through other such ops."""
        uses = [use.operation for result in op.results for use in result.uses]
        tasks = self.tasks()
        return (
            bool(tasks)
            and bool(uses)
            and all(
                any(task.is_ancestor(user) for task in tasks)
                or (_is_repeatable(user) and self._only_in_tasks(user))
                for user in uses
            )
        )

    def parallel(self, op: loop.ParallelOp) -> None:
        if not (self.facts.threaded and is_threaded(op)):
            super().parallel(op)
            return
        if op.parent is not self.function.block:
            raise CodegenError.at(op, "a loop over threads must not be inside another op")
        number = self.tasks().index(op)
        values = [self.scope.buffers[a] for a in self.function.block.args]
        values += [self.scratch] if self.facts.scratch else []
        context, task = f"{self.name}_context{number or ''}", f"{self.name}_task{number or ''}"
        self.out.line(f"struct {context} {self.packed}{number or ''} = {{{', '.join(values)}}};")
        self.out.line(
            f"{self.pool}->parallel({op.sizes[0]}, {task}, &{self.packed}{number or ''});"
        )

    # Scratch and calls

    def alloc(self, op: buffer.AllocOp) -> None:
        """A part of this worker's scratch; of the first one's where all workers share it."""
        name = self.scope.names.fresh(op.output.name_hint or "scratch_part")
        shared = self.in_task and op.parent is self.function.block and not self._only_in_tasks(op)
        base = f"{self.packed}->{self.scratch}" if shared else self.scratch
        offset = self.facts.offsets[op]
        element = memory_type(op.output.type)
        place = f"({base} + {offset})" if offset else base
        self.out.line(f"{element} *{name} = ({element} *){place};")
        self.scope.buffers[op.output] = name

    def callee(self, op: kernel.CallOp) -> str:
        return self.program.names[op.callee.string_value()]

    def extra_arguments(self, op: kernel.CallOp) -> list[str]:
        if not self.program.facts(called(op, self.program.kernels)).scratch:
            return []
        own = self.program.own_scratch(self.function)
        return [f"{self.scratch} + {own}" if own else self.scratch]

    def qualifier(self, value: SSAValue) -> str:
        place = root(value)
        constant = isinstance(place, BlockArgument) and place.index not in self.facts.written
        return "const " if constant else ""


def is_threaded(op: loop.ParallelOp) -> bool:
    return op.mapped_to[:1] == ("threads",)


def _is_repeatable(op: Operation) -> bool:
    """Whether each worker may compute the op for itself."""
    scalar = op.name in EXPRESSIONS or isinstance(op, arith.ConstantOp | buffer.LoadOp)
    return scalar or is_cellwise(op) or isinstance(op, buffer.AllocOp | buffer.ViewOp)
