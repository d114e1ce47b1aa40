"""Networks that classify images: ResNet (first version) and MobileNetV2.

Layers and their order are those of MXNet's model zoo, so that its parameters fit.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.errors import OptionError
from nnc.gluon import nn

__all__ = [
    "MobileNetV2",
    "ResNetV1",
    "get_model",
    "mobilenet_v2_0_5",
    "mobilenet_v2_0_25",
    "mobilenet_v2_0_75",
    "mobilenet_v2_1_0",
    "resnet18_v1",
    "resnet34_v1",
    "resnet50_v1",
]


def filtered(channels: int, size: int, strides: int = 1, **options: Any) -> nn.Conv2D:
    """A convolution without bias that, of stride 1, keeps the size of the images."""
    return nn.Conv2D(channels, size, strides, size // 2, use_bias=False, **options)


class BasicBlockV1(nn.HybridBlock):
    """`relu(x + body(x))` with two convolutions, or their equivalent with a bottleneck.

    Where the block changes shape, `x` goes through a convolution of its own.
    """

    def __init__(self, channels: int, stride: int, downsample: bool):
        super().__init__()
        self.body = self.convolutions(channels, stride)
        self.downsample: nn.HybridSequential | None = None
        if downsample:
            self.downsample = nn.HybridSequential(filtered(channels, 1, stride), nn.BatchNorm())

    def convolutions(self, channels: int, stride: int) -> nn.HybridSequential:
        return nn.HybridSequential(
            filtered(channels, 3, stride),
            nn.BatchNorm(),
            nn.Activation("relu"),
            filtered(channels, 3),
            nn.BatchNorm(),
        )

    def forward(self, x: NDArray) -> NDArray:
        kept = x if self.downsample is None else self.downsample(x)
        return (kept + self.body(x)).relu()


class BottleneckV1(BasicBlockV1):
    """A block whose 3x3 convolution has a quarter of the channels."""

    def convolutions(self, channels: int, stride: int) -> nn.HybridSequential:
        return nn.HybridSequential(
            nn.Conv2D(channels // 4, 1, stride),
            nn.BatchNorm(),
            nn.Activation("relu"),
            filtered(channels // 4, 3),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.Conv2D(channels, 1),
            nn.BatchNorm(),
        )


class ResNetV1(nn.HybridBlock):
    """Residual blocks in stages, each after the first with half the size of the one before.

    `channels` are those of the stem, then of each stage. `thumbnail` means images of 32x32: the
    stem is one 3x3 convolution.
    """

    def __init__(
        self,
        block: type[BasicBlockV1],
        layers: Sequence[int],
        channels: Sequence[int],
        classes: int = 1000,
        thumbnail: bool = False,
    ):
        super().__init__()
        self.features = nn.HybridSequential()
        if thumbnail:
            self.features.add(filtered(channels[0], 3))
        else:
            self.features.add(
                filtered(channels[0], 7, 2),
                nn.BatchNorm(),
                nn.Activation("relu"),
                nn.MaxPool2D(3, 2, 1),
            )
        before = channels[0]
        for stage, (count, width) in enumerate(zip(layers, channels[1:], strict=True)):
            first = block(width, 1 if stage == 0 else 2, width != before)
            rest = (block(width, 1, False) for _ in range(count - 1))
            self.features.add(nn.HybridSequential(first, *rest))
            before = width
        self.features.add(nn.GlobalAvgPool2D())
        self.output = nn.Dense(classes, in_units=before)

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


class RELU6(nn.HybridBlock):
    """`min(max(x, 0), 6)`."""

    def forward(self, x: NDArray) -> NDArray:
        return x.clip(0, 6)


def normalized(convolution: nn.Conv2D, active: bool = True) -> list[nn.HybridBlock]:
    """The convolution, its batch norm, and the activation if wanted."""
    layers: list[nn.HybridBlock] = [convolution, nn.BatchNorm()]
    return [*layers, RELU6()] if active else layers


class LinearBottleneck(nn.HybridBlock):
    """Channels widened `t` times, filtered one by one, and narrowed without an activation.

    The images are added again where their shape has not changed.
    """

    def __init__(self, in_channels: int, channels: int, t: int, stride: int):
        super().__init__()
        self.use_shortcut = stride == 1 and in_channels == channels
        wide = in_channels * t
        self.out = nn.HybridSequential(
            *normalized(filtered(wide, 1)),
            *normalized(filtered(wide, 3, stride, groups=wide)),
            *normalized(filtered(channels, 1), active=False),
        )

    def forward(self, x: NDArray) -> NDArray:
        return self.out(x) + x if self.use_shortcut else self.out(x)


BOTTLENECKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
               (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
"""MobileNetV2's groups: factor, channels, number of blocks, stride of the first."""


