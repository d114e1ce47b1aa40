"""Functions on arrays, named as in numpy and MXNet."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from nnc import control_flow as contrib
from nnc import norm_operators as norms
from nnc import operators as ops
from nnc.arithmetic import Axis
from nnc.array import NDArray, array, promoted
from nnc.checks import axis_of, chosen, count, is_number, number, sizes_of
from nnc.dtypes import dtype_name, numeric
from nnc.errors import OptionError, ShapeError
from nnc.graph import Operation
from nnc.recorder import flush, record

Shape = int | Sequence[int]
Options = ParamSpec("Options")
Result = TypeVar("Result")

__all__ = ["NDArray", "array", "contrib"]


def as_array(x: Any) -> NDArray:
    return x if isinstance(x, NDArray) else array(x)


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


def _binary(operation: Operation, x: Any, y: Any) -> NDArray:
    first = x if isinstance(x, NDArray) else as_array(y)
    return first.combine(operation, x, y)


def add(x: Any, y: Any) -> NDArray:
    return _binary(ops.add, x, y)


def subtract(x: Any, y: Any) -> NDArray:
    return _binary(ops.subtract, x, y)


def multiply(x: Any, y: Any) -> NDArray:
    return _binary(ops.multiply, x, y)


def divide(x: Any, y: Any) -> NDArray:
    return as_array(x) / y


def power(x: Any, y: Any) -> NDArray:
    return as_array(x) ** y


def maximum(x: Any, y: Any) -> NDArray:
    """The larger of each pair; of equal elements the first has the gradient."""
    return _binary(ops.maximum, x, y)


def minimum(x: Any, y: Any) -> NDArray:
    return _binary(ops.minimum, x, y)


def where(condition: Any, x: Any, y: Any) -> NDArray:
    mask = as_array(condition).current
    return NDArray(record(ops.where, [mask, *promoted("where", x, y)])[0])


def _function(
    method: Callable[Concatenate[NDArray, Options], Result],
) -> Callable[Concatenate[Any, Options], Result]:
    """The method as a function that also takes what arrays are made of."""

    @functools.wraps(method)
    def function(x: Any, *args: Options.args, **options: Options.kwargs) -> Result:
        return method(as_array(x), *args, **options)

    return function


abs = _function(NDArray.abs)
argmax = _function(NDArray.argmax)
clip = _function(NDArray.clip)
exp = _function(NDArray.exp)
expand_dims = _function(NDArray.expand_dims)
log = _function(NDArray.log)
log_softmax = _function(NDArray.log_softmax)
max = _function(NDArray.max)
mean = _function(NDArray.mean)
min = _function(NDArray.min)
negative = _function(NDArray.__neg__)
prod = _function(NDArray.prod)
relu = _function(NDArray.relu)
sigmoid = _function(NDArray.sigmoid)
softmax = _function(NDArray.softmax)
sqrt = _function(NDArray.sqrt)
square = _function(NDArray.square)
squeeze = _function(NDArray.squeeze)
sum = _function(NDArray.sum)
take = _function(NDArray.take)
tanh = _function(NDArray.tanh)


@_function
def rsqrt(x: NDArray) -> NDArray:
    return x.as_float().apply(ops.rsqrt)


@_function
def sin(x: NDArray) -> NDArray:
    return x.as_float().apply(ops.sin)


@_function
def cos(x: NDArray) -> NDArray:
    return x.as_float().apply(ops.cos)


@_function
def erf(x: NDArray) -> NDArray:
    return x.as_float().apply(ops.erf)


@_function
def gelu(x: NDArray) -> NDArray:
    """`x * Phi(x)`, by the error function."""
    return x.as_float().apply(ops.gelu)


@_function
def silu(x: NDArray) -> NDArray:
    """`x * sigmoid(x)`, also called swish."""
    return x.as_float().apply(ops.silu)


@_function
def sign(x: NDArray) -> NDArray:
    return x.apply(ops.sign)


@_function
def cumsum(x: NDArray, axis: int = 0) -> NDArray:
    return x.apply(ops.cumsum, axis)


@_function
def reshape(x: NDArray, shape: Sequence[int]) -> NDArray:
    return x.reshape(shape)


@_function
def transpose(x: NDArray, axes: Sequence[int] = ()) -> NDArray:
    return x.transpose(*axes)


@_function
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


@_function
def split(x: NDArray, num_outputs: int, axis: int = 1) -> list[NDArray]:
    """Equal parts along an axis."""
    axis = axis_of("split", axis, x.ndim)
    size = x.shape[axis]
    if size % count("split: num_outputs", num_outputs):
        raise ShapeError(f"split: {size} elements cannot be divided into {num_outputs} parts")
    part, before = size // num_outputs, (slice(None),) * axis
    return [x[(*before, slice(i, i + part))] for i in range(0, size, part)]


@_function
def matmul(x: NDArray, y: NDArray) -> NDArray:
    return x @ y


def dot(x: Any, y: Any) -> NDArray:
    """The product over the last axis of `x` and the first of `y`."""
    x, y = as_array(x), as_array(y)
    if x.ndim <= 2 and y.ndim <= 2:
        return x @ y
    rows, columns = x.reshape(-1, x.shape[-1]), y.reshape(y.shape[0], -1)
    return (rows @ columns).reshape(*x.shape[:-1], *y.shape[1:])


@_function
def batch_dot(x: NDArray, y: NDArray) -> NDArray:
    return x @ y


@_function
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


LayerNorm = layer_norm
GroupNorm = group_norm
InstanceNorm = instance_norm
L2Normalization = l2_normalization


def waitall() -> None:
    """Compute everything that was recorded."""
    flush()
