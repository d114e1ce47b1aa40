"""Arrays made of numbers: constants and ranges."""

import math
from collections.abc import Sequence

import numpy as np

from nnc.array_functions.index import positions
from nnc.arrays.array import NDArray, array, as_array
from nnc.checks import count, integer, is_number, number, one_number, sizes_of
from nnc.device import in_either_order, place_named
from nnc.dtypes import dtype_name
from nnc.errors import OptionError
from nnc.operators import core as ops
from nnc.recording.graph import placed, type_of
from nnc.recording.recorder import record

Shape = int | Sequence[int]


def full(
    shape: Shape,
    val: float,
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
) -> NDArray:
    dtype, ctx = in_either_order(dtype, ctx)
    name = "float32" if dtype is None else dtype_name(dtype)
    value = one_number("full", val, name)
    [made] = record(ops.full, [], (sizes_of("full", shape), value, name))
    return NDArray(placed(made, place_named("full", device, ctx)))


def zeros(
    shape: Shape, dtype: object = "float32", ctx: object = None, device: object = None
) -> NDArray:
    return full(shape, 0, dtype, ctx, device)


def ones(
    shape: Shape, dtype: object = "float32", ctx: object = None, device: object = None
) -> NDArray:
    return full(shape, 1, dtype, ctx, device)


def zeros_like(x: NDArray) -> NDArray:
    return full_like(x, 0)


def ones_like(x: NDArray) -> NDArray:
    return full_like(x, 1)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    dtype: object = "float32",
    ctx: object = None,
    device: object = None,
    *,
    repeat: int = 1,
) -> NDArray:
    """From `start`, 0 if it is left out, to before `stop`, each number as often as asked for."""
    first, end = (0, start) if stop is None else (start, stop)
    if not is_number(step) or not step:
        raise OptionError(f"arange: expected a step other than 0, given {step!r}")
    bounds = number("arange", first), number("arange", end)
    length = (bounds[1] - bounds[0]) / step
    times = count("arange: repeat", repeat)
    type_of((math.ceil(min(max(length, 0), 2**63)) * times,), "float64")
    numbers = np.arange(*bounds, step).repeat(times)
    return array(numbers, dtype, ctx, device)


def full_like(x: NDArray, fill_value: float, dtype: object = None) -> NDArray:
    like = as_array(x)
    return full(like.shape, fill_value, like.dtype if dtype is None else dtype, like.device)


empty = zeros
empty_like = zeros_like


def linspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: object = "float32"
) -> NDArray:
    """Numbers at equal distances, the last at `stop` unless told otherwise."""
    bounds = number("linspace", start), number("linspace", stop)
    type_of((count("linspace: num", num, 0),), "float64")
    return array(np.linspace(*bounds, num, endpoint), dtype)


def eye(n: int, m: int | None = None, k: int = 0, dtype: object = "float32") -> NDArray:
    """1 on the k-th diagonal above the main one, else 0."""
    sizes = count("eye: N", n, 0), count("eye: M", n if m is None else m, 0)
    on = positions(sizes, 1) - positions(sizes, 0) == integer("eye: k", k)
    return on.astype(dtype_name(dtype))


def identity(n: int | NDArray, dtype: object = "float32") -> NDArray:
    """1 on the diagonal, else 0; of an array its copy, as in MXNet."""
    return n.copy() if isinstance(n, NDArray) else eye(n, dtype=dtype)
