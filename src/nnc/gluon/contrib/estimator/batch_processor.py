"""What is done with one batch: a training step, or the loss and the predictions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import autograd, functions
from nnc.arrays.array import NDArray, array
from nnc.errors import OptionError

if TYPE_CHECKING:
    from nnc.functions import CompiledFunction, CompiledStep
    from nnc.gluon.contrib.estimator.estimator import Estimator

Parts = tuple[list[Any], list[Any], list[Any], list[Any]]
"""The inputs of a batch, and its label, predictions and loss as lists with one entry: one for each
device, as in MXNet."""


class BatchProcessor:
    """A batch is a list of inputs and, last, the label.

    `compiled` steps are one call of one program, update included. Without it, or where a handler
    of one's own does the update, the loop is that of Gluon: record, backward, and `trainer.step`
    at the end of the batch. Both give the same numbers. A subclass may do something else.
    """

    def __init__(self, compiled: bool = True):
        self.compiled = compiled
        self._step: CompiledStep | None = None
        self._evaluations: dict[Any, CompiledFunction] = {}

    def parts(self, batch: Any) -> tuple[list[Any], Any]:
        """The inputs and the label of a batch."""
        if not isinstance(batch, list | tuple) or len(batch) < 2:
            raise OptionError(
                "Estimator: expected batches of inputs and, last, the label, given "
                f"{type(batch).__name__}; give a BatchProcessor that reads other batches"
            )
        *data, label = batch
        return data, label

    def fit_batch(self, estimator: "Estimator", train_batch: Any, batch_axis: int = 0) -> Parts:
        """One training step."""
        data, label = self.parts(train_batch)
        if estimator.updates_in_step and batch_axis == 0:
            loss, predicted = self.step(estimator)(*data, label)
            estimator.updated = True
        else:
            data, label = [placed(estimator, x) for x in data], placed(estimator, label)
            with autograd.record():
                predicted = estimator.net(*data)
                loss = estimator.loss(predicted, label)
                scaled = estimator.trainer.scaled(loss)
            scaled.backward()
        return data, [label], [predicted], [loss]

    def evaluate_batch(self, estimator: "Estimator", val_batch: Any, batch_axis: int = 0) -> Parts:
        """The predictions and the loss, without a step."""
        data, label = self.parts(val_batch)
        data, label = [placed(estimator, x) for x in data], placed(estimator, label)
        if self.compiled:
            loss, *predicted = self.evaluation(estimator)(*data, label)
            shown: Any = predicted[0] if len(predicted) == 1 else predicted
        else:
            shown = estimator.val_net(*data)
            loss = estimator.val_loss(shown, label)
        return data, [label], [shown], [loss]

    def step(self, estimator: "Estimator") -> "CompiledStep":
        """The compiled step, kept while the estimator has the same parts."""
        made, parts = self._step, (estimator.net, estimator.loss, estimator.trainer)
        if made is None or (made.net, made.loss, made.trainer) != parts:
            made = self._step = functions.CompiledStep(*parts, memory_budget=None, predictions=True)
        return made

    def evaluation(self, estimator: "Estimator") -> "CompiledFunction":
        """The compiled loss and predictions, kept while the estimator has the same parts."""
        key = (estimator.val_net, estimator.val_loss)
        if key not in self._evaluations:
            net, loss = key

            def evaluate(*arrays: NDArray) -> list[NDArray]:
                *data, label = arrays
                predicted: Any = net(*data)
                several = isinstance(predicted, list | tuple)
                return [loss(predicted, label), *(predicted if several else [predicted])]

            self._evaluations = {key: functions.compile(evaluate)}
        return self._evaluations[key]


def placed(estimator: "Estimator", part: Any) -> NDArray:
    """A part of a batch where the network is."""
    made = array(part, part.dtype) if isinstance(part, np.ndarray) else part
    return made.as_in_context(estimator.device)
