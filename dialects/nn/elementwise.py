"""Elementwise arithmetic: a scalar function of the same element of each operand.

Two operands have one shape and type; the frontend inserts `nn.broadcast`. Each class is the whole
op: formula, gradient and scalar meaning. `functions.py` has the other functions of one operand.

* `nn.add sub mul div pow max min`      of two tensors
* `nn.neg exp log`                      of one
* `nn.compare select cast clamp`        masks, choices, other types, bounds
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar
from typing import cast as cast_to

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import (
    Float64Type,
    FloatAttr,
    IntegerType,
    StringAttr,
    TensorType,
    f64,
    i1,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import VarConstraint, base, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import (
    Binary,
    Elementwise,
    ScalarIndex,
    Unary,
    element_of,
    insert,
    same_types,
    shape_of,
)
from nnc.dialects.nn.constant import constant
from nnc.dialects.syntax import Keyword, Number

PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge")


def mul(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x * y`."""
    return insert(b, MulOp(x, y))


def where(
    b: Builder, predicate: str, x: SSAValue, y: SSAValue, then: SSAValue, otherwise: SSAValue
) -> SSAValue:
    """`x predicate y ? then : otherwise`."""
    return insert(b, SelectOp(insert(b, CompareOp(predicate, x, y)), then, otherwise))


@op_definition
class AddOp(Binary):
    """`lhs + rhs`."""

    name = "nn.add"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.add(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return g

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return g


@op_definition
class SubOp(Binary):
    """`lhs - rhs`."""

    name = "nn.sub"
    TAKES_MASKS: ClassVar = False

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.sub(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return g

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, NegOp(g))


@op_definition
class MulOp(Binary):
    """`lhs * rhs`."""

    name = "nn.mul"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.mul(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, self.rhs)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, self.lhs)


@op_definition
class DivOp(Binary):
    """`lhs / rhs`, of floating-point numbers."""

    name = "nn.div"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.div(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, DivOp(g, self.rhs))

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        scaled = mul(b, g, insert(b, DivOp(self.output, self.rhs)))
        return insert(b, NegOp(scaled))


