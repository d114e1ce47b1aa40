"""What may share a kernel: the questions `kernel-fuse` asks, and the strategies must be able to do.

A kernel computes on one *space*: a full shape F, and the axes A that it reduces away.

* sweeps       elementwise ops on F or on F without A, reductions over A, composite ops on F whose
               rows are A, and broadcasts from F without A to F
* contraction  one matmul or convolution, and elementwise ops on its result's shape
* window       one other op with a reduction of its own (pooling), likewise
* alone        an op that keeps its kernel to itself
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from xdsl.dialects.builtin import f32, i1, i32
from xdsl.ir import Operation, SSAValue, Use
from xdsl.ir.affine import AffineMap
from xdsl.traits import IsTerminator

from nnc.dialects import scalars
from nnc.dialects.interfaces import Access, Decomposes, Structured
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import Product
from nnc.dialects.nn.indexing import IotaOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp
from nnc.lowering.views import is_view, part_of

Kind = Literal["sweeps", "contraction", "window", "alone"]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """What a group of ops iterates over."""

    kind: Kind
    full: Shape
    axes: Shape = ()
    scalar: bool = False
    """Whether an op needs what register tiles lack: its coordinates, or 64-bit elements."""

    @property
    def row(self) -> Shape:
        """The shape of F without A."""
        return without(self.full, self.axes)


def without(shape: Shape, axes: Shape) -> Shape:
    """The sizes of the other axes."""
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def space_of(op: Operation) -> Space:
    """The space of one op."""
    match op:
        case ReduceOp():
            return Space("sweeps", shape_of(op.input), tuple(sorted(op.reduced_axes)))
        case Product():
            scalar = scalars.held(element_of(op.output)) != f32
            return Space("contraction", shape_of(op.output), scalar=scalar)
        case Structured() if op.domain().reduced:
            return Space("window", op.domain().parallel)
        case Structured():
            return Space("sweeps", op.domain().parallel, scalar=asks_where(op) or not in_tiles(op))
        case Decomposes():
            return Space("sweeps", shape_of(op.operands[0]), tuple(sorted(op.row_axes())))
        case _:
            return Space("alone", ())


def in_tiles(op: Operation) -> bool:
    """Whether register tiles can hold what the op reads and writes."""
    elements = (element_of(value) for value in (*op.operands, *op.results))
    return all(scalars.held(element) in (f32, i32, i1) for element in elements)


def asks_where(op: Operation) -> bool:
    """Whether the op's value depends on its coordinates, itself or through what it copies."""
    if not isinstance(op, Structured):
        return False
    copied = (o.owner for o in op.operands if isinstance(o.owner, Operation))
    return op.uses_index() or any(is_copied(owner) and asks_where(owner) for owner in copied)


def merged(a: Space, b: Space) -> Space | None:
    """The space of both groups in one kernel; None where no kernel can hold them."""
    if a.kind != "sweeps" and b.kind != "sweeps":
        return None
    if a.kind != "sweeps":
        a, b = b, a
    if b.kind == "alone":
        return None
    if b.kind != "sweeps":
        fits = a.full == b.full and not a.axes and (b.scalar or not a.scalar)
        return b if fits else None
    scalar = a.scalar or b.scalar
    if a.full == b.full and (not a.axes or not b.axes or a.axes == b.axes):
        return replace(a if a.axes else b, scalar=scalar)
    if a.axes and not b.axes and b.full == a.row:
        return replace(a, scalar=scalar)
    if b.axes and not a.axes and a.full == b.row:
        return replace(b, scalar=scalar)
    return None


def stays_outside(op: Operation) -> bool:
    """Whether the op needs no kernel: it moves no data, or holds ops that need one."""
    match op:
        case ConstantOp():
            return op.splat is not None
        case PadOp():
            producer = op.input.owner
            use = part_of(op.input)
            computed = (
                isinstance(producer, Operation)
                and not is_copied(producer)
                and not stays_outside(producer)
            )
            return computed and use is not None and use.operation is op
        case ConcatOp():
            return True
        case _:
            return is_view(op) or bool(op.regions) or op.has_trait(IsTerminator)


def is_copied(op: Operation) -> bool:
    """Whether each kernel that reads the op's result has its own copy: it costs nothing."""
    return type(op) in (ConstantOp, BroadcastOp, IotaOp)


@dataclass(frozen=True)
class Read:
    """One op reads a value of another group, maybe through broadcasts."""

    value: SSAValue
    reader: Operation
    operand: int
    broadcast: BroadcastOp | None = None

    def fits(self, space: Space) -> bool:
        """Whether the value can stay in a kernel on `space` that also computes it."""
        if not reads_in_place(self.reader, self.operand):
            return False
        if self.broadcast is None:
            return True
        rows = tuple(axis for axis in range(len(space.full)) if axis not in space.axes)
        return (
            bool(space.axes)
            and self.broadcast.input is self.value
            and shape_of(self.broadcast.output) == space.full
            and not self.broadcast.stretched
            and self.broadcast.axes == rows
        )


def reads_in_place(op: Operation, operand: int) -> bool:
    """Whether the op reads its operand at the very point it computes."""
    match op:
        case ReduceOp():
            return True
        case Structured():
            access = op.accesses()[operand]
            identity = AffineMap.identity(len(op.domain().parallel))
            return not op.domain().reduced and access == Access(identity)
        case Decomposes():
            full = shape_of(op.operands[0])
            row = without(full, op.row_axes())
            return shape_of(op.operands[operand]) in (full, row)
        case _:
            return False


def absorbs_copies(op: Operation) -> bool:
    """Whether a kernel with `op` can evaluate constants and broadcasts where `op` reads them."""
    return isinstance(op, Structured | Decomposes) and not (
        isinstance(op, Structured) and op.domain().reduced and not isinstance(op, ReduceOp)
    )


def reads_of(value: SSAValue) -> Iterator[Read]:
    """Every read of a value; broadcasts, which readers copy, are looked through as well."""
    for use in value.uses:
        yield from _reads(value, use)


def _reads(value: SSAValue, use: Use, broadcast: BroadcastOp | None = None) -> Iterator[Read]:
    op = use.operation
    yield Read(value, op, use.index, broadcast)
    if isinstance(op, BroadcastOp):
        for inner in op.output.uses:
            yield from _reads(value, inner, op)
