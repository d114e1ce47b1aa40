"""The estimator: a training loop in which handlers do what happens besides."""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from typing import Any, cast

import numpy as np

from nnc import checks
from nnc.device import place_named
from nnc.errors import NanError, OptionError
from nnc.gluon.block import Block
from nnc.gluon.contrib.estimator.batch_processor import BatchProcessor
from nnc.gluon.contrib.estimator.events import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    EventHandler,
    TrainBegin,
    TrainEnd,
    of_event,
)
from nnc.gluon.contrib.estimator.handlers import (
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    ValidationHandler,
    period,
)
from nnc.gluon.contrib.estimator.records import ProgressBarHandler
from nnc.gluon.data import Dataset
from nnc.gluon.loss import SigmoidBinaryCrossEntropyLoss, SoftmaxCrossEntropyLoss
from nnc.gluon.trainer import Trainer
from nnc.init import Initializer
from nnc.metric import Accuracy, BinaryAccuracy, CompositeEvalMetric, EvalMetric, Loss

TRAINING, VALIDATION = "training", "validation"
"""What the names of metrics begin with."""
DEFAULT_METRICS: dict[type, Callable[[], EvalMetric]] = {
    SoftmaxCrossEntropyLoss: Accuracy,
    SigmoidBinaryCrossEntropyLoss: lambda: BinaryAccuracy(threshold=0.0),
}
"""What is measured with a loss where no metrics are given; logits above 0 are likely."""
USED_UP = "; of an iterator nothing is left after the first epoch: give a loader or a list"


