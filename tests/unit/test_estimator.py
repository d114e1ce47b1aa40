"""The estimator trains as a loop by hand does; handlers are called when they should be."""

import json
import re
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_device import emulate_gpus
from small_training import (
    CROSS_ENTROPY,
    NO_METRIC,
    TRAIN,
    VALIDATE,
    X,
    Y,
    estimator,
    network,
    quiet,
    trainer_of,
    values,
)
from tensorboardX.proto import event_pb2

import nnc
from nnc import autograd, gluon, metric
from nnc.errors import NanError, OptionError
from nnc.gluon import nn
from nnc.gluon.contrib import estimator as est
from nnc.gluon.contrib.estimator import Estimator, event_handler


@pytest.mark.parametrize("compiled", [True, False])
def test_fit_is_the_loop_by_hand(compiled: bool) -> None:
    loop, made = network(), estimator(compiled)
    trainer, losses, right = trainer_of(loop), 0.0, 0
    for _ in range(2):
        losses, right = 0.0, 0
        for data, label in TRAIN:
            with autograd.record():
                predicted = loop(data)
                loss = CROSS_ENTROPY(predicted, label)
            loss.backward()
            trainer.step(4)
            losses += float(loss.sum())
            right += int((predicted.asnumpy().argmax(1) == label.asnumpy()).sum())
    made.fit(TRAIN, epochs=2, event_handlers=quiet())
    for a, b in zip(values(loop), values(made.net), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    found = dict(pair for m in made.train_metrics for pair in m.get_name_value())
    assert found == {
        "training accuracy": right / 12,
        "training loss": pytest.approx(losses / 12, rel=1e-6),
    }
    assert made.trainer.optimizer.num_update == 6


@pytest.mark.parametrize("compiled", [True, False])
def test_evaluate(compiled: bool) -> None:
    made = estimator(compiled, val_metrics=metric.TopKAccuracy(2))
    before = values(made.net)
    made.evaluate(VALIDATE)
    scores = np.maximum(X[:8] @ before[0].T + before[1], 0) @ before[2].T + before[3]
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    top = np.argsort(scores, 1)[:, 1:]
    accuracy, loss = made.val_metrics
    assert accuracy.get() == ("validation top_k_accuracy_2", np.mean((top == Y[:8, None]).any(1)))
    assert loss.get()[0] == "validation loss"
    assert loss.get()[1] == pytest.approx(-logs[np.arange(8), Y[:8]].mean(), rel=1e-5)
    for a, b in zip(before, values(made.net), strict=True):
        np.testing.assert_array_equal(a, b)


def test_metrics_and_trainer_by_default() -> None:
    """Accuracy for cross-entropy, also of the sigmoid; nothing but the loss for others."""
    net = nn.Dense(1)
    made = Estimator(net, gluon.loss.SigmoidBinaryCrossEntropyLoss(), initializer="ones")
    assert made.trainer.learning_rate == 0.001
    assert [m.name for m in made.train_metrics][1:] == ["training loss"]
    labels = np.array([[0], [1]], np.float32)
    made.evaluate([(nnc.nd.array([[-1.0], [2.0]]), nnc.nd.array(labels))])
    assert made.val_metrics[0].get()[1] == 1
    assert len(Estimator(net, gluon.loss.L2Loss()).train_metrics) == 1


class Told(
    est.TrainBegin, est.EpochBegin, est.BatchBegin, est.BatchEnd, est.EpochEnd, est.TrainEnd
):
    """Notes what it is called for, and perhaps stops at a batch."""

    def __init__(self, events: list[str], name: str, priority: float, stop: int = 99):
        self.events, self.name, self.priority, self.stop = events, name, priority, stop

    def train_begin(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        self.events.append(f"{self.name} train")

    def epoch_begin(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        self.events.append(f"{self.name} epoch {estimator.current_epoch}")

    def batch_begin(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        assert kwargs["batch"][0].shape == (4, 4)

    def batch_end(self, estimator: Estimator, *args: Any, **kwargs: Any) -> bool:
        assert set(kwargs) == {"batch", "pred", "label", "loss"}
        assert kwargs["pred"][0].shape == (4, 3)
        assert kwargs["label"][0].shape == kwargs["loss"][0].shape == (4,)
        self.events.append(f"{self.name} batch {estimator.current_batch}")
        return estimator.current_batch >= self.stop

    def epoch_end(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        self.events.append(f"{self.name} epoch end")

    def train_end(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        self.events.append(f"{self.name} train end")

    def close(self) -> None:
        self.events.append(f"{self.name} close")


def test_events_come_in_order_of_priority() -> None:
    events: list[str] = []
    handlers = quiet(Told(events, "b", 1), Told(events, "a", 0, stop=2))
    estimator().fit(TRAIN, epochs=5, event_handlers=handlers)
    assert [event for event in events if event.startswith("a ")] == [
        "a train", "a epoch 0", "a batch 1", "a batch 2", "a epoch end", "a train end", "a close",
    ]  # fmt: skip
    order = [event.split()[0] for event in events if not event.endswith("close")]
    assert order == ["a", "b"] * 6


def test_batches_end_in_the_middle_of_an_epoch() -> None:
    made = estimator()
    made.fit(TRAIN, batches=4, event_handlers=quiet())
    assert made.current_batch == made.trainer.optimizer.num_update == 4
    assert made.current_epoch == 2


class EverySecond(est.GradientUpdateHandler):
    """Gradients of two batches make one update."""

    def batch_end(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        if estimator.current_batch % 2 == 0:
            estimator.trainer.step(8)
            for parameter in estimator.net.collect_params().values():
                parameter.zero_grad()


def test_a_handler_of_ones_own_accumulates_gradients() -> None:
    """Two batches of 4, summed, are a batch of 8."""
    accumulated, whole = estimator(), estimator()
    for parameter in accumulated.net.collect_params().values():
        parameter.grad_req = "add"
    accumulated.fit(VALIDATE, epochs=1, event_handlers=quiet(EverySecond()))
    eight = gluon.data.DataLoader(gluon.data.ArrayDataset(X[:8], Y[:8]), 8)
    whole.fit(eight, epochs=1, event_handlers=quiet())
    for a, b in zip(values(accumulated.net), values(whole.net), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


class Scripted(metric.EvalMetric):
    """A metric that has the next of some values after each epoch."""

    def __init__(self, name: str, script: Sequence[float]):
        self.script, self.number = script, -1
        super().__init__(name)

    def clear(self) -> None:
        self.number += 1

    def update(self, labels: Any, preds: Any) -> None:
        pass

    def get(self) -> tuple[str, float]:
        return self.name, self.script[max(self.number - 1, 0)]


@pytest.mark.parametrize(
    ("name", "script", "options", "epochs", "best"),
    [
        ("accuracy", [0.5, 0.6, 0.6, 0.9], {}, 3, 0.6),
        ("accuracy", [0.5, 0.4, 0.6, 0.6, 0.6], {"patience": 1}, 5, 0.6),
        ("mse", [0.5, 0.4, 0.35, 0.1], {"min_delta": 0.1}, 2, 0.5),
        ("mse", [0.5, 0.6, 0.7], {"mode": "max", "patience": 3}, 3, 0.7),
        ("mse", [0.5, 0.4, 0.3], {"baseline": 0.35, "patience": 1}, 2, 0.35),
    ],
)
def test_early_stopping(
    name: str, script: Sequence[float], options: Any, epochs: int, best: float
) -> None:
    made = estimator(train_metrics=Scripted(name, script))
    stopping = est.EarlyStoppingHandler(made.train_metrics[0], **options)
    made.fit(TRAIN, epochs=len(script), event_handlers=quiet(stopping))
    assert made.current_epoch == epochs
    assert stopping.best == best
    assert stopping.stop_training == (epochs < len(script) or epochs == 5)


def test_schedules_are_followed() -> None:
    schedule = nnc.lr_scheduler.FactorScheduler(3, factor=0.5, base_lr=0.4)
    net = network()
    made = Estimator(net, CROSS_ENTROPY, trainer=trainer_of(net, lr_scheduler=schedule))
    records = est.RecordHandler(1)
    made.fit(TRAIN, epochs=2, event_handlers=quiet(records))
    rates = [r["learning_rate"] for r in records.records if "validation loss" not in r]
    assert rates[:3] == [0.4, 0.4, 0.4]
    assert rates[-1] == 0.2


def test_logging(capsys: pytest.CaptureFixture[str]) -> None:
    made = estimator()
    made.fit(TRAIN, VALIDATE, epochs=1)
    begin, epoch, end = capsys.readouterr().out.splitlines()
    assert begin == "Training begin: using optimizer SGD, learning rate 0.1"
    number = r"\d\.\d{4}"
    measured = (
        rf"training accuracy: {number}, training loss: {number}, "
        rf"validation accuracy: {number}, validation loss: {number}"
    )
    assert re.fullmatch(rf"\[Epoch 1\] finished in \d+\.\d\d s: {measured}", epoch)
    assert re.fullmatch(rf"Train finished after 1 epoch in \d+\.\d\d s: {measured}", end)
    made = estimator()
    made.fit(TRAIN, epochs=1, event_handlers=est.LoggingHandler(2, made.train_metrics[0]))
    lines = capsys.readouterr().out.splitlines()
    wanted = rf"\[Epoch 1\]\[Batch 2\] \d+ samples/s: training accuracy: {number}"
    assert [bool(re.fullmatch(wanted, line)) for line in lines] == [False, True, False, False]


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """What TensorBoard reads: records of a length, its checksum, an event and a checksum."""
    [file] = folder.iterdir()
    data, found = file.read_bytes(), list[tuple[int, str, float]]()
    messages: Any = event_pb2
    while data:
        [size] = struct.unpack("<Q", data[:8])
        event: Any = messages.Event.FromString(data[12 : 12 + size])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        data = data[16 + size :]
    return found


def test_records(tmp_path: Path) -> None:
    made = estimator()
    lines = est.JSONLinesHandler(tmp_path / "log.jsonl", batch_period=2)
    board = est.TensorBoardHandler(tmp_path / "board")
    plot = est.PlotHandler(tmp_path / "curves.png")
    made.fit(TRAIN, VALIDATE, epochs=2, event_handlers=quiet(lines, board, plot))
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert records == lines.records
    assert [(r["epoch"], r["batch"]) for r in records] == [(1, 2), (1, 3), (2, 4), (2, 6), (2, 6)]
    last = records[-1]
    assert last["validation loss"] == made.val_metrics[1].get()[1]
    assert (6, "loss/validation") in [(step, tag) for step, tag, _ in scalars(tmp_path / "board")]
    seen = {tag: value for step, tag, value in scalars(tmp_path / "board") if step == 6}
    assert seen["accuracy/training"] == pytest.approx(last["training accuracy"])
    assert seen["learning_rate"] == pytest.approx(0.1)
    assert plot.fields().keys() == {"accuracy", "loss"}
    assert plot.fields()["loss"]["validation"][-1] == (2, last["validation loss"])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_loss_that_is_no_number_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = est.JSONLinesHandler(tmp_path / "log.jsonl")
    with pytest.raises(NanError, match=r"'0.weight' is no number any more after epoch 1, .* nan;"):
        estimator().fit([(X * np.nan, Y)], epochs=2, event_handlers=lines)
    assert "training loss: nan" in capsys.readouterr().out
    [record] = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(record)["training loss"] is None
    assert np.isnan(lines.records[0]["training loss"])


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, the lines of the epochs are left."""
    estimator().fit(TRAIN, VALIDATE, epochs=2, event_handlers=est.ProgressBarHandler())
    lines = capsys.readouterr().out.split("\n")
    wanted = r"epoch 2: accuracy \S+, loss \S+, validation accuracy \S+, validation loss \S+"
    assert any(re.fullmatch(wanted, line) for line in lines)
    assert not any("finished" in line for line in lines)


def test_other_batches_and_several_inputs() -> None:
    class Sum(nn.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3, in_units=4)

        def forward(self, x: Any, y: Any) -> Any:
            return self.dense(x + y)

    net = Sum()
    net.initialize()
    made = Estimator(net, CROSS_ENTROPY, trainer=trainer_of(net))
    batches = [(X[:4], X[4:8], Y[:4])]
    made.fit(batches, epochs=1, event_handlers=quiet())
    made.evaluate(batches)
    assert made.batches == 1


class PlainArrays(est.BatchProcessor):
    """Gives arrays where MXNet has lists of one for each device."""

    def fit_batch(self, estimator: Estimator, train_batch: Any, batch_axis: int = 0) -> Any:
        data, label = train_batch
        with autograd.record():
            predicted = estimator.net(data)
            loss = estimator.loss(predicted, label)
        loss.backward()
        return data, label, predicted, loss


def test_a_processor_that_gives_arrays() -> None:
    trained: list[Any] = []
    for processor in (est.BatchProcessor(compiled=False), PlainArrays(compiled=False)):
        net = network()
        made = Estimator(net, CROSS_ENTROPY, trainer=trainer_of(net), batch_processor=processor)
        made.fit(TRAIN, epochs=1, event_handlers=quiet())
        trained.append((values(net), [m.get() for m in made.train_metrics]))
    np.testing.assert_equal(trained[0], trained[1])


def test_estimator_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    emulate_gpus(monkeypatch)
    net = nn.Dense(3, in_units=4)
    made = Estimator(net, CROSS_ENTROPY, initializer="zeros", device=nnc.gpu(0))
    assert made.device == nnc.gpu(0)
    made.fit(TRAIN, VALIDATE, epochs=1, event_handlers=quiet())
    assert made.val_metrics[1].get()[1] < np.log(3)


def test_handlers_have_mxnets_module() -> None:
    assert set(event_handler.__all__) < set(est.__all__)
    assert all(getattr(event_handler, name) is getattr(est, name) for name in event_handler.__all__)


class Failing(est.BatchEnd):
    def batch_end(self, estimator: Estimator, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a handler's own error")


def test_handlers_are_closed_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[str] = []
    with pytest.raises(RuntimeError, match="own error"):
        estimator().fit(TRAIN, epochs=1, event_handlers=quiet(Told(events, "a", 0), Failing()))
    assert events[-1] == "a close"
    assert "Train finished" not in capsys.readouterr().out


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(OptionError, match=r"needs tensorboardX; .* pip install nnc\[train\]"):
        est.TensorBoardHandler(tmp_path)


def watched_without_validation(saved: bool) -> None:
    made = estimator()
    loss = made.val_metrics[-1]
    handler = (
        est.CheckpointHandler("run", monitor=loss) if saved else est.EarlyStoppingHandler(loss)
    )
    made.fit(TRAIN, epochs=1, event_handlers=handler)


def fitted(**options: Any) -> None:
    given: dict[str, Any] = {"train_data": TRAIN, "epochs": 1, **options}
    estimator().fit(**given)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: fitted(batches=2), "fit: give either epochs or batches"),
        (lambda: fitted(epochs=None), "fit: give either epochs or batches"),
        (lambda: fitted(epochs=0), "fit: epochs: expected an integer of at least 1, given 0"),
        (lambda: fitted(train_data=[]), "fit: the training data has no batches"),
        (lambda: fitted(val_data=iter([])), "evaluate: the validation data has no batches; of an"),
        (
            lambda: fitted(train_data=gluon.data.ArrayDataset(X, Y)),
            "fit: train_data: expected batches, given ArrayDataset; a dataset goes into",
        ),
        (
            lambda: fitted(val_data=gluon.data.SimpleDataset([1])),
            "evaluate: val_data: expected batches, given SimpleDataset",
        ),
        (
            lambda: Estimator(network(), gluon.loss.L2Loss),
            "Estimator: loss: L2Loss is a class; call it first",
        ),
        (
            lambda: fitted(train_data=[nnc.nd.array(X)]),
            "expected batches of inputs and, last, the label, given NDArray",
        ),
        (
            lambda: fitted(event_handlers=[print]),
            "fit: event_handlers: expected handlers such as LoggingHandler(), given <built-in",
        ),
        (lambda: estimator(trainer="sgd"), "trainer: expected a Trainer, given 'sgd'"),
        (lambda: estimator(train_metrics="acc"), "train_metrics: expected an EvalMetric, given"),
        (
            lambda: est.EarlyStoppingHandler(NO_METRIC),
            "EarlyStoppingHandler: monitor: expected a metric, such as one of",
        ),
        (
            lambda: est.EarlyStoppingHandler(metric.Loss(), mode="best"),
            "EarlyStoppingHandler: mode: no 'best'; known: auto, max, min",
        ),
        (
            lambda: est.LoggingHandler("batch"),
            "log_interval: expected 'epoch' or a number of batches, given 'batch'",
        ),
        (
            lambda: fitted(event_handlers=est.JSONLinesHandler("nowhere/log.jsonl")),
            "JSONLinesHandler: cannot write 'nowhere/log.jsonl': No such file or directory",
        ),
        (
            lambda: fitted(event_handlers=est.PlotHandler("nowhere/curves.png")),
            "PlotHandler: cannot write 'nowhere/curves.png': there is no folder",
        ),
        (lambda: est.PlotHandler("curves.pgn"), "ending of the file: no 'pgn'; did you mean png"),
        (
            lambda: fitted(event_handlers=est.TensorBoardHandler(__file__)),
            f"TensorBoardHandler: cannot write '{__file__}': Not a directory",
        ),
        (
            lambda: fitted(event_handlers=est.CheckpointHandler(__file__)),
            f"CheckpointHandler: model_dir: cannot write into '{__file__}': File exists",
        ),
        (
            lambda: fitted(event_handlers=est.EarlyStoppingHandler(metric.Accuracy())),
            "EarlyStoppingHandler: monitor: nothing measures this 'accuracy'; measured are "
            "training accuracy, training loss, of estimator.train_metrics",
        ),
        (lambda: watched_without_validation(False), "monitor: nothing measures this 'validation l"),
        (lambda: watched_without_validation(True), "monitor: nothing measures this 'validation l"),
    ],
)
def test_mistakes(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError) as error:
        mistake()
    assert message in str(error.value)
