"""Rule for sums of parts: what slices of a value pass back lies side by side.

    pad a + pad b       concat of a, b and zeros, where a and b do not overlap

So the gradients of the gates of a cell, or of query, key and value, are written where they belong.
"""

from collections.abc import Sequence
from typing import NamedTuple

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.shape import ConcatOp, PadOp
from nnc.dialects.syntax import integers
from nnc.lowering.simplify_constants import splat


class Part(NamedTuple):
    """A value that lies at `start` along an axis, among zeros."""

    start: int
    value: SSAValue


def fold_sum(b: Builder, op: AddOp) -> Sequence[SSAValue] | None:
    """The sum of two values of zeros and parts as one of all parts."""
    first, second = parts_of(op.lhs), parts_of(op.rhs)
    if first is None or second is None or first[0] != second[0]:
        return None
    axis, size = first[0], shape_of(op.output)[first[0]]
    parts = sorted([*first[1], *second[1]], key=lambda part: part.start)
    pieces: list[SSAValue] = []
    end = 0
    for part in [*parts, None]:
        start = size if part is None else part.start
        if start < end:
            return None
        if start > end:
            pieces.append(zeros(b, op.output, axis, start - end))
        if part is not None:
            pieces.append(part.value)
            end = start + shape_of(part.value)[axis]
    return [insert(b, ConcatOp(pieces, axis))]


def parts_of(value: SSAValue) -> tuple[int, list[Part]] | None:
    """The axis along which a value that nobody else reads has its parts, and these."""
    op = value.owner
    if not value.has_one_use():
        return None
    match op:
        case PadOp():
            low, high = integers(op.low), integers(op.high)
            axes = [axis for axis in range(len(low)) if low[axis] or high[axis]]
            if len(axes) != 1 or min(*low, *high) < 0 or op.number != 0:
                return None
            return axes[0], [Part(low[axes[0]], op.input)]
        case ConcatOp():
            axis, start, parts = op.axis.value.data, 0, list[Part]()
            for operand in op.inputs:
                if splat(operand) != 0:
                    parts.append(Part(start, operand))
                start += shape_of(operand)[axis]
            return axis, parts
        case _:
            return None


def zeros(b: Builder, like: SSAValue, axis: int, size: int) -> SSAValue:
    """Zeros of the shape of `like` but for one axis."""
    sizes = [size if a == axis else s for a, s in enumerate(shape_of(like))]
    return insert(b, ConstantOp(0, TensorType(element_of(like), sizes)))
