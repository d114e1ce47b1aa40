"""Trainings that stop, are stopped or go wrong: what is kept, and how they go on."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import CROSS_ENTROPY, TRAIN, VALIDATE, X, Y, estimator, network, quiet, values

import nnc
from nnc import gluon
from nnc.errors import NanError, OptionError
from nnc.gluon.contrib import estimator as est
from nnc.gluon.contrib.estimator import Estimator


def shuffled() -> gluon.data.DataLoader:
    return gluon.data.DataLoader(gluon.data.ArrayDataset(X, Y), 4, shuffle=True)


@pytest.mark.parametrize("period", [1, None])
@pytest.mark.parametrize("done", [1, 3, 4])
def test_a_stopped_training_goes_on(done: int, period: int | None, tmp_path: Path) -> None:
    """Within an epoch of three batches, at its end, and after it."""

    def fit(epochs: int | None, batches: int | None) -> list[Any]:
        made = Estimator(network(), CROSS_ENTROPY)
        keeper = est.CheckpointHandler(tmp_path, batch_period=period, resume_from_checkpoint=True)
        made.fit(shuffled(), None, epochs, quiet(keeper), batches)
        assert made.current_batch == (batches or 6)
        return values(made.net)

    made = Estimator(network(), CROSS_ENTROPY)
    made.fit(shuffled(), epochs=2, event_handlers=quiet())
    fit(None, done)
    for path in tmp_path.glob("*"):
        assert path.name.startswith("model-00000")
    for a, b in zip(fit(2, None), values(made.net), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("limit", "batches"),
    [({"batches": 4}, 4), ({"batches": 3}, 3), ({"epochs": 1}, 3), ({"epochs": 9}, 9)],
)
def test_a_training_that_is_over_stays_so(
    limit: Any, batches: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the last, the loss is never better by 100; with more patience, it goes on."""

    def fit(patience: int = 1) -> int:
        made = Estimator(network(), CROSS_ENTROPY)
        stopping = est.EarlyStoppingHandler(made.train_metrics[1], 100, patience)
        keeper = est.CheckpointHandler(tmp_path, resume_from_checkpoint=True, batch_period=1)
        made.fit(shuffled(), event_handlers=quiet(stopping, keeper), **limit)
        assert ("[Epoch 3] early stopping" in capsys.readouterr().out) == (
            batches == 9 and patience == 1
        )
        return made.current_batch

    assert fit() == batches
    files = sorted(tmp_path.iterdir())
    assert fit() == batches
    assert sorted(tmp_path.iterdir()) == files
    if batches == 9:
        assert fit(patience=9) == 27


def test_the_best_checkpoint_is_kept(tmp_path: Path) -> None:
    made = estimator()
    keeper = est.CheckpointHandler(
        tmp_path, "net", made.train_metrics[1], verbose=1, save_best=True, max_checkpoints=1
    )
    made.fit(TRAIN, epochs=3, event_handlers=quiet(keeper))
    assert [path.name for path in tmp_path.iterdir()] == ["net-000003.safetensors"]
    progress = nnc.checkpoint.load(tmp_path / "net-000003.safetensors", network())
    assert progress == {"epoch": 3, "batch": 9, "score": made.train_metrics[1].get()[1]}
    with pytest.raises(OptionError, match=r"net-000003.safetensors is of an earlier training; pa"):
        made.fit(TRAIN, epochs=3, event_handlers=quiet(keeper))
    with pytest.raises(OptionError, match="save_best needs a monitor"):
        est.CheckpointHandler(tmp_path, save_best=True)


def test_a_metric_that_another_function_measures_is_watched() -> None:
    """Validation every second epoch: before the first there is nothing to stop for."""
    made, other = estimator(), estimator()
    validation = est.ValidationHandler(VALIDATE, other.evaluate, epoch_period=2)
    stopping = est.EarlyStoppingHandler(other.val_metrics[1])
    made.fit(TRAIN, epochs=4, event_handlers=quiet(stopping, validation))
    assert made.current_epoch == 3
    assert stopping.best == other.val_metrics[1].get()[1]


class Spoiled(est.EpochBegin):
    """A training that goes wrong in its second epoch."""

    def epoch_begin(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        if estimator.current_epoch == 1:
            estimator.trainer.set_learning_rate(1e38)


def test_what_is_no_number_is_not_saved(tmp_path: Path) -> None:
    made = estimator()
    keeper = est.CheckpointHandler(tmp_path, batch_period=1, max_checkpoints=1)
    with pytest.raises(NanError, match=r"is no number any more after epoch 2, the training loss"):
        made.fit(TRAIN, epochs=5, event_handlers=quiet(keeper, Spoiled()))
    [file] = tmp_path.iterdir()
    nnc.checkpoint.load(file, made.net)
    assert made.lost_parameter() is None


class Interrupting(est.BatchBegin):
    """Presses Ctrl-C while a batch is on its way."""

    def __init__(self, batch: int, times: int = 1):
        self.batch, self.times = batch, times

    def batch_begin(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        if estimator.current_batch + 1 == self.batch:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a program in the foreground, which tests may not be."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_saves_and_the_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the second of three batches of the second epoch; handlers go on, too."""

    def fit(name: str, *more: est.EventHandler) -> tuple[Estimator, Any, Any]:
        made = Estimator(network(), CROSS_ENTROPY)
        plot = est.PlotHandler(tmp_path / "curves.png")
        stopping = est.EarlyStoppingHandler(made.train_metrics[1], patience=3, mode="max")
        keeper = est.CheckpointHandler(tmp_path / name, verbose=1, resume_from_checkpoint=True)
        made.fit(shuffled(), epochs=5, event_handlers=quiet(*more, keeper, plot, stopping))
        return made, plot, stopping

    with pytest.raises(KeyboardInterrupt):
        fit("run", Interrupting(5))
    last = tmp_path / "run/model-000002.safetensors"
    assert capsys.readouterr().out.endswith(
        f"saved {last}, after batch 5\ninterrupted; the last checkpoint is {last}\n"
    )
    made, plot, stopping = fit("run")
    whole, complete, expected = fit("whole")
    for a, b in zip(values(made.net), values(whole.net), strict=True):
        np.testing.assert_array_equal(a, b)
    for found, wanted in zip(plot.records, complete.records, strict=True):
        assert {**found, "seconds": 0} == {**wanted, "seconds": 0}
    assert made.current_epoch == whole.current_epoch == 5
    assert (stopping.best, stopping.wait) == (expected.best, expected.wait)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    made = estimator()
    with pytest.raises(KeyboardInterrupt):
        made.fit(TRAIN, None, 2, quiet(Interrupting(2, 2), est.CheckpointHandler(tmp_path)))
    assert made.current_batch == 1
    assert not [*tmp_path.iterdir()]
