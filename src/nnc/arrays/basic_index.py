"""Basic indices, as in numpy: integers, slices, `...` and None."""

import operator
from math import prod
from types import EllipsisType
from typing import Any

from nnc.checks import is_count, sizes_of
from nnc.errors import IndexingError, ShapeError

Item = tuple[int, int, int] | int | None
"""Of a basic index: start, stop and step, or one position, or a new axis."""


def basic_items(key: Any, shape: tuple[int, ...]) -> tuple[Item, ...]:
    """A basic index, one item for each axis, all positions counted from 0."""
    keys = key if isinstance(key, tuple) else (key,)
    given = sum(k is not None and k is not Ellipsis for k in keys)
    if given and not shape:
        raise IndexingError(
            f"index {key!r}: an array of shape () has no axes; x.item() is its number"
        )
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
    try:
        if isinstance(key, slice):
            start, stop, step = key.indices(size)
            return start, max(start, stop) if step > 0 else min(start, stop), step
        position = operator.index(key)
    except (TypeError, ValueError):
        position = None
    if position is None or isinstance(key, bool):
        raise IndexingError(f"an index is an integer or a slice; given {key!r}")
    if not -size <= position < size:
        raise IndexingError(f"index {position} is outside of axis {axis}, which has size {size}")
    return position % size


def goes_backward(items: tuple[Item, ...]) -> bool:
    return any(isinstance(item, tuple) and item[2] < 0 for item in items)


def forward(items: tuple[Item, ...]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """The index of the same elements by slices that go forward, and the axes to turn around."""
    kept = [item for item in items if not isinstance(item, int)]
    turned = tuple(i for i, item in enumerate(kept) if isinstance(item, tuple) and item[2] < 0)
    ahead = (slice_forward(*item) if isinstance(item, tuple) else item for item in items)
    return tuple(ahead), turned


def slice_forward(start: int, stop: int, step: int) -> slice:
    if step > 0:
        return slice(start, stop, step)
    found = range(start, stop, step)
    return slice(found[-1], start + 1, -step) if found else slice(0, 0)


CODES = (0, -2, -3, -4)
"""Of MXNet's, in a wanted shape."""


def resolve_shape(
    wanted: tuple[int, ...], given: tuple[int, ...], reverse: bool = False
) -> tuple[int, ...]:
    """The wanted shape of the elements, with MXNet's codes and -1 replaced by what they mean."""
    size = prod(given)
    if size and any(is_count(one, -4) and one in CODES for one in wanted):
        turn = slice(None, None, -1 if reverse else 1)
        wanted = decoded(wanted[turn], given[turn])[turn]
    known_sizes = sizes_of("reshape", wanted, -1)
    known = prod(s for s in known_sizes if s != -1)
    rest = size // known if known else 0
    sizes = tuple(rest if s == -1 else s for s in known_sizes)
    if known_sizes.count(-1) > 1 or prod(sizes) != size:
        raise ShapeError(f"reshape: {given} has {size} elements, given shape {wanted}")
    return sizes


def decoded(wanted: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """The wanted shape without MXNet's codes.

    0 keeps a size, -2 all that are left, -3 multiplies two; -4 divides one into the two numbers
    that follow, one of which may be -1.
    """
    codes, left, sizes = iter(wanted), list(given), list[int]()
    try:
        for code in codes:
            if code == -2:
                sizes += left
                left = []
            elif code == -3:
                sizes.append(left.pop(0) * left.pop(0))
            elif code == -4:
                first, second, whole = next(codes), next(codes), left.pop(0)
                sizes += [whole // second if first == -1 else first]
                sizes += [whole // first if second == -1 else second]
            else:
                size = left.pop(0) if left or code == 0 else 1
                sizes.append(size if code == 0 else code)
    except (IndexError, StopIteration, ZeroDivisionError):
        raise ShapeError(f"reshape: shape {wanted} asks for more axes than {given} has") from None
    return tuple(sizes)
