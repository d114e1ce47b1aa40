"""Convolution and pooling."""

from typing import Any

from nnc import layer_operators as layers
from nnc import operators as ops
from nnc.array import NDArray
from nnc.checks import count, pair
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import HybridBlock
from nnc.gluon.nn.basic import Affine, Source
from nnc.graph import Operation

Pair = int | tuple[int, int]


def check_layout(layout: str) -> None:
    if layout != "NCHW":
        raise OptionError(f"layout is 'NCHW', given '{layout}'; memory is laid out by the compiler")


def check_groups(groups: int, *channels: int) -> None:
    """Channels of input and output are divided into groups."""
    for given in channels:
        if given % groups:
            raise ShapeError(f"Conv2D: {given} channels cannot be divided into {groups} groups")


class Conv2D(Affine):
    """Convolution of NCHW images, weight (channels, in_channels / groups, kh, kw)."""

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
        in_channels: int = 0,
    ):
        check_layout(layout)
        self._channels = count("Conv2D: channels", channels)
        self._kernel = pair("Conv2D: kernel_size", kernel_size)
        self._geometry = (
            pair("Conv2D: strides", strides),
            pair("Conv2D: padding", padding, 0),
            pair("Conv2D: dilation", dilation),
            count("Conv2D: groups", groups),
        )
        check_groups(groups, channels, count("Conv2D: in_channels", in_channels, 0))
        shape = (channels, in_channels // groups, *self._kernel)
        super().__init__(
            shape, activation, use_bias, "float32", weight_initializer, bias_initializer
        )

    def infer_shape(self, x: NDArray) -> None:
        shape, groups = x.shape, self._geometry[3]
        if len(shape) != 4:
            raise ShapeError(f"Conv2D: expected images (N, C, H, W), given shape {shape}")
        check_groups(groups, shape[1])
        self.weight.finish((self._channels, shape[1] // groups, *self._kernel))

    def forward(self, x: NDArray) -> NDArray:
        return self.affine(layers.convolution2d, x, *self._geometry)

    def describe(self) -> str:
        strides, padding, *_ = self._geometry
        return f"{self._channels}, kernel={self._kernel}, strides={strides}, padding={padding}"


class Pool2D(HybridBlock):
    """A window over NCHW images."""

    operation: Operation

    def __init__(
        self, pool_size: Pair, strides: Pair | None, padding: Pair, layout: str, ceil_mode: bool
    ):
        super().__init__()
        check_layout(layout)
        name = type(self).__name__
        self._size = pair(f"{name}: pool_size", pool_size)
        self._strides = self._size if strides is None else pair(f"{name}: strides", strides)
        padding = pair(f"{name}: padding", padding, 0)
        self._attributes: tuple[Any, ...] = (self._size, self._strides, padding, ceil_mode)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self.operation, *self._attributes)

    def describe(self) -> str:
        return f"size={self._size}, strides={self._strides}"


class MaxPool2D(Pool2D):
    """The largest element under each window; the first of tied maxima has the gradient."""

    operation = layers.max_pool

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: Pair = 0,
        layout: str = "NCHW",
        ceil_mode: bool = False,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)


class AvgPool2D(Pool2D):
    """The mean under each window, by default with the padding counted."""

    operation = layers.avg_pool

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        layout: str = "NCHW",
        count_include_pad: bool = True,
    ):
        super().__init__(pool_size, strides, padding, layout, ceil_mode)
        self._attributes = (*self._attributes, count_include_pad)


class GlobalPool2D(HybridBlock):
    """A reduction over both spatial axes, kept with size 1."""

    kind: str

    def __init__(self, layout: str = "NCHW"):
        super().__init__()
        check_layout(layout)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(ops.reduce_, self.kind, (2, 3), True)


class GlobalAvgPool2D(GlobalPool2D):
    """The mean over the image."""

    kind = "mean"


class GlobalMaxPool2D(GlobalPool2D):
    """The maximum over the image."""

    kind = "max"
