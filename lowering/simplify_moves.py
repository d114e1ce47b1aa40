"""Rules for ops that move no data, or need not.

reshape of reshape, broadcast of broadcast      one of them
reshape, broadcast, slice, pad, cast to the same, concat of one, reduce over nothing    x
broadcast or reduce that only adds or drops axes of size 1                              a reshape
"""

from collections.abc import Sequence
from math import prod

from xdsl.builder import Builder
from xdsl.ir import Operation, SSAValue

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.elementwise import CastOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp

MOVES = (ReshapeOp, BroadcastOp, SliceOp, PadOp, CastOp, ConcatOp, ReduceOp)
"""What `fold_move` looks at."""


def fold_move(b: Builder, op: Operation) -> Sequence[SSAValue] | None:
    """The op's result in fewer ops."""
    match op:
        case ReshapeOp() | BroadcastOp() | SliceOp() | PadOp() | CastOp() if is_identity(op):
            return [op.input]
        case ConcatOp() if len(op.inputs) == 1:
            return [op.inputs[0]]
        case ReduceOp() if not op.reduced_axes:
            return [op.input]
        case ReduceOp() | BroadcastOp() if keeps_count(op):
            return [insert(b, ReshapeOp(op.input, shape_of(op.output)))]
        case ReshapeOp() if isinstance(inner := op.input.owner, ReshapeOp):
            return [insert(b, ReshapeOp(inner.input, shape_of(op.output)))]
        case BroadcastOp() if isinstance(inner := op.input.owner, BroadcastOp):
            axes = [op.axes[axis] for axis in inner.axes]
            return [insert(b, BroadcastOp(inner.input, shape_of(op.output), axes))]
        case _:
            return None


def is_identity(op: ReshapeOp | BroadcastOp | SliceOp | PadOp | CastOp) -> bool:
    """Whether the result is the operand: none of these can permute."""
    return op.input.type == op.output.type


def keeps_count(op: ReduceOp | BroadcastOp) -> bool:
    """Whether only axes of size 1 come or go."""
    return prod(shape_of(op.input)) == prod(shape_of(op.output))