class Estimator:
    """Trains `net` by `loss` with `trainer` (Adam at 0.001 by default), measuring metrics.

    `train_metrics` and the mean loss are measured on training data as `training …`; on validation
    data, `val_metrics` (or copies of the others) and the loss as `validation …`. `val_net` and
    `val_loss` take the places of `net` and `loss` there. `initializer` initializes parameters
    that are not initialized yet; `context` or `device` says where.

    Training steps are compiled, one call each, as `nnc.compile_step` makes them, unless
    `batch_processor` is `BatchProcessor(compiled=False)`. What happens besides is done by event
    handlers, see `fit`.
    """

    logger: logging.Logger
    """Prints to the standard output."""

    def __init__(
        self,
        net: Block,
        loss: Any,
        train_metrics: EvalMetric | Sequence[EvalMetric] | None = None,
        val_metrics: EvalMetric | Sequence[EvalMetric] | None = None,
        initializer: Initializer | str | None = None,
        trainer: Trainer | None = None,
        context: object = None,
        val_net: Block | None = None,
        val_loss: Any = None,
        batch_processor: BatchProcessor | None = None,
        *,
        device: object = None,
    ):
        self.net = instance("net", net, Block)
        self.loss = loss_in("loss", loss)
        self.val_net = net if val_net is None else instance("val_net", val_net, Block)
        self.val_loss = loss if val_loss is None else loss_in("val_loss", val_loss)
        self.batch_processor = (
            BatchProcessor()
            if batch_processor is None
            else instance("batch_processor", batch_processor, BatchProcessor)
        )
        given = metrics_in("train_metrics", train_metrics)
        if not given and type(loss) in DEFAULT_METRICS:
            given = [DEFAULT_METRICS[type(loss)]()]
        validated = metrics_in("val_metrics", val_metrics) or deepcopy(given)
        self.train_metrics = named(TRAINING, [*given, Loss()])
        self.val_metrics = named(VALIDATION, [*validated, Loss()])
        self._initialize(initializer, place_named("Estimator", device, context))
        own = Trainer(net.collect_params(), "adam") if trainer is None else trainer
        self.trainer = instance("trainer", own, Trainer)
        self.logger = new_logger()
        self.max_epoch: int | None = None
        self.max_batch: int | None = None
        self.current_epoch = 0
        """Epochs that `fit` has finished."""
        self.current_batch = 0
        """Batches that `fit` has finished, of all epochs."""
        self.train_data: Iterable[Any] = ()
        """What `fit` trains on."""
        self.handlers: list[EventHandler] = []
        """Those of `fit`, the ones that it added too."""
        self.batches: int | None = None
        """Batches of an epoch, if the data has a length."""
        self.resumed = False
        """Whether a handler has moved on to where another training was: its epoch may be over."""
        self.cut_short = False
        """Whether a handler has ended the epoch after one of its batches."""
        self.updates_in_step = False
        self.updated = False
        """Whether the step of this batch has updated the parameters already."""

    @property
    def device(self) -> Any:
        """Where the parameters are."""
        return self.trainer.device

    def _initialize(self, initializer: Initializer | str | None, device: object) -> None:
        """Gives those parameters values that have none."""
        for parameter in self.net.collect_params().values():
            if not parameter.initialized:
                parameter.initialize(None, device, initializer)

    def fit(
        self,
        train_data: Iterable[Any],
        val_data: Iterable[Any] | None = None,
        epochs: int | None = None,
        event_handlers: EventHandler | Sequence[EventHandler] | None = None,
        batches: int | None = None,
        batch_axis: int = 0,
    ) -> None:
        """Trains for `epochs` passes over the data, or for a number of `batches`.

        Handlers that are not among `event_handlers` are added: `StoppingHandler`,
        `GradientUpdateHandler`, `MetricHandler`, `LoggingHandler` (not beside a
        `ProgressBarHandler`), and with `val_data` `ValidationHandler`. They are called in the
        order of their `priority`. Parameters that are NaN after an epoch are a `NanError`.
        """
        if (epochs is None) == (batches is None):
            raise OptionError("fit: give either epochs or batches")
        self.max_epoch = period("fit: epochs", epochs)
        self.max_batch = period("fit: batches", batches)
        self.current_epoch = self.current_batch = 0
        self.resumed = self.cut_short = False
        self.train_data = batches_in("fit: train_data", train_data)
        self.batches = length_of(train_data)
        handlers = self.handlers = self._with_defaults(event_handlers, val_data)
        updating = [h for h in handlers if isinstance(h, GradientUpdateHandler)]
        own = any(type(h) is not GradientUpdateHandler for h in updating)
        self.updates_in_step = self.batch_processor.compiled and not own
        with ExitStack() as closing:
            for handler in reversed(handlers):
                closing.callback(handler.close)
            for handler in of_event(TrainBegin, handlers):
                handler.train_begin(self)
            over = any(handler.finished(self) for handler in handlers)
            while not over:
                self.cut_short = self._epoch(train_data, handlers, batch_axis)
                self.current_epoch += 1
                ends = [h.epoch_end(self) for h in of_event(EpochEnd, handlers)]
                self._check_parameters()
                over = self.cut_short or any(ends)
            for handler in of_event(TrainEnd, handlers):
                handler.train_end(self)

    def _epoch(self, data: Iterable[Any], handlers: list[EventHandler], batch_axis: int) -> bool:
        """Trains on each batch; whether a handler said to stop."""
        for handler in of_event(EpochBegin, handlers):
            handler.epoch_begin(self)
        begin, end = of_event(BatchBegin, handlers), of_event(BatchEnd, handlers)
        before = self.current_batch
        for batch in data:
            for handler in begin:
                handler.batch_begin(self, batch=batch)
            self.updated = False
            parts = parts_of(batch, self.batch_processor.fit_batch(self, batch, batch_axis))
            self.current_batch += 1
            if any([handler.batch_end(self, **parts) for handler in end]):
                return True
        resumed, self.resumed = self.resumed, False
        if self.current_batch == before and not resumed:
            raise OptionError(f"fit: the training data has no batches{USED_UP}")
        return False

    def _check_parameters(self) -> None:
        """Raises if a parameter is no number any more: no step can change that."""
        losses = [metric.get()[1] for metric in self.train_metrics if isinstance(metric, Loss)]
        name = None if all(map(math.isfinite, losses)) else self.lost_parameter()
        if name is not None:
            raise NanError(
                f"fit: parameter '{name}' is no number any more after epoch {self.current_epoch}, "
                f"the training loss is {losses[0]}; nnc.configure(check_nans=True) stops before "
                "the step that makes it so"
            )

    def lost_parameter(self) -> str | None:
        """The first parameter that has a NaN or an infinity."""
        parameters = self.net.collect_params().items()
        wrong = (n for n, p in parameters if not np.isfinite(p.data().asnumpy()).all())
        return next(wrong, None)

    def _with_defaults(self, given: Any, val_data: Iterable[Any] | None) -> list[EventHandler]:
        """The handlers given, and those that a training needs."""
        handlers = handlers_in("fit", given)
        known = set[type]().union(*(type(handler).__mro__ for handler in handlers))
        if StoppingHandler not in known:
            handlers.append(StoppingHandler(self.max_epoch, self.max_batch))
        if GradientUpdateHandler not in known:
            handlers.append(GradientUpdateHandler())
        if MetricHandler not in known:
            handlers.append(MetricHandler(self.train_metrics))
        if val_data is not None and ValidationHandler not in known:
            handlers.append(ValidationHandler(val_data, self.evaluate))
        if not known & {LoggingHandler, ProgressBarHandler}:
            handlers.append(LoggingHandler(metrics=[*self.train_metrics, *self.val_metrics]))
        return handlers

    def evaluate(
        self,
        val_data: Iterable[Any],
        batch_axis: int = 0,
        event_handlers: EventHandler | Sequence[EventHandler] | None = None,
    ) -> None:
        """Measures the metrics of validation on `val_data`; `get` of each has the value.

        Of the handlers, those of epochs and batches are called; a `MetricHandler` is added.
        """
        batches_in("evaluate: val_data", val_data)
        handlers = handlers_in("evaluate", event_handlers)
        if not any(isinstance(handler, MetricHandler) for handler in handlers):
            handlers.append(MetricHandler(self.val_metrics))
        for handler in of_event(EpochBegin, handlers):
            handler.epoch_begin(self)
        begin, end = of_event(BatchBegin, handlers), of_event(BatchEnd, handlers)
        batch = None
        for batch in val_data:
            for handler in begin:
                handler.batch_begin(self, batch=batch)
            parts = parts_of(batch, self.batch_processor.evaluate_batch(self, batch, batch_axis))
            for handler in end:
                handler.batch_end(self, **parts)
        if batch is None:
            raise OptionError(f"evaluate: the validation data has no batches{USED_UP}")
        for handler in of_event(EpochEnd, handlers):
            handler.epoch_end(self)


