"""The handlers that every training has: stop, update, measure, validate, print."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import checks
from nnc.errors import OptionError
from nnc.gluon.contrib.estimator.events import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    EventHandler,
    TrainBegin,
    TrainEnd,
)
from nnc.gluon.state_files import State
from nnc.metric import EvalMetric, Loss

if TYPE_CHECKING:
    from nnc.gluon.contrib.estimator.estimator import Estimator

EPOCH = "epoch"


def period(what: str, given: int | None) -> int | None:
    """Every how many epochs or batches; None is never."""
    return None if given is None else checks.count(what, given)


def measured(metrics: Iterable[EvalMetric]) -> Iterator[tuple[str, float]]:
    """Names and values of metrics that have been updated; a value may well be NaN."""
    for metric in metrics:
        updated = any(np.any(getattr(metric, name, 0)) for name in metric.sums)
        for name, value in metric.get_name_value():
            if np.ndim(value) == 0 and (updated or not math.isnan(value)):
                yield name, float(value)


class StoppingHandler(TrainBegin, BatchEnd, EpochEnd):
    """Stops after `max_epoch` epochs or `max_batch` batches, or what `fit` was given."""

    def __init__(self, max_epoch: int | None = None, max_batch: int | None = None):
        self.max_epoch = period("StoppingHandler: max_epoch", max_epoch)
        self.max_batch = period("StoppingHandler: max_batch", max_batch)
        self.stop_training = False

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self.stop_training = False
        if self.max_epoch is None and self.max_batch is None:
            self.max_epoch, self.max_batch = estimator.max_epoch, estimator.max_batch

    def finished(self, estimator: "Estimator") -> bool:
        return reached(estimator.current_epoch, self.max_epoch) or reached(
            estimator.current_batch, self.max_batch
        )

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> bool:
        self.stop_training |= reached(estimator.current_batch, self.max_batch)
        return self.stop_training

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> bool:
        self.stop_training |= reached(estimator.current_epoch, self.max_epoch)
        return self.stop_training


def reached(now: int, limit: int | None) -> bool:
    return limit is not None and now >= limit


class GradientUpdateHandler(BatchEnd):
    """Updates the parameters at the end of a batch, unless the compiled step has done so.

    A subclass can do it otherwise, as in accumulating gradients: steps are then not compiled as
    one call.
    """

    def __init__(self, priority: float = -2000):
        self.priority = priority

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if not estimator.updated:
            estimator.trainer.step(sum(loss.shape[0] for loss in kwargs["loss"]))


class MetricHandler(EpochBegin, BatchEnd, EpochEnd):
    """Resets metrics before an epoch and updates them after each batch.

    A training that goes on within an epoch adds to what was measured of it before.
    """

    def __init__(self, metrics: EvalMetric | Sequence[EvalMetric], priority: float = -1000):
        self.metrics = [metrics] if isinstance(metrics, EvalMetric) else list(metrics)
        self.priority = priority
        self._within_epoch = False
        self._before: list[State] = []

    def state_dict(self) -> State:
        if not self._within_epoch:
            return {}
        return {"metrics": [metric.state_dict() for metric in self.metrics]}

    def load_state_dict(self, state_dict: State) -> None:
        self._before = state_dict["metrics"]

    def epoch_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            metric.reset()
        for metric, state in zip(self.metrics, self._before, strict=False):
            metric.load_state_dict(state)
        self._within_epoch, self._before = True, []

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self._within_epoch = estimator.cut_short

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            if isinstance(metric, Loss):
                metric.update(0, kwargs["loss"])
            else:
                metric.update(kwargs["label"], kwargs["pred"])


class ValidationHandler(TrainBegin, BatchEnd, EpochEnd):
    """Calls `eval_fn(val_data=…)` every `epoch_period` epochs and `batch_period` batches."""

    def __init__(
        self,
        val_data: Iterable[Any],
        eval_fn: Callable[..., object],
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        priority: float = -1000,
        event_handlers: EventHandler | Sequence[EventHandler] | None = None,
    ):
        self.val_data = val_data
        self.eval_fn = checks.function("ValidationHandler: eval_fn", eval_fn)
        self.epoch_period = period("ValidationHandler: epoch_period", epoch_period)
        self.batch_period = period("ValidationHandler: batch_period", batch_period)
        self.priority = priority
        self.event_handlers = event_handlers

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.batch_period and estimator.current_batch % self.batch_period == 0:
            self.evaluate()

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.epoch_period and estimator.current_epoch % self.epoch_period == 0:
            self.evaluate()

    def evaluate(self) -> None:
        self.eval_fn(val_data=self.val_data, event_handlers=self.event_handlers)


class LoggingHandler(TrainBegin, TrainEnd, EpochBegin, EpochEnd, BatchBegin, BatchEnd):
    """Prints metrics after each epoch, or every `log_interval` batches as well."""

    def __init__(
        self,
        log_interval: int | str = EPOCH,
        metrics: EvalMetric | Sequence[EvalMetric] | None = None,
        priority: float = math.inf,
    ):
        if log_interval != EPOCH and not checks.is_count(log_interval, 1):
            raise OptionError(
                "LoggingHandler: log_interval: expected 'epoch' or a number of batches, given "
                f"{log_interval!r}"
            )
        self.log_interval = log_interval
        given = [] if metrics is None else metrics
        self.metrics = [given] if isinstance(given, EvalMetric) else list(given)
        self.priority = priority
        self._train_start = self._epoch_start = self._interval_start = 0.0
        self._samples = 0

    def say(self, estimator: "Estimator", what: str) -> None:
        """Print it with what was measured so far, as `accuracy: 0.9300`."""
        found = ", ".join(f"{name}: {value:.4f}" for name, value in measured(self.metrics))
        estimator.logger.info(f"{what}: {found}" if found else what)

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self._train_start = time.perf_counter()
        trainer = estimator.trainer
        name, rate = type(trainer.optimizer).__name__, trainer.learning_rate
        estimator.logger.info(f"Training begin: using optimizer {name}, learning rate {rate:g}")

    def train_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        seconds = time.perf_counter() - self._train_start
        epochs = estimator.current_epoch - estimator.cut_short
        plural = "" if epochs == 1 else "s"
        self.say(estimator, f"Train finished after {epochs} epoch{plural} in {seconds:.2f} s")

    def epoch_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self._epoch_start = self._interval_start = time.perf_counter()
        self._samples = 0

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        seconds = time.perf_counter() - self._epoch_start
        ended = "stopped" if estimator.cut_short else "finished"
        self.say(estimator, f"[Epoch {estimator.current_epoch}] {ended} in {seconds:.2f} s")

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if isinstance(self.log_interval, str):
            return
        self._samples += sum(loss.shape[0] for loss in kwargs["loss"])
        if estimator.current_batch % self.log_interval == 0:
            now = time.perf_counter()
            speed = self._samples / (now - self._interval_start)
            self._interval_start, self._samples = now, 0
            epoch, batch = estimator.current_epoch + 1, estimator.current_batch
            self.say(estimator, f"[Epoch {epoch}][Batch {batch}] {speed:.0f} samples/s")
