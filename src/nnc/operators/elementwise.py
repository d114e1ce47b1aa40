"""Functions of each element, as formulas: each is one kernel with its neighbours.

They cover the whole range: nothing overflows on the way to a result that is a number. Where a
function has a kink, the gradient there is stated.
"""

import math
from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn import functions as f
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.elementwise import ExpOp, LogOp
from nnc.dialects.nn.rounding import FloorDivOp, FloorOp, ModOp, RoundOp
from nnc.dialects.scalars import is_float
from nnc.errors import ShapeError
from nnc.operators.core import along, binary, cast, common_shape, expand, unary
from nnc.operators.terms import Term, formula
from nnc.recording.graph import Operation, operation

arctan = unary("arctan", f.AtanOp)
expm1 = unary("expm1", f.Expm1Op)
log1p = unary("log1p", f.Log1pOp)
floor = unary("floor", FloorOp)
round_ = unary("round", RoundOp)


# Activations.


def softplus_of(x: Term) -> Term:
    """`max(x, 0) + log(1 + exp(-|x|))`; -|x| is written so that the gradient at 0 is 1 / 2."""
    return x.apply(f.ReluOp) + x.at_most(-x).apply(ExpOp).apply(f.Log1pOp)


def elu_of(x: Term, alpha: float) -> Term:
    """`x` above 0, else `alpha (exp(x) - 1)`."""
    return x.where(x > 0, x.at_most(0).apply(f.Expm1Op) * alpha)


@formula
def softplus(x: Term, beta: float) -> Term:
    """`log(1 + exp(beta x)) / beta`."""
    return softplus_of(x) if beta == 1 else softplus_of(x * beta) / beta


@formula
def log_sigmoid(x: Term) -> Term:
    """`log(1 / (1 + exp(-x)))`."""
    return -softplus_of(-x)


@formula
def softsign(x: Term) -> Term:
    """`x / (1 + |x|)`."""
    return x / (1 + x.apply(f.AbsOp))


@formula
def leaky_relu(x: Term, slope: float) -> Term:
    """`x` above 0, else `slope x`, also for the gradient at 0."""
    return x.where(x > 0, x * slope)


@formula
def elu(x: Term, alpha: float) -> Term:
    """`x` above 0, else `alpha (exp(x) - 1)`; the gradient at 0 is alpha."""
    return elu_of(x, alpha)


@formula
def selu(x: Term) -> Term:
    """`elu` with the constants that keep mean 0 and variance 1."""
    return 1.0507009873554805 * elu_of(x, 1.6732632423543772)


@formula
def celu(x: Term, alpha: float) -> Term:
    """`x` above 0, else `alpha (exp(x / alpha) - 1)`."""
    return x.where(x > 0, (x.at_most(0) / alpha).apply(f.Expm1Op) * alpha)


@formula
def hard_sigmoid(x: Term, alpha: float, beta: float) -> Term:
    """`alpha x + beta` held in [0, 1]; at both bounds the gradient is alpha."""
    return (x * alpha + beta).within(0, 1)


@formula
def hard_swish(x: Term) -> Term:
    """`x` times `x / 6 + 1 / 2` held in [0, 1]."""
    return x * (x / 6 + 0.5).within(0, 1)


@formula
def mish(x: Term) -> Term:
    """`x tanh(log(1 + exp(x)))`."""
    return x * softplus_of(x).apply(f.TanhOp)


@formula
def swish(x: Term, beta: float) -> Term:
    """`x sigmoid(beta x)`."""
    return x * (x * beta).apply(f.SigmoidOp)


@formula
def gelu_tanh(x: Term) -> Term:
    """`x (1 + tanh(u)) / 2` for `u = sqrt(2 / pi) (x + 0.044715 x³)`: `x sigmoid(2 u)`."""
    return x * (x * (1 + x * x * 0.044715) * (2 * math.sqrt(2 / math.pi))).apply(f.SigmoidOp)


# Rounding.


@formula
def ceil(x: Term) -> Term:
    """The smallest integer not below."""
    return -(-x).apply(FloorOp)


@formula
def trunc(x: Term) -> Term:
    """The integer next to `x` towards 0."""
    return (-(-x).apply(FloorOp)).where(x < 0, x.apply(FloorOp))


# Powers and logarithms.


def odd(x: Term, positive: Callable[[Term], Term]) -> Term:
    """An odd function, given it for x >= 0."""
    negative = x < 0
    y = positive((-x).where(negative, x))
    return (-y).where(negative, y)


@formula
def reciprocal(x: Term) -> Term:
    """`1 / x`."""
    return 1 / x


@formula
def cbrt(x: Term) -> Term:
    """The cube root, also of negative numbers."""
    return odd(x, lambda a: a ** (1 / 3))


@formula
def log2(x: Term) -> Term:
    """The logarithm to base 2."""
    return x.apply(LogOp) * (1 / math.log(2))


@formula
def log10(x: Term) -> Term:
    """The logarithm to base 10."""
    return x.apply(LogOp) * (1 / math.log(10))


# Angles.


@formula
def tan(x: Term) -> Term:
    """The sine over the cosine."""
    return x.apply(f.SinOp) / x.apply(f.CosOp)


@formula
def arcsin(x: Term) -> Term:
    """`arctan(x / sqrt(1 - x²))`."""
    return (x / ((1 - x) * (1 + x)).apply(f.SqrtOp)).apply(f.AtanOp)


