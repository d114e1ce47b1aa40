"""The handler that writes checkpoints, and goes on from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnc import checks
from nnc.errors import OptionError
from nnc.gluon.contrib.estimator.early_stopping import Watched
from nnc.gluon.contrib.estimator.events import BatchEnd, EpochEnd, TrainBegin
from nnc.gluon.contrib.estimator.handlers import period
from nnc.metric import EvalMetric

if TYPE_CHECKING:
    from nnc.checkpoint import Checkpoints
    from nnc.gluon.contrib.estimator.estimator import Estimator

SCORE = "score"
"""What the value of the metric is called among the progress."""


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Writes the whole training after every `epoch_period` epochs and `batch_period` batches.

    `model_dir` has the last `max_checkpoints`, `model_prefix-000001.safetensors` and so forth, and
    with `save_best` the one that was best by `monitor`: see `nnc.checkpoint`, which reads them.
    With `resume_from_checkpoint`, `fit` goes on from the last one, bit for bit, if there is one;
    within an epoch if the data can tell its position; metrics count from there. Unlike MXNet's, a
    file holds everything.
    """

    def __init__(
        self,
        model_dir: str | Path,
        model_prefix: str = "model",
        monitor: EvalMetric | None = None,
        verbose: int = 0,
        save_best: bool = False,
        mode: str = "auto",
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        max_checkpoints: int = 5,
        resume_from_checkpoint: bool = False,
    ):
        if save_best and monitor is None:
            raise OptionError("CheckpointHandler: save_best needs a monitor, the metric to look at")
        self._watched = None
        if monitor is not None:
            self._watched = Watched("CheckpointHandler", monitor, mode)
        self.model_dir = Path(model_dir)
        self.model_prefix = model_prefix
        self.verbose = verbose
        self.save_best = save_best
        self.epoch_period = period("CheckpointHandler: epoch_period", epoch_period)
        self.batch_period = period("CheckpointHandler: batch_period", batch_period)
        self.max_checkpoints = checks.count("CheckpointHandler: max_checkpoints", max_checkpoints)
        self.resume_from_checkpoint = resume_from_checkpoint
        self.checkpoints: Checkpoints | None = None
        """The files, from the first `fit` on."""

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        from nnc.checkpoint import Checkpoints  # It imports this package.

        data: Any = estimator.train_data
        self.checkpoints = Checkpoints(
            self.model_dir,
            estimator.net,
            estimator.trainer,
            data if hasattr(data, "load_state_dict") else None,
            keep=self.max_checkpoints,
            best=SCORE if self.save_best else None,
            mode=self._watched.mode if self._watched else "min",
            prefix=self.model_prefix,
        )
        last = self.checkpoints.latest()
        if last is not None and not self.resume_from_checkpoint:
            raise OptionError(
                f"CheckpointHandler: {last} is of an earlier training; pass "
                "resume_from_checkpoint=True to go on from it, or another model_dir"
            )
        progress = self.checkpoints.resume()
        if progress is not None:
            estimator.current_epoch = progress["epoch"]
            estimator.current_batch = progress["batch"]
            estimator.resumed = True
            self._say(estimator, f"resumed from {last}")

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.batch_period is not None and estimator.current_batch % self.batch_period == 0:
            self.save(estimator, estimator.current_epoch)

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.epoch_period is not None and estimator.current_epoch % self.epoch_period == 0:
            self.save(estimator, estimator.current_epoch - estimator.cut_short)

    def save(self, estimator: "Estimator", epochs: int) -> None:
        """Write a checkpoint after so many whole epochs."""
        assert self.checkpoints is not None
        progress = {"epoch": epochs, "batch": estimator.current_batch}
        score = {SCORE: self._watched.value()} if self._watched else {}
        self._say(estimator, f"saved {self.checkpoints.save(**progress, **score)}")

    def _say(self, estimator: "Estimator", what: str) -> None:
        if self.verbose:
            estimator.logger.info(f"[Epoch {estimator.current_epoch}] {what}")
