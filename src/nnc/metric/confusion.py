"""Metrics of which classes are taken for which: F scores and correlation coefficients."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnc.checks import axis_of, chosen, indices, number
from nnc.errors import LabelError, ShapeError
from nnc.metric.base import Arrays, EvalMetric, Names, class_numbers, register
from nnc.metric.classification import binary_labels, check_sizes
from nnc.recording.graph import Memory


def outcomes(label: Memory, guess: Memory) -> Memory:
    """Rows that count true positives, false positives, false negatives and true negatives.

    Labels and guesses are masks; their columns are classes.
    """
    cases = [guess & label, guess & ~label, ~guess & label, ~(guess | label)]
    return np.stack([case.sum(0) for case in cases]).astype(np.float64)


def f_score(counts: Memory, beta: float = 1.0) -> Memory:
    """`(1 + beta²) precision recall / (beta² precision + recall)` of each class, 0 for 0 / 0."""
    right, wrong, missed, _ = counts
    weighted = (1 + beta**2) * right
    return weighted / np.maximum(weighted + beta**2 * missed + wrong, 1e-12)


def matthews(counts: Memory) -> float:
    """`(TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))`, without factors of 0."""
    tp, fp, fn, tn = counts.reshape(-1).tolist()
    factors = [n for n in (tp + fp, tp + fn, tn + fp, tn + fn) if n]
    return (tp * tn - fp * fn) / math.sqrt(math.prod(factors))


class BinaryMetric(EvalMetric, ABC):
    """Base of metrics of outcomes: the mean of each update's ("macro"), or of all ("micro").

    Predictions are probabilities of class 1, or have a value for each of two classes along their
    last axis.
    """

    sums = ("sum_metric", "num_inst", "counts")

    def __init__(self, name: str, output_names: Names, label_names: Names, average: str):
        self.average = chosen(f"{name}: average", average, ("macro", "micro"))
        super().__init__(name, output_names, label_names, average=average)

    @abstractmethod
    def score(self, counts: Memory) -> float:
        """The metric of outcomes."""

    def clear(self) -> None:
        super().clear()
        self.counts = np.zeros((4, 1))

    def update(self, labels: Arrays, preds: Arrays) -> None:
        pairs = self.pairs(labels, preds)
        if pairs:
            counts = sum(self.outcomes(*pair) for pair in pairs)
            self.counts = self.counts + counts
            self.accumulate(self.score(np.asarray(counts)), 1)

    def outcomes(self, label: Memory, pred: Memory) -> Memory:
        if pred.shape != label.shape and pred.shape[-1] == 2:
            pred = pred.argmax(-1)
        check_sizes(self.name, label, pred)
        at = binary_labels(self.name, label)
        return outcomes(at[:, None] == 1, pred.reshape(-1, 1) > 0.5)

    def result(self, sums: Mapping[str, Any]) -> float:
        if self.average == "macro" or not sums["num_inst"]:
            return super().result(sums)
        return self.score(sums["counts"])


@register
class F1(BinaryMetric):
    """`2 precision recall / (precision + recall)` of class 1: the mean over batches, or of all.

    "macro", the mean of the batches' scores, is MXNet 1.9's default; "micro" counts over all
    batches, as MXNet 2.0 does. `Fbeta` is for several classes.
    """

    def __init__(
        self,
        name: str = "f1",
        output_names: Names = None,
        label_names: Names = None,
        average: str = "macro",
    ):
        super().__init__(name, output_names, label_names, average)

    def score(self, counts: Memory) -> float:
        return float(f_score(counts)[0])


@register
class MCC(BinaryMetric):
    """Matthews' correlation of labels and guesses of two classes, from -1 to 1.

    "macro" is the mean over batches, MXNet 1.9's default; "micro" counts over all batches, as
    MXNet 2.0 does. `PCC` is for several classes.
    """

    def __init__(
        self,
        name: str = "mcc",
        output_names: Names = None,
        label_names: Names = None,
        average: str = "macro",
    ):
        super().__init__(name, output_names, label_names, average)

    def score(self, counts: Memory) -> float:
        return matthews(counts)


@register
class Fbeta(EvalMetric):
    """`(1 + beta²) precision recall / (beta² precision + recall)` over all batches.

    `class_type` "binary" is of class 1, "multiclass" of the most probable class along the last
    axis, "multilabel" of a probability for each class. `average` "micro" counts the outcomes of
    all classes together, "macro" is the mean of the classes' scores, None all of them. From
    MXNet 2.0.
    """

    sums = ("counts",)

    def __init__(
        self,
        name: str = "fbeta",
        output_names: Names = None,
        label_names: Names = None,
        class_type: str = "binary",
        beta: float = 1,
        threshold: float = 0.5,
        average: str | None = "micro",
    ):
        kinds = ("binary", "multiclass", "multilabel")
        self.class_type = chosen("Fbeta: class_type", class_type, kinds)
        self.beta = number("Fbeta: beta", beta, above=0)
        self.threshold = number("Fbeta: threshold", threshold)
        self.average = average and chosen("Fbeta: average", average, ("micro", "macro"))
        options = {"class_type": class_type, "beta": beta, "threshold": threshold}
        super().__init__(name, output_names, label_names, average=average, **options)

    def clear(self) -> None:
        super().clear()
        self.counts = np.zeros((4, 1))

    def measure(self, label: Memory, pred: Memory) -> None:
        counts = outcomes(*self.masks(label, pred))
        if self.counts.any() and self.counts.shape != counts.shape:
            known, given = self.counts.shape[1], counts.shape[1]
            raise ShapeError(f"{self.name}: {known} classes before, and {given} now")
        self.counts = self.counts + counts

    def masks(self, label: Memory, pred: Memory) -> tuple[Memory, Memory]:
        """What is labelled and what is guessed, with a column for each class."""
        if self.class_type == "multiclass":
            rows = pred.reshape(-1, pred.shape[-1])
            at, classes = class_numbers(f"{self.name}: labels", label), np.arange(rows.shape[1])
            indices(f"{self.name}: labels", at, len(classes), LabelError)
            check_sizes(self.name, at, rows[:, 0])
            return at[:, None] == classes, rows.argmax(1)[:, None] == classes
        if self.class_type == "binary" and pred.shape != label.shape and pred.shape[-1] == 2:
            pred = pred[..., 1]
        check_sizes(self.name, label, pred)
        width = pred.shape[-1] if self.class_type == "multilabel" else 1
        positive = binary_labels(self.name, label) == 1
        return positive.reshape(-1, width), pred.reshape(-1, width) > self.threshold

    def result(self, sums: Mapping[str, Any]) -> Any:
        counts = sums["counts"]
        if not counts.any():
            return math.nan
        if self.average == "micro":
            counts = counts.sum(1, keepdims=True)
        scores = f_score(counts, self.beta)
        return scores if self.average is None else float(scores.mean())


@register
class PCC(EvalMetric):
    """Pearson's correlation of labels and guesses of several classes, over all batches.

    With counts C of guess and label, `(n Σ C[k,k] - Σ g[k] l[k]) / sqrt(Σ g[k] (n - g[k])
    Σ l[k] (n - l[k]))`, where g and l count guesses and labels of a class; NaN where either is
    always the same. Predictions are as for `Accuracy`.
    """

    sums = ("guesses",)

    def __init__(self, name: str = "pcc", output_names: Names = None, label_names: Names = None):
        super().__init__(name, output_names, label_names)

    def clear(self) -> None:
        super().clear()
        self.guesses: Counter[tuple[int, int]] = Counter()
        """How often a class was guessed for a label."""

    def state_dict(self) -> dict[str, Any]:
        return {"guesses": [[*pair, times] for pair, times in self.guesses.items()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        triples = state_dict["guesses"]
        self.guesses = Counter({(guess, label): times for guess, label, times in triples})

    def measure(self, label: Memory, pred: Memory) -> None:
        if pred.shape != label.shape:
            pred = pred.argmax(axis_of(self.name, 1, pred.ndim))
        check_sizes(self.name, label, pred)
        guessed = class_numbers(f"{self.name}: predictions", pred)
        at = class_numbers(f"{self.name}: labels", label)
        self.guesses.update(zip(guessed.tolist(), at.tolist(), strict=True))

    def result(self, sums: Mapping[str, Any]) -> float:
        pairs: Counter[tuple[int, int]] = sums["guesses"]
        n = pairs.total()
        guessed: Counter[int] = Counter()
        labelled: Counter[int] = Counter()
        for (guess, label), times in pairs.items():
            guessed[guess] += times
            labelled[label] += times
        right = sum(times for (guess, label), times in pairs.items() if guess == label)
        both = n * right - sum(times * labelled[k] for k, times in guessed.items())
        spreads = [sum(t * (n - t) for t in each.values()) for each in (guessed, labelled)]
        return both / math.sqrt(math.prod(spreads)) if all(spreads) else math.nan
