"""Functions that move elements: axes, parts, copies and borders, named as in numpy and MXNet."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnc.array_functions import elementwise as elements
from nnc.array_functions.index import gathered, positions, selected
from nnc.array_functions.wrapping import function
from nnc.arrays.array import NDArray, as_array
from nnc.checks import (
    axes_of,
    axis_of,
    chosen,
    count,
    integer,
    listed_axes,
    one_number,
    sizes_of,
    two_axes,
)
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops
from nnc.operators import index as indexed
from nnc.recording.recorder import record

Axis = int | Sequence[int] | None


@function
def reshape(x: NDArray, shape: Sequence[int], reverse: bool = False) -> NDArray:
    """The same elements in order, in another shape; see `NDArray.reshape`."""
    return x.reshape(shape, reverse=reverse)


@function
def transpose(x: NDArray, axes: Sequence[int] | None = None) -> NDArray:
    return x.transpose(axes)


@function
def broadcast_to(x: NDArray, shape: Sequence[int]) -> NDArray:
    """Broadcast to a shape; 0 keeps a size of an array with as many axes, as in MXNet."""
    sizes = sizes_of("broadcast_to", shape)
    if len(sizes) == x.ndim and x.size:
        sizes = tuple(given or own for given, own in zip(sizes, x.shape, strict=True))
    return x.broadcast_to(sizes)


def concat(*arrays: Any, dim: int = 1) -> NDArray:
    """The arrays, or those of one list, one after the other along axis `dim`.

    One without axes counts as one element.
    """
    inputs = [(x if x.ndim else x.reshape(1)).current for x in several("concat", arrays)]
    return NDArray(record(ops.concat, inputs, (dim,))[0])


def concatenate(arrays: Sequence[NDArray], axis: int | None = 0) -> NDArray:
    """The arrays one after the other along an axis, or all elements in one row."""
    given = listed("concatenate", arrays)
    rows = [x.reshape(-1) for x in given] if axis is None else given
    return concat(rows, dim=axis or 0)


def stack(*arrays: Any, axis: int = 0) -> NDArray:
    """The arrays along a new axis."""
    return concat([x.expand_dims(axis) for x in several("stack", arrays)], dim=axis)


def several(name: str, arrays: Sequence[Any]) -> list[NDArray]:
    """Arrays given one by one, or as one list."""
    alone = len(arrays) == 1 and isinstance(arrays[0], list | tuple)
    return listed(name, arrays[0] if alone else arrays)


def listed(name: str, arrays: Any) -> list[NDArray]:
    """The arrays of a list, or the slices of one array."""
    several = isinstance(arrays, list | tuple)
    if not several and not (isinstance(arrays, NDArray | np.ndarray) and arrays.ndim):
        raise OptionError(f"{name}: expected a list of arrays, given {arrays!r}")
    if not len(arrays):
        raise ShapeError(f"{name}: expected at least one array")
    return list(map(as_array, arrays))


@function
def split(x: NDArray, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> list[NDArray]:
    """Equal parts along an axis; with `squeeze_axis` without it, where they have size 1."""
    axis = axis_of("split", axis, x.ndim)
    size = x.shape[axis]
    if size % count("split: num_outputs", num_outputs):
        raise ShapeError(f"split: {size} elements cannot be divided into {num_outputs} parts")
    part, before = size // num_outputs, (slice(None),) * axis
    starts = [part * number for number in range(num_outputs)]
    parts = [x[(*before, slice(start, start + part))] for start in starts]
    return [part.squeeze(axis) for part in parts] if squeeze_axis else parts


# Axes in another order.


def swapaxes(x: Any, dim1: int = 0, dim2: int = 0) -> NDArray:
    """Two axes in each other's place."""
    data = as_array(x)
    order = list(range(data.ndim))
    first, second = (axis_of("swapaxes", axis, data.ndim) for axis in (dim1, dim2))
    order[first], order[second] = second, first
    return data.transpose(*order)


def depth_to_space(x: Any, block_size: int) -> NDArray:
    """Images (N, C b², H, W) as (N, C, H b, W b): channels become blocks of pixels."""
    data, b = as_array(x), count("depth_to_space: block_size", block_size)
    n, c, h, w = _images("depth_to_space", data)
    if c % b**2:
        raise ShapeError(f"depth_to_space: {c} channels cannot be divided into blocks of {b**2}")
    blocks = data.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // b**2, h * b, w * b)


