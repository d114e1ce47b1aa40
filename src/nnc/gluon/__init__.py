"""Networks, losses and training, as in MXNet's Gluon."""

from nnc.gluon import data, loss, nn, utils
from nnc.gluon.block import Block, HybridBlock
from nnc.gluon.parameter import Parameter
from nnc.gluon.trainer import Trainer
from nnc.gluon.utils import split_and_load

__all__ = [
    "Block",
    "HybridBlock",
    "Parameter",
    "Trainer",
    "data",
    "loss",
    "nn",
    "split_and_load",
    "utils",
]
