"""Elementwise functions as layers, by name."""

from typing import Any

from nnc import elementwise_operators as elements
from nnc import layer_operators as layers
from nnc import operators as ops
from nnc.array import NDArray
from nnc.checks import chosen
from nnc.gluon.block import HybridBlock
from nnc.graph import Operation

ACTIVATIONS: dict[str, tuple[Operation, tuple[Any, ...]]] = {
    "relu": (ops.relu, ()),
    "sigmoid": (ops.sigmoid, ()),
    "tanh": (ops.tanh, ()),
    "softrelu": (elements.softplus, (1,)),
    "softsign": (elements.softsign, ()),
    "log_sigmoid": (elements.log_sigmoid, ()),
    "mish": (elements.mish, ()),
    "softmax": (layers.softmax, (-1,)),
}
"""Gluon's, and softmax over the last axis as an extension."""


def activation_named(name: str) -> tuple[Operation, tuple[Any, ...]]:
    return ACTIVATIONS[chosen("activation", name, ACTIVATIONS)]


class Activation(HybridBlock):
    """An elementwise function by its name in `ACTIVATIONS`, or softmax."""

    def __init__(self, activation: str):
        super().__init__()
        self._name = activation
        self._operation, self._attributes = activation_named(activation)

    def forward(self, x: NDArray) -> NDArray:
        return x.apply(self._operation, *self._attributes)

    def describe(self) -> str:
        return self._name
