"""Operations that place and pick elements by index."""

import functools

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.checks import axis_of
from nnc.dialects.nn import indexing
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import ClampOp, SubOp
from nnc.errors import IndexingError
from nnc.operators.core import Shape
from nnc.recording.graph import Operation, choosing, operation


@operation
def positions(b: Builder, sizes: Shape, axis: int) -> SSAValue:
    """The position along an axis, as int32."""
    return insert(b, indexing.IotaOp(sizes, axis))


@operation
def positions_backward(b: Builder, size: int) -> SSAValue:
    """`size - 1, …, 0`, as int32."""
    forth = insert(b, indexing.IotaOp((size,), 0))
    return insert(b, SubOp(constant(b, size - 1, forth), forth))


@operation
def gather(b: Builder, x: SSAValue, indices: SSAValue, axis: int, batches: int) -> SSAValue:
    """The slices at `indices` along an axis, or at the nearest position that exists.

    The first `batches` axes of both go together.
    """
    axis = axis_of("gather", axis, len(shape_of(x)))
    return insert(b, indexing.GatherOp(x, indices, axis, batches))


@operation
def scatter_add(
    b: Builder, updates: SSAValue, indices: SSAValue, size: int, axis: int, batches: int
) -> SSAValue:
    """Sums of the updates that go to each of `size` positions of an axis."""
    return indexing.scatter_add(b, updates, indices, size, axis, batches)


def existing_ones(b: Builder, indices: SSAValue, size: int) -> SSAValue:
    """The nearest indices below a size."""
    return insert(b, ClampOp(indices, 0, max(size - 1, 0)))


@functools.cache
def existing(what: str, error: type[IndexingError]) -> Operation:
    """An operation that makes indices such that exist; they are looked at as `what`."""
    return choosing(what, error)(existing_ones)
