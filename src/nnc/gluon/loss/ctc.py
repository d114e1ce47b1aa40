"""Connectionist temporal classification."""

from typing import Any

import numpy as np

from nnc import nd
from nnc.array_functions.index import along_axis, existing
from nnc.arrays.array import NDArray, as_array
from nnc.checks import chosen
from nnc.control_flow import foreach
from nnc.errors import LabelError, ShapeError
from nnc.gluon.block import check_array
from nnc.gluon.loss.base import Loss

IMPOSSIBLE = -1e30
"""The logarithm of probability 0: finite, so that differences and gradients are."""


class CTCLoss(Loss):
    """`-log p(label)`, summed over all ways to spell the label with repetitions and blanks.

    The prediction (N, T, C), or (T, N, C) with `layout="TNC"`, is before the softmax; its last
    class is the blank. Labels (N, L), or (L, N), end with padding of -1. `pred_lengths` and
    `label_lengths`, a number for each sample, end them early. A label that no path spells costs
    1e30.
    """

    def __init__(self, layout: str = "NTC", label_layout: str = "NT", weight: float | None = None):
        self._batch_first = chosen("CTCLoss: layout", layout, ("NTC", "TNC")) == "NTC"
        self._labels_first = chosen("CTCLoss: label_layout", label_layout, ("NT", "TN")) == "NT"
        super().__init__(weight, 0)

    def forward(
        self,
        pred: NDArray,
        label: Any,
        pred_lengths: Any = None,
        label_lengths: Any = None,
        sample_weight: NDArray | None = None,
    ) -> NDArray:
        x = check_array("CTCLoss", pred)
        x = x.transpose(1, 0, 2) if x.ndim == 3 and self._batch_first else x
        labels = as_array(label).astype("int32")
        labels = labels if self._labels_first else labels.transpose()
        if x.ndim != 3 or labels.ndim != 2 or labels.shape[0] != x.shape[1]:
            raise ShapeError(
                "CTCLoss: expected predictions of three axes and labels of two, of one batch, "
                f"given shapes {pred.shape} and {as_array(label).shape}"
            )
        check_labels(label, x.shape[2])
        lengths = (labels != -1).astype("int32").sum(1)
        if label_lengths is not None:
            lengths = existing("CTCLoss: label_lengths", label_lengths, labels.shape[1] + 1)
        if pred_lengths is not None:
            pred_lengths = existing("CTCLoss: pred_lengths", pred_lengths, x.shape[0] + 1)
        loss = cost(x, labels, as_array(lengths), pred_lengths)
        return self.per_sample(loss, sample_weight)


def check_labels(label: Any, classes: int) -> None:
    """Labels that are on the host are classes but the blank, or padding."""
    known = as_array(label).current.memory
    if isinstance(known, np.ndarray) and known.size:
        low, high = known.min(), known.max()
        if low < -1 or high >= classes - 1:
            raise LabelError(
                f"CTCLoss: labels go from 0 to {classes - 2}, the blank is {classes - 1}, padding "
                f"is -1; given {low} to {high}"
            )


def cost(x: NDArray, labels: NDArray, lengths: NDArray, steps: Any) -> NDArray:
    """The cost of each sample: (T, N, C) against labels (N, L) of given lengths.

    A state s of the path is the blank in front of label s / 2 where s is even, else the label.
    """
    count, batch, classes = x.shape
    size = 2 * labels.shape[1] + 1
    blank = nd.full((batch, 1), classes - 1, dtype="int32")
    padded = nd.where(labels == -1, nd.zeros_like(labels), labels)
    held = existing("CTCLoss: labels", padded, classes - 1, LabelError).expand_dims(2)
    spelt = nd.concat(held, nd.full(held.shape, classes - 1, dtype="int32"), dim=2)
    spelt = nd.concat(blank, spelt.reshape(batch, size - 1), dim=1)
    emitted = along_axis(
        x.log_softmax(-1), spelt.expand_dims(0).broadcast_to((count, batch, size)), 2
    )
    before = nd.concat(nd.full((batch, 2), -1, dtype="int32"), spelt, dim=1)[:, :size]
    skips = nd.logical_and(spelt != classes - 1, spelt != before)
    impossible = nd.full((batch, 2), IMPOSSIBLE, dtype=x.dtype)
    begin = nd.full((batch, size), IMPOSSIBLE, dtype=x.dtype)
    begin = nd.concat(impossible, nd.zeros((batch, 1), dtype=x.dtype), begin[:, 1:], dim=1)
    times = nd.arange(count, dtype="int32").reshape(-1, 1, 1)
    ends = nd.full((batch,), count, dtype="int32") if steps is None else steps
    inside = times < ends.reshape(1, -1, 1)

    def step(slices: list[NDArray], paths: NDArray) -> tuple[list[NDArray], NDArray]:
        emission, runs = slices
        skipped = nd.where(skips, paths[:, :-2], nd.full_like(emission, IMPOSSIBLE))
        ways = nd.stack(paths[:, 2:], paths[:, 1:-1], skipped, axis=2)
        following = nd.concat(impossible, nd.logsumexp(ways, 2) + emission, dim=1)
        return [], nd.where(runs, following, paths)

    _, paths = foreach(step, [emitted, inside], begin, "CTCLoss")
    last = nd.stack(lengths * 2 + 2, lengths * 2 + 1, axis=1)
    return -nd.logsumexp(along_axis(paths, last, 1), 1)