class MobileNetV2(nn.HybridBlock):
    """Linear bottlenecks with `multiplier` times the channels."""

    def __init__(self, multiplier: float = 1.0, classes: int = 1000):
        super().__init__()
        before = int(32 * multiplier)
        self.features = nn.HybridSequential(*normalized(filtered(before, 3, 2)))
        for t, channels, count, stride in BOTTLENECKS:
            for number in range(count):
                width = int(channels * multiplier)
                self.features.add(LinearBottleneck(before, width, t, 1 if number else stride))
                before = width
        last = int(1280 * multiplier) if multiplier > 1 else 1280
        self.features.add(*normalized(filtered(last, 1)), nn.GlobalAvgPool2D())
        self.output = nn.HybridSequential(filtered(classes, 1), nn.Flatten())

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def refuse_pretrained(pretrained: bool) -> None:
    """Trained weights are files of their own."""
    if pretrained:
        raise OptionError(
            "pretrained=True: nnc comes without trained weights; build the network without it, "
            "then net.load_parameters(file)"
        )


def resnet18_v1(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000, thumbnail: bool = False
) -> ResNetV1:
    """ResNet with 18 layers."""
    refuse_pretrained(pretrained)
    return ResNetV1(BasicBlockV1, (2, 2, 2, 2), (64, 64, 128, 256, 512), classes, thumbnail)


def resnet34_v1(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000, thumbnail: bool = False
) -> ResNetV1:
    """ResNet with 34 layers."""
    refuse_pretrained(pretrained)
    return ResNetV1(BasicBlockV1, (3, 4, 6, 3), (64, 64, 128, 256, 512), classes, thumbnail)


def resnet50_v1(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000, thumbnail: bool = False
) -> ResNetV1:
    """ResNet with 50 layers."""
    refuse_pretrained(pretrained)
    return ResNetV1(BottleneckV1, (3, 4, 6, 3), (64, 256, 512, 1024, 2048), classes, thumbnail)


def mobilenet_v2_1_0(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000
) -> MobileNetV2:
    """MobileNetV2."""
    refuse_pretrained(pretrained)
    return MobileNetV2(1.0, classes)


def mobilenet_v2_0_75(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000
) -> MobileNetV2:
    """MobileNetV2 with three quarters of the channels."""
    refuse_pretrained(pretrained)
    return MobileNetV2(0.75, classes)


def mobilenet_v2_0_5(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000
) -> MobileNetV2:
    """MobileNetV2 with half the channels."""
    refuse_pretrained(pretrained)
    return MobileNetV2(0.5, classes)


def mobilenet_v2_0_25(
    pretrained: bool = False, ctx: object = None, *, classes: int = 1000
) -> MobileNetV2:
    """MobileNetV2 with a quarter of the channels."""
    refuse_pretrained(pretrained)
    return MobileNetV2(0.25, classes)


MODELS: dict[str, Callable[..., nn.HybridBlock]] = {
    "mobilenetv2_0.25": mobilenet_v2_0_25,
    "mobilenetv2_0.5": mobilenet_v2_0_5,
    "mobilenetv2_0.75": mobilenet_v2_0_75,
    "mobilenetv2_1.0": mobilenet_v2_1_0,
    "resnet18_v1": resnet18_v1,
    "resnet34_v1": resnet34_v1,
    "resnet50_v1": resnet50_v1,
}


def get_model(name: str, **options: Any) -> nn.HybridBlock:
    """A network by its name in MXNet's model zoo, such as "resnet18_v1"."""
    return MODELS[chosen("get_model", name.lower(), MODELS)](**options)