def parts_of(batch: Any, processed: Sequence[Any]) -> dict[str, Any]:
    """What handlers get of a batch: lists, also where a processor of one's own gives arrays."""
    _, *parts = processed
    listed = [part if isinstance(part, list | tuple) else [part] for part in parts]
    return {"batch": batch, **dict(zip(("label", "pred", "loss"), listed, strict=True))}


def instance(what: str, given: Any, kind: type) -> Any:
    """The value, if it is of a kind."""
    if not isinstance(given, kind):
        name = f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
        raise OptionError(f"Estimator: {what}: expected {name}, given {given!r:.60}")
    return given


def loss_in(what: str, given: Any) -> Any:
    """A function of predictions and labels."""
    if isinstance(given, type):
        raise OptionError(f"Estimator: {what}: {given.__name__} is a class; call it first")
    return checks.function(f"Estimator: {what}", given)


def batches_in(what: str, given: Any) -> Iterable[Any]:
    """What gives batches."""
    if isinstance(given, Dataset) or not isinstance(given, Iterable):
        raise OptionError(
            f"{what}: expected batches, given {type(given).__name__}; a dataset goes into "
            "gluon.data.DataLoader(dataset, batch_size)"
        )
    return cast(Iterable[Any], given)


def metrics_in(what: str, given: Any) -> list[EvalMetric]:
    """A metric or several as a list; a composite one counts as its parts."""
    if given is None:
        return []
    listed: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    metrics: list[EvalMetric] = []
    for one in listed:
        if isinstance(one, CompositeEvalMetric):
            metrics += one.metrics
        else:
            metrics.append(instance(what, one, EvalMetric))
    return metrics


def named(stage: str, metrics: list[EvalMetric]) -> list[EvalMetric]:
    """The metrics, whose names say on which data they are measured."""
    for metric in metrics:
        metric.name = f"{stage} {metric.name.removeprefix(f'{TRAINING} ')}"
    return metrics


def handlers_in(what: str, given: Any) -> list[EventHandler]:
    """A handler or several as a list."""
    if given is None:
        return []
    listed: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    for one in listed:
        if not isinstance(one, EventHandler):
            raise OptionError(
                f"{what}: event_handlers: expected handlers such as LoggingHandler(), "
                f"given {one!r:.60}"
            )
    return listed


def length_of(data: Any) -> int | None:
    """How many batches there are, if that is known."""
    try:
        return len(data)
    except TypeError:
        return None


def new_logger() -> logging.Logger:
    """A logger that prints messages, and nothing else, to the standard output."""
    logger = logging.Logger("nnc.estimator", logging.INFO)
    logger.addHandler(logging.StreamHandler(sys.stdout))
    return logger
