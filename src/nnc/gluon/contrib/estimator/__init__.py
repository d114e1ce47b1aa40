"""Training in one call, with handlers for what happens besides.

    metrics = [nnc.metric.Accuracy()]
    est = Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), metrics, trainer=trainer)
    est.fit(train_data, val_data, epochs=10, event_handlers=[ProgressBarHandler()])

Names and arguments are those of MXNet's `gluon.contrib.estimator`; the handlers of records
(`ProgressBarHandler`, `JSONLinesHandler`, `TensorBoardHandler`, `PlotHandler`) are nnc's own.
"""

from nnc.gluon.contrib.estimator.batch_processor import BatchProcessor
from nnc.gluon.contrib.estimator.checkpoint_handler import CheckpointHandler
from nnc.gluon.contrib.estimator.early_stopping import EarlyStoppingHandler
from nnc.gluon.contrib.estimator.estimator import Estimator
from nnc.gluon.contrib.estimator.events import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    EventHandler,
    TrainBegin,
    TrainEnd,
)
from nnc.gluon.contrib.estimator.handlers import (
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    ValidationHandler,
)
from nnc.gluon.contrib.estimator.records import (
    JSONLinesHandler,
    PlotHandler,
    ProgressBarHandler,
    RecordHandler,
    TensorBoardHandler,
)

__all__ = [
    "BatchBegin",
    "BatchEnd",
    "BatchProcessor",
    "CheckpointHandler",
    "EarlyStoppingHandler",
    "EpochBegin",
    "EpochEnd",
    "Estimator",
    "EventHandler",
    "GradientUpdateHandler",
    "JSONLinesHandler",
    "LoggingHandler",
    "MetricHandler",
    "PlotHandler",
    "ProgressBarHandler",
    "RecordHandler",
    "StoppingHandler",
    "TensorBoardHandler",
    "TrainBegin",
    "TrainEnd",
    "ValidationHandler",
]
