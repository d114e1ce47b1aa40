"""ResNet, of both versions."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import filtered, normal, refuse_pretrained


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


NARROW, WIDE = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
SIZES = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
"""By the number of layers: whether blocks have a bottleneck, and how many each stage has."""


def get_resnet(
    version: int,
    num_layers: int,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> ResNetV1 | ResNetV2:
    """ResNet of a version, 1 or 2, with 18, 34, 50, 101 or 152 layers."""
    refuse_pretrained(pretrained)
    if version not in (1, 2) or num_layers not in SIZES:
        raise OptionError(
            f"get_resnet: expected version 1 or 2, and one of {', '.join(map(str, SIZES))} layers; "
            f"given {version!r} and {num_layers!r}"
        )
    bottleneck, layers = SIZES[num_layers]
    channels = WIDE if bottleneck else NARROW
    if version == 1:
        return ResNetV1(BottleneckV1 if bottleneck else BasicBlockV1, layers, channels, **options)
    return ResNetV2(BottleneckV2 if bottleneck else BasicBlockV2, layers, channels, **options)


resnet18_v1, resnet18_v2 = partial(get_resnet, 1, 18), partial(get_resnet, 2, 18)
resnet34_v1, resnet34_v2 = partial(get_resnet, 1, 34), partial(get_resnet, 2, 34)
resnet50_v1, resnet50_v2 = partial(get_resnet, 1, 50), partial(get_resnet, 2, 50)
resnet101_v1, resnet101_v2 = partial(get_resnet, 1, 101), partial(get_resnet, 2, 101)
resnet152_v1, resnet152_v2 = partial(get_resnet, 1, 152), partial(get_resnet, 2, 152)
