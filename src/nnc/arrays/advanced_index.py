"""Indices with arrays in them, as in numpy: `x[rows, columns]`, `x[:, at]`."""

import math
from types import EllipsisType
from typing import Any

import numpy as np

from nnc.array_functions.index import existing, gathered
from nnc.arrays.array import NDArray, as_indices
from nnc.errors import IndexingError


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
    if count == 1:
        return part.take(positions_in(items[first]), first)
    at = as_indices(0)
    for axis in chosen:
        what, size = f"index: positions along axis {axis}", part.shape[axis]
        at = at * size + existing(what, positions_in(items[axis]), size)
    order = [*chosen, *(i for i in range(part.ndim) if i not in chosen)]
    turned = part.transpose(*order)
    places, rank = math.prod(turned.shape[:count]), at.ndim
    found = gathered(turned.reshape((places, *turned.shape[count:])), at, 0)
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
    if not isinstance(given, np.ndarray) or given.dtype.kind != "f":
        return given
    if (odd := given[given != np.trunc(given)]).size:
        raise IndexingError(f"assignment: positions are whole numbers, given {odd[0]}")
    return given.astype(np.int64)
