"""What several networks are made of."""

from typing import Any

from nnc.errors import OptionError
from nnc.gluon import nn


def filtered(channels: int, size: int, strides: int = 1, **options: Any) -> nn.Conv2D:
    """A convolution without bias that, of stride 1, keeps the size of the images."""
    return nn.Conv2D(channels, size, strides, size // 2, use_bias=False, **options)


def normal(convolution: nn.Conv2D) -> list[nn.HybridBlock]:
    """A convolution, its batch norm and relu."""
    return [convolution, nn.BatchNorm(), nn.Activation("relu")]


def refuse_pretrained(pretrained: bool) -> None:
    """Trained weights are files of their own."""
    if pretrained:
        raise OptionError(
            "pretrained=True: nnc comes without trained weights; build the network without it, "
            "then net.load_parameters(file)"
        )
