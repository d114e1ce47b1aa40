"""Indices with arrays in them, as in numpy: `x[rows, columns]`, `x[:, at]`."""

from types import EllipsisType
from typing import Any

import numpy as np

from nnc.array import NDArray, as_indices
from nnc.errors import IndexingError
from nnc.index_functions import gather_nd
from nnc.shape_functions import stack


def has_arrays(key: Any) -> bool:
    """Whether arrays or lists of positions are in an index."""
    return any(is_array(each) for each in (key if isinstance(key, tuple) else (key,)))


def is_array(key: Any) -> bool:
    return isinstance(key, NDArray | np.ndarray | list)


def picked(x: NDArray, key: Any) -> NDArray:
    """The elements at an index with arrays. Their axes stand where the first of them stood."""
    items = spread(key if isinstance(key, tuple) else (key,), x.ndim)
    chosen = [i for i, item in enumerate(items) if not isinstance(item, slice)]
    first, count = chosen[0], len(chosen)
    if any(item is None for item in items) or chosen != list(range(first, first + count)):
        raise IndexingError(
            "the arrays and numbers of an index stand side by side, without None; take the slices "
            "first, as x[0][:, at]"
        )
    part = x[tuple(item if isinstance(item, slice) else slice(None) for item in items)]
    arrays = [positions_in(item) for item in items[first : first + count]]
    if count == 1:
        return part.take(arrays[0], first)
    sizes = np.broadcast_shapes(*(array.shape for array in arrays))
    at = stack(*[array.broadcast_to(sizes) for array in arrays])
    order = [*chosen, *(i for i in range(part.ndim) if i not in chosen)]
    found = gather_nd(part.transpose(*order), at)
    rank = len(sizes)
    back = [*range(rank, rank + first), *range(rank), *range(rank + first, found.ndim)]
    return found.transpose(*back)


def spread(key: tuple[Any, ...], rank: int) -> list[Any]:
    """The index with an item for each axis."""
    dots = [i for i, item in enumerate(key) if isinstance(item, EllipsisType)]
    given = sum(item is not None for item in key) - len(dots)
    if given > rank or len(dots) > 1:
        raise IndexingError(f"index with {given} items for an array of {rank} axes")
    place = dots[0] if dots else len(key)
    rest = [slice(None)] * (rank - given)
    return [*key[:place], *rest, *key[place + 1 :]]


def positions_in(item: Any) -> NDArray:
    """Positions along one axis; a mask has no known number of them."""
    array = item if isinstance(item, NDArray) else np.asarray(item)
    if array.dtype == np.bool_:
        raise IndexingError(
            "an index is not a mask, shapes are static; use nnc.nd.where(mask, a, b)"
        )
    return as_indices(array)


def on_host(key: Any) -> Any:
    """The index with numpy's arrays in place of nnc's, to write by."""
    if isinstance(key, tuple):
        return tuple(on_host(each) for each in key)
    given = key.host() if isinstance(key, NDArray) else np.asarray(key) if is_array(key) else key
    floats = isinstance(given, np.ndarray) and given.dtype.kind == "f"
    return given.astype(np.int64) if floats else given
