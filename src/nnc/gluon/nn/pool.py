"""Pooling and padding of images."""

from typing import Any, ClassVar

from nnc.arrays.array import NDArray
from nnc.checks import counts
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.spatial import Sizes, Spatial
from nnc.operators import core as ops
from nnc.operators import image as images
from nnc.recording.graph import Operation


class Pool(Spatial):
    """A window that slides over images. With `ceil_mode` the last one may be partial."""

    operation: ClassVar[Operation]

    def __init__(
        self, pool_size: Sizes, strides: Sizes | None, padding: Sizes, layout: str, ceil_mode: bool
    ):
        super().__init__()
        self.check_layout(layout)
        name = type(self).__name__
        size = counts(f"{name}: pool_size", pool_size, self.axes)
        stride = size if strides is None else counts(f"{name}: strides", strides, self.axes)
        padding = counts(f"{name}: padding", padding, self.axes, 0)
        self._attributes: tuple[Any, ...] = (size, stride, padding, ceil_mode)

    def forward(self, x: NDArray) -> NDArray:
        self.check_images(x)
        return x.apply(self.operation, *self._attributes)

    def describe(self) -> str:
        size, stride, padding, ceil_mode, *_ = self._attributes
        return f"size={size}, stride={stride}, padding={padding}, ceil_mode={ceil_mode}"


class MaxPool(Pool):
    """The largest element under each window; the first of tied maxima has the gradient."""

    operation = images.max_pool

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: Sizes = 0,
        layout: str = "",
        ceil_mode: bool = False,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)


class AvgPool(Pool):
    """The mean under each window, by default with the padding counted."""

    operation = images.avg_pool

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        layout: str = "",
        count_include_pad: bool = True,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)
        self._attributes = (*self._attributes, count_include_pad)


class MaxPool1D(MaxPool, axes=1):
    """`MaxPool` of sequences (N, C, W)."""


class MaxPool2D(MaxPool, axes=2):
    """`MaxPool` of images (N, C, H, W)."""


class MaxPool3D(MaxPool, axes=3):
    """`MaxPool` of volumes (N, C, D, H, W); `ceil_mode` comes before `layout`, as in Gluon."""

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        layout: str = "",
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)


class AvgPool1D(AvgPool, axes=1):
    """`AvgPool` of sequences (N, C, W); `layout` comes before `ceil_mode`, as in Gluon."""

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: Sizes = 0,
        layout: str = "",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__(pool_size, strides, padding, ceil_mode, layout, count_include_pad)


class AvgPool2D(AvgPool, axes=2):
    """`AvgPool` of images (N, C, H, W)."""


class AvgPool3D(AvgPool, axes=3):
    """`AvgPool` of volumes (N, C, D, H, W)."""


class GlobalAvgPool(Spatial):
    """The mean over all spatial axes, kept with size 1."""

    def __init__(self, layout: str = ""):
        super().__init__()
        self.check_layout(layout)

    def forward(self, x: NDArray) -> NDArray:
        self.check_images(x)
        return x.apply(ops.reduce_, "mean", tuple(range(2, x.ndim)), True)


class GlobalMaxPool(GlobalAvgPool):
    """The maximum over all spatial axes, kept with size 1; the first of tied ones counts."""

    def forward(self, x: NDArray) -> NDArray:
        self.check_images(x)
        return x.apply(images.max_pool, x.shape[2:], x.shape[2:], (0,) * self.axes, False)


class GlobalAvgPool1D(GlobalAvgPool, axes=1):
    """`GlobalAvgPool` of sequences (N, C, W)."""


class GlobalAvgPool2D(GlobalAvgPool, axes=2):
    """`GlobalAvgPool` of images (N, C, H, W)."""


class GlobalAvgPool3D(GlobalAvgPool, axes=3):
    """`GlobalAvgPool` of volumes (N, C, D, H, W)."""


class GlobalMaxPool1D(GlobalMaxPool, axes=1):
    """`GlobalMaxPool` of sequences (N, C, W)."""


class GlobalMaxPool2D(GlobalMaxPool, axes=2):
    """`GlobalMaxPool` of images (N, C, H, W)."""


class GlobalMaxPool3D(GlobalMaxPool, axes=3):
    """`GlobalMaxPool` of volumes (N, C, D, H, W)."""


class ReflectionPad2D(HybridBlock):
    """Images continued on all sides by their mirror image, the outermost elements not repeated."""

    def __init__(self, padding: int = 0):
        super().__init__()
        self._padding = counts("ReflectionPad2D: padding", padding, 2, 0)

    def forward(self, x: NDArray) -> NDArray:
        images.check_images("ReflectionPad2D", x.shape, 2)
        return x.apply(images.pad_reflected, self._padding)

    def describe(self) -> str:
        return f"padding={self._padding}"
