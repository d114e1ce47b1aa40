"""Channels as blocks of pixels."""

from nnc.arrays.array import NDArray
from nnc.checks import counts
from nnc.errors import ShapeError
from nnc.gluon.nn.spatial import Sizes, Spatial


class PixelShuffle(Spatial):
    """Each pixel's channels, `factor` for each spatial axis, become a block of pixels."""

    def __init__(self, factor: Sizes):
        super().__init__()
        self._factors = counts(f"{type(self).__name__}: factor", factor, self.axes)

    def forward(self, x: NDArray) -> NDArray:
        self.check_images(x)
        batch, channels, *sizes = x.shape
        block = 1
        for factor in self._factors:
            block *= factor
        if channels % block:
            raise ShapeError(
                f"{type(self).__name__}: {channels} channels cannot be divided into blocks of "
                f"{block}"
            )
        parts = x.reshape(batch, channels // block, *self._factors, *sizes)
        places = range(2, 2 + self.axes)
        order = [axis for place in places for axis in (place + self.axes, place)]
        larger = [size * factor for size, factor in zip(sizes, self._factors, strict=True)]
        return parts.transpose(0, 1, *order).reshape(batch, channels // block, *larger)

    def describe(self) -> str:
        return f"factor={self._factors}"


class PixelShuffle1D(PixelShuffle, axes=1):
    """`PixelShuffle` of sequences (N, C f, W) to (N, C, W f)."""


class PixelShuffle2D(PixelShuffle, axes=2):
    """`PixelShuffle` of images (N, C f², H, W) to (N, C, H f, W f)."""


class PixelShuffle3D(PixelShuffle, axes=3):
    """`PixelShuffle` of volumes (N, C f³, D, H, W) to (N, C, D f, H f, W f)."""
