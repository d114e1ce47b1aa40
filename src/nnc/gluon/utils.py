"""Helpers of Gluon programs."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nnc.array import NDArray, array
from nnc.errors import DeviceError, ShapeError


def split_data(
    data: NDArray, num_slice: int, batch_axis: int = 0, even_split: bool = True
) -> list[NDArray]:
    """The batch in `num_slice` parts."""
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
    """One part of the batch for each device. There is one device."""
    if len(ctx_list) != 1:
        raise DeviceError(
            f"split_and_load: {len(ctx_list)} devices given, but a program runs on one; its "
            "threads share the batch, so pass one device and the whole batch"
        )
    batch = data if isinstance(data, NDArray) else array(data)
    return split_data(batch, 1, batch_axis, even_split)
