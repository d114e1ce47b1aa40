"""Handlers that show or keep how a training goes: a bar, JSON lines, TensorBoard, a picture."""

import importlib
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnc import checks
from nnc.errors import OptionError
from nnc.gluon.atomic import checked_target
from nnc.gluon.contrib.estimator.events import BatchEnd, EpochBegin, EpochEnd, TrainBegin
from nnc.gluon.contrib.estimator.handlers import measured, period
from nnc.gluon.state_files import State

if TYPE_CHECKING:
    from nnc.gluon.contrib.estimator.estimator import Estimator

Record = dict[str, float]


def needed(handler: str, module: str, package: str) -> Any:
    """A module of a package that only this handler needs."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise OptionError(
            f"{handler}: needs {package}; install it with: pip install nnc[train]"
        ) from None


def cannot_write(handler: str, path: Path, error: OSError) -> OptionError:
    return OptionError(f"{handler}: cannot write '{path}': {error.strerror or error}")


class RecordHandler(TrainBegin, BatchEnd, EpochEnd):
    """Makes a record of each epoch and, with `batch_period`, of every so many batches.

    A record has `epoch` (the first is 1), `batch` (of all epochs), `seconds` since the training
    began, `learning_rate` and the metrics; those of validation only at the end of an epoch. A
    subclass takes it in `record`. All records of this training are in `records`.
    """

    priority = 1000.0

    def __init__(self, batch_period: int | None = None):
        self.batch_period = period(f"{type(self).__name__}: batch_period", batch_period)
        self.records: list[Record] = []
        self._start = 0.0

    def record(self, record: Record) -> None:
        """Take a new record."""

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self.records = []
        self._start = time.perf_counter()

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        if self.batch_period and estimator.current_batch % self.batch_period == 0:
            epoch = estimator.current_epoch + 1
            self._add(estimator, epoch, dict(measured(estimator.train_metrics)))

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        metrics = [*estimator.train_metrics, *estimator.val_metrics]
        self._add(estimator, estimator.current_epoch, dict(measured(metrics)))

    def _add(self, estimator: "Estimator", epoch: int, metrics: Record) -> None:
        made: Record = {
            "epoch": epoch,
            "batch": estimator.current_batch,
            "seconds": time.perf_counter() - self._start,
            "learning_rate": estimator.trainer.learning_rate,
            **metrics,
        }
        self.records.append(made)
        self.record(made)


class JSONLinesHandler(RecordHandler):
    """Appends each record to a file, one JSON object on a line, as soon as it is made.

    What is no finite number is null there.
    """

    def __init__(self, filename: str | os.PathLike[str], batch_period: int | None = None):
        super().__init__(batch_period)
        self.filename = Path(filename)

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        super().train_begin(estimator)
        self._append("")  # A file that cannot be written is found before the training.

    def record(self, record: Record) -> None:
        numbers = {name: v if math.isfinite(v) else None for name, v in record.items()}
        self._append(json.dumps(numbers) + "\n")

    def _append(self, line: str) -> None:
        try:
            with self.filename.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise cannot_write("JSONLinesHandler", self.filename, error) from None


class TensorBoardHandler(RecordHandler):
    """Writes each record as scalars for TensorBoard, by number of batches; needs tensorboardX."""

    def __init__(self, log_dir: str | os.PathLike[str], batch_period: int | None = None):
        super().__init__(batch_period)
        self._module = needed("TensorBoardHandler", "tensorboardX", "tensorboardX")
        self.log_dir = Path(log_dir)
        self._writer: Any = None

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        super().train_begin(estimator)
        try:
            self._writer = self._module.SummaryWriter(str(self.log_dir))
        except OSError as error:
            raise cannot_write("TensorBoardHandler", self.log_dir, error) from None

    def record(self, record: Record) -> None:
        """`training loss` becomes `loss/training`, so that both curves are in one picture."""
        for name, value in record.items():
            if name == "batch":
                continue
            stage, _, metric = name.partition(" ")
            tag = f"{metric.replace(' ', '_')}/{stage}" if metric else name
            self._writer.add_scalar(tag, value, int(record["batch"]))
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class PlotHandler(RecordHandler):
    """Draws a curve of each metric into a picture; needs matplotlib.

    Training and validation are in one field for each metric. The picture is drawn again while the
    training goes on, and whole where it is resumed. The file's ending says what it is:
    `curves.png`, `.svg`, `.pdf`.
    """

    REFRESH = 5.0
    """Seconds between two drawings."""

    def __init__(self, filename: str | os.PathLike[str]):
        super().__init__()
        self._figure: Any = needed("PlotHandler", "matplotlib.figure", "matplotlib").Figure
        self._ticker: Any = needed("PlotHandler", "matplotlib.ticker", "matplotlib")
        self.filename = Path(filename)
        kinds = self._figure().canvas.get_supported_filetypes()
        checks.chosen("PlotHandler: ending of the file", self.filename.suffix[1:], kinds)
        self._drawn = -math.inf

    def state_dict(self) -> State:
        return {"records": self.records}

    def load_state_dict(self, state_dict: State) -> None:
        self.records = state_dict["records"]

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        super().train_begin(estimator)
        try:
            checked_target(self.filename)
        except OSError as error:
            raise cannot_write("PlotHandler", self.filename, error) from None

    def record(self, record: Record) -> None:
        if time.perf_counter() - self._drawn > self.REFRESH:
            self.draw()

    def close(self) -> None:
        if self.records:
            self.draw()

    def draw(self) -> None:
        """Write the picture."""
        fields = self.fields()
        figure = self._figure(figsize=(5 * len(fields), 3.5), layout="constrained")
        for axes, (metric, curves) in zip(
            figure.subplots(1, len(fields), squeeze=False)[0], fields.items(), strict=True
        ):
            for stage, points in curves.items():
                axes.plot(*zip(*points, strict=True), label=stage, linewidth=2, marker=".")
            axes.set(xlabel="epoch", ylabel=metric)
            axes.xaxis.set_major_locator(self._ticker.MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        try:
            figure.savefig(self.filename, dpi=150)
        except OSError as error:
            raise cannot_write("PlotHandler", self.filename, error) from None
        self._drawn = time.perf_counter()

    def fields(self) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """For each metric and stage, the points of its curve."""
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for record in self.records:
            for name, value in record.items():
                stage, _, metric = name.partition(" ")
                if metric:
                    curve = found.setdefault(metric, {}).setdefault(stage, [])
                    curve.append((record["epoch"], value))
        return found


class ProgressBarHandler(TrainBegin, EpochBegin, BatchEnd, EpochEnd):
    """Shows a bar for the epoch that runs, and a line for each that is done; needs rich."""

    priority = math.inf
    REFRESH = 0.2
    """Seconds between two looks at the metrics."""

    def __init__(self) -> None:
        self._module = needed("ProgressBarHandler", "rich.progress", "rich")
        self._progress: Any = None
        self._task: Any = None
        self._looked = 0.0

    def train_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        rich = self._module
        self._progress = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeRemainingColumn(),
            rich.TextColumn("{task.fields[metrics]}"),
            transient=True,
        )
        self._task = self._progress.add_task("", metrics="")
        self._progress.start()

    def epoch_begin(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        name = f"epoch {estimator.current_epoch + 1}"
        total = estimator.batches
        done = estimator.current_batch % total if total and estimator.resumed else 0
        self._progress.reset(self._task, total=total, completed=done, description=name)

    def batch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        self._progress.advance(self._task)
        now = time.perf_counter()
        if now - self._looked > self.REFRESH:
            self._looked = now
            self._progress.update(self._task, metrics=shown(estimator.train_metrics))

    def epoch_end(self, estimator: "Estimator", *args: Any, **kwargs: Any) -> None:
        metrics = shown([*estimator.train_metrics, *estimator.val_metrics])
        line = f"epoch {estimator.current_epoch}: {metrics}"
        self._progress.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def shown(metrics: Any) -> str:
    """`loss 0.2000, validation loss 0.3000`: what is not said is of the training."""
    pairs = ((name.removeprefix("training "), value) for name, value in measured(metrics))
    return ", ".join(f"{name} {value:.4f}" for name, value in pairs)
