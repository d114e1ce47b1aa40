"""From bytes to numbers for a network: in a dataset, or in front of a network, compiled with it."""

from typing import Any

import numpy as np

from nnc.arrays.array import NDArray
from nnc.dtypes import FLOATS, dtype_name
from nnc.errors import DtypeError, OptionError, ShapeError
from nnc.gluon.data.vision.images import Image
from nnc.gluon.data.vision.transforms.base import Transform


class Cast(Transform):
    """The same numbers in another dtype."""

    def __init__(self, dtype: object = "float32"):
        super().__init__()
        self._dtype = dtype_name(dtype)

    def on_host(self, image: Image) -> Image:
        return image.astype(self._dtype)

    def on_array(self, image: NDArray) -> NDArray:
        return image.astype(self._dtype)


class ToTensor(Transform):
    """Images (H, W, C) or (N, H, W, C) of bytes as float32 (C, H, W) or (N, C, H, W): `x / 255`."""

    def on_host(self, image: Image) -> Image:
        channels = np.ascontiguousarray(image.transpose(self._order(image.shape)))
        return np.divide(channels, np.float32(255), dtype=np.float32)

    def on_array(self, image: NDArray) -> NDArray:
        order = self._order(image.shape)
        return image.transpose(order).astype("float32") / 255.0

    def _order(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Channels before height and width."""
        if len(shape) not in (3, 4):
            raise ShapeError(
                f"ToTensor: expected images (height, width, channels), or a batch of them, given "
                f"shape {shape}"
            )
        return (2, 0, 1) if len(shape) == 3 else (0, 3, 1, 2)


class Normalize(Transform):
    """`(x - mean) / std` of images (C, H, W) or (N, C, H, W); one number, or one per channel."""

    def __init__(self, mean: Any = 0.0, std: Any = 1.0):
        super().__init__()
        self._mean, self._std = (per_channel(n, v) for n, v in (("mean", mean), ("std", std)))
        if not (self._std > 0).all():
            raise OptionError(f"Normalize: std: expected numbers above 0, given {std!r}")

    def on_host(self, image: Image) -> Image:
        self._check(image.dtype.name, image.shape)
        result = image - self._mean.astype(image.dtype)
        result /= self._std.astype(image.dtype)
        return result

    def on_array(self, image: NDArray) -> NDArray:
        self._check(image.dtype.name, image.shape)
        dtype = image.dtype
        return (image - self._mean.astype(dtype)) / self._std.astype(dtype)

    def _check(self, dtype: str, shape: tuple[int, ...]) -> None:
        if dtype not in FLOATS:
            raise DtypeError(f"Normalize: expected floats, given {dtype}; put ToTensor before it")
        known = {len(self._mean), len(self._std)} - {1}
        if len(shape) not in (3, 4) or known - {shape[-3]}:
            channels = max(known, default="any number of")
            raise ShapeError(
                f"Normalize: expected images ({channels} channels, height, width), given {shape}"
            )


def per_channel(name: str, values: Any) -> Image:
    """Numbers as (channels, 1, 1)."""
    try:
        numbers = np.asarray(values, np.float64).reshape(-1, 1, 1)
    except (TypeError, ValueError):
        numbers = np.full((1, 1, 1), np.nan)
    if not np.isfinite(numbers).all():
        raise OptionError(
            f"Normalize: {name}: expected a number or one per channel, given {values!r}"
        )
    return numbers