@formula
def arccos(x: Term) -> Term:
    """`2 arctan(sqrt((1 - x) / (1 + x)))`."""
    return 2 * ((1 - x) / (1 + x)).apply(f.SqrtOp).apply(f.AtanOp)


@formula
def degrees(x: Term) -> Term:
    return x * (180 / math.pi)


@formula
def radians(x: Term) -> Term:
    return x * (math.pi / 180)


# Hyperbolic functions.


def halves(x: Term) -> tuple[Term, Term]:
    """`exp(x / 2) - 1` and `exp(-x / 2) - 1`: their squares overflow only where the result does."""
    return (x * 0.5).apply(f.Expm1Op), (x * -0.5).apply(f.Expm1Op)


@formula
def sinh(x: Term) -> Term:
    """`2 sinh(x / 2) cosh(x / 2)`."""
    up, down = halves(x)
    return (up - down) * ((up + down) * 0.5 + 1)


@formula
def cosh(x: Term) -> Term:
    """`1 + 2 sinh(x / 2)²`."""
    up, down = halves(x)
    return (up - down) * 0.5 * (up - down) + 1


@formula
def arcsinh(x: Term) -> Term:
    """Below 1 `log(1 + a + a² / (1 + sqrt(1 + a²)))`, else `log(a) + log(1 + sqrt(1 + 1 / a²))`."""

    def positive(a: Term) -> Term:
        low, high = a.at_most(1), a.at_least(1)
        square, inverse = low * low, 1 / high
        small = (low + square / (1 + (1 + square).apply(f.SqrtOp))).apply(f.Log1pOp)
        root = (1 + inverse * inverse).apply(f.SqrtOp)
        return small.where(a < 1, high.apply(LogOp) + root.apply(f.Log1pOp))

    return odd(x, positive)


@formula
def arccosh(x: Term) -> Term:
    """`log(1 + t + sqrt(t) sqrt(t + 2))` for `t = x - 1`."""
    t = x - 1
    return (t + t.apply(f.SqrtOp) * (t + 2).apply(f.SqrtOp)).apply(f.Log1pOp)


@formula
def arctanh(x: Term) -> Term:
    """`(log(1 + x) - log(1 - x)) / 2`."""
    return (x.apply(f.Log1pOp) - (-x).apply(f.Log1pOp)) * 0.5


# Masks.


@formula
def isnan(x: Term) -> Term:
    return x.compare("ne", x)


@formula
def isinf(x: Term) -> Term:
    return x.apply(f.AbsOp).compare("eq", math.inf)


@formula
def isfinite(x: Term) -> Term:
    return x.apply(f.AbsOp) < math.inf


@formula
def signbit(x: Term) -> Term:
    """Whether there is a minus, also before 0."""
    return (1 / x).where(x.compare("eq", 0), x) < 0


@formula
def logical_not(x: Term) -> Term:
    return x.compare("eq", 0)


def logical(name: str, combine: Callable[[Term, Term], Term]) -> Operation:
    """An operation on two masks; of numbers, all but 0 count as true."""

    def emit(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        sizes = common_shape(name, x, y)
        masks = [Term(b, expand(b, cast.emit(b, v, "bool"), sizes)) for v in (x, y)]
        return combine(*masks).value

    return Operation(emit, name)


logical_and = logical("logical_and", lambda x, y: y.where(x, x))
logical_or = logical("logical_or", lambda x, y: x.where(x, y))
logical_xor = logical("logical_xor", lambda x, y: x.compare("ne", y))


# Of two arrays.

modulo = binary("modulo", ModOp)


@operation
def floor_divide(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`floor(x / y)`, of floats too that of the exact quotient; of integers 0 where `y` is 0."""
    if not is_float(element_of(x)):
        return whole_quotient.emit(b, x, y)
    whole, part = (Term(b, expand(b, v, common_shape("floor_divide", x, y))) for v in (x, y))
    rest = whole.apply(ModOp, part)
    # The rest is the divisor where the quotient is below 0 by less than its precision.
    exact = ((whole - rest) / part).apply(RoundOp)
    quotient = part.number(-1).where(rest.compare("eq", part), exact)
    return (whole / part).where(part.compare("eq", 0), quotient).value


whole_quotient = binary("floor_divide", FloorDivOp)


@operation
def prelu(b: Builder, x: SSAValue, slope: SSAValue) -> SSAValue:
    """`x` above 0, else `slope x`, with a slope for each channel, axis 1, or one for all."""
    sizes, slopes = shape_of(x), shape_of(slope)
    if slopes not in ((), (1,), sizes[1:2]):
        raise ShapeError(
            f"prelu: expected a slope for all, or for each of the channels {sizes[1:2]}, "
            f"given shape {slopes}"
        )
    wide = along(b, slope, 1, x) if slopes == sizes[1:2] else expand(b, slope, sizes)
    term = Term(b, x)
    return term.where(term > 0, term * Term(b, wide)).value


@operation
def smooth_l1(b: Builder, x: SSAValue, scalar: float) -> SSAValue:
    """`(scalar x)² / 2` where |x| is below `1 / scalar²`, else `|x| - 1 / (2 scalar²)`."""
    term, bound = Term(b, x), 1 / scalar**2
    size = term.apply(f.AbsOp)
    return (term * term * (0.5 * scalar**2)).where(size < bound, size - bound / 2).value
