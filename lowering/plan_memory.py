"""`plan-memory`: gives every temporary of the host program its place in the arena.

Comes in: `buffer.alloc`s in `main`. Goes out: views of the arena at fixed offsets, and the arena's
size in the type of its argument. Two temporaries share bytes only if they are never both alive:
a buffer lives from the first to the last op that touches it, and one that a loop uses, but does
not allocate, lives as long as the whole loop. First fit, in several orders; the best plan wins.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp, i8
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects import buffer
from nnc.dialects.buffer import element_bytes, type_of
from nnc.dialects.syntax import array
from nnc.lowering.program import Program


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Offsets are multiples of `align` bytes."""

    name = "plan-memory"
    align: int = 64

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        lives = live_ranges(program, self.align)
        place(program, lives, plan(lives))


@dataclass(frozen=True)
class Live:
    """A temporary, its size in bytes, and the first and last op that touch it."""

    alloc: buffer.AllocOp
    size: int
    first: int
    last: int

    def meets(self, other: "Live") -> bool:
        """Whether both are alive at some time."""
        return self.first <= other.last and other.first <= self.last


def live_ranges(program: Program, align: int) -> list[Live]:
    """Every temporary of the program, in program order."""
    position = {op: i for i, op in enumerate(program.block.walk())}
    lives: list[Live] = []
    for op in program.block.walk():
        if isinstance(op, buffer.AllocOp):
            touched = [p for user in users(op.output) for p in span(user, op, position)]
            size = -(-byte_size(op.output) // align) * align
            lives.append(Live(op, size, min(touched, default=0), max(touched, default=0)))
    return lives


def users(value: SSAValue) -> Iterator[Operation]:
    """The ops that touch a buffer, directly or through views."""
    for use in value.uses:
        if isinstance(use.operation, buffer.ViewOp):
            yield from users(use.operation.output)
        else:
            yield use.operation


def span(user: Operation, alloc: Operation, position: dict[Operation, int]) -> tuple[int, int]:
    """When `user` runs, seen from the block of `alloc`: a loop between them runs as a whole."""
    op = user
    while op.parent is not alloc.parent:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    last = max((position[inner] for inner in op.walk()), default=position[op])
    return position[op], last


def byte_size(value: SSAValue) -> int:
    """Bytes of a contiguous buffer."""
    type = type_of(value)
    return prod(type.get_shape()) * element_bytes(type.element_type)


Order = Callable[[Live], tuple[int, int]]
ORDERS: tuple[Order, ...] = (
    lambda live: (-live.size, live.first),
    lambda live: (live.first - live.last, -live.size),
    lambda live: (live.first, -live.size),
)
"""In which order temporaries are placed: the largest, the longest, the earliest first."""


def plan(lives: Sequence[Live]) -> list[int]:
    """An offset for each temporary, by the first order that needs the fewest bytes."""
    least, plans = most_alive(lives), list[list[int]]()
    for order in ORDERS:
        plans.append(first_fit(lives, order))
        if arena_size(lives, plans[-1]) == least:
            break
    return min(plans, key=lambda offsets: arena_size(lives, offsets))


def arena_size(lives: Sequence[Live], offsets: Sequence[int]) -> int:
    """The bytes that a plan needs."""
    return max((o + live.size for o, live in zip(offsets, lives, strict=True)), default=0)


def first_fit(lives: Sequence[Live], order: Order) -> list[int]:
    """Places each temporary, in this order, at the lowest offset where it meets nothing alive."""
    offsets = [0] * len(lives)
    placed: list[int] = []
    for i in sorted(range(len(lives)), key=lambda i: order(lives[i])):
        live, offset = lives[i], 0
        for j in placed:
            if lives[j].meets(live):
                if offset + live.size <= offsets[j]:
                    break
                offset = max(offset, offsets[j] + lives[j].size)
        offsets[i] = offset
        insort(placed, i, key=offsets.__getitem__)
    return offsets


def most_alive(lives: Sequence[Live]) -> int:
    """The most bytes alive at any time: no plan needs less."""
    changes = [(live.first, live.size) for live in lives]
    # At each op, what is no longer alive goes before what begins there comes.
    changes += [(live.last + 1, -live.size) for live in lives]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def place(program: Program, lives: Sequence[Live], offsets: Sequence[int]) -> None:
    """Replaces the allocations by views of the arena."""
    size = arena_size(lives, offsets)
    arena = Rewriter.replace_value_with_new_type(arena_of(program), MemRefType(i8, [size]))
    program.update_type()
    for live, offset in zip(lives, offsets, strict=True):
        old = live.alloc.output
        view = buffer.ViewOp(arena, [], AffineMap.constant_map(offset), old.type)
        view.attributes["nnc.live"] = array([live.first, live.last])
        view.output.name_hint = old.name_hint
        Builder(InsertPoint.before(live.alloc)).insert(view)
        Rewriter.replace_op(live.alloc, [], [view.output])


def arena_of(program: Program) -> SSAValue:
    """The argument marked `nnc.arena`."""
    for i, argument in enumerate(program.block.args):
        if "nnc.arena" in program.attributes(i):
            return argument
    raise PassFailedException("plan-memory: @main has no arena argument; run bufferize first")
