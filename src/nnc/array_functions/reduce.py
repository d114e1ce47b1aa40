"""Functions that combine elements along axes, and that bring them in order."""

import math
from typing import Any

from nnc.array_functions import elementwise as elements
from nnc.array_functions.index import gathered, moveaxis, positions, selected
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, as_array
from nnc.checks import axis_of, chosen, count, number
from nnc.checks import elements as check_elements
from nnc.dtypes import FLOATS
from nnc.errors import OptionError
from nnc.operators import index as ops
from nnc.operators.core import cumsum as sums
from nnc.recording.recorder import record


def var(x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> NDArray:
    """The mean of squared distances from the mean; of `ddof` elements less."""
    data = as_array(x).as_float()
    check_elements("var", data.shape, axis)
    squares = (data - data.mean(axis, True)).square()
    total = squares.sum(axis, keepdims)
    return total / max(data.size // max(total.size, 1) - number("var: ddof", ddof), 0)


def std(x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> NDArray:
    """The root of `var`."""
    return _root(var(x, axis, keepdims, ddof))


def _root(squares: NDArray) -> NDArray:
    """The root of sums of squares; at 0, where it has a kink, the gradient is 0."""
    positive = squares != 0
    return selected(positive, selected(positive, squares, 1).sqrt(), 0)


def norm(x: Any, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The root of the sum of squares, the sum of absolute values (1) or the largest (inf)."""
    data = as_array(x).as_float()
    if ord == 2:
        return _root(data.square().sum(axis, keepdims))
    if ord == 1:
        return data.abs().sum(axis, keepdims)
    if ord == math.inf:
        return data.abs().max(axis, keepdims)
    raise OptionError(f"norm: expected ord 1, 2 or inf, given {ord!r}")


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """`log(sum(exp(x)))`, without overflow."""
    data = as_array(x).as_float()
    check_elements("logsumexp", data.shape, axis)
    largest = data.detach().max(axis, True)
    # Infinities cannot be taken away.
    largest = selected(elements.isfinite(largest), largest, 0)
    total = (data - largest).exp().sum(axis, True).log() + largest
    return total if keepdims else total.sum(axis)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """Whether an element is not 0."""
    return (as_array(x) != 0).sum(axis, keepdims) != 0


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """Whether no element is 0."""
    return (as_array(x) == 0).sum(axis, keepdims) == 0


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> NDArray:
    """The first position of the minimum; NaN is smaller than everything."""
    data = as_array(x)
    check_elements("argmin", data.shape, axis)
    # -1 - x has no overflow in integers.
    turned = -data if data.dtype.name in FLOATS else -1 - _countable(data)
    return turned.argmax(axis, keepdims)


def _countable(x: NDArray) -> NDArray:
    """Masks and bytes as int32."""
    return x.astype("int32") if x.dtype.name in ("bool", "uint8", "int8") else x


def cumsum(x: Any, axis: int | None = None) -> NDArray:
    """Running sums along an axis, or of all elements in one row."""
    data = _countable(as_array(x))
    return data.reshape(-1).apply(sums, 0) if axis is None else data.apply(sums, axis)


def cumprod(x: Any, axis: int | None = None) -> NDArray:
    """Running products along an axis, or of all elements in one row.

    Each is a product of its own, so that zeros have gradients.
    """
    data = _countable(as_array(x))
    if axis is None:
        return cumprod(data.reshape(-1), 0)
    along = axis_of("cumprod", axis, data.ndim)
    last = moveaxis(data, along, -1)
    size = last.shape[-1]
    sizes = (*last.shape[:-1], size, size)
    wide = last.expand_dims(-2).broadcast_to(sizes)
    taken = positions(sizes, len(sizes) - 1) <= positions(sizes, len(sizes) - 2)
    return moveaxis(selected(taken, wide, 1).prod(-1), -1, along)


# Order. Equal elements keep theirs; NaN counts as larger than every number, as in numpy.


def ranks(x: NDArray, ascending: bool) -> NDArray:
    """At which position each element of the last axis belongs: how many come before it."""
    data = _countable(x.detach())
    sizes = (*data.shape, data.shape[-1])
    one, other = data.expand_dims(-1), data.expand_dims(-2)
    before = other < one if ascending else other > one
    tied = other == one
    if data.dtype.name in FLOATS:
        one_nan, other_nan = elements.isnan(one), elements.isnan(other)
        more, less = (one_nan, other_nan) if ascending else (other_nan, one_nan)
        above = elements.logical_and(more, elements.logical_not(less))
        before = elements.logical_or(before, above)
        tied = elements.logical_or(tied, elements.logical_and(one_nan, other_nan))
    earlier = positions(sizes, len(sizes) - 1) < positions(sizes, len(sizes) - 2)
    return elements.logical_or(before, elements.logical_and(tied, earlier)).sum(-1)


def argsort(
    data: Any, axis: int | None = -1, is_ascend: bool = True, dtype: object = "int32"
) -> NDArray:
    """The positions that bring an axis, or all as one row, in order. Compares each two elements."""
    x = as_array(data)
    if axis is None:
        return argsort(x.reshape(-1), 0, is_ascend, dtype)
    along = axis_of("argsort", axis, x.ndim)
    order = ranks(moveaxis(x, along, -1), is_ascend)
    rank, size = order.ndim - 1, order.shape[-1]
    inputs = [positions(order.shape, rank).current, order.current]
    found = NDArray(record(ops.scatter_add, inputs, (size, rank, rank))[0])
    return moveaxis(found, -1, along).astype(dtype, copy=False)


def sort(data: Any, axis: int | None = -1, is_ascend: bool = True) -> NDArray:
    """The elements in order along an axis, or all as one row; gradients go back to their places."""
    x = as_array(data)
    if axis is None:
        return sort(x.reshape(-1), 0, is_ascend)
    return _taken(x, argsort(x, axis, is_ascend), axis_of("sort", axis, x.ndim))


def _taken(x: NDArray, at: NDArray, axis: int) -> NDArray:
    batches = x.ndim - 1
    found = gathered(moveaxis(x, axis, -1), moveaxis(at, axis, -1), batches, batches)
    return moveaxis(found, -1, axis)


def topk(
    data: Any,
    axis: int = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: object = "int32",
) -> Any:
    """The positions of the k largest elements along an axis, the largest first.

    Or their values ("value"), both ("both"), or where they are as ones ("mask"); of the smallest
    with `is_ascend`.
    """
    x = as_array(data)
    along = axis_of("topk", axis, x.ndim)
    chosen("topk: ret_typ", ret_typ, ("indices", "value", "both", "mask"))
    if count("topk: k", k) > x.shape[along]:
        raise OptionError(f"topk: expected k of at most {x.shape[along]}, given {k}")
    if ret_typ == "mask":
        inside = ranks(moveaxis(x, along, -1), is_ascend) < k
        return moveaxis(inside, -1, along).astype(x.dtype)
    before = (slice(None),) * along
    best = argsort(x, along, is_ascend)[(*before, slice(0, k))]
    if ret_typ == "indices":
        return best.astype(dtype, copy=False)
    values = _taken(x, best, along)
    return values if ret_typ == "value" else [values, best.astype(dtype, copy=False)]
