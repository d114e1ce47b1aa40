"""Whole programs through generated C, beside the interpreter."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import NanError, OptionError
from nnc.gluon import nn

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((16, 1, 8, 8)).astype(np.float32)
Y = RANDOM.integers(0, 4, 16)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    before = nnc.configure()
    yield
    nnc.configure(backend=before.backend, check_nans=before.check_nans)


def network() -> nn.HybridSequential:
    """Something of everything: halo, state, random numbers, windows."""
    net = nn.HybridSequential(
        nn.Conv2D(4, 3, padding=1, use_bias=False),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.MaxPool2D(),
        nn.Conv2D(4, 3, padding=1, activation="tanh"),
        nn.AvgPool2D(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Dense(8, "sigmoid"),
        nn.Dense(4),
    )
    net.initialize(nnc.init.Xavier())
    return net


def train(optimizer: str, steps: int = 4) -> tuple[list[float], list[np.ndarray[Any, Any]]]:
    nnc.random.seed(0)
    net, loss_of = network(), gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.02, "wd": 1e-3})
    losses: list[float] = []
    for _ in range(steps):
        with autograd.record():
            loss = loss_of(net(nd.array(X)), nd.array(Y))
        loss.backward()
        trainer.step(len(X))
        losses.append(float(loss.asnumpy().mean()))
    return losses, [p.data().asnumpy() for p in net.collect_params().values()]


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adam", "rmsprop", "lamb", "lars"])
def test_training_agrees_with_the_interpreter(optimizer: str) -> None:
    losses, parameters = train(optimizer)
    nnc.configure(backend="interpret")
    expected_losses, expected = train(optimizer)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for found, meant in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(found, meant, rtol=2e-3, atol=2e-4)


def polynomial(x: NDArray, y: NDArray) -> list[NDArray]:
    return [x * x + 2 * y, (x - y).sum(axis=1)]


def test_views_of_inputs_are_part_of_the_program() -> None:
    """Not their numbers when it was compiled."""

    def doubled(x: NDArray) -> NDArray:
        return x.reshape(4)[1:] * 2

    compiled = nnc.compile(doubled)
    for start in (0, 10):
        x = np.arange(start, start + 4, dtype=np.float32).reshape(2, 2)
        np.testing.assert_array_equal(compiled(x).asnumpy(), 2 * x.ravel()[1:])
    net = nn.HybridSequential(nn.Flatten(), nn.Dense(2))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0})
    step = nnc.compile_step(net, gluon.loss.L2Loss(), trainer)
    losses = [step(np.full((1, 2, 2), x, np.float32), np.zeros((1, 2), np.float32)) for x in (0, 1)]
    assert losses[0].item() == 0
    assert losses[1].item() > 0


def test_compiled_functions() -> None:
    x, y = X[0, 0], X[1, 0]
    compiled = nnc.compile(polynomial, x, y)
    first, second = compiled(nd.array(x), y)
    np.testing.assert_allclose(first.asnumpy(), x * x + 2 * y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second.asnumpy(), (x - y).sum(1), rtol=1e-4, atol=1e-5)
    assert compiled(x[:3], y[:3])[0].shape == (3, 8)
    assert len(compiled.entries) == 2
    assert "nn.mul" in compiled.ir("frontend")
    assert "loop." in compiled.ir("loops")
    assert "test_compiled.py" in compiled.source
    assert compiled.report().launches >= 1
    with pytest.raises(OptionError, match="no level 'loop'; did you mean loops"):
        compiled.ir("loop")


def test_a_long_function_is_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded elsewhere is computed when it is long; its values would be stale here."""
    monkeypatch.setattr("nnc.recording.recorder.NODE_CAP", 3)

    def ninefold(x: nd.NDArray) -> nd.NDArray:
        return sum((x for _ in range(8)), x)

    compiled = nnc.compile(ninefold, nd.zeros((2,)))
    assert compiled(nd.array([1, 2])).tolist() == [9, 18]


def test_compiled_networks_see_new_parameters() -> None:
    layer = nn.Dense(3, in_units=8)
    layer.initialize()
    predict = nnc.compile(layer, X[0, 0])
    for value in (1.0, 2.0):
        layer.weight.set_data(np.full((3, 8), value))
        np.testing.assert_allclose(
            predict(X[0, 0]).asnumpy()[:, 0], value * X[0, 0].sum(1), rtol=1e-4, atol=1e-5
        )


def test_two_networks_of_one_structure_share_a_program() -> None:
    results: list[np.ndarray[Any, Any]] = []
    for value in (1.0, 2.0):
        layer = nn.Dense(11, in_units=8, weight_initializer=nnc.init.Constant(value))
        layer.initialize()
        before = set(map(id, nnc.programs()))
        results.append(layer(nd.array(X[0, 0])).asnumpy())
        created = set(map(id, nnc.programs())) - before
        assert len(created) == (value == 1.0)
    np.testing.assert_allclose(results[1], 2 * results[0], rtol=1e-5)


def test_names_with_odd_characters() -> None:
    weight = gluon.Parameter('*/ "weight"\n\\', shape=(8,), init="ones")
    weight.initialize()
    with autograd.record():
        loss = nd.array(X[0, 0]) * weight.data()
    loss.backward()
    gluon.Trainer([weight], "sgd", {"learning_rate": 1.0}).step(1)
    np.testing.assert_allclose(weight.data().asnumpy(), 1 - X[0, 0].sum(0), rtol=1e-4, atol=1e-5)


def test_nan_checks_leave_parameters() -> None:
    nnc.configure(check_nans=True)
    layer = nn.Dense(2, in_units=8)
    layer.initialize()
    before = layer.weight.data().asnumpy()
    trainer = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.1})
    poisoned = np.where(np.eye(8) > 0, np.nan, 0)
    with autograd.record():
        loss = gluon.loss.L2Loss()(layer(nd.array(poisoned)), nd.zeros((8, 2)))
    loss.backward()
    with pytest.raises(NanError, match="NaN was given in 'input'"):
        trainer.step(8)
    np.testing.assert_array_equal(layer.weight.data().asnumpy(), before)
    assert trainer.optimizer.num_update == 0


def test_threads_run_one_program_at_once() -> None:
    compiled = nnc.compile(polynomial, X[0, 0], X[1, 0])
    wrong: list[int] = []

    def work(number: int) -> None:
        for i in range(50):
            x = X[(number + i) % 16, 0]
            if not np.allclose(compiled(x, x)[0].asnumpy(), x * x + 2 * x, atol=1e-5):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("exponent", [3.0, 0.0, -1.0])
def test_the_gradient_of_a_power_with_a_number(exponent: float) -> None:
    """What the gradient asks of the number is asked once, and not for each element."""
    base = np.arange(1.0, 20.0)
    x = nd.array(base)
    x.attach_grad()
    with autograd.record():
        y = x**exponent
    y.backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.asnumpy(), exponent * base ** (exponent - 1), rtol=1e-6)
