"""Inception, version 3."""

from typing import Any

from nnc.arrays.array import NDArray
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import refuse_pretrained

Size = int | tuple[int, int]


def unit(channels: int, size: Size, stride: int = 1, pad: bool = True) -> nn.HybridSequential:
    """A convolution, its batch norm and relu; the size is kept by stride 1 with `pad`."""
    sizes = (size, size) if isinstance(size, int) else size
    padding = (sizes[0] // 2, sizes[1] // 2) if pad and stride == 1 else 0
    convolution = nn.Conv2D(channels, sizes, stride, padding, use_bias=False)
    return nn.HybridSequential(convolution, nn.BatchNorm(epsilon=1e-3), nn.Activation("relu"))


def joined(*branches: list[nn.HybridBlock]) -> nn.HybridConcatenate:
    """The channels of all branches."""
    made = nn.HybridConcatenate(axis=1)
    made.add(*(nn.HybridSequential(*branch) for branch in branches))
    return made


def pooled(channels: int) -> list[nn.HybridBlock]:
    """The branch of an average."""
    return [nn.AvgPool2D(3, 1, 1), unit(channels, 1)]


def small(channels: int) -> nn.HybridConcatenate:
    """Windows of up to 5x5."""
    return joined(
        [unit(64, 1)],
        [unit(48, 1), unit(64, 5)],
        [unit(64, 1), unit(96, 3), unit(96, 3)],
        pooled(channels),
    )


def long(channels: int) -> nn.HybridConcatenate:
    """Windows of 7, one direction after the other."""
    row, column = (1, 7), (7, 1)
    twice = [unit(channels, size) for size in (1, column, row, column)]
    return joined(
        [unit(192, 1)],
        [unit(channels, 1), unit(channels, row), unit(192, column)],
        [*twice, unit(192, row)],
        pooled(192),
    )


def crossed(*first: nn.HybridSequential) -> list[nn.HybridBlock]:
    """Windows of 3, in one direction beside the other."""
    return [nn.HybridSequential(*first), joined([unit(384, (1, 3))], [unit(384, (3, 1))])]


def broad() -> nn.HybridConcatenate:
    """Many channels of small images."""
    return joined(
        [unit(320, 1)], crossed(unit(384, 1)), crossed(unit(448, 1), unit(384, 3)), pooled(192)
    )


def smaller(*branches: list[nn.HybridBlock]) -> nn.HybridConcatenate:
    """Branches that halve the images, and a pooling beside them."""
    return joined(*branches, [nn.MaxPool2D(3, 2)])


class Inception3(nn.HybridBlock):
    """Blocks of convolutions of several sizes beside each other."""

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.features = nn.HybridSequential(
            unit(32, 3, 2),
            unit(32, 3, pad=False),
            unit(64, 3),
            nn.MaxPool2D(3, 2),
            unit(80, 1),
            unit(192, 3, pad=False),
            nn.MaxPool2D(3, 2),
            *(small(channels) for channels in (32, 64, 64)),
            smaller([unit(384, 3, 2)], [unit(64, 1), unit(96, 3), unit(96, 3, 2)]),
            *(long(channels) for channels in (128, 160, 160, 192)),
            smaller(
                [unit(192, 1), unit(320, 3, 2)],
                [unit(192, 1), unit(192, (1, 7)), unit(192, (7, 1)), unit(192, 3, 2)],
            ),
            broad(),
            broad(),
            nn.AvgPool2D(8),
            nn.Dropout(0.5),
        )
        self.output = nn.Dense(classes)

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def inception_v3(
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> Inception3:
    """Inception, version 3, for images of 299x299."""
    refuse_pretrained(pretrained)
    return Inception3(**options)
