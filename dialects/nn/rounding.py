"""Whole parts, and what division leaves.

* `nn.floor`   the largest integer below
* `nn.round`   the nearest integer
* `nn.mod`     the remainder of a division
"""

from abc import ABC
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects import arith, math
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition

from nnc.dialects import scalars
from nnc.dialects.nn.base import Binary, insert
from nnc.dialects.nn.elementwise import DivOp, NegOp, mul
from nnc.dialects.nn.functions import Function


class Step(Function, ABC):
    """A function that is constant but for jumps; its gradient is 0."""

    def cotangent(self, b: Builder, g: SSAValue) -> None:
        return None


@irdl_op_definition
class FloorOp(Step):
    """The largest integer not above `input`."""

    name = "nn.floor"
    MATH: ClassVar = math.FloorOp


@irdl_op_definition
class RoundOp(Step):
    """The integer nearest to `input`, the even one of two."""

    name = "nn.round"
    MATH: ClassVar = math.RoundEvenOp


@irdl_op_definition
class ModOp(Binary):
    """`lhs - floor(lhs / rhs) * rhs`, which has the sign of `rhs`, of floats and integers.

    In f32 exact to an ulp of `lhs`, for quotients up to 2^23. Floats have NaN where `rhs` is 0,
    integers 0.
    """

    name = "nn.mod"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        rest = float_rest(b, x, y) if scalars.is_float(x.type) else integer_rest(b, x, y)
        zero = scalars.constant(b, 0, x)
        # What was rounded to another sign is a divisor away.
        below, negative = (scalars.compare(b, "lt", v, zero) for v in (rest, y))
        differs = b.insert(arith.XOrIOp(below, negative)).result
        differs = scalars.all_of(b, [differs, scalars.compare(b, "ne", rest, zero)])
        return scalars.select(b, differs, scalars.add(b, rest, y), rest)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return g

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        """`-g * floor(x / y)`."""
        whole = insert(b, FloorOp(insert(b, DivOp(self.lhs, self.rhs))))
        return insert(b, NegOp(mul(b, g, whole)))


def float_rest(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x - floor(x / y) * y`, of a quotient that was rounded; `x` itself where that is 0."""
    whole = b.insert(math.FloorOp(scalars.div(b, x, y))).result
    rest = scalars.fma(b, scalars.neg(b, whole), y, x)
    none = scalars.compare(b, "eq", whole, scalars.constant(b, 0, x))
    return scalars.select(b, none, x, rest)


def integer_rest(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """What division towards zero leaves: 0 for divisors 0 and -1, where C has no answer."""
    one = scalars.constant(b, 1, y)
    odd = [scalars.compare(b, "eq", y, scalars.constant(b, bad, y)) for bad in (0, -1)]
    safe = scalars.select(b, b.insert(arith.OrIOp(odd[0], odd[1])).result, one, y)
    return b.insert(arith.RemSIOp(x, safe)).result
