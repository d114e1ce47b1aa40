"""Functions that move, pick and place elements, named as in numpy and MXNet."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnc import index_operators as ops
from nnc import operators as basic
from nnc.array import NDArray, as_array
from nnc.checks import axis_of, count, indices, sizes_of
from nnc.dtypes import dtype_name
from nnc.errors import IndexingError, OptionError, ShapeError
from nnc.recorder import record
from nnc.wrapping import binary, function

Axis = int | Sequence[int] | None

_maximum, _minimum = binary(basic.maximum), binary(basic.minimum)


def positions(sizes: Sequence[int], axis: int) -> NDArray:
    """The position along an axis, as int32."""
    return NDArray(record(ops.positions, [], (tuple(sizes), axis))[0])


def as_indices(x: Any) -> NDArray:
    """An array of int32."""
    given = as_array(x)
    return given if given.dtype == "int32" else given.astype("int32")


def gathered(x: NDArray, at: NDArray, axis: int, batches: int = 0) -> NDArray:
    """The slices of `x` at positions along an axis; the first axes of both go together."""
    return NDArray(record(ops.gather, [x.current, at.current], (axis, batches))[0])


def selected(mask: NDArray, x: NDArray, y: Any) -> NDArray:
    """`x` where the mask holds, else `y`."""
    other = as_array(y).astype(x.dtype, copy=False)
    return NDArray(record(basic.where, [mask.current, x.current, other.current])[0])


def moveaxis(x: Any, source: int, destination: int) -> NDArray:
    """One axis at another place, the others in their order."""
    data = as_array(x)
    first, second = (axis_of("moveaxis", axis, data.ndim) for axis in (source, destination))
    order = [axis for axis in range(data.ndim) if axis != first]
    order.insert(second, first)
    return data if first == second else data.transpose(*order)


def take_along_axis(x: Any, at: Any, axis: int = -1) -> NDArray:
    """For each position of `at`, which has the other sizes of `x`, the element along the axis."""
    data, chosen_at = as_array(x), as_indices(at)
    last = axis_of("take_along_axis", axis, data.ndim)
    turned = gathered(
        moveaxis(data, last, -1), moveaxis(chosen_at, last, -1), data.ndim - 1, data.ndim - 1
    )
    return moveaxis(turned, -1, last)


# By indices.


def gather_nd(x: Any, indices_: Any) -> NDArray:
    """`x[indices[0], indices[1], …]`: the first axis of the indices goes over axes of `x`."""
    data, given = as_array(x), as_array(indices_)
    flat = _flat("gather_nd", given, data.shape)
    depth = given.shape[0]
    return gathered(data.reshape((-1, *data.shape[depth:])), flat, 0)


def scatter_nd(updates: Any, indices_: Any, shape: Sequence[int]) -> NDArray:
    """Zeros of a shape, to which updates are added where `gather_nd` would take from."""
    data, given, sizes = as_array(updates), as_array(indices_), sizes_of("scatter_nd", shape)
    flat = _flat("scatter_nd", given, sizes)
    places = 1
    for size in sizes[: given.shape[0]]:
        places *= size
    inputs = [data.current, flat.current]
    return NDArray(record(ops.scatter_add, inputs, (places, 0, 0))[0]).reshape(sizes)


def _flat(name: str, at: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Where the first axes of an array, as one, have what is asked for; indices are checked."""
    if not at.ndim or not 0 < at.shape[0] <= len(shape):
        raise ShapeError(
            f"{name}: expected indices of 1 to {len(shape)} axes along their first axis, "
            f"given shape {at.shape}"
        )
    known, at, flat = at.current.memory, as_indices(at), as_indices(0)
    for axis in range(at.shape[0]):
        if isinstance(known, np.ndarray):
            indices(f"{name}: indices of axis {axis}", known[axis], shape[axis], IndexingError)
        held = _minimum(_maximum(at[axis], 0), shape[axis] - 1)
        flat = flat * shape[axis] + held
    return flat


def embedding(data: Any, weight: NDArray, input_dim: int = 0, output_dim: int = 0) -> NDArray:
    """The rows of `weight` at the positions `data`."""
    given = input_dim or weight.shape[0], output_dim or weight.shape[1]
    if given != weight.shape:
        raise ShapeError(f"Embedding: expected a weight of shape {given}, given {weight.shape}")
    return weight.take(data, 0)


def sequence_mask(
    data: Any,
    sequence_length: Any = None,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
) -> NDArray:
    """`value` from the length of each sequence on; time is `axis`, 0 or 1, the batch the other."""
    x = as_array(data)
    if not use_sequence_length:
        return x
    if axis not in (0, 1) or x.ndim < 2:
        raise OptionError(f"SequenceMask: expected axis 0 or 1 of two or more, given {axis}")
    lengths = as_array(sequence_length, "int32")
    if lengths.shape != (x.shape[1 - axis],):
        raise ShapeError(
            f"SequenceMask: expected {x.shape[1 - axis]} lengths, given {lengths.shape}"
        )
    sizes = [1] * x.ndim
    sizes[1 - axis] = x.shape[1 - axis]
    inside = positions(x.shape, axis) < lengths.reshape(tuple(sizes))
    return selected(inside, x, value)


@function
def pick(x: NDArray, index: Any, axis: int = -1) -> NDArray:
    """The element at `index` along an axis, which disappears."""
    return NDArray(record(basic.pick, [x.current, as_array(index, "int32").current], (axis,))[0])


def one_hot(indices: Any, depth: int, dtype: object = "float32") -> NDArray:
    """1 where the last position is the index; a row of zeros for an index that is no position."""
    size = count("one_hot: depth", depth)
    return as_array(indices, "int32").apply(basic.one_hot, size, dtype_name(dtype))
