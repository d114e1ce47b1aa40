"""Whole parts, and what division leaves.

* `nn.floor`       the largest integer below
* `nn.round`       the nearest integer
* `nn.mod`         the remainder of a division
* `nn.floor_div`   the quotient of integers
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects import arith, math
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.nn.base import Binary, element_of, insert
from nnc.dialects.nn.elementwise import DivOp, NegOp, mul
from nnc.dialects.nn.functions import Function


class Step(Function, ABC):
    """A function that is constant but for jumps; its gradient is 0."""

    def cotangent(self, b: Builder, g: SSAValue) -> None:
        return None


@op_definition
class FloorOp(Step):
    """The largest integer not above `input`."""

    name = "nn.floor"
    MATH: ClassVar = math.FloorOp


@op_definition
class RoundOp(Step):
    """The integer nearest to `input`, the even one of two."""

    name = "nn.round"
    MATH: ClassVar = math.RoundEvenOp


@op_definition
class ModOp(Binary):
    """`lhs - floor(lhs / rhs) * rhs`, which has the sign of `rhs`, of floats and integers.

    In f32 exact to an ulp of `lhs`, for quotients up to 2^23. Floats have NaN where `rhs` is 0,
    integers 0.
    """

    name = "nn.mod"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return modulo(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return g

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        """`-g * floor(x / y)`."""
        whole = insert(b, FloorOp(insert(b, DivOp(self.lhs, self.rhs))))
        return insert(b, NegOp(mul(b, g, whole)))


@op_definition
class FloorDivOp(Binary):
    """`floor(lhs / rhs)` of integers, as in numpy: 0 where `rhs` is 0."""

    name = "nn.floor_div"

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        if scalars.is_float(element_of(operands[0])):
            raise VerifyException(f"{cls.name}: expected integers, given {operands[0]}")
        return super().infer(operands, properties)

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        whole = scalars.div(b, x, divisor(b, y))
        zero, one, minus_one = (scalars.constant(b, value, y) for value in (0, 1, -1))
        below = scalars.sub(b, whole, one)
        whole = scalars.select(b, is_apart(b, integer_rest(b, x, y), y), below, whole)
        opposite = scalars.compare(b, "eq", y, minus_one)
        whole = scalars.select(b, opposite, scalars.neg(b, x), whole)
        return scalars.select(b, scalars.compare(b, "eq", y, zero), zero, whole)


def modulo(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """What `floor(x / y) * y` leaves, with the sign of `y`."""
    rest = float_rest(b, x, y) if scalars.is_float(x.type) else integer_rest(b, x, y)
    return scalars.select(b, is_apart(b, rest, y), scalars.add(b, rest, y), rest)


def is_apart(b: Builder, rest: SSAValue, y: SSAValue) -> SSAValue:
    """Where a rest has not the sign of its divisor, and is one divisor away from what has."""
    zero = scalars.constant(b, 0, rest)
    below, negative = (scalars.compare(b, "lt", v, zero) for v in (rest, y))
    differs = b.insert(arith.XOrIOp(below, negative)).result
    return scalars.all_of(b, [differs, scalars.compare(b, "ne", rest, zero)])


def float_rest(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x - floor(x / y) * y`, of a quotient that was rounded; `x` itself where that is 0."""
    whole = b.insert(math.FloorOp(scalars.div(b, x, y))).result
    rest = scalars.fma(b, scalars.neg(b, whole), y, x)
    none = scalars.compare(b, "eq", whole, scalars.constant(b, 0, x))
    return scalars.select(b, none, x, rest)


def integer_rest(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """What division towards zero leaves: 0 for divisors 0 and -1."""
    return b.insert(arith.RemSIOp(x, divisor(b, y))).result


def divisor(b: Builder, y: SSAValue) -> SSAValue:
    """An integer to divide by: 1 in the place of 0 and -1, for which C has no answer."""
    odd = [scalars.compare(b, "eq", y, scalars.constant(b, bad, y)) for bad in (0, -1)]
    either = b.insert(arith.OrIOp(odd[0], odd[1])).result
    return scalars.select(b, either, scalars.constant(b, 1, y), y)
