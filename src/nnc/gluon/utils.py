"""Helpers of Gluon programs."""

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nnc import nd
from nnc.arrays.array import NDArray, array
from nnc.checks import axis_of, count
from nnc.device import place_named
from nnc.errors import OptionError, ShapeError


def split_data(
    data: NDArray, num_slice: int, batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """The batch in `num_slice` parts."""
    count("split_data: num_slice", num_slice)
    batch_axis = axis_of("split_data", batch_axis, data.ndim)
    size = data.shape[batch_axis]
    if even_split and size % num_slice:
        raise ShapeError(
            f"split_data: a batch of {size} cannot be divided evenly into {num_slice} slices; "
            "choose another batch size, or even_split=False"
        )
    bounds = [size * i // num_slice for i in range(num_slice + 1)]
    before = (slice(None),) * batch_axis
    return [data[(*before, slice(*pair))] for pair in pairwise(bounds)]


def split_and_load(
    data: Any, ctx_list: Sequence[object], batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """The batch, on the one device of the list."""
    place = place_named("split_and_load", ctx_list)
    return [array(data, ctx=place) if not isinstance(data, NDArray) else data.as_in_context(place)]


def clip_global_norm(
    arrays: Sequence[NDArray], max_norm: float, check_isfinite: bool = True
) -> float | NDArray:
    """Scales arrays in place so that the norm of all of them together is at most `max_norm`.

    Returns the norm before. With `check_isfinite` it is a number, which has to be computed now;
    without, an array, and clipping is a part of the program of the step that follows.
    """
    if not arrays:
        raise OptionError("clip_global_norm: expected at least one array")
    dtype = "float64" if any(x.dtype == "float64" for x in arrays) else "float32"
    squares = [x.astype(dtype, copy=False).square().sum() for x in arrays]
    norm = nd.sqrt(sum(squares[1:], squares[0]))
    scale = nd.minimum(max_norm / (norm + 1e-8), 1.0)
    for x in arrays:
        x *= scale.astype(x.dtype, copy=False)
    if not check_isfinite:
        return norm
    number = float(norm)
    if not math.isfinite(number):
        warnings.warn(f"clip_global_norm: the norm is {number}", stacklevel=2)
    return number
