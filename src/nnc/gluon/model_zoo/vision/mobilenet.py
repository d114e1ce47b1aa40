"""MobileNet, of both versions."""

from functools import partial
from typing import Any

from nnc.arrays.array import NDArray
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import filtered, normal, refuse_pretrained

PAIRS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5,
         (1024, 2), (1024, 1)]  # fmt: skip
"""MobileNet's pairs of convolutions: channels of the second, stride of the first."""


class MobileNet(nn.HybridBlock):
    """Channels filtered one by one, then mixed, in turn; `multiplier` times as many of them."""

    def __init__(self, multiplier: float = 1.0, classes: int = 1000):
        super().__init__()
        before = int(32 * multiplier)
        self.features = nn.HybridSequential(*normal(filtered(before, 3, 2)))
        for channels, stride in PAIRS:
            self.features.add(*normal(filtered(before, 3, stride, groups=before)))
            before = int(channels * multiplier)
            self.features.add(*normal(filtered(before, 1)))
        self.features.add(nn.GlobalAvgPool2D(), nn.Flatten())
        self.output = nn.Dense(classes)

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


def get_mobilenet(
    multiplier: float,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> MobileNet:
    """MobileNet with `multiplier` times the channels."""
    refuse_pretrained(pretrained)
    return MobileNet(multiplier, **options)


def get_mobilenet_v2(
    multiplier: float,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> MobileNetV2:
    """MobileNetV2 with `multiplier` times the channels."""
    refuse_pretrained(pretrained)
    return MobileNetV2(multiplier, **options)


mobilenet1_0, mobilenet0_75 = partial(get_mobilenet, 1.0), partial(get_mobilenet, 0.75)
mobilenet0_5, mobilenet0_25 = partial(get_mobilenet, 0.5), partial(get_mobilenet, 0.25)
mobilenet_v2_1_0 = partial(get_mobilenet_v2, 1.0)
mobilenet_v2_0_75 = partial(get_mobilenet_v2, 0.75)
mobilenet_v2_0_5 = partial(get_mobilenet_v2, 0.5)
mobilenet_v2_0_25 = partial(get_mobilenet_v2, 0.25)
