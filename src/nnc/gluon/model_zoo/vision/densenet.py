"""DenseNet."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import filtered, normal, refuse_pretrained


class DenseNet(nn.HybridBlock):
    """Stages in which each of `block_config` layers adds `growth_rate` channels to what it reads.

    Between stages, half of the channels and half of the size are left. Layers narrow to `bn_size`
    times the rate first.
    """

    def __init__(
        self,
        num_init_features: int,
        growth_rate: int,
        block_config: Sequence[int],
        bn_size: int = 4,
        dropout: float = 0,
        classes: int = 1000,
    ):
        super().__init__()
        channels = num_init_features
        self.features = nn.HybridSequential(
            *normal(filtered(channels, 7, 2)), nn.MaxPool2D(3, 2, 1)
        )
        for stage, count in enumerate(block_config):
            if stage:
                channels //= 2
                self.features.add(transition(channels))
            layers = (dense_layer(growth_rate, bn_size, dropout) for _ in range(count))
            self.features.add(nn.HybridSequential(*layers))
            channels += count * growth_rate
        self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.AvgPool2D(7), nn.Flatten())
        self.output = nn.Dense(classes)

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def dense_layer(growth: int, bn_size: int, dropout: float) -> nn.HybridConcatenate:
    """What is read, and `growth` channels made of it."""
    new = nn.HybridSequential(
        nn.BatchNorm(),
        nn.Activation("relu"),
        *normal(filtered(bn_size * growth, 1)),
        filtered(growth, 3),
    )
    if dropout:
        new.add(nn.Dropout(dropout))
    both = nn.HybridConcatenate(axis=1)
    both.add(nn.Identity(), new)
    return both


def transition(channels: int) -> nn.HybridSequential:
    """What is between two stages."""
    return nn.HybridSequential(
        nn.BatchNorm(), nn.Activation("relu"), filtered(channels, 1), nn.AvgPool2D(2, 2)
    )


SIZES = {
    121: (64, 32, (6, 12, 24, 16)),
    161: (96, 48, (6, 12, 36, 24)),
    169: (64, 32, (6, 12, 32, 32)),
    201: (64, 32, (6, 12, 48, 32)),
}
"""By the number of layers: first channels, growth, layers of each stage."""


def get_densenet(
    num_layers: int,
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> DenseNet:
    """DenseNet with 121, 161, 169 or 201 layers, for images of 224x224."""
    refuse_pretrained(pretrained)
    if num_layers not in SIZES:
        raise OptionError(
            f"get_densenet: expected one of {', '.join(map(str, SIZES))} layers, given "
            f"{num_layers!r}"
        )
    return DenseNet(*SIZES[num_layers], **options)


densenet121, densenet161 = partial(get_densenet, 121), partial(get_densenet, 161)
densenet169, densenet201 = partial(get_densenet, 169), partial(get_densenet, 201)
