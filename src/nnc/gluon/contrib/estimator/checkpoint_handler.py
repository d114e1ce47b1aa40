"""The handler that writes checkpoints, and goes on from them."""

import math
import os
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnc import checks
from nnc.errors import OptionError
from nnc.gluon.contrib.estimator.early_stopping import Watched
from nnc.gluon.contrib.estimator.events import BatchEnd, EpochEnd, EventHandler, TrainBegin
from nnc.gluon.contrib.estimator.handlers import period
from nnc.gluon.state_files import State
from nnc.metric import EvalMetric

if TYPE_CHECKING:
    from nnc.checkpoint import Checkpoints
    from nnc.gluon.contrib.estimator.estimator import Estimator

SCORE = "score"
"""What the value of the metric is called among the progress."""


class Interrupts:
    """Waits with a first Ctrl-C for a moment at which a training can be saved.

    A second one is a KeyboardInterrupt at once, and so is each where Ctrl-C means something else
    already, or outside of the main thread.
    """

    def __init__(self) -> None:
        self.came = False
        self._active = False

    def begin(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._active = True

    def _note(self, *_: object) -> None:
        self._leave()
        self.came = True

    def _leave(self) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._active = False

    def end(self) -> None:
        """Wait no more; what has waited comes now, unless an error ends the training anyway."""
        self._leave()
        came, self.came = self.came, False
        if came and sys.exc_info()[0] is None:
            raise KeyboardInterrupt


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Writes the whole training after every `epoch_period` epochs and `batch_period` batches.

    `model_dir` has the last `max_checkpoints`, `model_prefix-000001.safetensors` and so forth, and
    with `save_best` the one that was best by `monitor`: see `nnc.checkpoint`, which reads them.
    With `resume_from_checkpoint`, `fit` goes on from the last one, bit for bit, if there is one;
    within an epoch if the data can tell its position. What handlers and metrics keep (`state_dict`)
    goes on, too. Unlike MXNet's, a file holds everything.

    Ctrl-C ends the training after the batch that runs, with a checkpoint; a second one at once.
    A training whose parameters are NaN is not saved.
    """

    priority = math.inf

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
        self._interrupts = Interrupts()

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        from nnc.checkpoint import Checkpoints  # It imports this package.

        if self._watched is not None:
            self._watched.check(estimator)
        data: Any = estimator.train_data
        make_folder(self.model_dir)
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
            give_states(estimator.handlers, progress.get("handlers", {}))
            self._say(estimator, f"resumed from {last}, after batch {estimator.current_batch}")
        self._interrupts.begin()

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        now = self.batch_period is not None and estimator.current_batch % self.batch_period == 0
        if now or self._interrupts.came:
            self.save(estimator, estimator.current_epoch)
        if self._interrupts.came:
            assert self.checkpoints is not None
            last = self.checkpoints.latest()
            estimator.logger.info(f"interrupted; the last checkpoint is {last}")
            self._interrupts.end()

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        now = self.epoch_period is not None and estimator.current_epoch % self.epoch_period == 0
        if now or self._interrupts.came:
            self.save(estimator, estimator.current_epoch - estimator.cut_short)

    def close(self) -> None:
        self._interrupts.end()

    def save(self, estimator: "Estimator", epochs: int) -> None:
        """Write a checkpoint after so many whole epochs, unless parameters are NaN."""
        assert self.checkpoints is not None
        if estimator.lost_parameter() is not None:
            return  # Those that are there are better; `fit` ends with an error.
        progress: State = {"epoch": epochs, "batch": estimator.current_batch}
        if self._watched:
            progress[SCORE] = self._watched.value()
        if states := states_of(estimator.handlers):
            progress["handlers"] = states
        file = self.checkpoints.save(**progress)
        self._say(estimator, f"saved {file}, after batch {estimator.current_batch}")

    def _say(self, estimator: "Estimator", what: str) -> None:
        if self.verbose:
            estimator.logger.info(what)


def make_folder(folder: Path) -> None:
    """Raises now, not after an epoch, if no checkpoint can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(folder, os.W_OK) else "no permission"
    except OSError as error:
        why = error.strerror
    if why:
        raise OptionError(f"CheckpointHandler: model_dir: cannot write into '{folder}': {why}")


def states_of(handlers: Iterable[EventHandler]) -> dict[str, list[State]]:
    """The states of all handlers that have one, by class."""
    states: dict[str, list[State]] = {}
    for handler in handlers:
        if state := handler.state_dict():
            states.setdefault(type(handler).__name__, []).append(state)
    return states


def give_states(handlers: Iterable[EventHandler], states: dict[str, list[State]]) -> None:
    """Each handler goes on from the state of one of its class, if there was one."""
    for handler in handlers:
        if left := states.get(type(handler).__name__):
            handler.load_state_dict(left.pop(0))
