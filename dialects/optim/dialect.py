"""The dialect object, listing every update."""

from xdsl.ir import Dialect

from nnc.dialects.optim.adam import (
    AdabeliefOp,
    AdamaxOp,
    AdamDirectionOp,
    AdamOp,
    AdamwOp,
    NadamOp,
)
from nnc.dialects.optim.adaptive import (
    AdadeltaOp,
    AdagradOp,
    FtmlOp,
    FtrlOp,
    RmspropCenteredOp,
    RmspropOp,
)
from nnc.dialects.optim.base import Update
from nnc.dialects.optim.momentum import MomentumOp, NagOp, SgdOp, SignumOp

UPDATES: tuple[type[Update], ...] = (
    SgdOp,
    MomentumOp,
    NagOp,
    SignumOp,
    AdamOp,
    AdabeliefOp,
    AdamwOp,
    NadamOp,
    AdamaxOp,
    RmspropOp,
    RmspropCenteredOp,
    AdagradOp,
    AdadeltaOp,
    FtrlOp,
    FtmlOp,
)
"""The ops that are a whole update."""

Optim = Dialect("optim", [*UPDATES, AdamDirectionOp], [])
