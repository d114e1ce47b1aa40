"""Trainings in files: what goes on from one is bit for bit what would have come."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import nnc
from nnc import amp, autograd, checkpoint, gluon, nd
from nnc.errors import DtypeError, NncError, OptionError, ShapeError
from nnc.gluon import nn
from nnc.gluon.files import load_safetensors, save_safetensors
from nnc.gluon.state_files import load_state, save_state
from nnc.lr_scheduler import LRScheduler, MultiFactorScheduler


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def falling(update: int) -> float:
    return 0.1 / update


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"learning_rate": 0.1}),
    ("sgd", {"momentum": 0.9, "clip_gradient": 0.1, "wd": 0.01}),
    ("nag", {"momentum": 0.9}),
    ("signum", {}),
    ("lars", {"momentum": 0.9}),
    ("adam", {"lr_scheduler": MultiFactorScheduler([2, 5], 0.5)}),
    ("adamw", {"lr_scheduler": falling}),
    ("nadam", {}),
    ("adamax", {}),
    ("lamb", {}),
    ("rmsprop", {}),
    ("adagrad", {}),
    ("adadelta", {}),
    ("ftrl", {}),
    ("ftml", {}),
]
X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)


class Countdown:
    """A loader that tells where it is."""

    def __init__(self) -> None:
        self.left = 100

    def state_dict(self) -> dict[str, Any]:
        return {"left": self.left}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["left"] > 100:
            raise OptionError("Countdown: there are 100 batches")
        self.left = state_dict["left"]


class Training:
    """A network with dropout, its trainer, its loader, and what it draws."""

    def __init__(self, optimizer: str, dtype: str = "float32", **options: Any):
        self.net = nn.HybridSequential(nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(2))
        self.net.initialize()
        self.net.cast(dtype)
        self.dtype = dtype
        self.trainer = gluon.Trainer(self.net.collect_params(), optimizer, options)
        self.loader = Countdown()
        if dtype == "float16":
            amp.init_trainer(self.trainer)

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.net, self.trainer, self.loader

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.loader.left -= 1
            noise = nnc.random.generator.numpy.normal(size=X.shape)
            x = nd.array(X + noise + self.loader.left, self.dtype)
            with autograd.record():
                loss = (self.net(x) ** 2).sum()
                self.trainer.scaled(loss).backward()
            self.trainer.step(4)

    def everything(self) -> list[Any]:
        parameters = [p for p in self.net.collect_params().values() if p.grad_req != "null"]
        states = [state for p in parameters for state in self.trainer.states(p)]
        arrays = [*(p.data() for p in self.net.collect_params().values()), *states]
        return [
            [array.asnumpy().tobytes() for array in arrays],
            self.trainer.optimizer.state_dict(),
            nnc.random.generator.state_dict(),
            self.loader.left,
        ]


def check_resumed(file: Path, make: Callable[[], Training]) -> None:
    nnc.random.seed(1)
    training = make()
    training.steps(3)
    checkpoint.save(file, *training.parts)
    training.steps(4)
    expected = training.everything()
    nnc.random.seed(2)
    later = make()
    checkpoint.load(file, *later.parts)
    later.steps(4)
    assert later.everything() == expected
    checkpoint.load(file, *later.parts)
    later.steps(4)
    assert later.everything() == expected


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_a_training_goes_on(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    check_resumed(tmp_path / "run", lambda: Training(name, **options))


def test_half_precision_with_a_scaled_loss_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "run"
    check_resumed(file, lambda: Training("adam", "float16", multi_precision=True))
    assert load_state(file, "training")["trainer"]["loss_scaler"]["loss_scale"] > 1


def test_back_to_before_the_first_step(tmp_path: Path) -> None:
    training = Training("adam")
    training.net(nd.array(X))
    checkpoint.save(tmp_path / "run", *training.parts)
    training.steps(2)
    expected = training.everything()
    checkpoint.load(tmp_path / "run", *training.parts)
    training.steps(2)
    assert training.everything() == expected


def test_compiled_steps_go_on(tmp_path: Path) -> None:
    nnc.configure(backend="compile")
    net = nn.HybridSequential(nn.Dense(3, in_units=5), nn.Dropout(0.5))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    step = nnc.compile_step(net, gluon.loss.L2Loss(), trainer)
    y = np.ones((4, 3), np.float32)
    step(X, y)
    checkpoint.save(tmp_path / "run", net, trainer)
    first = [step(X, y).asnumpy() for _ in range(3)]
    checkpoint.load(tmp_path / "run", net, trainer)
    np.testing.assert_array_equal([step(X, y).asnumpy() for _ in range(3)], first)


def test_states_alone(tmp_path: Path) -> None:
    training, file = Training("adam", learning_rate=0.1), tmp_path / "states"
    training.steps(2)
    training.trainer.set_learning_rate(0.02)
    training.trainer.save_states(file)
    before = training.everything()
    training.steps(2)
    training.trainer.set_learning_rate(0.5)
    training.trainer.load_states(file)
    assert training.trainer.learning_rate == 0.02
    assert training.everything()[1] == before[1]
    with pytest.raises(OptionError, match="states holds trainer, expected the state of a training"):
        checkpoint.load(file)


def test_progress_is_anything_that_a_file_can_hold(tmp_path: Path) -> None:
    array = np.arange(3)
    progress: dict[str, Any] = {
        "epoch": 3, "best": float("inf"), "names": ["ü", None, True], "nested": {"a": {"array": 1}},
    }  # fmt: skip
    checkpoint.save(tmp_path / "run", **progress, confusion=array, score=np.float64(0.1))
    found = checkpoint.load(tmp_path / "run")
    np.testing.assert_array_equal(found.pop("confusion"), array)
    assert found == {**progress, "score": 0.1}
    with pytest.raises(
        OptionError, match=r"progress/model: a file holds numbers, texts.*given set"
    ):
        checkpoint.save(tmp_path / "run", model={1})
    with pytest.raises(OptionError, match="progress/by: expected texts as keys of a dict, given 1"):
        checkpoint.save(tmp_path / "run", by={1: 2})
    with pytest.raises(DtypeError, match=r"progress/names: files hold float16, .*; given <U1"):
        checkpoint.save(tmp_path / "run", names=np.array(["a"]))
    assert checkpoint.load(tmp_path / "run")["epoch"] == 3


class Wider(Training):
    def __init__(self) -> None:
        super().__init__("adam")
        self.net = nn.HybridSequential(nn.Dense(5), nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(2))
        self.net.initialize()
        self.trainer = gluon.Trainer(self.net.collect_params(), "adam")


class Longer(Training):
    def __init__(self) -> None:
        super().__init__("adam")
        self.net.add(nn.Dense(1))
        self.net.initialize()
        self.trainer = gluon.Trainer(self.net.collect_params(), "adam")


def scheduled(rate: LRScheduler | None) -> Callable[[], Training]:
    return lambda: Training("adam", lr_scheduler=rate)


@pytest.mark.filterwarnings("ignore:parameters are already initialized")
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Training("sgd"), OptionError, "run: the states are of Adam, the optimizer is SGD"),
        (
            lambda: Training("adam", beta1=0.8),
            OptionError,
            "the states are of Adam with beta1=0.9, the optimizer has 0.8; make it with the same",
        ),
        (
            scheduled(MultiFactorScheduler([2])),
            OptionError,
            "of Adam with lr_scheduler=None, the optimizer has 'MultiFactorScheduler'",
        ),
        (
            lambda: Training("adam", clip_gradient=1.0),
            OptionError,
            "of Adam with clips=False, the optimizer has True",
        ),
        (Wider, ShapeError, r"run: parameter '0.weight': expected shape \(5, 5\), given \(4, 5\)"),
        (Longer, OptionError, r"run: the file does not fit the network: it lacks \['4.bias', "),
        (
            lambda: Training("adam", "float64"),
            DtypeError,
            "the states of parameter '0.weight' are float32, expected float64; cast the network",
        ),
        (
            lambda: Training("adam", "float16"),
            OptionError,
            r"run: only the trainer has a loss scale; amp.init_trainer\(trainer\) comes before",
        ),
    ],
)
def test_a_training_that_does_not_fit(
    make: Callable[[], Training], error: type[NncError], message: str, tmp_path: Path
) -> None:
    training = Training("adam")
    training.steps(1)
    checkpoint.save(tmp_path / "run", *training.parts)
    other = make()
    other.net(nd.array(X, other.dtype))
    before = other.everything()
    with pytest.raises(error, match=message):
        checkpoint.load(tmp_path / "run", *other.parts)
    assert other.everything() == before


def test_the_trainer_of_another_network(tmp_path: Path) -> None:
    Training("adam").trainer.save_states(tmp_path / "states")
    layer = nn.Dense(2, in_units=2)
    layer.initialize()
    trainer = gluon.Trainer(layer.collect_params(), "adam")
    with pytest.raises(
        OptionError, match=r"parameter '0.weight' is there, where the trainer has 'w"
    ):
        trainer.load_states(tmp_path / "states")


def test_what_was_not_saved_or_cannot_be(tmp_path: Path) -> None:
    training, file, batches = Training("adam"), tmp_path / "run", cast(Any, [1])
    training.steps(1)
    with pytest.raises(OptionError, match=r"checkpoint: list lacks state_dict\(\) and load_st"):
        checkpoint.save(file, loader=batches)
    checkpoint.save(file, training.net)
    with pytest.raises(OptionError, match="run: it was saved without a trainer"):
        checkpoint.load(file, training.net, training.trainer)
    training.loader.left = 101
    checkpoint.save(file, *training.parts)
    before = training.everything()
    training.steps(1)
    training.loader.left = 5
    after = training.everything()
    with pytest.raises(OptionError, match="run: Countdown: there are 100 batches"):
        checkpoint.load(file, *training.parts)
    assert training.everything() == after != before


def test_a_file_of_a_later_version(tmp_path: Path) -> None:
    save_state(tmp_path / "run", "training", {})
    arrays, texts = load_safetensors(tmp_path / "run")
    save_safetensors(tmp_path / "run", arrays, {**texts, "version": "2"})
    with pytest.raises(OptionError, match="run has version 2 of the format, this nnc reads 1"):
        checkpoint.load(tmp_path / "run")


def test_a_file_of_parameters_is_no_training(tmp_path: Path) -> None:
    training = Training("sgd")
    training.steps(1)
    training.net.save_parameters(tmp_path / "net")
    with pytest.raises(OptionError, match="holds only arrays, expected the state of a training"):
        checkpoint.load(tmp_path / "net", training.net)


def test_a_damaged_checkpoint_changes_nothing(tmp_path: Path) -> None:
    training, file = Training("adam"), tmp_path / "run"
    training.steps(1)
    checkpoint.save(file, *training.parts, epoch=7)
    data = file.read_bytes()
    training.steps(1)
    before = training.everything()
    places = np.random.default_rng(0).integers(len(data), size=40)
    header = range(0, 8 + int.from_bytes(data[:8], "little"), 11)
    damaged = [data[:place] for place in places] + [
        data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in (*header, *places)
    ]
    for wrong in damaged:
        file.write_bytes(wrong)
        with pytest.raises(NncError):
            checkpoint.load(file, *training.parts)
    assert training.everything() == before


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    runs = checkpoint.Checkpoints(tmp_path / "run", keep=2, best="loss")
    other = checkpoint.Checkpoints(tmp_path / "run", prefix="checkpoint-2")
    other.save(epoch=7)
    assert runs.resume() is None
    assert runs.latest() is runs.best() is None
    for epoch, loss in enumerate([float("nan"), 3.0, 1.0, 2.0, 5.0, 4.0]):
        runs.save(epoch=epoch, loss=loss)
    other.files()[0].unlink()
    assert sorted(os.listdir(tmp_path / "run")) == [
        f"checkpoint-00000{i}.safetensors" for i in (3, 5, 6)
    ]
    assert runs.resume() == {"epoch": 5, "loss": 4.0}
    best = runs.best()
    assert best is not None
    assert checkpoint.load(best)["epoch"] == 2
    greatest = checkpoint.Checkpoints(tmp_path / "run", best="loss", mode="max").best()
    assert greatest is not None
    assert greatest.name == "checkpoint-000005.safetensors"
    with pytest.raises(OptionError, match=r"save\(loss=…\) must be given a number.*given None"):
        runs.save(epoch=6)


def test_a_damaged_last_checkpoint_points_to_one_that_is_whole(tmp_path: Path) -> None:
    training = Training("adam")
    training.steps(1)
    runs = checkpoint.Checkpoints(tmp_path, *training.parts, best="loss")
    files = [runs.save(loss=loss) for loss in (3.0, 1.0, 2.0)]

    def resumed_to(message: str) -> None:
        before = training.everything()
        with pytest.raises(OptionError, match=message):
            runs.resume()
        assert training.everything() == before

    data = files[2].read_bytes()
    files[2].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    resumed_to("000003.safetensors is damaged: .*; checkpoint-000002.safetensors is whole: remove")
    for file, kept in ((files[2], 100), (files[1], 10)):
        file.write_bytes(data[:kept])
    resumed_to("000003.safetensors is not .*; checkpoint-000001.safetensors is whole")
    assert runs.best() == files[0]
    files[0].write_bytes(b"")
    resumed_to("; none of the 3 files there is whole, the training begins anew")
    files[0].write_bytes(data)
    for file in files[1:]:
        file.unlink()
    assert runs.resume() == {"loss": 2.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0}, "Checkpoints: keep: expected an integer of at least 1, given 0"),
        ({"mode": "least"}, "Checkpoints: mode: no 'least'"),
    ],
)
def test_options_of_checkpoints(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        checkpoint.Checkpoints(tmp_path, **options)


def test_a_checkpoint_is_a_plain_file(tmp_path: Path) -> None:
    """safetensors with JSON: nothing in it is executed."""
    training = Training("sgd", momentum=0.9)
    training.steps(1)
    checkpoint.save(tmp_path / "run", *training.parts, epoch=1)
    arrays, texts = load_safetensors(tmp_path / "run")
    assert arrays["training/parameters/0.weight"].shape == (4, 5)
    assert arrays["training/trainer/parameters/0/states/0"].shape == (4, 5)
    assert json.loads(texts["state"])["dict"]["progress"] == {"dict": {"epoch": 1}}


def test_the_module_is_imported_first() -> None:
    """It imports gluon, in which handlers use it."""
    subprocess.run([sys.executable, "-c", "from nnc import checkpoint"], check=True)
