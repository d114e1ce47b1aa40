"""Elementwise functions of one operand.

* `nn.abs sign sqrt rsqrt sin cos atan erf expm1 log1p`
* `nn.tanh sigmoid relu silu gelu`       activations

Gradients use the output where that costs no more, so that the input can be forgotten.
"""

from abc import ABC
from math import pi, sqrt
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.ir import SSAValue

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.nn.base import Unary, insert
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp, DivOp, ExpOp, MulOp, NegOp, SubOp, mul, where


class Function(Unary, ABC):
    """A function that `math` has, of floating-point numbers."""

    FLOAT_ONLY: ClassVar = True
    MATH: ClassVar[type[math.FloatingPointLikeUnaryMathOperation]]

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(self.MATH(x)).result


def scale(b: Builder, x: SSAValue, factor: float) -> SSAValue:
    """`x * factor`."""
    return mul(b, x, constant(b, factor, x))


def one_minus(b: Builder, x: SSAValue) -> SSAValue:
    """`1 - x`."""
    return insert(b, SubOp(constant(b, 1.0, x), x))


@op_definition
class AbsOp(Unary):
    """`|input|`, with gradient 0 at 0."""

    name = "nn.abs"

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        if scalars.is_float(x.type):
            return b.insert(math.AbsFOp(x)).result
        return scalars.maximum(b, x, scalars.neg(b, x))

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, insert(b, SignOp(self.input)))


@op_definition
class SignOp(Unary):
    """-1, 0 or 1, and NaN of NaN; its gradient is 0."""

    name = "nn.sign"

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return scalars.sign(b, x)

    def cotangent(self, b: Builder, g: SSAValue) -> None:
        return None


@op_definition
class SqrtOp(Function):
    """The square root."""

    name = "nn.sqrt"
    MATH: ClassVar = math.SqrtOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g / 2 / sqrt(x)`."""
        return insert(b, DivOp(scale(b, g, 0.5), self.output))


@op_definition
class RsqrtOp(Function):
    """`1 / sqrt(input)`."""

    name = "nn.rsqrt"
    MATH: ClassVar = math.RsqrtOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`-g / 2 * y ** 3`."""
        y = self.output
        return mul(b, scale(b, g, -0.5), mul(b, y, mul(b, y, y)))


@op_definition
class SinOp(Function):
    """The sine of an angle in radians; in f32 to 3 ulp up to 1e4, and without meaning past 1e6."""

    name = "nn.sin"
    MATH: ClassVar = math.SinOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, insert(b, CosOp(self.input)))


@op_definition
class CosOp(Function):
    """The cosine of an angle in radians; in f32 to 3 ulp up to 1e4, without meaning past 1e6."""

    name = "nn.cos"
    MATH: ClassVar = math.CosOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, NegOp(mul(b, g, insert(b, SinOp(self.input)))))


@op_definition
class AtanOp(Function):
    """The angle in (-pi / 2, pi / 2) whose tangent is `input`."""

    name = "nn.atan"
    MATH: ClassVar = math.AtanOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g / (1 + x ** 2)`."""
        square = mul(b, self.input, self.input)
        return insert(b, DivOp(g, insert(b, AddOp(constant(b, 1.0, g), square))))


@op_definition
class Expm1Op(Function):
    """`exp(input) - 1`, as exact near 0."""

    name = "nn.expm1"
    MATH: ClassVar = math.ExpM1Op

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return mul(b, g, insert(b, ExpOp(self.input)))


@op_definition
class Log1pOp(Function):
    """`log(1 + input)`, as exact near 0."""

    name = "nn.log1p"
    MATH: ClassVar = math.Log1pOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, DivOp(g, insert(b, AddOp(constant(b, 1.0, g), self.input))))


@op_definition
class ErfOp(Function):
    """The error function, `2 / sqrt(pi)` times the integral of `exp(-t ** 2)` from 0."""

    name = "nn.erf"
    MATH: ClassVar = math.ErfOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * 2 / sqrt(pi) * exp(-x ** 2)`."""
        bell = insert(b, ExpOp(insert(b, NegOp(mul(b, self.input, self.input)))))
        return mul(b, g, scale(b, bell, 2 / sqrt(pi)))


@op_definition
class TanhOp(Function):
    """The hyperbolic tangent."""

    name = "nn.tanh"
    MATH: ClassVar = math.TanhOp

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * (1 - y ** 2)`."""
        return mul(b, g, one_minus(b, mul(b, self.output, self.output)))


@op_definition
class SigmoidOp(Unary):
    """`1 / (1 + exp(-input))`."""

    name = "nn.sigmoid"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return scalars.div(b, scalars.constant(b, 1, x), one_plus_exp_neg(b, x))

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * y * (1 - y)`."""
        return mul(b, g, mul(b, self.output, one_minus(b, self.output)))


@op_definition
class SiluOp(Unary):
    """`input * sigmoid(input)`, also called swish."""

    name = "nn.silu"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return scalars.div(b, x, one_plus_exp_neg(b, x))

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * (s + y * (1 - s))` where `s = sigmoid(x)`."""
        s = insert(b, SigmoidOp(self.input))
        return mul(b, g, insert(b, AddOp(s, mul(b, self.output, one_minus(b, s)))))


def one_plus_exp_neg(b: Builder, x: SSAValue) -> SSAValue:
    """`1 + exp(-x)`, which may be infinite: dividing by it gives the right limit, 0."""
    exponential = b.insert(math.ExpOp(scalars.neg(b, x))).result
    return scalars.add(b, scalars.constant(b, 1, x), exponential)


@op_definition
class ReluOp(Unary):
    """`max(input, 0)`, with gradient 0 at 0."""

    name = "nn.relu"

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return scalars.maximum(b, x, scalars.constant(b, 0, x))

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        zero = constant(b, 0.0, g)
        return where(b, "gt", self.output, zero, g, zero)


@op_definition
class GeluOp(Unary):
    """`input * Phi(input)`, `Phi(x) = (1 + erf(x / sqrt(2))) / 2` the normal distribution."""

    name = "nn.gelu"
    FLOAT_ONLY: ClassVar = True

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        root = scalars.constant(b, sqrt(0.5), x)
        half = scalars.mul(b, x, scalars.constant(b, 0.5, x))
        erf = b.insert(math.ErfOp(scalars.mul(b, x, root))).result
        return scalars.fma(b, half, erf, half)

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        """`g * (Phi(x) + x * exp(-x ** 2 / 2) / sqrt(2 pi))`."""
        x = self.input
        erf = insert(b, ErfOp(scale(b, x, sqrt(0.5))))
        distribution = scale(b, insert(b, AddOp(constant(b, 1.0, x), erf)), 0.5)
        bell = insert(b, ExpOp(scale(b, mul(b, x, x), -0.5)))
        density = scale(b, bell, 1 / sqrt(2 * pi))
        slope = insert(b, AddOp(distribution, mul(b, x, density)))
        return insert(b, MulOp(g, slope))
