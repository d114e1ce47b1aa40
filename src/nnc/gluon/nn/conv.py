"""Convolutions of 1, 2 and 3 spatial axes, and transposed ones."""

from typing import Any

from nnc.arrays.array import NDArray
from nnc.checks import count, counts
from nnc.errors import OptionError, ShapeError
from nnc.gluon.nn.basic import Affine, Source
from nnc.gluon.nn.spatial import Sizes, Spatial
from nnc.operators import image as images


class Conv(Affine, Spatial):
    """Images (N, in_channels, …) filtered, weight (channels, in_channels / groups, …)."""

    def __init__(
        self,
        channels: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        layout: str = "",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
        in_channels: int = 0,
    ):
        name = type(self).__name__
        self.check_layout(layout)
        self._channels = count(f"{name}: channels", channels)
        self._groups = count(f"{name}: groups", groups)
        self._kernel = counts(f"{name}: kernel_size", kernel_size, self.axes)
        self._strides = counts(f"{name}: strides", strides, self.axes)
        self._padding = counts(f"{name}: padding", padding, self.axes, 0)
        self._dilation = counts(f"{name}: dilation", dilation, self.axes)
        self.check_groups(channels, count(f"{name}: in_channels", in_channels, 0))
        super().__init__(
            self._channels,
            self.weight_shape(in_channels),
            activation,
            use_bias,
            "float32",
            weight_initializer,
            bias_initializer,
        )

    def check_groups(self, *channels: int) -> None:
        """Channels of input and output are divided into groups."""
        for given in channels:
            if given % self._groups:
                raise ShapeError(
                    f"{type(self).__name__}: {given} channels cannot be divided into "
                    f"{self._groups} groups"
                )

    def weight_shape(self, in_channels: int) -> tuple[int, ...]:
        return (self._channels, in_channels // self._groups, *self._kernel)

    @property
    def geometry(self) -> tuple[Any, ...]:
        """Strides, padding, dilation and groups."""
        return self._strides, self._padding, self._dilation, self._groups

    def infer_shape(self, x: NDArray) -> None:
        self.check_images(x)
        self.check_groups(x.shape[1])
        self.weight.finish(self.weight_shape(x.shape[1]))

    def forward(self, x: NDArray) -> NDArray:
        return self.affine(images.convolve, x, *self.geometry)

    def describe(self) -> str:
        none, one = (0,) * self.axes, (1,) * self.axes
        said = [
            f"{self._in_channels or None} -> {self._channels}",
            f"kernel_size={self._kernel}",
            f"stride={self._strides}",
            f"padding={self._padding}" if self._padding != none else "",
            f"dilation={self._dilation}" if self._dilation != one else "",
            f"groups={self._groups}" if self._groups > 1 else "",
            "bias=False" if self.bias is None else "",
            self.activation,
        ]
        return ", ".join(filter(None, said))

    @property
    def _in_channels(self) -> int:
        return (self.weight.shape or (0, 0))[1] * self._groups


class ConvTranspose(Conv):
    """The adjoint of `Conv` in the images, weight (in_channels, channels / groups, …).

    Along each axis `(in - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1`
    elements are made. `output_padding` is below the stride.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        layout: str = "",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Source = None,
        bias_initializer: Source = "zeros",
        in_channels: int = 0,
    ):
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            in_channels,
        )
        name = type(self).__name__
        self._output_padding = counts(f"{name}: output_padding", output_padding, self.axes, 0)
        if any(map(int.__ge__, self._output_padding, self._strides)):
            raise OptionError(
                f"{name}: output_padding: expected less than the strides {self._strides}, given "
                f"{output_padding!r}"
            )

    def weight_shape(self, in_channels: int) -> tuple[int, ...]:
        return (in_channels, self._channels // self._groups, *self._kernel)

    @property
    def _in_channels(self) -> int:
        return (self.weight.shape or (0,))[0]

    def forward(self, x: NDArray) -> NDArray:
        geometry: tuple[Any, ...] = (
            self._strides,
            self._padding,
            self._output_padding,
            self._dilation,
            self._groups,
        )
        return self.affine(images.convolve_transposed, x, *geometry)


class Conv1D(Conv, axes=1):
    """`Conv` of sequences (N, C, W)."""


class Conv2D(Conv, axes=2):
    """`Conv` of images (N, C, H, W)."""


class Conv3D(Conv, axes=3):
    """`Conv` of volumes (N, C, D, H, W)."""


class Conv1DTranspose(ConvTranspose, axes=1):
    """`ConvTranspose` of sequences (N, C, W)."""


class Conv2DTranspose(ConvTranspose, axes=2):
    """`ConvTranspose` of images (N, C, H, W)."""


class Conv3DTranspose(ConvTranspose, axes=3):
    """`ConvTranspose` of volumes (N, C, D, H, W)."""
