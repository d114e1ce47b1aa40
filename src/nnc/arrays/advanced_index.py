"""Indices with arrays in them, as in numpy: `x[rows, columns]`, `x[:, at]`, `x[mask]`."""

import math
from types import EllipsisType
from typing import Any

import numpy as np

from nnc.array_functions.index import existing, gathered
from nnc.array_functions.values import MASK, known
from nnc.arrays.array import NDArray, as_indices
from nnc.dtypes import numeric
from nnc.errors import IndexingError


def has_arrays(key: Any) -> bool:
    """Whether arrays or lists of positions are in an index."""
    return any(is_array(each) for each in (key if isinstance(key, tuple) else (key,)))


def is_array(key: Any) -> bool:
    return isinstance(key, NDArray | np.ndarray | list)


def picked(x: NDArray, key: Any) -> NDArray:
    """The elements at an index with arrays. Their axes stand where the first of them stood."""
    items = spread(tuple(map(listed, key if isinstance(key, tuple) else (key,))), x.shape)
    chosen = [i for i, item in enumerate(items) if not isinstance(item, slice)]
    first, count = chosen[0], len(chosen)
    if any(item is None for item in items) or chosen != list(range(first, first + count)):
        raise IndexingError(
            "the arrays and numbers of an index stand side by side, without None; take the slices "
            "first, as x[0][:, at]"
        )
    part = x[tuple(item if isinstance(item, slice) else slice(None) for item in items)]
    if count == 1:
        return part.take(as_indices(items[first]), first)
    at = as_indices(0)
    for axis in chosen:
        what, size = f"index: positions along axis {axis}", part.shape[axis]
        at = at * size + existing(what, as_indices(items[axis]), size)
    order = [*chosen, *(i for i in range(part.ndim) if i not in chosen)]
    turned = part.transpose(*order)
    places, rank = math.prod(turned.shape[:count]), at.ndim
    found = gathered(turned.reshape((places, *turned.shape[count:])), at, 0)
    back = [*range(rank, rank + first), *range(rank), *range(rank + first, found.ndim)]
    return found.transpose(*back)


def spread(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """The index with an item for each axis: a mask of several is a list of positions for each."""
    dots = [i for i, item in enumerate(key) if isinstance(item, EllipsisType)]
    axes = [axes_of(item) for item in key]
    rank, given = len(shape), sum(axes)
    if given > rank or len(dots) > 1:
        raise IndexingError(f"index with {given} items for an array of {rank} axes")
    items = list[Any]()
    for item, count in zip(key, axes, strict=True):
        axis = sum(each is not None for each in items)
        if isinstance(item, EllipsisType):
            items += [slice(None)] * (rank - given)
        elif is_mask(item):
            items += places_of(item, shape[axis : axis + count], axis)
        else:
            items.append(item)
    return items + [slice(None)] * (0 if dots else rank - given)


def axes_of(item: Any) -> int:
    """How many axes an item of an index is for."""
    if item is None or isinstance(item, EllipsisType):
        return 0
    return np.ndim(item) if is_mask(item) else 1


def listed(item: Any) -> Any:
    """A list as numpy's array."""
    if not isinstance(item, list):
        return item
    numeric(item)  # Whatever is no array of numbers is an error.
    return np.asarray(item)


def is_mask(item: Any) -> bool:
    return is_array(item) and item.dtype == np.bool_


def places_of(mask: Any, sizes: tuple[int, ...], axis: int) -> list[Any]:
    """Where a mask holds: positions along each of its axes. Looking computes it."""
    if np.shape(mask) != sizes:
        raise IndexingError(
            f"a mask has the sizes of the axes that it is for: expected shape {sizes} from axis "
            f"{axis} on, given {np.shape(mask)}"
        )
    if isinstance(mask, NDArray):
        mask = known(MASK, mask)
    return list(np.nonzero(mask))


def on_host(key: Any) -> Any:
    """The index with numpy's arrays in place of nnc's, to write by."""
    if isinstance(key, tuple):
        return tuple(on_host(each) for each in key)
    given = key.host() if isinstance(key, NDArray) else listed(key)
    if not isinstance(given, np.ndarray) or given.dtype.kind != "f":
        return given
    if (odd := given[given != np.trunc(given)]).size:
        raise IndexingError(f"assignment: positions are whole numbers, given {odd[0]}")
    return given.astype(np.int64)
