"""How arrays are put together and taken apart, named as in NumPy and MXNet."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from nnc.array_functions import elementwise as elements
from nnc.array_functions import shape as shapes
from nnc.array_functions.creation import linspace
from nnc.array_functions.index import existing, flat_indices, pick
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, array, as_array
from nnc.checks import (
    axis_of,
    chosen,
    integer,
    integers,
    is_count,
    listed_axes,
    number,
    sizes_of,
    two_axes,
)
from nnc.errors import OptionError, ShapeError


def atleast_1d(x: Any) -> NDArray:
    data = as_array(x)
    return data if data.ndim else data.reshape(1)


def atleast_2d(x: Any) -> NDArray:
    """A vector becomes a row."""
    data = atleast_1d(x)
    return data if data.ndim > 1 else data.expand_dims(0)


def atleast_3d(x: Any) -> NDArray:
    """A matrix has depth 1, a vector is its first row."""
    data = atleast_2d(x)
    return data if data.ndim > 2 else data.expand_dims(2)


def hstack(arrays: Sequence[Any]) -> NDArray:
    """One after the other: vectors along their axis, others along axis 1."""
    given = [atleast_1d(x) for x in shapes.listed("hstack", arrays)]
    return shapes.concat(given, dim=min(given[0].ndim - 1, 1))


def vstack(arrays: Sequence[Any]) -> NDArray:
    """One below the other; vectors are rows."""
    return shapes.concat([atleast_2d(x) for x in shapes.listed("vstack", arrays)], dim=0)


def dstack(arrays: Sequence[Any]) -> NDArray:
    """One behind the other, along axis 2."""
    return shapes.concat([atleast_3d(x) for x in shapes.listed("dstack", arrays)], dim=2)


def column_stack(arrays: Sequence[Any]) -> NDArray:
    """Side by side; vectors are columns."""
    given = shapes.listed("column_stack", arrays)
    return shapes.concat([x if x.ndim > 1 else x.reshape(-1, 1) for x in given], dim=1)


def split_v2(
    ary: Any, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False
) -> list[NDArray]:
    """Equal parts along an axis, or the parts between positions."""
    data = as_array(ary)
    along = axis_of("split", axis, data.ndim)
    if is_count(indices_or_sections, 0):
        parts = shapes.split(data, indices_or_sections, along)
    else:
        before = (slice(None),) * along
        ends = [0, *integers("split: positions", indices_or_sections), data.shape[along]]
        parts = [data[(*before, slice(a, b))] for a, b in itertools.pairwise(ends)]
    return [part.squeeze(along) for part in parts] if squeeze_axis else parts


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[NDArray]:
    """Parts along an axis, whose sizes differ by 1 at most, or the parts between positions."""
    data, wanted = as_array(x), indices_or_sections
    if not is_count(wanted, 1):
        return split_v2(data, wanted, axis)
    length = data.shape[axis_of("split", axis, data.ndim)]
    parts = min(wanted, length + 1)  # All further ones are empty, too.
    size, more = divmod(length, parts)
    found = split_v2(data, [size * i + min(more, i) for i in range(1, parts)], axis)
    return [*found, *found[-1:] * (wanted - parts)]


def hsplit(x: Any, indices_or_sections: Any) -> list[NDArray]:
    """Parts along axis 1, of a vector along its axis."""
    return split_v2(x, indices_or_sections, min(as_array(x).ndim - 1, 1))


def vsplit(x: Any, indices_or_sections: Any) -> list[NDArray]:
    """Parts along axis 0."""
    return split_v2(x, indices_or_sections, 0)


def meshgrid(*vectors: Any, indexing: str = "xy") -> list[NDArray]:
    """For each vector the grid of its coordinates; with "xy" the first goes along axis 1."""
    chosen("meshgrid: indexing", indexing, ("xy", "ij"))
    given = [as_array(x).reshape(-1) for x in vectors]
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = 1, 0
    sizes = [0] * len(given)
    for axis, x in zip(order, given, strict=True):
        sizes[axis] = x.size
    grids: list[NDArray] = []
    for axis, x in zip(order, given, strict=True):
        one = tuple(-1 if i == axis else 1 for i in range(len(given)))
        grids.append(x.reshape(one).broadcast_to(tuple(sizes)))
    return grids


def logspace(start: float, stop: float, num: int = 50, base: float = 10.0) -> NDArray:
    """`base` to the power of evenly spaced numbers."""
    return number("logspace: base", base, above=0) ** linspace(start, stop, num)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> NDArray:
    """Turned by k right angles, from the first axis to the second."""
    data = as_array(x)
    first, second = two_axes("rot90", axes, data.ndim)
    for _ in range(integer("rot90: k", k) % 4):
        data = shapes.swapaxes(shapes.flip(data, second), first, second)
    return data


def flipud(x: Any) -> NDArray:
    """The rows from last to first."""
    return shapes.flip(x, 0)


def fliplr(x: Any) -> NDArray:
    """The columns from last to first."""
    return shapes.flip(x, 1)


def broadcast_axis(data: Any, axis: Axis = (), size: int | Sequence[int] = ()) -> NDArray:
    """Axes of size 1 as often as asked for."""
    x = as_array(data)
    axes = listed_axes("broadcast_axis", axis, x.ndim)
    sizes = list(size) if isinstance(size, list | tuple) else [size]
    if len(axes) != len(sizes):
        raise OptionError(f"broadcast_axis: expected a size for each of {len(axes)} axes")
    wanted: dict[int, Any] = dict(zip(axes, sizes, strict=True))
    return x.broadcast_to(tuple(wanted.get(i, n) for i, n in enumerate(x.shape)))


def reshape_like(x: Any, like: NDArray) -> NDArray:
    """In the shape of another array."""
    return as_array(x).reshape(as_array(like).shape)


def unravel_index(indices: Any, shape: Sequence[int]) -> NDArray:
    """Positions in a flat array as positions along each axis, which are the first axis."""
    sizes, found = sizes_of("unravel_index", shape), list[NDArray]()
    at = existing("unravel_index: indices", indices, math.prod(sizes))
    for size in reversed(sizes):
        found.insert(0, elements.mod(at, size))
        at = elements.floor_divide(at, size)
    return shapes.stack(*found)


def ravel_multi_index(indices: Any, shape: Sequence[int]) -> NDArray:
    """Positions along each axis, the first axis, as positions in a flat array."""
    given, sizes = as_array(indices), sizes_of("ravel_multi_index", shape)
    if given.shape[:1] != (len(sizes),):
        raise ShapeError(
            f"ravel_multi_index: expected {len(sizes)} positions along the first axis, given shape "
            f"{given.shape}"
        )
    return flat_indices("ravel_multi_index", given, sizes)


def flatten(x: Any) -> NDArray:
    """Two axes: the first, and all others."""
    return as_array(x).flatten()


def ravel(x: Any) -> NDArray:
    """All elements in one row."""
    return as_array(x).reshape(-1)


def argmax_channel(x: Any) -> NDArray:
    """The first position of the maximum along axis 1, as float32."""
    return as_array(x).argmax(1).astype("float32")


def batch_take(x: Any, indices: Any) -> NDArray:
    """For each row the element at its index."""
    return pick(x, indices, 1)


def shape_array(x: Any) -> NDArray:
    """The shape as an array of int64."""
    return array(as_array(x).shape, "int64")


def size_array(x: Any) -> NDArray:
    """How many elements there are, as an array of int64."""
    return array([as_array(x).size], "int64")
