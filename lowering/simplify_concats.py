"""A rule for parts: `f(concat(x, y), …)` becomes `concat(f(x, …), f(y, …))`.

So what follows a product that is computed in parts stays the epilogue of each part.
"""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import Binary, Unary, insert, shape_of, tensor_type
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import ConcatOp, slice_axis
from nnc.lowering.simplify_transposes import rebuilt


def concat_later(op: ConcatOp) -> None:
    """Moves a concat behind the elementwise ops that follow it, as far as that costs nothing."""
    while (moved := behind_its_reader(op)) is not None:
        op = moved


def behind_its_reader(op: ConcatOp) -> ConcatOp | None:
    """The concat of what its only reader makes of each part; None where it has to stay."""
    reader = op.output.get_user_of_unique_use()
    if not isinstance(reader, Unary | Binary):
        return None
    others = [value for value in reader.operands if value is not op.output]
    if not all(can_be_cut(value) for value in others):
        return None
    b = at(Builder(InsertPoint.before(reader)), reader)
    axis, start = op.axis.value.data, 0
    parts: list[SSAValue] = []
    for part in op.inputs:
        limit = start + shape_of(part)[axis]
        operands = [
            part if value is op.output else cut(b, value, axis, start, limit)
            for value in reader.operands
        ]
        parts.append(insert(b, rebuilt(reader, operands)))
        start = limit
    whole = b.insert(ConcatOp(parts, axis))
    Rewriter.replace_op(reader, [], whole.results)
    op.detach()
    op.erase()
    return whole


def can_be_cut(value: SSAValue) -> bool:
    """Whether a part of the value costs nothing: one known value, or a vector broadcast."""
    match value.owner:
        case ConstantOp() as op:
            return op.splat is not None
        case BroadcastOp() as op:
            return len(shape_of(op.input)) < 2 and not op.stretched
        case _:
            return False


def cut(b: Builder, value: SSAValue, axis: int, start: int, limit: int) -> SSAValue:
    """The part of a value for which `can_be_cut` holds."""
    shape = [limit - start if d == axis else size for d, size in enumerate(shape_of(value))]
    match value.owner:
        case ConstantOp() as op:
            assert op.splat is not None
            return insert(b, ConstantOp(op.splat, part_type(value, shape)))
        case BroadcastOp() as op:
            source = slice_axis(b, op.input, 0, start, limit) if op.axes == (axis,) else op.input
            return insert(b, BroadcastOp(source, shape, op.axes))
        case op:
            raise AssertionError(f"{op} cannot be cut")


def part_type(value: SSAValue, shape: Sequence[int]) -> TensorType:
    return TensorType(tensor_type(value).element_type, shape)
