"""Networks, losses and training, as in MXNet's Gluon."""

from typing import NoReturn

from nnc import metric
from nnc.gluon import contrib, data, loss, model_zoo, nn, rnn, utils
from nnc.gluon.block import Block, HybridBlock
from nnc.gluon.parameter import Constant, Parameter
from nnc.gluon.parameter_dict import ParameterDict
from nnc.gluon.symbol_block import SymbolBlock
from nnc.gluon.trainer import Trainer
from nnc.gluon.utils import split_and_load
from nnc.lowering.pass_specs import did_you_mean

__all__ = [
    "Block",
    "Constant",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
    "SymbolBlock",
    "Trainer",
    "contrib",
    "data",
    "loss",
    "metric",
    "model_zoo",
    "nn",
    "rnn",
    "split_and_load",
    "utils",
]


def __getattr__(name: str) -> NoReturn:
    hint = did_you_mean(name, __all__)
    if name == "block_gradients":  # Of a widely copied introduction; it never existed.
        hint = "did you mean nnc.autograd.record()?"
    raise AttributeError(f"module 'nnc.gluon' has no attribute '{name}'; {hint}")
