"""VGG, with and without batch norm."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import normal, refuse_pretrained
from nnc.init import Xavier


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


SIZES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By the number of layers with weights: the convolutions in each of five parts."""


def get_vgg(
    num_layers: int,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> VGG:
    """VGG with 11, 13, 16 or 19 layers; `batch_norm=True` after each convolution."""
    refuse_pretrained(pretrained)
    if num_layers not in SIZES:
        raise OptionError(
            f"get_vgg: expected one of {', '.join(map(str, SIZES))} layers, given {num_layers!r}"
        )
    return VGG(SIZES[num_layers], (64, 128, 256, 512, 512), **options)


vgg11, vgg11_bn = partial(get_vgg, 11), partial(get_vgg, 11, batch_norm=True)
vgg13, vgg13_bn = partial(get_vgg, 13), partial(get_vgg, 13, batch_norm=True)
vgg16, vgg16_bn = partial(get_vgg, 16), partial(get_vgg, 16, batch_norm=True)
vgg19, vgg19_bn = partial(get_vgg, 19), partial(get_vgg, 19, batch_norm=True)
