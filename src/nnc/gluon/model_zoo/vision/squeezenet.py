"""SqueezeNet, of both versions."""

from functools import partial
from typing import Any

from nnc.arrays.array import NDArray
from nnc.checks import chosen
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import refuse_pretrained

FIRST = {"1.0": (96, 7), "1.1": (64, 3)}
"""Channels and size of the first convolution."""
WIDTHS = (16, 16, 32, 32, 48, 48, 64, 64)
"""To how many channels each block narrows."""
POOLED = {"1.0": (0, 3, 7), "1.1": (0, 2, 4)}
"""Before which blocks the images are made smaller."""


class SqueezeNet(nn.HybridBlock):
    """Blocks that narrow to few channels, and widen these to eight times as many."""

    def __init__(self, version: str, classes: int = 1000):
        super().__init__()
        chosen("SqueezeNet: version", version, FIRST)
        channels, size = FIRST[version]
        self.features = nn.HybridSequential(nn.Conv2D(channels, size, 2), nn.Activation("relu"))
        for number, width in enumerate(WIDTHS):
            if number in POOLED[version]:
                self.features.add(nn.MaxPool2D(3, 2, ceil_mode=True))
            self.features.add(fire(width))
        self.features.add(nn.Dropout(0.5))
        self.output = nn.HybridSequential(
            nn.Conv2D(classes, 1), nn.Activation("relu"), nn.AvgPool2D(13), nn.Flatten()
        )

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def fire(width: int) -> nn.HybridSequential:
    """A block that narrows to `width` channels, and widens them in two ways."""
    wide = nn.HybridConcatenate(axis=1)
    wide.add(active(4 * width, 1), active(4 * width, 3))
    return nn.HybridSequential(active(width, 1), wide)


def active(channels: int, size: int) -> nn.HybridSequential:
    """A convolution that keeps the size of the images, and its relu."""
    convolution = nn.Conv2D(channels, size, padding=size // 2)
    return nn.HybridSequential(convolution, nn.Activation("relu"))


def get_squeezenet(
    version: str,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> SqueezeNet:
    """SqueezeNet of version "1.0" or "1.1", for images of 224x224."""
    refuse_pretrained(pretrained)
    return SqueezeNet(version, **options)


squeezenet1_0, squeezenet1_1 = partial(get_squeezenet, "1.0"), partial(get_squeezenet, "1.1")
