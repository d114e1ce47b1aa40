"""Losses: one value for each sample, the mean over all axes but `batch_axis`.

`loss.backward()` sums the batch; `Trainer.step(n)` divides by n.
"""

from nnc.gluon.loss.base import Loss, apply_weighting, reshape_like
from nnc.gluon.loss.common import (
    L1Loss,
    L2Loss,
    SigmoidBCELoss,
    SigmoidBinaryCrossEntropyLoss,
    SoftmaxCELoss,
    SoftmaxCrossEntropyLoss,
)
from nnc.gluon.loss.ctc import CTCLoss
from nnc.gluon.loss.distances import (
    CosineEmbeddingLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    LogisticLoss,
    PoissonNLLLoss,
    SDMLLoss,
    SquaredHingeLoss,
    TripletLoss,
)

__all__ = [
    "CTCLoss",
    "CosineEmbeddingLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "L2Loss",
    "LogisticLoss",
    "Loss",
    "PoissonNLLLoss",
    "SDMLLoss",
    "SigmoidBCELoss",
    "SigmoidBinaryCrossEntropyLoss",
    "SoftmaxCELoss",
    "SoftmaxCrossEntropyLoss",
    "SquaredHingeLoss",
    "TripletLoss",
]

_apply_weighting, _reshape_like = apply_weighting, reshape_like
"""Losses that were written after MXNet's call these."""
