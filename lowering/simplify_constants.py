"""Rules for what is known when compiling: one value in every element, neutral elements.

    broadcast, reshape, transpose, slice, pad, concat, cast, reduce of one value    that value
    add, sub, mul, div, neg of such                                                 their result
    x * 1, x / 1, x + 0, x - 0                                                      x

Lets a cotangent of ones become the factor 1/n that a mean leaves of it.
"""

from collections.abc import Callable, Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import Operation, SSAValue

from nnc.dialects.nn.base import Binary, element_of, insert, tensor_type
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.elementwise import AddOp, CastOp, DivOp, MulOp, NegOp, SubOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp

ARITHMETIC: dict[type[Operation], Callable[[float, float], float]] = {
    AddOp: lambda x, y: x + y,
    SubOp: lambda x, y: x - y,
    MulOp: lambda x, y: x * y,
    DivOp: lambda x, y: x / y,
}
NEUTRAL: dict[type[Operation], float] = {AddOp: 0, SubOp: 0, MulOp: 1, DivOp: 1}
"""What changes nothing as right operand; as left one too where the op commutes."""


KNOWN = (BroadcastOp, ReshapeOp, TransposeOp, SliceOp, CastOp, PadOp, ConcatOp, NegOp, ReduceOp)
"""What has one value in every element where its operands have, besides `ARITHMETIC`."""


def fold_constant(b: Builder, op: Operation) -> Sequence[SSAValue] | None:
    """The op's result where it is known."""
    known = value_of(op)
    if known is None:
        return None
    return [insert(b, ConstantOp(known, tensor_type(op.results[0])))]


def fold_neutral(b: Builder, op: Binary) -> Sequence[SSAValue] | None:
    """The operand that the result equals because the other one is neutral."""
    neutral = NEUTRAL[type(op)]
    if splat(op.rhs) == neutral:
        return [op.lhs]
    commutes = isinstance(op, AddOp | MulOp)
    return [op.rhs] if commutes and splat(op.lhs) == neutral else None


def splat(value: SSAValue) -> float | int | None:
    """The value of every element, where it is known."""
    op = value.owner
    return op.splat if isinstance(op, ConstantOp) else None


def value_of(op: Operation) -> float | int | None:
    """The value of every element of the op's result, where it is known."""
    first, *rest = map(splat, op.operands)
    if first is None or any(value is None for value in rest):
        return None
    match op:
        case BroadcastOp() | ReshapeOp() | TransposeOp() | SliceOp():
            return first
        case CastOp():
            return first if isinstance(op.element, AnyFloat) else None
        case PadOp() if op.number == first:
            return first
        case ConcatOp() if all(value == first for value in rest):
            return first
        case NegOp() if isinstance(element_of(op.output), AnyFloat):
            return -first
        case ReduceOp():
            return reduced(op, first)
        case Binary():
            return combined(op, first, splat(op.rhs))
        case _:
            return None


def combined(op: Binary, lhs: float, rhs: float | None) -> float | None:
    """The result for floating-point operands; integers may wrap around."""
    function = ARITHMETIC.get(type(op))
    if rhs is None or function is None or not isinstance(element_of(op.output), AnyFloat):
        return None
    return None if isinstance(op, DivOp) and rhs == 0 else function(lhs, rhs)


def reduced(op: ReduceOp, value: float) -> float | None:
    """The value of a reduction of equal floating-point elements."""
    if not isinstance(element_of(op.output), AnyFloat):
        return None
    match op.kind_name:
        case "sum":
            return value * op.count
        case "prod":
            return None
        case _:
            return value
