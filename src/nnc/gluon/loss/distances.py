"""Losses between arrays: regression, margins, distributions and embeddings."""

import math

from nnc import nd
from nnc.arrays.array import NDArray, as_array
from nnc.checks import chosen, number
from nnc.errors import OptionError, ShapeError
from nnc.gluon.block import check_array
from nnc.gluon.loss.base import Loss, labels_like

Weights = NDArray | None


class HuberLoss(Loss):
    """`|e| - rho / 2` where the error is above rho, else `e² / (2 rho)`."""

    def __init__(self, rho: float = 1, weight: float | None = None, batch_axis: int = 0):
        super().__init__(weight, batch_axis)
        self._rho = number("HuberLoss: rho", rho, above=0)

    def forward(self, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        error = pred - labels_like("HuberLoss", label, pred)
        return self.per_sample(nd.smooth_l1(error, self._rho**-0.5), sample_weight)


class HingeLoss(Loss):
    """`max(0, margin - pred * label)`, with labels -1 and 1."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0):
        super().__init__(weight, batch_axis)
        self._margin = number(f"{type(self).__name__}: margin", margin)

    def forward(self, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        return self.per_sample(self.distance(pred, label), sample_weight)

    def distance(self, pred: NDArray, label: NDArray) -> NDArray:
        return (self._margin - pred * labels_like(type(self).__name__, label, pred)).relu()


class SquaredHingeLoss(HingeLoss):
    """`max(0, margin - pred * label)²`, with labels -1 and 1."""

    def distance(self, pred: NDArray, label: NDArray) -> NDArray:
        return super().distance(pred, label).square()


class LogisticLoss(Loss):
    """`log(1 + exp(-pred * label))`, with labels -1 and 1 ("signed"), or 0 and 1 ("binary")."""

    def __init__(
        self, weight: float | None = None, batch_axis: int = 0, label_format: str = "signed"
    ):
        super().__init__(weight, batch_axis)
        formats = "signed", "binary"
        self._binary = chosen("LogisticLoss: label_format", label_format, formats) == "binary"

    def forward(self, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        target = labels_like("LogisticLoss", label, pred)
        sign = target * 2 - 1 if self._binary else target
        return self.per_sample(nd.softplus(-pred * sign), sample_weight)


class KLDivLoss(Loss):
    """`label * (log(label + 1e-12) - pred)`, where pred is the logarithm of a distribution.

    Without `from_logits` pred becomes one by log_softmax along `axis`. The mean is over all axes
    but the batch's, as in Gluon 2 and PyTorch's "mean" (Gluon 1: the sum).
    """

    def __init__(
        self,
        from_logits: bool = True,
        axis: int = -1,
        weight: float | None = None,
        batch_axis: int = 0,
    ):
        super().__init__(weight, batch_axis)
        self._from_logits = from_logits
        self._axis = axis

    def forward(self, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        target = labels_like("KLDivLoss", label, pred)
        logarithm = pred if self._from_logits else pred.log_softmax(self._axis)
        return self.per_sample(target * ((target + 1e-12).log() - logarithm), sample_weight)


class TripletLoss(Loss):
    """`max(0, sum((positive - pred)² - (negative - pred)²) + margin)`; the sum is of a sample."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0):
        super().__init__(weight, batch_axis)
        self._margin = number("TripletLoss: margin", margin)

    def forward(
        self, pred: NDArray, positive: NDArray, negative: NDArray, sample_weight: Weights = None
    ) -> NDArray:
        near = (labels_like("TripletLoss", positive, pred) - pred).square()
        far = (labels_like("TripletLoss", negative, pred) - pred).square()
        axes = tuple(a for a in range(pred.ndim) if a != self._batch_axis % pred.ndim)
        return self.per_sample(((near - far).sum(axes) + self._margin).relu(), sample_weight)


class PoissonNLLLoss(Loss):
    """`exp(pred) - target * pred`, the mean over everything, of shape (1,).

    Without `from_logits` pred is the rate itself: `pred - target * log(pred + epsilon)`.
    `compute_full` adds Stirling's `target log(target) - target + log(2 pi target) / 2` for targets
    above 1.
    """

    def __init__(
        self,
        weight: float | None = None,
        from_logits: bool = True,
        batch_axis: int = 0,
        compute_full: bool = False,
    ):
        super().__init__(weight, batch_axis)
        self._from_logits = from_logits
        self._full = compute_full

    def forward(
        self,
        pred: NDArray,
        target: NDArray,
        sample_weight: Weights = None,
        epsilon: float = 1e-8,
    ) -> NDArray:
        count = labels_like("PoissonNLLLoss", target, pred)
        if self._from_logits:
            loss = pred.exp() - count * pred
        else:
            loss = pred - count * (pred + epsilon).log()
        if self._full:
            large = nd.where(count > 1, count, nd.ones_like(count))
            stirling = large * large.log() - large + 0.5 * (large * (2 * math.pi)).log()
            loss = loss + nd.where(count > 1, stirling, nd.zeros_like(count))
        return self.weighted(loss, sample_weight).mean().reshape(1)


class CosineEmbeddingLoss(Loss):
    """`1 - cos` for label 1, `max(0, cos - margin)` for -1, of the angle along the last axis.

    One value for each sample, as in PyTorch (Gluon 1: shape (N, 1)). The product of the lengths
    is at least 1e-12.
    """

    def __init__(self, weight: float | None = None, batch_axis: int = 0, margin: float = 0):
        super().__init__(weight, batch_axis)
        self._margin = number("CosineEmbeddingLoss: margin", margin)

    def forward(
        self, input1: NDArray, input2: NDArray, label: NDArray, sample_weight: Weights = None
    ) -> NDArray:
        check_array("CosineEmbeddingLoss", input1)
        other = labels_like("CosineEmbeddingLoss", input2, input1)
        squares = input1.square().sum(-1) * other.square().sum(-1)
        # The root of 0 would have no gradient.
        cosine = (input1 * other).sum(-1) / nd.maximum(squares, 1e-24).sqrt()
        target = labels_like("CosineEmbeddingLoss", label, cosine)
        loss = nd.where(target == 1, 1 - cosine, (cosine - self._margin).relu())
        return self.per_sample(loss, sample_weight)


class SDMLLoss(Loss):
    """The divergence of `softmax(-|x1_i - x2_j|²)` from the smoothed identity, for each row i.

    Rows of the same number belong together; all others of the batch are their negatives, with
    `smoothing_parameter` of the probability.
    """

    def __init__(
        self, smoothing_parameter: float = 0.3, weight: float | None = 1.0, batch_axis: int = 0
    ):
        super().__init__(weight, batch_axis)
        self._smoothing = number("SDMLLoss: smoothing_parameter", smoothing_parameter, least=0)
        if batch_axis:
            raise OptionError(f"SDMLLoss: the batch is axis 0, given {batch_axis}")

    def forward(self, x1: NDArray, x2: NDArray) -> NDArray:
        other = labels_like("SDMLLoss", x2, check_array("SDMLLoss", x1))
        if x1.ndim != 2 or x1.shape[0] < 2:
            raise ShapeError(f"SDMLLoss: expected two or more rows, given shape {x1.shape}")
        rows = x1.shape[0]
        distances = (x1.expand_dims(1) - other.expand_dims(0)).square().sum(2)
        share = self._smoothing / (rows - 1)
        smooth = as_array(nd.eye(rows, dtype=x1.dtype)) * (1 - self._smoothing - share) + share
        logarithm = (-distances).log_softmax(1)
        divergence = smooth * ((smooth + 1e-12).log() - logarithm)
        return self.weighted(divergence.sum(1), None)
