"""Metrics of numbers: how far predictions are from labels, and how the two vary together.

MAE, MSE and RMSE are means over batches of each batch's value, as in MXNet 1.9: a last batch that
is smaller counts as much. (MXNet 2.0 takes the mean over samples.)
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnc.checks import chosen, number
from nnc.errors import ShapeError
from nnc.metric.base import EvalMetric, Names, alias, register
from nnc.recording.graph import Memory


def matched(name: str, label: Memory, pred: Memory) -> tuple[Memory, Memory]:
    """Both in float64 and of one shape; a vector is a column."""
    left, right = columns(label), columns(pred)
    if left.shape != right.shape:
        raise ShapeError(
            f"{name}: labels of shape {label.shape}, but predictions of shape {pred.shape}"
        )
    return left, right


def columns(given: Memory) -> Memory:
    wide = given.astype(np.float64)
    return wide.reshape(-1, 1) if wide.ndim < 2 else wide


@register
class MAE(EvalMetric):
    """The mean over batches of `mean(|label - pred|)`."""

    def __init__(self, name: str = "mae", output_names: Names = None, label_names: Names = None):
        super().__init__(name, output_names, label_names)

    def measure(self, label: Memory, pred: Memory) -> None:
        left, right = matched(self.name, label, pred)
        self.accumulate(np.abs(left - right).mean(), 1)


@register
class MSE(EvalMetric):
    """The mean over batches of `mean((label - pred)²)`."""

    def __init__(self, name: str = "mse", output_names: Names = None, label_names: Names = None):
        super().__init__(name, output_names, label_names)

    def measure(self, label: Memory, pred: Memory) -> None:
        left, right = matched(self.name, label, pred)
        self.accumulate(self.error(np.square(left - right).mean()), 1)

    def error(self, mean: float) -> float:
        """What counts of a batch's mean of squares."""
        return mean


@register
class RMSE(MSE):
    """The mean over batches of `sqrt(mean((label - pred)²))`."""

    def __init__(self, name: str = "rmse", output_names: Names = None, label_names: Names = None):
        super().__init__(name, output_names, label_names)

    def error(self, mean: float) -> float:
        return math.sqrt(mean)


@register
class MeanPairwiseDistance(EvalMetric):
    """The mean over samples of the p-norm of `label - pred`."""

    def __init__(
        self,
        name: str = "mpd",
        output_names: Names = None,
        label_names: Names = None,
        p: float = 2,
    ):
        self.p = number("MeanPairwiseDistance: p", p, above=0)
        super().__init__(name, output_names, label_names, p=p)

    def measure(self, label: Memory, pred: Memory) -> None:
        left, right = matched(self.name, label, pred)
        powers = (np.abs(left - right) ** self.p).reshape(len(left), -1)
        self.accumulate((powers.sum(1) ** (1 / self.p)).sum(), len(left))


@register
class MeanCosineSimilarity(EvalMetric):
    """The mean over vectors, along the last axis, of `label · pred / max(|label| |pred|, eps)`."""

    def __init__(
        self,
        name: str = "cos_sim",
        output_names: Names = None,
        label_names: Names = None,
        eps: float = 1e-8,
    ):
        self.eps = number("MeanCosineSimilarity: eps", eps, above=0)
        super().__init__(name, output_names, label_names, eps=eps)

    def measure(self, label: Memory, pred: Memory) -> None:
        left, right = matched(self.name, np.atleast_2d(label), np.atleast_2d(pred))
        norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
        cosines = (left * right).sum(-1) / np.maximum(norms, self.eps)
        self.accumulate(cosines.sum(), cosines.size)


@alias("pearsonr")
@register
class PearsonCorrelation(EvalMetric):
    """`cov(label, pred) / (std(label) std(pred))`: the mean over batches, or of all ("micro").

    "macro", the mean, is what MXNet 1.9 has by default; 2.0 takes all samples together.
    """

    sums = ("sum_metric", "num_inst", "moments")

    def __init__(
        self,
        name: str = "pearsonr",
        output_names: Names = None,
        label_names: Names = None,
        average: str = "macro",
    ):
        self.average = chosen("PearsonCorrelation: average", average, ("macro", "micro"))
        super().__init__(name, output_names, label_names, average=average)

    def reset(self) -> None:
        super().reset()
        self.origin: Memory | None = None
        """Near what the sums are taken around, so that they lose nothing."""

    def clear(self) -> None:
        super().clear()
        self.moments: Any = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "origin": self.origin}

    def measure(self, label: Memory, pred: Memory) -> None:
        left, right = matched(self.name, label, pred)
        both = np.stack([left.reshape(-1), right.reshape(-1)])
        if self.origin is None:
            self.origin = both.mean(1, keepdims=True)
        near = np.concatenate([both - self.origin, np.ones((1, left.size))])
        moments = near @ near.T
        self.moments = self.moments + moments
        self.accumulate(correlation(moments), 1)

    def result(self, sums: Mapping[str, Any]) -> float:
        if self.average == "macro" or not sums["num_inst"]:
            return super().result(sums)
        return correlation(sums["moments"])


def correlation(moments: Memory) -> float:
    """Of sums of products of x, y and 1; NaN where x or y does not vary."""
    totals, count = moments[2, :2], moments[2, 2]
    spread = moments[:2, :2] - np.outer(totals, totals) / count
    scale = math.sqrt(max(spread[0, 0] * spread[1, 1], 0.0))
    return float(spread[0, 1]) / scale if scale else math.nan
