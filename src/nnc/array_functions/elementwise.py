"""Functions of each element of arrays, named as in numpy and MXNet."""

from typing import Any

from nnc.array_functions.wrapping import binary, real, unary
from nnc.arrays.array import NDArray, as_array
from nnc.checks import chosen, number
from nnc.errors import OptionError
from nnc.operators import core as ops
from nnc.operators import elementwise as e
from nnc.recording.graph import Operation
from nnc.recording.recorder import record

absolute = unary(ops.abs_)
arccos = real(e.arccos)
arccosh = real(e.arccosh)
arcsin = real(e.arcsin)
arcsinh = real(e.arcsinh)
arctan = real(e.arctan)
arctanh = real(e.arctanh)
cbrt = real(e.cbrt)
ceil = real(e.ceil)
cosh = real(e.cosh)
degrees = real(e.degrees)
expm1 = real(e.expm1)
floor = real(e.floor)
log10 = real(e.log10)
log1p = real(e.log1p)
log2 = real(e.log2)
radians = real(e.radians)
reciprocal = real(e.reciprocal)
round = rint = real(e.round_)
sinh = real(e.sinh)
tan = real(e.tan)
trunc = fix = real(e.trunc)

gelu_tanh = real(e.gelu_tanh)
hard_swish = real(e.hard_swish)
log_sigmoid = real(e.log_sigmoid)
mish = real(e.mish)
selu = real(e.selu)
softsign = real(e.softsign)

isfinite = real(e.isfinite)
isinf = real(e.isinf)
isnan = real(e.isnan)
logical_not = unary(e.logical_not)
logical_and = binary(e.logical_and)
logical_or = binary(e.logical_or)
logical_xor = binary(e.logical_xor)
modulo = mod = binary(e.modulo)
floor_divide = binary(e.floor_divide)


def softplus(x: Any, beta: float = 1.0) -> NDArray:
    """`log(1 + exp(beta x)) / beta`."""
    return as_array(x).as_float().apply(e.softplus, number("softplus: beta", beta, above=0))


def leaky_relu(x: Any, slope: float = 0.25) -> NDArray:
    """`x` above 0, else `slope x`."""
    return as_array(x).as_float().apply(e.leaky_relu, number("leaky_relu: slope", slope))


def elu(x: Any, alpha: float = 1.0) -> NDArray:
    """`x` above 0, else `alpha (exp(x) - 1)`."""
    return as_array(x).as_float().apply(e.elu, number("elu: alpha", alpha))


def celu(x: Any, alpha: float = 1.0) -> NDArray:
    """`x` above 0, else `alpha (exp(x / alpha) - 1)`."""
    return as_array(x).as_float().apply(e.celu, number("celu: alpha", alpha, above=0))


def hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5) -> NDArray:
    """`alpha x + beta` held in [0, 1]."""
    settings = number("hard_sigmoid: alpha", alpha), number("hard_sigmoid: beta", beta)
    return as_array(x).as_float().apply(e.hard_sigmoid, *settings)


def swish(x: Any, beta: float = 1.0) -> NDArray:
    """`x sigmoid(beta x)`."""
    return as_array(x).as_float().apply(e.swish, number("swish: beta", beta))


def prelu(x: Any, gamma: Any) -> NDArray:
    """`x` above 0, else `gamma x`, with one gamma, or one for each channel, axis 1."""
    data = as_array(x).as_float()
    return NDArray(record(e.prelu, [data.current, as_array(gamma).current])[0])


def smooth_l1(x: Any, scalar: float = 1.0) -> NDArray:
    """A parabola where |x| is below `1 / scalar²`, else `|x| - 1 / (2 scalar²)`."""
    bend = number("smooth_l1: scalar", scalar, least=1e-15, most=1e15)
    return as_array(x).as_float().apply(e.smooth_l1, bend)


LEAKY = {"leaky": leaky_relu, "elu": elu}
FIXED: dict[str, Operation] = {"selu": e.selu, "gelu": ops.gelu}


def leaky_relu_by_type(
    data: Any, gamma: Any = None, act_type: str = "leaky", slope: float = 0.25
) -> NDArray:
    """MXNet's family of activations: leaky, prelu, elu, selu or gelu."""
    if chosen("LeakyReLU: act_type", act_type, ("leaky", "prelu", "elu", "selu", "gelu")) in LEAKY:
        return LEAKY[act_type](data, slope)
    if act_type in FIXED:
        return as_array(data).as_float().apply(FIXED[act_type])
    if gamma is None:
        raise OptionError("LeakyReLU: prelu needs gamma")
    return prelu(data, gamma)


def equal(x: Any, y: Any) -> NDArray:
    return as_array(x) == y


def not_equal(x: Any, y: Any) -> NDArray:
    return as_array(x) != y


def greater(x: Any, y: Any) -> NDArray:
    return as_array(x) > y


def greater_equal(x: Any, y: Any) -> NDArray:
    return as_array(x) >= y


def lesser(x: Any, y: Any) -> NDArray:
    return as_array(x) < y


def lesser_equal(x: Any, y: Any) -> NDArray:
    return as_array(x) <= y
