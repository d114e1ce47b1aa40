"""Handlers that watch a metric: what is better, and when to stop."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import checks
from nnc.errors import OptionError
from nnc.gluon.contrib.estimator.events import EpochEnd, TrainBegin, TrainEnd
from nnc.gluon.contrib.estimator.handlers import MetricHandler, ValidationHandler, measured
from nnc.gluon.state_files import State
from nnc.metric import EvalMetric

if TYPE_CHECKING:
    from nnc.gluon.contrib.estimator.estimator import Estimator

MODES = ("auto", "min", "max")
GROWING = ("acc", "f1", "fbeta", "mcc", "pcc", "pearson", "cosinesimilarity")
"""With mode `auto`, metrics with one of these in their name are better when they are larger."""


class Watched:
    """The best value of a metric so far."""

    def __init__(self, what: str, monitor: Any, mode: str, min_delta: float = 0):
        self.what = what
        if not isinstance(monitor, EvalMetric):
            raise OptionError(
                f"{what}: monitor: expected a metric, such as one of estimator.val_metrics, "
                f"given {monitor!r:.60}"
            )
        checks.chosen(f"{what}: mode", mode, MODES)
        self.monitor: EvalMetric = monitor
        if mode == "auto":
            name = monitor.name.lower().replace(" ", "")
            mode = "max" if any(part in name for part in GROWING) else "min"
        self.mode = mode
        self.min_delta = abs(checks.number(f"{what}: min_delta", min_delta))
        self.best = self.worst

    @property
    def worst(self) -> float:
        return -math.inf if self.mode == "max" else math.inf

    def check(self, estimator: "Estimator") -> None:
        """Raises if no handler measures the metric."""
        looked_at: list[EvalMetric] = []
        for handler in estimator.handlers:
            if isinstance(handler, MetricHandler):
                looked_at += handler.metrics
            if isinstance(handler, ValidationHandler):
                if handler.eval_fn != estimator.evaluate:
                    return  # What it measures is its own affair.
                looked_at += estimator.val_metrics
        if not any(metric is self.monitor for metric in looked_at):
            names = ", ".join(metric.name for metric in looked_at)
            raise OptionError(
                f"{self.what}: monitor: nothing measures this '{self.monitor.name}'; measured are "
                f"{names}, of estimator.train_metrics and, if fit has val_data, "
                "estimator.val_metrics"
            )

    @property
    def measured(self) -> bool:
        """Whether there is a value, be it NaN."""
        return np.ndim(self.monitor.get()[1]) > 0 or any(True for _ in measured([self.monitor]))

    def value(self) -> float:
        """The metric now."""
        name, value = self.monitor.get()
        if isinstance(name, list) or np.ndim(value):
            raise OptionError(f"metric {name} has several values; give one of its parts as monitor")
        return float(value)

    def improved(self) -> bool:
        """Whether the metric is better than ever by more than `min_delta`; then it is the best."""
        value = self.value()
        ahead = value - self.best if self.mode == "max" else self.best - value
        if ahead > self.min_delta:
            self.best = value
            return True
        return False


class EarlyStoppingHandler(TrainBegin, EpochEnd, TrainEnd):
    """Stops when `monitor` was not better by `min_delta` for more than `patience` epochs.

    `mode` is `min`, `max`, or `auto`, which looks at the metric's name. With a `baseline`, what is
    not better than that does not count. A metric of validation has the value of the last one;
    before the first, nothing counts.
    """

    def __init__(
        self,
        monitor: EvalMetric,
        min_delta: float = 0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
    ):
        self._watched = Watched("EarlyStoppingHandler", monitor, mode, min_delta)
        self.monitor = monitor
        self.patience = checks.count("EarlyStoppingHandler: patience", patience, 0)
        self.baseline = baseline
        if baseline is not None:
            self.baseline = checks.number("EarlyStoppingHandler: baseline", baseline)
        self.wait = self.stopped_epoch = 0

    @property
    def stop_training(self) -> bool:
        """Whether the metric was no better for too long."""
        return self.wait > self.patience

    def finished(self, estimator: "Estimator") -> bool:
        return self.stop_training

    @property
    def best(self) -> float:
        """The best value so far."""
        return self._watched.best

    def state_dict(self) -> State:
        return {"best": self.best, "wait": self.wait}

    def load_state_dict(self, state_dict: State) -> None:
        self._watched.best, self.wait = state_dict["best"], state_dict["wait"]

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self._watched.check(estimator)
        self.wait = self.stopped_epoch = 0
        self._watched.best = self._watched.worst if self.baseline is None else self.baseline

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> bool:
        if not self._watched.measured:
            return False
        self.wait = 0 if self._watched.improved() else self.wait + 1
        return self.stop_training

    def train_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.stop_training:
            self.stopped_epoch = estimator.current_epoch
            estimator.logger.info(
                f"[Epoch {self.stopped_epoch}] early stopping: {self.monitor.name} was not better "
                f"than {self.best:.4f} for {self.wait} epochs"
            )
