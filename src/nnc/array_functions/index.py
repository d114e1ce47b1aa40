"""Functions that move, pick and place elements, named as in numpy and MXNet."""

import math
from collections.abc import Sequence
from typing import Any

from nnc.array_functions.wrapping import function
from nnc.arrays.array import NDArray, as_array, as_indices, placed_by, promoted
from nnc.checks import axis_of, count, is_count, number, sizes_of
from nnc.dtypes import dtype_name
from nnc.errors import IndexingError, OptionError, ShapeError
from nnc.operators import core as basic
from nnc.operators import index as ops
from nnc.recording.recorder import record

Axis = int | Sequence[int] | None


def positions(sizes: Sequence[int], axis: int) -> NDArray:
    """The position along an axis, as int32."""
    return NDArray(record(ops.positions, [], (tuple(sizes), axis))[0])


def gathered(x: NDArray, at: NDArray, axis: int, batches: int = 0) -> NDArray:
    """The slices of `x` at positions along an axis; the first axes of both go together."""
    return NDArray(record(ops.gather, [x.current, at.current], (axis, batches))[0])


def selected(mask: NDArray, x: NDArray, y: Any) -> NDArray:
    """`x` where the mask holds, else `y`, in the dtype of `x`."""
    other = as_array(y, x.dtype)
    return NDArray(record(basic.where, [mask.current, x.current, other.current])[0])


def where(condition: Any, x: Any, y: Any) -> NDArray:
    """`x` where the condition is not 0, else `y`; all are broadcast."""
    mask = as_array(condition).current
    return NDArray(record(basic.where, [mask, *promoted(x, y)])[0])


def moveaxis(x: Any, source: int, destination: int) -> NDArray:
    """One axis at another place, the others in their order."""
    data = as_array(x)
    first, second = (axis_of("moveaxis", axis, data.ndim) for axis in (source, destination))
    order = [axis for axis in range(data.ndim) if axis != first]
    order.insert(second, first)
    return data if first == second else data.transpose(*order)


def take_along_axis(x: Any, at: Any, axis: int = -1) -> NDArray:
    """For each position of `at`, which has the other sizes of `x`, the element along the axis."""
    data = as_array(x)
    last = axis_of("take_along_axis", axis, data.ndim)
    return along_axis(data, existing("take_along_axis: indices", at, data.shape[last]), last)


def along_axis(x: NDArray, at: NDArray, axis: int) -> NDArray:
    """`take_along_axis` at positions that exist."""
    data, chosen = moveaxis(x, axis, -1), moveaxis(at, axis, -1)
    return moveaxis(gathered(data, chosen, x.ndim - 1, x.ndim - 1), -1, axis)


def existing(
    what: str, indices: Any, size: int, error: type[IndexingError] = IndexingError
) -> NDArray:
    """Indices as int32, that are looked at as `what`: those below `size` exist."""
    return NDArray(record(ops.existing(what, error), [as_indices(indices).current], (size,))[0])


# By indices.


def gather_nd(x: Any, indices_: Any) -> NDArray:
    """`x[indices[0], indices[1], …]`: the first axis of the indices goes over axes of `x`."""
    data, given = as_array(x), as_array(indices_)
    flat = flat_indices("gather_nd", given, data.shape)
    depth = given.shape[0]
    return gathered(data.reshape((-1, *data.shape[depth:])), flat, 0)


def scatter_nd(updates: Any, indices_: Any, shape: Sequence[int]) -> NDArray:
    """Zeros of a shape, to which updates are added where `gather_nd` would take from."""
    data, given, sizes = as_array(updates), as_array(indices_), sizes_of("scatter_nd", shape)
    flat = flat_indices("scatter_nd", given, sizes)
    places = 1
    for size in sizes[: given.shape[0]]:
        places *= size
    inputs = [data.current, flat.current]
    return NDArray(record(ops.scatter_add, inputs, (places, 0, 0))[0]).reshape(sizes)


def flat_indices(name: str, at: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Where the first axes of an array, as one, have what is asked for; indices are checked."""
    if not at.ndim or not 0 < at.shape[0] <= len(shape):
        raise ShapeError(
            f"{name}: expected indices of 1 to {len(shape)} axes along their first axis, "
            f"given shape {at.shape}"
        )
    flat = as_indices(0)
    for axis, size in enumerate(shape[: at.shape[0]]):
        flat = flat * size + existing(f"{name}: indices of axis {axis}", at[axis], size)
    return flat


def embedding(data: Any, weight: NDArray, input_dim: int = 0, output_dim: int = 0) -> NDArray:
    """The rows of `weight` at the positions `data`."""
    table = as_array(weight)
    if table.ndim != 2:
        raise ShapeError(f"Embedding: expected a weight of 2 axes, given shape {table.shape}")
    given = tuple(
        count(f"Embedding: {name}", size, 0) or found
        for name, size, found in zip(
            ("input_dim", "output_dim"), (input_dim, output_dim), table.shape, strict=True
        )
    )
    if given != table.shape:
        raise ShapeError(f"Embedding: expected a weight of shape {given}, given {table.shape}")
    return NDArray(record(basic.embedding, [table.current, as_indices(data).current], (0,))[0])


def time_axis(name: str, x: NDArray, axis: int) -> int:
    """The axis along which sequences go, 0 or 1; the other is the batch."""
    if x.ndim < 2 or not is_count(axis, 0) or axis > 1:
        raise OptionError(f"{name}: expected axis 0 or 1 of two or more, given {axis!r}")
    return axis


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
    time_axis("SequenceMask", x, axis)
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
def pick(
    x: NDArray, index: Any, axis: int = -1, keepdims: bool = False, mode: str = "raise"
) -> NDArray:
    """The element at `index` along an axis, which disappears unless `keepdims`.

    An index that does not exist is an error, or goes where `mode` says, as in `take`.
    """
    along = axis_of("pick", axis, x.ndim)
    indices = placed_by(mode, as_indices(index), x.shape[along])
    expected = (*x.shape[:along], *x.shape[along + 1 :])
    if indices.size != math.prod(expected):
        raise ShapeError(f"pick: expected indices of shape {expected}, given {indices.shape}")
    picked = NDArray(record(basic.pick, [x.current, indices.current], (along,))[0])
    return picked.expand_dims(along) if keepdims else picked


def one_hot(
    indices: Any,
    depth: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: object = "float32",
) -> NDArray:
    """`on_value` where the last position is the index; no position is that of other indices."""
    size = count("one_hot: depth", depth)
    hot = as_array(indices).apply(basic.one_hot, size, dtype_name(dtype))
    if (on_value, off_value) == (1, 0):
        return hot
    values = number("one_hot: on_value", on_value), number("one_hot: off_value", off_value)
    return (hot * (values[0] - values[1]) + values[1]).astype(dtype, copy=False)