@op_definition
class PowOp(Binary):
    """`lhs ** rhs`, of floating-point numbers; as in numpy, `x ** 0 = 1`."""

    name = "nn.pow"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return b.insert(math.PowFOp(x, y)).result

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * y * x ** (y - 1)`; where both are 0, `x = 1` stands in and avoids 0 * inf."""
        zero, one = constant(b, 0.0, g), constant(b, 1.0, g)
        instead = where(b, "eq", self.rhs, zero, one, zero)
        safe = where(b, "eq", self.lhs, zero, instead, self.lhs)
        power = insert(b, PowOp(safe, insert(b, SubOp(self.rhs, one))))
        return mul(b, mul(b, g, self.rhs), power)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * x ** y * log(x)`, and 0 where `x` is 0."""
        zero, one = constant(b, 0.0, g), constant(b, 1.0, g)
        safe = where(b, "eq", self.lhs, zero, one, self.lhs)
        return mul(b, mul(b, g, self.output), insert(b, LogOp(safe)))


@op_definition
class MaxOp(Binary):
    """The larger; NaN where one is. Of equal operands `lhs` has the gradient."""

    name = "nn.max"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.maximum(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return where(b, "ge", self.lhs, self.rhs, g, constant(b, 0.0, g))

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return where(b, "ge", self.lhs, self.rhs, constant(b, 0.0, g), g)


@op_definition
class MinOp(Binary):
    """The smaller; NaN where one is. Of equal operands `lhs` has the gradient."""

    name = "nn.min"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.minimum(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return where(b, "le", self.lhs, self.rhs, g, constant(b, 0.0, g))

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return where(b, "le", self.lhs, self.rhs, constant(b, 0.0, g), g)


@op_definition
class NegOp(Unary):
    """`-input`."""

    name = "nn.neg"
    TAKES_MASKS: ClassVar = False

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return scalars.neg(b, x)

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, NegOp(g))


@op_definition
class ExpOp(Unary):
    """`exp(input)`."""

    name = "nn.exp"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(math.ExpOp(x)).result

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, self.output)


@op_definition
class LogOp(Unary):
    """`log(input)`, to base e."""

    name = "nn.log"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(math.LogOp(x)).result

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, DivOp(g, self.input))


@op_definition
class CompareOp(Elementwise):
    """`lhs predicate rhs` as i1, for eq, ne, lt, le, gt, ge. Of NaN only ne is true."""

    name = "nn.compare"
    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    predicate = prop_def(StringAttr)
    lhs = operand_def(TENSOR)
    rhs = operand_def(TENSOR)
    output = result_def(TensorType)
    custom_directives = (Keyword,)
    assembly_format = (
        "custom<Keyword>($predicate) $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($output)"
    )

    def __init__(self, predicate: str, lhs: SSAValue, rhs: SSAValue):
        self.initialize([lhs, rhs], {"predicate": StringAttr(predicate)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_types(cls.name, operands)
        predicate = cast_to(StringAttr, properties["predicate"]).data
        if predicate not in PREDICATES:
            raise VerifyException(
                f"{cls.name}: unknown predicate '{predicate}', "
                f"expected one of {', '.join(PREDICATES)}"
            )
        return [TensorType(i1, shape_of(operands[0]))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [scalars.compare(b, self.predicate.data, *arguments)]


@op_definition
class SelectOp(Elementwise, Differentiable):
    """`mask ? lhs : rhs`."""

    name = "nn.select"
    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    mask = operand_def(TensorType)
    lhs = operand_def(TENSOR)
    rhs = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$mask `,` $lhs `,` $rhs attr-dict `:` type($mask) `,` type($output)"

    def __init__(self, mask: SSAValue, lhs: SSAValue, rhs: SSAValue):
        self.initialize([mask, lhs, rhs])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        mask, *chosen = operands
        same_types(cls.name, chosen)
        expected = TensorType(i1, shape_of(chosen[0]))
        if mask != expected:
            raise VerifyException(f"{cls.name}: the mask must be {expected}, given {mask}")
        return [chosen[0]]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [scalars.select(b, *arguments)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        zero = constant(b, 0.0, g)
        return [
            None,
            insert(b, SelectOp(self.mask, g, zero)) if needed[1] else None,
            insert(b, SelectOp(self.mask, zero, g)) if needed[2] else None,
        ]


@op_definition
class CastOp(Elementwise, Differentiable):
    """`input` in another element type; anything to i1 as `!= 0`.

    Floats become integers towards zero, as near as the type allows, and NaN becomes 0. Integers
    wrap around, floats are rounded to nearest even, and infinite beyond the largest.
    """

    name = "nn.cast"
    input = operand_def(TensorType)
    element = prop_def(Attribute)
    output = result_def(TensorType)
    assembly_format = "$input `to` $element attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, element: Attribute):
        self.initialize([input], {"element": element})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        return [TensorType(properties["element"], shape_of(operands[0]))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [scalars.convert(b, arguments[0], self.element)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [insert(b, CastOp(grads[0], element_of(self.input))) if needed[0] else None]


def cast(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """`x` in an element type, `x` itself if it has that."""
    return x if element_of(x) == element else insert(b, CastOp(x, element))


@op_definition
class ClampOp(Unary):
    """`min(max(input, low), high)`; the gradient passes at both bounds.

    Bounds of integers are cut off towards zero, and the nearest that the type has.
    """

    name = "nn.clamp"
    low = prop_def(FloatAttr[Float64Type])
    high = prop_def(FloatAttr[Float64Type])
    custom_directives = (Number,)
    assembly_format = (
        "$input ` ` `{` `low` `=` custom<Number>($low) `,` `high` `=` custom<Number>($high) `}` "
        "attr-dict `:` type($input)"
    )

    def __init__(self, input: SSAValue, low: float, high: float):
        self.initialize([input], {"low": FloatAttr(low, f64), "high": FloatAttr(high, f64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        low, high = (cast_to(FloatAttr, properties[bound]).value.data for bound in ("low", "high"))
        if not low <= high:
            raise VerifyException(f"{cls.name}: expected low <= high, given {low} and {high}")
        return super().infer(operands, properties)

    @property
    def bounds(self) -> tuple[float, float]:
        """The lower and the upper bound, as numbers of the element type."""
        low, high = self.low.value.data, self.high.value.data
        element = element_of(self.input)
        if not isinstance(element, IntegerType):
            return low, high
        least, most = scalars.integer_range(element)
        return int(min(max(low, least), most)), int(min(max(high, least), most))

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        low, high = (scalars.constant(b, bound, x) for bound in self.bounds)
        return scalars.minimum(b, scalars.maximum(b, x, low), high)

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        zero = constant(b, 0.0, g)
        low, high = (constant(b, bound, g) for bound in self.bounds)
        below_high = where(b, "le", self.input, high, g, zero)
        return where(b, "ge", self.input, low, below_high, zero)