def space_to_depth(x: Any, block_size: int) -> NDArray:
    """Images (N, C, H b, W b) as (N, C b², H, W): blocks of pixels become channels."""
    data, b = as_array(x), count("space_to_depth: block_size", block_size)
    n, c, h, w = _images("space_to_depth", data)
    if h % b or w % b:
        raise ShapeError(f"space_to_depth: {h} x {w} pixels cannot be divided into blocks of {b}")
    blocks = data.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * b**2, h // b, w // b)


def _images(name: str, x: NDArray) -> tuple[int, ...]:
    if x.ndim != 4:
        raise ShapeError(f"{name}: expected images (N, C, H, W), given shape {x.shape}")
    return x.shape


# Parts.


def slice_axis(x: Any, axis: int, begin: int, end: int | None) -> NDArray:
    """From `begin` to before `end` along one axis."""
    data = as_array(x)
    before = (slice(None),) * axis_of("slice_axis", axis, data.ndim)
    return data[(*before, slice(begin, end))]


def slice_like(x: Any, shape_like: NDArray, axes: Axis = ()) -> NDArray:
    """As much from the beginning as another array has, along some axes or, given none, all."""
    data, like = as_array(x), as_array(shape_like).shape
    chosen_axes = axes_of("slice_like", axes or None, data.ndim)
    if any(axis >= len(like) or like[axis] > data.shape[axis] for axis in chosen_axes):
        raise ShapeError(f"slice_like: shape {data.shape} cannot be cut to {like}")
    limits = [like[a] if a in chosen_axes else size for a, size in enumerate(data.shape)]
    return data[tuple(map(slice, limits))]


def slice_(x: Any, begin: Sequence[Any], end: Sequence[Any], step: Sequence[Any] = ()) -> NDArray:
    """From `begin` to before `end` by `step` along the first axes; None is the default of each."""
    data, given = as_array(x), [begin, end, step]
    if not all(isinstance(part, list | tuple) for part in given) or (
        not len(begin) == len(end) == len(step or end)
    ):
        raise OptionError(
            f"slice: expected a begin, an end and a step for each axis, given {begin}, {end} and "
            f"{step}"
        )
    places = [
        [None if place is None else integer("slice", place) for place in box]
        for box in zip(begin, end, step or (None,) * len(end), strict=True)
    ]
    boxes = [slice(*box) for box in places]
    turned = [axis for axis, box in enumerate(boxes) if (box.step or 1) < 0]
    for axis in turned:
        # The positions counted from the other end.
        size = data.shape[axis]
        first, limit, stride = boxes[axis].indices(size)
        boxes[axis] = slice(size - 1 - first, size - 1 - limit, -stride)
    return (flip(data, turned) if turned else data)[tuple(boxes)]


# Repeated, turned and moved along an axis.


def flip(x: Any, axis: Axis = None) -> NDArray:
    """From the last to the first along some axes, all by default."""
    data = as_array(x)
    for each in axes_of("flip", axis, data.ndim):
        [at] = record(indexed.positions_backward, [], (data.shape[each],))
        data = gathered(data, NDArray(at), each)
    return data


def roll(x: Any, shift: int, axis: int | None = None) -> NDArray:
    """Shifted along an axis, or as one long row; what leaves at the end enters at the front."""
    data = as_array(x)
    if axis is None:
        return roll(data.reshape(-1), shift, 0).reshape(data.shape)
    along = axis_of("roll", axis, data.ndim)
    size, places = data.shape[along], integer("roll: shift", shift)
    at = positions([size], 0)
    return gathered(data, elements.mod(at - places % size, size), along) if size else data


def tile(x: Any, reps: int | Sequence[int]) -> NDArray:
    """The array again and again along each axis; missing counts or axes in front are 1."""
    data, times = as_array(x), sizes_of("tile: reps", reps)
    rank = max(data.ndim, len(times))
    sizes = (1,) * (rank - data.ndim) + data.shape
    times = (1,) * (rank - len(times)) + times
    split = [part for size in sizes for part in (1, size)]
    wide = [part for pair in zip(times, sizes, strict=True) for part in pair]
    whole = data.reshape(tuple(split)).broadcast_to(tuple(wide))
    return whole.reshape(tuple(n * size for n, size in zip(times, sizes, strict=True)))


