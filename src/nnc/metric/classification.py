"""Metrics of classes: how many are right, and how probable they were."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnc.checks import axis_of, count, indices, number
from nnc.errors import LabelError, ShapeError
from nnc.metric.base import EvalMetric, Names, alias, class_numbers, register
from nnc.recording.graph import Memory


@alias("acc")
@register
class Accuracy(EvalMetric):
    """The share of samples whose most probable class is the label.

    Predictions have a value for each class along `axis`, or are numbers of classes themselves.
    """

    def __init__(
        self,
        axis: int = 1,
        name: str = "accuracy",
        output_names: Names = None,
        label_names: Names = None,
    ):
        self.axis = axis
        super().__init__(name, output_names, label_names, axis=axis)

    def measure(self, label: Memory, pred: Memory) -> None:
        if pred.shape != label.shape:
            if pred.ndim < label.ndim:
                check_sizes(self.name, label, pred)
            axis = axis_of(self.name, self.axis, pred.ndim)
            if pred.shape[axis] == 1:
                raise ShapeError(
                    f"{self.name}: predictions {pred.shape} are of one class along axis {axis}; "
                    "BinaryAccuracy compares them with a threshold"
                )
            pred = pred.argmax(axis)
        check_sizes(self.name, label, pred)
        guessed = class_numbers(f"{self.name}: predictions", pred)
        right = guessed == class_numbers(f"{self.name}: labels", label)
        self.accumulate(right.sum(), right.size)


def check_sizes(name: str, label: Memory, pred: Memory) -> None:
    """There must be as many predictions as labels."""
    if label.size != pred.size:
        raise ShapeError(
            f"{name}: labels of shape {label.shape}, but predictions of shape {pred.shape}"
        )


@alias("top_k_accuracy", "top_k_acc")
@register
class TopKAccuracy(EvalMetric):
    """The share of samples whose label is one of the `top_k` most probable classes.

    Of equally probable classes the first counts as more probable.
    """

    def __init__(
        self,
        top_k: int = 1,
        name: str = "top_k_accuracy",
        output_names: Names = None,
        label_names: Names = None,
    ):
        self.top_k = count("TopKAccuracy: top_k", top_k)
        name = f"{name.removesuffix(f'_{top_k}')}_{top_k}"
        super().__init__(name, output_names, label_names, top_k=top_k)

    def measure(self, label: Memory, pred: Memory) -> None:
        rows, at = by_class(self.name, label, pred, -1)
        indices(f"{self.name}: labels", at, rows.shape[1], LabelError)
        own = rows[np.arange(len(rows)), at][:, None]
        earlier = np.arange(rows.shape[1]) < at[:, None]
        # NaN is no smaller than anything, so it is never below the label, nor a right guess.
        ahead = ~(rows <= own) | ((rows == own) & earlier)
        self.accumulate((ahead.sum(1) < self.top_k).sum(), len(rows))


def by_class(name: str, label: Memory, pred: Memory, axis: int) -> tuple[Memory, Memory]:
    """A row of predictions for each label, with a column for each class along `axis`."""
    moved = np.moveaxis(pred, axis_of(name, axis, pred.ndim), -1)
    rows = moved.reshape(-1, moved.shape[-1])
    if len(rows) != label.size:
        raise ShapeError(
            f"{name}: labels of shape {label.shape}, but predictions of shape {pred.shape}, with "
            f"a class for each position along axis {axis}"
        )
    return rows, class_numbers(f"{name}: labels", label)


@register
class BinaryAccuracy(EvalMetric):
    """The share of probabilities on the right side of `threshold`, of labels that are 0 or 1."""

    def __init__(
        self,
        name: str = "binary_accuracy",
        output_names: Names = None,
        label_names: Names = None,
        threshold: float = 0.5,
    ):
        self.threshold = number("BinaryAccuracy: threshold", threshold)
        super().__init__(name, output_names, label_names, threshold=threshold)

    def measure(self, label: Memory, pred: Memory) -> None:
        check_sizes(self.name, label, pred)
        right = (pred.reshape(-1) > self.threshold) == binary_labels(self.name, label)
        self.accumulate(right.sum(), right.size)


def binary_labels(name: str, label: Memory) -> Memory:
    """Labels in one row, each 0 or 1."""
    at = class_numbers(f"{name}: labels", label)
    indices(f"{name}: labels", at, 2, LabelError)
    return at


@alias("ce")
@register
class CrossEntropy(EvalMetric):
    """The mean of `-log(max(p, eps))`, where p is the probability of the label.

    Predictions have probabilities along `axis`, or what softmax makes them of (`from_logits`).
    Samples with `ignore_label` do not count. Options in the order of MXNet 1.9, those of 2.0 by
    name; 1.9 adds `eps` to p, which is the same to 1e-5 where p is above 1e-7.
    """

    def __init__(
        self,
        eps: float = 1e-12,
        name: str = "cross-entropy",
        output_names: Names = None,
        label_names: Names = None,
        *,
        ignore_label: int | None = None,
        axis: int = -1,
        from_logits: bool = False,
    ):
        self.eps = number(f"{name}: eps", eps, above=0)
        self.ignore_label = ignore_label
        self.axis = axis
        self.from_logits = from_logits
        options = {"eps": eps, "ignore_label": ignore_label, "axis": axis}
        super().__init__(name, output_names, label_names, from_logits=from_logits, **options)

    def measure(self, label: Memory, pred: Memory) -> None:
        rows, at = by_class(self.name, label, pred, self.axis)
        if self.ignore_label is not None:
            rows, at = rows[at != self.ignore_label], at[at != self.ignore_label]
        indices(f"{self.name}: labels", at, rows.shape[1], LabelError)
        rows = rows.astype(np.float64)
        if self.from_logits:
            rows = np.exp(rows - rows.max(1, keepdims=True))
            rows /= rows.sum(1, keepdims=True)
        elif (wrong := (rows < 0) | (rows > 1.01)).any():
            raise LabelError(
                f"{self.name}: expected probabilities, given {rows[wrong][0]:g}; from_logits=True "
                "makes them of scores"
            )
        chosen = rows[np.arange(len(rows)), at]
        self.accumulate(-np.log(np.maximum(chosen, self.eps)).sum(), len(rows))


@alias("nll_loss")
@register
class NegativeLogLikelihood(CrossEntropy):
    """The mean of `-log(max(p, eps))`, where p is the probability of the label."""

    def __init__(
        self,
        eps: float = 1e-12,
        name: str = "nll-loss",
        output_names: Names = None,
        label_names: Names = None,
    ):
        super().__init__(eps, name, output_names, label_names)


@register
class Perplexity(CrossEntropy):
    """`exp` of the cross-entropy over all batches; labels that are `ignore_label` do not count.

    Options in the order of MXNet 1.9, those of 2.0 by name.
    """

    def __init__(
        self,
        ignore_label: int | None = None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: Names = None,
        label_names: Names = None,
        *,
        eps: float = 1e-10,
        from_logits: bool = False,
    ):
        super().__init__(
            eps,
            name,
            output_names,
            label_names,
            ignore_label=ignore_label,
            axis=axis,
            from_logits=from_logits,
        )

    def result(self, sums: Mapping[str, Any]) -> float:
        return math.exp(super().result(sums))
