"""Networks that classify images: VGG, ResNet (both versions) and MobileNetV2.

Layers and their order are those of MXNet's model zoo, so that its parameters fit.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.errors import OptionError
from nnc.gluon import nn
from nnc.init import Xavier

__all__ = [
    "VGG",
    "MobileNetV2",
    "ResNetV1",
    "ResNetV2",
    "get_model",
    "mobilenet_v2_0_5",
    "mobilenet_v2_0_25",
    "mobilenet_v2_0_75",
    "mobilenet_v2_1_0",
    "resnet18_v1",
    "resnet18_v2",
    "resnet34_v1",
    "resnet34_v2",
    "resnet50_v1",
    "resnet50_v2",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
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
        self.features = nn.HybridSequential(
            *stem(channels[0], thumbnail), *stages(block, layers, channels), nn.GlobalAvgPool2D()
        )
        self.output = nn.Dense(classes, in_units=channels[-1])

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def stem(channels: int, thumbnail: bool) -> list[nn.HybridBlock]:
    """What makes channels of colours."""
    if thumbnail:
        return [filtered(channels, 3)]
    return [*normal(filtered(channels, 7, 2)), nn.MaxPool2D(3, 2, 1)]


def normal(convolution: nn.Conv2D) -> list[nn.HybridBlock]:
    """A convolution, its batch norm and relu."""
    return [convolution, nn.BatchNorm(), nn.Activation("relu")]


def stages(
    block: Callable[[int, int, bool], nn.HybridBlock],
    layers: Sequence[int],
    channels: Sequence[int],
) -> Iterator[nn.HybridSequential]:
    """Blocks of one width in a row, for each stage."""
    for stage, (count, (before, width)) in enumerate(zip(layers, pairwise(channels), strict=True)):
        first = block(width, 1 if stage == 0 else 2, width != before)
        yield nn.HybridSequential(first, *(block(width, 1, False) for _ in range(count - 1)))


class BasicBlockV2(nn.HybridBlock):
    """`x` plus two convolutions of it, or their equivalent with a bottleneck: each after a norm.

    Where the block changes shape, what is added is a convolution of the first norm.
    """

    def __init__(self, channels: int, stride: int, downsample: bool):
        super().__init__()
        self.bn1 = nn.BatchNorm()
        for number, convolution in enumerate(self.convolutions(channels, stride), 1):
            if number > 1:
                setattr(self, f"bn{number}", nn.BatchNorm())
            setattr(self, f"conv{number}", convolution)
        self.downsample = filtered(channels, 1, stride) if downsample else None

    def convolutions(self, channels: int, stride: int) -> list[nn.Conv2D]:
        return [filtered(channels, 3, stride), filtered(channels, 3)]

    def forward(self, x: NDArray) -> NDArray:
        kept, layers = x, list(self._children.values())
        for norm, convolution in zip(layers[::2], layers[1::2], strict=False):
            x = norm(x).relu()
            if norm is self.bn1 and self.downsample is not None:
                kept = self.downsample(x)
            x = convolution(x)
        return kept + x


class BottleneckV2(BasicBlockV2):
    """A block whose 3x3 convolution has a quarter of the channels."""

    def convolutions(self, channels: int, stride: int) -> list[nn.Conv2D]:
        narrow = channels // 4
        return [filtered(narrow, 1), filtered(narrow, 3, stride), filtered(channels, 1)]


class ResNetV2(nn.HybridBlock):
    """`ResNetV1` whose blocks normalize before their convolutions, as also the images are."""

    def __init__(
        self,
        block: type[BasicBlockV2],
        layers: Sequence[int],
        channels: Sequence[int],
        classes: int = 1000,
        thumbnail: bool = False,
    ):
        super().__init__()
        self.features = nn.HybridSequential(
            nn.BatchNorm(scale=False, center=False),
            *stem(channels[0], thumbnail),
            *stages(block, layers, channels),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.GlobalAvgPool2D(),
            nn.Flatten(),
        )
        self.output = nn.Dense(classes, in_units=channels[-1])

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


class VGG(nn.HybridBlock):
    """3x3 convolutions and poolings in turn, `layers` convolutions of `filters`; dense layers."""

    def __init__(
        self,
        layers: Sequence[int],
        filters: Sequence[int],
        classes: int = 1000,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.features = nn.HybridSequential()
        for count, channels in zip(layers, filters, strict=True):
            for _ in range(count):
                scaled = Xavier("gaussian", "out", 2)
                convolution = nn.Conv2D(channels, 3, padding=1, weight_initializer=scaled)
                relu = nn.Activation("relu")
                self.features.add(*(normal(convolution) if batch_norm else (convolution, relu)))
            self.features.add(nn.MaxPool2D(strides=2))
        for _ in range(2):
            dense = nn.Dense(4096, activation="relu", weight_initializer="normal")
            self.features.add(dense, nn.Dropout(0.5))
        self.output = nn.Dense(classes, weight_initializer="normal", in_units=4096)

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


def resnet(
    kind: Callable[..., ResNetV1 | ResNetV2],
    block: type[nn.HybridBlock],
    layers: Sequence[int],
    channels: Sequence[int],
) -> Callable[..., ResNetV1 | ResNetV2]:
    """What makes ResNet with this many of the blocks in its four stages."""

    def network(
        pretrained: bool = False,
        ctx: object = None,
        *,
        classes: int = 1000,
        thumbnail: bool = False,
    ) -> ResNetV1 | ResNetV2:
        refuse_pretrained(pretrained)
        return kind(block, layers, channels, classes, thumbnail)

    return network


NARROW, WIDE = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
resnet18_v1 = resnet(ResNetV1, BasicBlockV1, (2, 2, 2, 2), NARROW)
resnet34_v1 = resnet(ResNetV1, BasicBlockV1, (3, 4, 6, 3), NARROW)
resnet50_v1 = resnet(ResNetV1, BottleneckV1, (3, 4, 6, 3), WIDE)
resnet18_v2 = resnet(ResNetV2, BasicBlockV2, (2, 2, 2, 2), NARROW)
resnet34_v2 = resnet(ResNetV2, BasicBlockV2, (3, 4, 6, 3), NARROW)
resnet50_v2 = resnet(ResNetV2, BottleneckV2, (3, 4, 6, 3), WIDE)


def vgg(layers: Sequence[int], batch_norm: bool) -> Callable[..., VGG]:
    """What makes VGG with these convolutions in its five parts."""

    def network(pretrained: bool = False, ctx: object = None, *, classes: int = 1000) -> VGG:
        refuse_pretrained(pretrained)
        return VGG(layers, (64, 128, 256, 512, 512), classes, batch_norm)

    return network


vgg11, vgg11_bn = vgg((1, 1, 2, 2, 2), False), vgg((1, 1, 2, 2, 2), True)
vgg13, vgg13_bn = vgg((2, 2, 2, 2, 2), False), vgg((2, 2, 2, 2, 2), True)
vgg16, vgg16_bn = vgg((2, 2, 3, 3, 3), False), vgg((2, 2, 3, 3, 3), True)
vgg19, vgg19_bn = vgg((2, 2, 4, 4, 4), False), vgg((2, 2, 4, 4, 4), True)


def mobilenet_v2(multiplier: float) -> Callable[..., MobileNetV2]:
    """What makes MobileNetV2 with this part of the channels."""

    def network(
        pretrained: bool = False, ctx: object = None, *, classes: int = 1000
    ) -> MobileNetV2:
        refuse_pretrained(pretrained)
        return MobileNetV2(multiplier, classes)

    return network


mobilenet_v2_1_0, mobilenet_v2_0_75 = mobilenet_v2(1.0), mobilenet_v2(0.75)
mobilenet_v2_0_5, mobilenet_v2_0_25 = mobilenet_v2(0.5), mobilenet_v2(0.25)


MODELS: dict[str, Callable[..., nn.HybridBlock]] = {
    "mobilenetv2_0.25": mobilenet_v2_0_25,
    "mobilenetv2_0.5": mobilenet_v2_0_5,
    "mobilenetv2_0.75": mobilenet_v2_0_75,
    "mobilenetv2_1.0": mobilenet_v2_1_0,
    "resnet18_v1": resnet18_v1,
    "resnet18_v2": resnet18_v2,
    "resnet34_v1": resnet34_v1,
    "resnet34_v2": resnet34_v2,
    "resnet50_v1": resnet50_v1,
    "resnet50_v2": resnet50_v2,
    "vgg11": vgg11,
    "vgg11_bn": vgg11_bn,
    "vgg13": vgg13,
    "vgg13_bn": vgg13_bn,
    "vgg16": vgg16,
    "vgg16_bn": vgg16_bn,
    "vgg19": vgg19,
    "vgg19_bn": vgg19_bn,
}


def get_model(name: str, **options: Any) -> nn.HybridBlock:
    """A network by its name in MXNet's model zoo, such as "resnet18_v1"."""
    return MODELS[chosen("get_model", name.lower(), MODELS)](**options)
