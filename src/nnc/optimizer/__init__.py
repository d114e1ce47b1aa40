"""Optimizers: what to keep for each parameter, and which update to record.

Argument names, order and defaults as in MXNet 2.0. Where its formulas and those of 1.9 differ, an
optimizer has the one that is also PyTorch's; its docstring says so. Everywhere the gradient is
rescaled, then clipped, then decayed. Weight decay counts for every parameter unless its `wd_mult`
says otherwise.
"""

from nnc.optimizer.adam import LAMB, LANS, AdaBelief, Adam, Adamax, AdamW, Nadam
from nnc.optimizer.adaptive import FTML, AdaDelta, AdaGrad, Ftrl, RMSProp
from nnc.optimizer.base import Optimizer, Updater, create, get_updater, register
from nnc.optimizer.momentum import LARS, NAG, SGD, Signum

__all__ = [
    "FTML",
    "LAMB",
    "LANS",
    "LARS",
    "NAG",
    "SGD",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Nadam",
    "Optimizer",
    "RMSProp",
    "Signum",
    "Updater",
    "create",
    "get_updater",
    "register",
]
