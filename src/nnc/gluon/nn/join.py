"""Blocks beside each other."""

from typing import Any

from nnc import nd
from nnc.arrays.array import NDArray
from nnc.gluon.sequential import HybridSequential, Sequential


class Concatenate(Sequential):
    """The results of all blocks for one input, joined along `axis`."""

    def __init__(self, axis: int = -1):
        super().__init__()
        self._axis = axis

    def forward(self, *args: Any) -> NDArray:
        return nd.concat(*(block(*args) for block in self._children.values()), dim=self._axis)


class HybridConcatenate(Concatenate, HybridSequential):
    """The results of all blocks for one input, joined along `axis`."""


Concurrent, HybridConcurrent = Concatenate, HybridConcatenate
"""Their names in MXNet 1.x."""
