"""What MXNet keeps in `nd.contrib`: loops and branches, and functions for attention and boxes."""

import importlib
import math
from collections.abc import Sequence
from typing import Any

from nnc.array_functions.elementwise import isfinite, isinf, isnan
from nnc.array_functions.image import adaptive_avg_pooling2d, bilinear_resize2d
from nnc.array_functions.index import one_hot, positions, selected
from nnc.array_functions.numpy_names import allclose, maximum, minimum
from nnc.array_functions.product import batch_dot
from nnc.array_functions.shape import repeat as repeated
from nnc.array_functions.shape import stack, swapaxes
from nnc.array_functions.values import MASK, known
from nnc.arrays.array import NDArray, as_array
from nnc.checks import axis_of, chosen, count, listed_axes
from nnc.control_flow import cond, foreach, while_loop
from nnc.errors import ShapeError

AdaptiveAvgPooling2D = adaptive_avg_pooling2d
BilinearResize2D = bilinear_resize2d

__all__ = ["allclose", "cond", "foreach", "isfinite", "isinf", "isnan", "while_loop"]


def __getattr__(name: str) -> Any:
    """MXNet 1.x has `amp` here, too."""
    if name == "amp":
        return importlib.import_module("nnc.amp")
    raise AttributeError(f"module 'nnc.contrib' has no attribute '{name}'")


def arange_like(
    data: Any, start: float = 0.0, step: float = 1.0, repeat: int = 1, axis: int | None = None
) -> NDArray:
    """`start`, `start + step`, … in the shape of an array, or for the places of one axis."""
    x = as_array(data)
    sizes = x.shape if axis is None else (x.shape[axis_of("arange_like", axis, x.ndim)],)
    flat, times = math.prod(sizes), count("arange_like: repeat", repeat)
    numbers = repeated(positions([-(-flat // times)], 0), times)[:flat]
    return (numbers.astype(x.dtype) * step + start).reshape(sizes)


def boolean_mask(data: Any, index: Any, axis: int = 0) -> NDArray:
    """The slices along an axis where `index`, a number for each, is not 0. It is computed first."""
    x, mask = as_array(data), as_array(index)
    before = axis_of("boolean_mask", axis, x.ndim)
    if mask.shape != x.shape[before : before + 1]:
        raise ShapeError(
            f"boolean_mask: expected an index of shape {x.shape[before : before + 1]}, given "
            f"{mask.shape}"
        )
    return x[(*(slice(None),) * before, known(MASK, mask) != 0)]


def div_sqrt_dim(data: Any) -> NDArray:
    """Divided by the root of the size of the last axis."""
    x = as_array(data)
    return x / math.sqrt(x.shape[axis_of("div_sqrt_dim", -1, x.ndim)])


def gradientmultiplier(data: Any, scalar: float = 1.0) -> NDArray:
    """The array itself; its gradient is multiplied."""
    x = as_array(data)
    same = x.detach()
    return same + (x - same) * scalar


def index_copy(old_tensor: Any, index_vector: Any, new_tensor: Any) -> NDArray:
    """The old rows with those at the indices replaced by the new ones; the last of equal wins."""
    old, new = as_array(old_tensor), as_array(new_tensor)
    axis_of("index_copy", 0, old.ndim)
    if new.shape != (*as_array(index_vector).shape, *old.shape[1:]):
        raise ShapeError(f"index_copy: rows of shape {new.shape} for an array of {old.shape}")
    hits = one_hot(index_vector, len(old), dtype="int32") * (positions([len(new), 1], 0) + 1)
    last = hits.max(0)
    mask = (last > 0).reshape((-1, *[1] * (old.ndim - 1))).broadcast_to(old.shape)
    return selected(mask, new.take(maximum(last - 1, 0)), old)


def index_array(data: Any, axes: Sequence[int] | None = None) -> NDArray:
    """The place of each element along all axes, or some, as a last axis of int64."""
    shape = as_array(data).shape
    chosen_axes = range(len(shape)) if axes is None else axes
    places = [positions(shape, a) for a in listed_axes("index_array", chosen_axes, len(shape))]
    return stack(*places, axis=len(shape)).astype("int64")


def box_iou(lhs: Any, rhs: Any, format: str = "corner") -> NDArray:
    """What each two boxes share, divided by what they cover together.

    The last axis has the corners x1, y1, x2, y2, or the center x, y and the sizes w, h.
    """
    chosen("box_iou: format", format, ("corner", "center"))
    left, right = as_array(lhs), as_array(rhs)
    rows, columns = (box.reshape(-1, 4) for box in (left, right))
    if format == "center":
        rows, columns = (_corners(box) for box in (rows, columns))
    a, b = rows.expand_dims(1), columns.expand_dims(0)
    sides = minimum(a[..., 2:], b[..., 2:]) - maximum(a[..., :2], b[..., :2])
    shared = sides.relu().prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b)]
    covered = areas[0] + areas[1] - shared
    safe = selected(covered == 0, covered * 0 + 1, covered)
    return (shared / safe).reshape((*left.shape[:-1], *right.shape[:-1]))


def _corners(boxes: NDArray) -> NDArray:
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return stack(center - half, center + half, axis=1).reshape(-1, 4)


def interleaved_matmul_selfatt_qk(queries_keys_values: Any, heads: int) -> NDArray:
    """`q k^T / sqrt(size)` of each head, (N heads, L, L), of (L, N, heads · 3 · size)."""
    queries, keys, _ = _heads(as_array(queries_keys_values), heads)
    return batch_dot(queries / math.sqrt(queries.shape[-1]), keys, transpose_b=True)


def interleaved_matmul_selfatt_valatt(
    queries_keys_values: Any, attention: Any, heads: int
) -> NDArray:
    """The values weighted by `attention` (N heads, L, L), as (L, N, heads · size)."""
    given = as_array(queries_keys_values)
    *_, values = _heads(given, heads)
    length, batch, _ = given.shape
    weighted = batch_dot(attention, values).reshape(batch, heads, length, -1)
    return weighted.transpose(2, 0, 1, 3).reshape(length, batch, -1)


def _heads(x: NDArray, heads: int) -> list[NDArray]:
    """Queries, keys and values of each head, (N heads, L, size)."""
    if x.ndim != 3 or x.shape[2] % (3 * count("interleaved_matmul: heads", heads)):
        raise ShapeError(f"interleaved_matmul: {heads} heads of shape {x.shape}")
    length, batch, width = x.shape
    size = width // heads // 3
    parts = x.reshape(length, batch * heads, 3, size)
    return [swapaxes(parts[:, :, i], 0, 1) for i in range(3)]
