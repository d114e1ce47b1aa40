"""Basic indices, as in numpy: integers, slices, `...` and None."""

import operator
from types import EllipsisType
from typing import Any

from nnc.errors import IndexingError

Item = tuple[int, int, int] | int | None
"""Of a basic index: start, stop and step, or one position, or a new axis."""


def basic_items(key: Any, shape: tuple[int, ...]) -> tuple[Item, ...]:
    """A basic index, one item for each axis, all positions counted from 0."""
    keys = key if isinstance(key, tuple) else (key,)
    given = sum(k is not None and k is not Ellipsis for k in keys)
    if given > len(shape) or keys.count(Ellipsis) > 1:
        raise IndexingError(f"index {key!r} has {given} items for an array of shape {shape}")
    items: list[Item] = []
    axis = 0
    for k in (*keys, *([] if Ellipsis in keys else [Ellipsis])):
        if k is None:
            items.append(None)
        elif isinstance(k, EllipsisType):
            rest = len(shape) - given
            items += [(0, size, 1) for size in shape[axis : axis + rest]]
            axis += rest
        else:
            items.append(basic_item(k, shape[axis], axis))
            axis += 1
    return tuple(items)


def basic_item(key: Any, size: int, axis: int) -> Item:
    if isinstance(key, slice):
        start, stop, step = key.indices(size)
        if step < 1:
            raise IndexingError(f"slices go forward; given step {step} along axis {axis}")
        return start, max(start, stop), step
    try:
        position = operator.index(key)
    except TypeError:
        raise IndexingError(f"an index is an integer or a slice; given {key!r}") from None
    if not -size <= position < size:
        raise IndexingError(f"index {position} is outside of axis {axis}, which has size {size}")
    return position % size