def repeat(x: Any, repeats: int, axis: int | None = None) -> NDArray:
    """Each element several times along an axis, or in the flattened array."""
    data, times = as_array(x), count("repeat: repeats", repeats, 0)
    if axis is None:
        return repeat(data.reshape(-1), times, 0)
    after = axis_of("repeat", axis, data.ndim) + 1
    sizes, rest = data.shape[:after], data.shape[after:]
    wide = data.reshape(*sizes, 1, *rest).broadcast_to((*sizes, times, *rest))
    return wide.reshape((*sizes[:-1], sizes[-1] * times, *rest))


def broadcast_like(x: Any, like: NDArray, lhs_axes: Axis = None, rhs_axes: Axis = None) -> NDArray:
    """Broadcast to the shape of another array, or axes of `x` to the sizes of axes of the other."""
    data, like = as_array(x), as_array(like)
    if lhs_axes is None or rhs_axes is None:
        return data.broadcast_to(like.shape)
    own = listed_axes("broadcast_like", lhs_axes, data.ndim)
    others = listed_axes("broadcast_like", rhs_axes, like.ndim)
    if len(own) != len(others):
        raise OptionError(f"broadcast_like: {len(own)} axes become those of {len(others)}")
    sizes = list(data.shape)
    for axis, other in zip(own, others, strict=True):
        sizes[axis] = like.shape[other]
    return data.broadcast_to(tuple(sizes))


def pad(
    x: Any, mode: str = "constant", pad_width: Sequence[int] = (), constant_value: float = 0
) -> NDArray:
    """A border along each axis: `pad_width` is (before, after) for one axis after the other.

    It is filled with a constant, with the value at the edge ("edge"), or with what lies inside,
    mirrored at the edge ("reflect").
    """
    data, widths = as_array(x), sizes_of("pad: pad_width", pad_width)
    chosen("pad: mode", mode, ("constant", "edge", "reflect"))
    if len(widths) != 2 * data.ndim:
        raise ShapeError(f"pad: expected 2 widths for each of {data.ndim} axes, given {pad_width}")
    low, high = widths[::2], widths[1::2]
    if mode == "constant":
        value = one_number("pad: constant_value", constant_value, data.dtype)
        return data.apply(ops.pad, low, high, float(value))
    for axis, (before, after) in enumerate(zip(low, high, strict=True)):
        size = data.shape[axis]
        if (before or after) and size <= (max(before, after) if mode == "reflect" else 0):
            raise ShapeError(f"pad: axis {axis}, of size {size}, has nothing to fill a border with")
        if before or after:
            at = positions([before + size + after], 0) - before
            # An edge is what is nearest; beyond both ends a mirror runs back.
            mirrored = (size - 1) - elements.absolute((size - 1) - elements.absolute(at))
            data = gathered(data, mirrored if mode == "reflect" else at, axis)
    return data


# Diagonals.


def tril(x: Any, k: int = 0) -> NDArray:
    """Zeros above the k-th diagonal of the last two axes."""
    data = as_array(x)
    return selected(_above(data, "tril") <= k, data, 0)


def triu(x: Any, k: int = 0) -> NDArray:
    """Zeros below the k-th diagonal of the last two axes."""
    data = as_array(x)
    return selected(_above(data, "triu") >= k, data, 0)


def _above(x: NDArray, name: str) -> NDArray:
    """How far above the main diagonal each element is."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected two axes or more, given shape {x.shape}")
    return positions(x.shape, x.ndim - 1) - positions(x.shape, x.ndim - 2)


def diag(x: Any, k: int = 0, axis1: int = 0, axis2: int = 1) -> NDArray:
    """The k-th diagonal of two axes, or the matrix with a vector as this diagonal."""
    data = as_array(x)
    if data.ndim != 1:
        return diagonal(data, k, axis1, axis2)
    size = data.shape[0] + abs(integer("diag: k", k))
    rows = data.apply(ops.pad, (max(k, 0),), (max(-k, 0),), 0.0)
    wide = rows.broadcast_to((size, size))
    return selected(_above(wide, "diag") == k, wide, 0)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> NDArray:
    """A diagonal of two axes, as the last one."""
    data = as_array(x)
    first, second = two_axes("diagonal", (axis1, axis2), data.ndim)
    integer("diagonal: offset", offset)
    rest = [i for i in range(data.ndim) if i not in (first, second)]
    flat = data.transpose(*rest, first, second)
    rows, columns = flat.shape[-2:]
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    start = max(-offset, 0) * columns + max(offset, 0)
    at = positions([length], 0) * (columns + 1) + start
    return gathered(flat.reshape((*flat.shape[:-2], rows * columns)), at, flat.ndim - 2)
