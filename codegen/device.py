"""Kernels as CUDA functions.

Each top-level parallel loop of a kernel is a *phase*, a `__global__` function of its own; what
stands between such loops is a phase of one thread. Phases of a kernel are launched in order.
A loop mapped `[blocks…, threads…]` has these as its grid and blocks; otherwise every point of the
loop (and of a loop that fills its body) is one thread, 128 to a block. Tiles are scalars of a
thread; scratch within a phase is local to a thread, or shared where the loop maps to blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, SSAValue

from nnc.codegen.errors import CodegenError
from nnc.codegen.functions import KernelPrinter, Program, is_repeatable, scratch_bytes
from nnc.codegen.helpers import Helpers
from nnc.codegen.linear import Linear
from nnc.codegen.scope import memory_type
from nnc.codegen.writer import Writer
from nnc.dialects import buffer, kernel, loop
from nnc.dialects.buffer import type_of

BLOCK = 128
"""Threads of a block where the mapping does not say."""
LOCAL_BYTES = 4096
"""The most a thread keeps in local memory; larger scratch lies in the arena."""


@dataclass(frozen=True)
class Phase:
    """A `__global__` function: one parallel loop, or ops that one thread runs in order."""

    name: str
    loop: loop.ParallelOp | None
    ops: tuple[Operation, ...]
    grid: int
    block: int

    @property
    def threads(self) -> int:
        return self.grid * self.block


def phases_of(name: str, function: kernel.FuncOp) -> list[Phase]:
    """The phases of a kernel, in launch order."""
    groups: list[list[Operation]] = []
    for op in function.block.ops:
        if is_repeatable(op) or isinstance(op, kernel.ReturnOp):
            continue
        if isinstance(op, loop.ParallelOp) or not groups or _is_loop(groups[-1]):
            groups.append([])
        groups[-1].append(op)
    single = len(groups) == 1
    return [_phase(name if single else f"{name}_part{i}", ops) for i, ops in enumerate(groups)]


def _is_loop(ops: Sequence[Operation]) -> bool:
    return isinstance(ops[0], loop.ParallelOp)


def _phase(name: str, ops: list[Operation]) -> Phase:
    first = ops[0]
    if not isinstance(first, loop.ParallelOp):
        return Phase(name, None, tuple(ops), 1, 1)
    if is_blocked(first):
        sizes = {way: _size(first, way) for way in ("blocks", "threads")}
        if sizes["threads"] > 1024:
            given = sizes["threads"]
            raise CodegenError.at(first, f"a block has at most 1024 threads, given {given}")
        return Phase(name, first, (first,), sizes["blocks"], sizes["threads"])
    points = prod(size for op in nest_of(first) for size in op.sizes)
    block = min(BLOCK, max(points, 1))
    return Phase(name, first, (first,), max(-(-points // block), 1), block)


def is_blocked(op: loop.ParallelOp) -> bool:
    return "blocks" in op.mapped_to


def _size(op: loop.ParallelOp, way: str) -> int:
    return prod(n for n, to in zip(op.sizes, op.mapped_to, strict=True) if to == way)


def nest_of(op: loop.ParallelOp) -> list[loop.ParallelOp]:
    """The loop, and those that fill the body of the one before."""
    nest = [op]
    while True:
        first = nest[-1].body.block.first_op
        alone = first is not None and isinstance(first.next_op, loop.YieldOp)
        if not (alone and isinstance(first, loop.ParallelOp)):
            return nest
        nest.append(first)


class DevicePrinter(KernelPrinter):
    """Prints the phases of a kernel, or a micro-kernel."""

    restrict = "__restrict__"

    def __init__(self, program: Program, function: kernel.FuncOp, out: Writer, helpers: Helpers):
        super().__init__(program, function, out, helpers)
        self.parts = phases_of(self.name, function)
        self.phase: Phase | None = None
        self.common, self.large, self.scratch_bytes = self._place_scratch()
        self.point = self.scope.names.fresh("point")

    def phases(self) -> list[loop.ParallelOp]:
        return [phase.loop for phase in self.parts if phase.loop is not None]

    def _place_scratch(self) -> tuple[dict[Operation, int], dict[Operation, int], int]:
        """Offsets of scratch that phases share, and of what is too large for a thread."""
        common: dict[Operation, int] = {}
        large: dict[Operation, int] = {}
        end = 0
        if self.function.private:
            return common, large, end
        threads = max((phase.threads for phase in self.parts), default=1)
        for op in self.function.walk():
            if isinstance(op, buffer.AllocOp):
                size = scratch_bytes(op.output)
                if op.parent is self.function.block and self._is_shared(op):
                    common[op] = end
                    end += size
                elif size > LOCAL_BYTES:
                    large[op] = end
                    end += size * threads
        return common, large, end

    def _is_shared(self, op: Operation) -> bool:
        """Whether more than one phase uses scratch. Ops outside of loops may be in several."""
        users = self.users(op)
        return len(users) > 1 or users == {None}

    def parameters(self) -> list[str]:
        declared = [self.pointer(a, self.restrict) for a in self.function.block.args]
        return [*declared, f"char *{self.scratch}"] if self.scratch_bytes else declared

    def extra_arguments(self, op: kernel.CallOp) -> list[str]:
        return []

    def print(self) -> None:
        """All functions of the kernel."""
        if self.function.private:
            signature = f"static __device__ __noinline__ {self.signature()}"
            with self.out.function(signature):
                self.block(self.function.block)
            self.out.line()
            return
        for phase in self.parts:
            self.print_phase(phase)
            self.out.line()

    def print_phase(self, phase: Phase) -> None:
        attributes = f'extern "C" __global__ void __launch_bounds__({phase.block})'
        parameters = ", ".join(self.parameters())
        self.phase = phase
        with self.out.function(f"{attributes} {phase.name}({parameters})"):
            if phase.loop is None:
                self.sequence(self.needed(phase))
            else:
                self.sequence(self.shared(phase.loop))
                self.points(phase, phase.loop)

    def needed(self, phase: Phase) -> list[Operation]:
        """The ops of a phase of one thread, and what they use of those before."""
        wanted = {v.owner for op in phase.ops for inner in op.walk() for v in inner.operands}
        order = {op: i for i, op in enumerate(self.function.block.ops)}
        found = set(phase.ops)
        before = phase.ops[-1].prev_op
        while before is not None:
            if before in wanted and before not in found:
                if order[before] < order[phase.ops[0]]:
                    self.check_repeatable(before, phase.ops[0])
                found.add(before)
                wanted.update(v.owner for inner in before.walk() for v in inner.operands)
            before = before.prev_op
        return [op for op in self.function.block.ops if op in found]

    # Threads

    def points(self, phase: Phase, op: loop.ParallelOp) -> None:
        """What this thread does of the loop."""
        if is_blocked(op):
            self.blocked(op)
            return
        nest = nest_of(op)
        sizes = [size for inner in nest for size in inner.sizes]
        variables = [v for inner in nest for v in inner.body.block.args]
        name = self.point
        self.out.line(f"const long {name} = (long)blockIdx.x * {phase.block} + threadIdx.x;")
        if prod(sizes) % phase.block:
            self.out.line(f"if ({name} >= {prod(sizes)})")
            self.out.line("    return;")
        self.split(name, variables, sizes)
        self.block(nest[-1].body.block)

    def split(self, name: str, variables: Sequence[SSAValue], sizes: Sequence[int]) -> None:
        """The coordinates of point number `name`, the last one fastest."""
        inner = prod(sizes)
        for i, (variable, size) in enumerate(zip(variables, sizes, strict=True)):
            inner //= size
            if size == 1:
                self.scope.indices[variable] = Linear()
                continue
            text = name if inner == 1 else f"{name} / {inner}"
            if i and any(n > 1 for n in sizes[:i]):
                text += f" % {size}"
            coordinate = self.scope.names.fresh(variable.name_hint or "i")
            self.out.line(f"const long {coordinate} = {text};")
            self.scope.indices[variable] = Linear.variable(coordinate)

    def blocked(self, op: loop.ParallelOp) -> None:
        """Coordinates from the block's and the thread's number, loops over other dimensions."""
        arguments = op.body.block.args
        for way, source in (("blocks", "(long)blockIdx.x"), ("threads", "(long)threadIdx.x")):
            mapped = [
                (v, n)
                for v, n, to in zip(arguments, op.sizes, op.mapped_to, strict=True)
                if to == way
            ]
            self.split(source, [v for v, _ in mapped], [n for _, n in mapped])
        self._others(
            op,
            [
                (v, n)
                for v, n, to in zip(arguments, op.sizes, op.mapped_to, strict=True)
                if to not in ("blocks", "threads")
            ],
        )

    def _others(self, op: loop.ParallelOp, dimensions: list[tuple[SSAValue, int]]) -> None:
        if not dimensions:
            self.block(op.body.block)
            return
        (variable, size), *rest = dimensions
        name = self.scope.names.fresh(variable.name_hint or "i")
        with self.out.block(f"for (long {name} = 0; {name} < {size}; {name}++)"):
            self.scope.indices[variable] = Linear.variable(name)
            self._others(op, rest)

    def barrier(self, op: loop.BarrierOp) -> None:
        self.out.line("__syncthreads();")

    def alloc(self, op: buffer.AllocOp) -> None:
        element = memory_type(op.output.type)
        name = self.scope.names.fresh(op.output.name_hint or "line")
        self.scope.buffers[op.output] = name
        if op in self.common:
            self.out.line(f"{element} *{name} = ({element} *)({self.scratch} + {self.common[op]});")
        elif op in self.large:
            own = f"{self.owner} * {scratch_bytes(op.output)}"
            place = f"{self.scratch} + {self.large[op]} + {own}"
            self.out.line(f"{element} *{name} = ({element} *)({place});")
        else:
            count = max(prod(type_of(op.output).get_shape()), 1)
            shared = "__shared__ " if self.in_blocks else ""
            self.out.line(f"{shared}{element} {name}[{count}];")

    @property
    def in_blocks(self) -> bool:
        """Whether scratch belongs to all threads of a block."""
        phase = self.phase
        return phase is not None and phase.loop is not None and is_blocked(phase.loop)

    @property
    def owner(self) -> str:
        """The number of the block or thread that a piece of scratch belongs to."""
        if self.in_blocks:
            return "(long)blockIdx.x"
        width = self.phase.block if self.phase else 1
        return f"((long)blockIdx.x * {width} + threadIdx.x)"
