"""AlexNet."""

from typing import Any

from nnc.arrays.array import NDArray
from nnc.gluon import nn
from nnc.gluon.model_zoo.vision.parts import refuse_pretrained


class AlexNet(nn.HybridBlock):
    """Five convolutions, of large windows first, and three dense layers."""

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.features = nn.HybridSequential(
            nn.Conv2D(64, 11, 4, 2, activation="relu"),
            nn.MaxPool2D(3, 2),
            nn.Conv2D(192, 5, padding=2, activation="relu"),
            nn.MaxPool2D(3, 2),
            nn.Conv2D(384, 3, padding=1, activation="relu"),
            nn.Conv2D(256, 3, padding=1, activation="relu"),
            nn.Conv2D(256, 3, padding=1, activation="relu"),
            nn.MaxPool2D(3, 2),
            nn.Flatten(),
        )
        for _ in range(2):
            self.features.add(nn.Dense(4096, activation="relu"), nn.Dropout(0.5))
        self.output = nn.Dense(classes)

    def forward(self, x: NDArray) -> NDArray:
        return self.output(self.features(x))


def alexnet(
    pretrained: bool = False,
    ctx: object = None,
    root: object = None,
    **options: Any,
) -> AlexNet:
    """AlexNet, for images of 224x224."""
    refuse_pretrained(pretrained)
    return AlexNet(**options)
