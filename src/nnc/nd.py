"""Functions on arrays, named as in numpy and MXNet.

Arrays of two dtypes are computed in the one that comes later of bool, uint8, int8, int32, int64,
float16, bfloat16, float32, float64; uint8 with int8 gives int32, float16 with bfloat16 float32. A
Python number takes the dtype of the array it meets; a float that meets integers makes float32.
Division, means and functions such as `exp` of integers are float32. Sums and products of bool,
uint8 and int8 are int32, all others keep their dtype, and integers wrap around.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnc import control_flow as contrib
from nnc import norm_operators as norms
from nnc import operators as ops
from nnc.arithmetic import Axis
from nnc.array import NDArray, array, promoted
from nnc.checks import axis_of, chosen, count, is_number, number, sizes_of
from nnc.dtypes import dtype_name, numeric
from nnc.elementwise_functions import (
    arccos as arccos,
)
from nnc.elementwise_functions import (
    arccosh as arccosh,
)
from nnc.elementwise_functions import (
    arcsin as arcsin,
)
from nnc.elementwise_functions import (
    arcsinh as arcsinh,
)
from nnc.elementwise_functions import (
    arctan as arctan,
)
from nnc.elementwise_functions import (
    arctanh as arctanh,
)
from nnc.elementwise_functions import (
    cbrt as cbrt,
)
from nnc.elementwise_functions import (
    ceil as ceil,
)
from nnc.elementwise_functions import (
    celu as celu,
)
from nnc.elementwise_functions import (
    cosh as cosh,
)
from nnc.elementwise_functions import (
    degrees as degrees,
)
from nnc.elementwise_functions import (
    elu as elu,
)
from nnc.elementwise_functions import (
    equal as equal,
)
from nnc.elementwise_functions import (
    expm1 as expm1,
)
from nnc.elementwise_functions import (
    fix as fix,
)
from nnc.elementwise_functions import (
    floor as floor,
)
from nnc.elementwise_functions import (
    gelu_tanh as gelu_tanh,
)
from nnc.elementwise_functions import (
    greater as greater,
)
from nnc.elementwise_functions import (
    greater_equal as greater_equal,
)
from nnc.elementwise_functions import (
    hard_sigmoid as hard_sigmoid,
)
from nnc.elementwise_functions import (
    hard_swish as hard_swish,
)
from nnc.elementwise_functions import (
    isfinite as isfinite,
)
from nnc.elementwise_functions import (
    isinf as isinf,
)
from nnc.elementwise_functions import (
    isnan as isnan,
)
from nnc.elementwise_functions import (
    leaky_relu as leaky_relu,
)
from nnc.elementwise_functions import leaky_relu_by_type
from nnc.elementwise_functions import (
    lesser as lesser,
)
from nnc.elementwise_functions import (
    lesser_equal as lesser_equal,
)
from nnc.elementwise_functions import (
    log1p as log1p,
)
from nnc.elementwise_functions import (
    log2 as log2,
)
from nnc.elementwise_functions import (
    log10 as log10,
)
from nnc.elementwise_functions import (
    log_sigmoid as log_sigmoid,
)
from nnc.elementwise_functions import (
    logical_and as logical_and,
)
from nnc.elementwise_functions import (
    logical_not as logical_not,
)
from nnc.elementwise_functions import (
    logical_or as logical_or,
)
from nnc.elementwise_functions import (
    logical_xor as logical_xor,
)
from nnc.elementwise_functions import (
    mish as mish,
)
from nnc.elementwise_functions import (
    mod as mod,
)
from nnc.elementwise_functions import (
    modulo as modulo,
)
from nnc.elementwise_functions import (
    not_equal as not_equal,
)
from nnc.elementwise_functions import (
    prelu as prelu,
)
from nnc.elementwise_functions import (
    radians as radians,
)
from nnc.elementwise_functions import (
    reciprocal as reciprocal,
)
from nnc.elementwise_functions import (
    rint as rint,
)
from nnc.elementwise_functions import (
    round as round,
)
from nnc.elementwise_functions import (
    selu as selu,
)
from nnc.elementwise_functions import (
    sinh as sinh,
)
from nnc.elementwise_functions import (
    smooth_l1 as smooth_l1,
)
from nnc.elementwise_functions import (
    softplus as softplus,
)
from nnc.elementwise_functions import (
    softsign as softsign,
)
from nnc.elementwise_functions import (
    swish as swish,
)
from nnc.elementwise_functions import (
    tan as tan,
)
from nnc.elementwise_functions import (
    trunc as trunc,
)
from nnc.errors import OptionError, ShapeError
from nnc.graph import Operation
from nnc.recorder import flush, record
from nnc.wrapping import as_array, binary, function, real, unary

Shape = int | Sequence[int]

__all__ = ["NDArray", "array", "contrib"]


def full(shape: Shape, val: float, dtype: object = "float32", ctx: object = None) -> NDArray:
    name = dtype_name(dtype)
    value = numeric(val, name).item()
    return NDArray(record(ops.full, [], (sizes_of("full", shape), value, name))[0])


def zeros(shape: Shape, dtype: object = "float32", ctx: object = None) -> NDArray:
    return full(shape, 0, dtype)


def ones(shape: Shape, dtype: object = "float32", ctx: object = None) -> NDArray:
    return full(shape, 1, dtype)


def zeros_like(x: NDArray) -> NDArray:
    return full(x.shape, 0, x.dtype)


def ones_like(x: NDArray) -> NDArray:
    return full(x.shape, 1, x.dtype)


def arange(
    start: float, stop: float | None = None, step: float = 1.0, dtype: object = "float32"
) -> NDArray:
    first, end = (0, start) if stop is None else (start, stop)
    if not is_number(step) or not step:
        raise OptionError(f"arange: expected a step other than 0, given {step!r}")
    return array(np.arange(number("arange", first), number("arange", end), step), dtype)


add = binary(ops.add)
subtract = binary(ops.subtract)
multiply = binary(ops.multiply)
maximum = binary(ops.maximum)
minimum = binary(ops.minimum)


def divide(x: Any, y: Any) -> NDArray:
    return as_array(x) / y


def power(x: Any, y: Any) -> NDArray:
    return as_array(x) ** y


def where(condition: Any, x: Any, y: Any) -> NDArray:
    mask = as_array(condition).current
    return NDArray(record(ops.where, [mask, *promoted(x, y)])[0])


broadcast_add = broadcast_plus = elemwise_add = add
broadcast_sub = broadcast_minus = elemwise_sub = subtract
broadcast_mul = elemwise_mul = multiply
broadcast_div = elemwise_div = divide
broadcast_mod = modulo
broadcast_power = power
broadcast_maximum = maximum
broadcast_minimum = minimum
broadcast_equal = equal
broadcast_not_equal = not_equal
broadcast_greater = greater
broadcast_greater_equal = greater_equal
broadcast_lesser = lesser
broadcast_lesser_equal = lesser_equal
broadcast_logical_and = logical_and
broadcast_logical_or = logical_or
broadcast_logical_xor = logical_xor

abs = function(NDArray.abs)
argmax = function(NDArray.argmax)
clip = function(NDArray.clip)
exp = function(NDArray.exp)
expand_dims = function(NDArray.expand_dims)
log = function(NDArray.log)
log_softmax = function(NDArray.log_softmax)
max = function(NDArray.max)
mean = function(NDArray.mean)
min = function(NDArray.min)
negative = function(NDArray.__neg__)
prod = function(NDArray.prod)
relu = function(NDArray.relu)
sigmoid = function(NDArray.sigmoid)
softmax = function(NDArray.softmax)
sqrt = function(NDArray.sqrt)
square = function(NDArray.square)
squeeze = function(NDArray.squeeze)
sum = function(NDArray.sum)
take = function(NDArray.take)
tanh = function(NDArray.tanh)


rsqrt = real(ops.rsqrt)
sin = real(ops.sin)
cos = real(ops.cos)
erf = real(ops.erf)
gelu = real(ops.gelu)
silu = real(ops.silu)
sign = unary(ops.sign)


@function
def cumsum(x: NDArray, axis: int = 0) -> NDArray:
    return x.apply(ops.cumsum, axis)


@function
def reshape(x: NDArray, shape: Sequence[int]) -> NDArray:
    return x.reshape(shape)


@function
def transpose(x: NDArray, axes: Sequence[int] = ()) -> NDArray:
    return x.transpose(*axes)


@function
def broadcast_to(x: NDArray, shape: Sequence[int]) -> NDArray:
    return x.broadcast_to(sizes_of("broadcast_to", shape))


def concat(*arrays: NDArray, dim: int = 1) -> NDArray:
    """The arrays one after the other along axis `dim`."""
    inputs = [x.current for x in _listed("concat", arrays)]
    return NDArray(record(ops.concat, inputs, (dim,))[0])


def concatenate(arrays: Sequence[NDArray], axis: int = 0) -> NDArray:
    return concat(*arrays, dim=axis)


def stack(*arrays: Any, axis: int = 0) -> NDArray:
    """The arrays along a new axis."""
    return concat(*[x.expand_dims(axis) for x in _listed("stack", arrays)], dim=axis)


def _listed(name: str, arrays: Sequence[Any]) -> list[NDArray]:
    """Arrays given one by one, or as one list."""
    listed = arrays[0] if len(arrays) == 1 and isinstance(arrays[0], list | tuple) else arrays
    if not listed:
        raise ShapeError(f"{name}: expected at least one array")
    return list(map(as_array, listed))


@function
def split(x: NDArray, num_outputs: int, axis: int = 1) -> list[NDArray]:
    """Equal parts along an axis."""
    axis = axis_of("split", axis, x.ndim)
    size = x.shape[axis]
    if size % count("split: num_outputs", num_outputs):
        raise ShapeError(f"split: {size} elements cannot be divided into {num_outputs} parts")
    part, before = size // num_outputs, (slice(None),) * axis
    return [x[(*before, slice(i, i + part))] for i in range(0, size, part)]


@function
def matmul(x: NDArray, y: NDArray) -> NDArray:
    return x @ y


def dot(x: Any, y: Any) -> NDArray:
    """The product over the last axis of `x` and the first of `y`."""
    x, y = as_array(x), as_array(y)
    if x.ndim <= 2 and y.ndim <= 2:
        return x @ y
    rows, columns = x.reshape(-1, x.shape[-1]), y.reshape(y.shape[0], -1)
    return (rows @ columns).reshape(*x.shape[:-1], *y.shape[1:])


@function
def batch_dot(x: NDArray, y: NDArray) -> NDArray:
    return x @ y


@function
def pick(x: NDArray, index: Any, axis: int = -1) -> NDArray:
    """The element at `index` along an axis, which disappears."""
    return NDArray(record(ops.pick, [x.current, array(index, "int32").current], (axis,))[0])


def one_hot(indices: Any, depth: int, dtype: object = "float32") -> NDArray:
    """1 where the last position is the index; a row of zeros for an index that is no position."""
    size = count("one_hot: depth", depth)
    return array(indices, "int32").apply(ops.one_hot, size, dtype_name(dtype))


def _affine(
    operation: Operation, data: NDArray, gamma: NDArray, beta: NDArray, *settings: Any
) -> NDArray:
    inputs = [x.current for x in (data.as_float(), gamma, beta)]
    return NDArray(record(operation, inputs, settings)[0])


def layer_norm(
    data: NDArray, gamma: NDArray, beta: NDArray, axis: Axis = -1, eps: float = 1e-5
) -> NDArray:
    """`gamma * (data - mean) / sqrt(variance + eps) + beta` along an axis, or several."""
    return _affine(norms.layer_norm, data, gamma, beta, axis, eps)


def rms_norm(data: NDArray, gamma: NDArray, axis: Axis = -1, eps: float = 1e-5) -> NDArray:
    """`gamma * data / sqrt(mean(data^2) + eps)` along an axis, or several."""
    inputs = [data.as_float().current, gamma.current]
    return NDArray(record(norms.rms_norm, inputs, (axis, eps))[0])


def group_norm(
    data: NDArray, gamma: NDArray, beta: NDArray, num_groups: int = 1, eps: float = 1e-5
) -> NDArray:
    """Each sample normalized over groups of its channels, axis 1, and all axes behind.

    Gamma and beta have a number for each channel, as in Gluon 2 and PyTorch.
    """
    return _affine(norms.group_norm, data, gamma, beta, num_groups, eps)


def instance_norm(data: NDArray, gamma: NDArray, beta: NDArray, eps: float = 1e-3) -> NDArray:
    """Each channel, axis 1, of each sample normalized over all axes behind."""
    return _affine(norms.instance_norm, data, gamma, beta, 1, eps)


def l2_normalization(data: NDArray, eps: float = 1e-10, mode: str = "instance") -> NDArray:
    """`data / sqrt(sum(data^2) + eps)`.

    The sum is over a sample ("instance"), over axis 1 ("channel") or over the axes behind it
    ("spatial").
    """
    modes = {"instance": slice(1, None), "channel": slice(1, 2), "spatial": slice(2, None)}
    axes = range(data.ndim)[modes[chosen("L2Normalization: mode", mode, modes)]]
    return data.as_float().apply(norms.l2_normalization, tuple(axes), eps)


LeakyReLU = leaky_relu_by_type
LayerNorm = layer_norm
GroupNorm = group_norm
InstanceNorm = instance_norm
L2Normalization = l2_normalization


def waitall() -> None:
    """Compute everything that was recorded."""
    flush()
