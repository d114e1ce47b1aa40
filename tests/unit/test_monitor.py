"""What a monitor sees of a network that trains, step by step and compiled."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.errors import OptionError
from nnc.gluon import nn
from nnc.monitor import Monitor

X, Y = nd.array([[1.0, 2.0], [3.0, 4.0]]), nd.zeros((2, 1))
loss_of = gluon.loss.L2Loss()


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def network() -> Any:
    net = nn.HybridSequential(nn.Dense(2, in_units=2), nn.Dense(1, in_units=2))
    net.initialize("ones")
    return net


def steps(net: Any, compiled: bool) -> Callable[[], Any]:
    """One step at a time."""
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    if compiled:
        step = nnc.compile_step(net, loss_of, trainer)
        return lambda: step(X, Y)

    def plain() -> NDArray:
        with autograd.record():
            loss = loss_of(net(X), Y)
        loss.backward()
        trainer.step(2)
        return loss

    return plain


@pytest.mark.parametrize("compiled", [False, True])
def test_results_parameters_and_gradients_of_every_second_step(compiled: bool) -> None:
    net, expected = network(), network()
    step, other = steps(net, compiled), steps(expected, False)
    monitor = Monitor(2, pattern=r"0_output|1\.weight", sort=True)
    monitor.install(net)
    for turn in range(4):
        hidden = expected[0](X).asnumpy()
        expected[1].weight.zero_grad()
        gradient = expected[1].weight.grad()
        monitor.tic()
        step()
        other()
        found = monitor.toc()
        values = [
            (turn + 1, "0_output", hidden),
            (turn + 1, "1.weight", expected[1].weight.data().asnumpy()),
            (turn + 1, "1.weight_grad", gradient.asnumpy()),
        ]
        assert [entry[:2] for entry in found] == [
            entry[:2] for entry in values[: 3 * (1 - turn % 2)]
        ]
        for (_, _, shown), (_, _, value) in zip(found, values, strict=False):
            np.testing.assert_allclose(float(shown), np.sqrt(np.mean(value**2)), rtol=1e-5)
    for name, same in expected.collect_params().items():
        ours = net.collect_params()[name].data().asnumpy()
        np.testing.assert_allclose(ours, same.data().asnumpy(), rtol=1e-6)


def test_a_step_that_nobody_looks_at_skips_python() -> None:
    net, calls = network(), list[int]()

    def called(*seen: Any) -> None:
        calls.append(1)

    net.register_forward_hook(called)
    step = steps(net, True)
    monitor = Monitor(3)
    monitor.install(net)
    for _ in range(6):
        monitor.tic()
        step()
        monitor.toc()
    assert len(calls) == 3  # steps 1 and 4, looked at, and step 2, which compiles


def extremes(x: NDArray) -> list[NDArray]:
    return [x.max(), x.min()]


def same(x: NDArray) -> NDArray:
    return x


def twice(x: NDArray) -> Any:
    return [x, [x * 2]]


def test_inputs_and_statistics_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    net = network()
    monitor = Monitor(1, extremes, "0_|input", monitor_all=True)
    monitor.install(net)
    monitor.tic()
    net(X)
    assert monitor.toc() == [
        (1, "0_input", "4.0\t1.0"),
        (1, "0_output", "7.0\t3.0"),
        (1, "input", "4.0\t1.0"),
    ]
    monitor.tic()
    net(X)
    with caplog.at_level(logging.INFO):
        monitor.toc_print()
    assert "Batch:       2                        0_input 4.0\t1.0" in caplog.text


def test_bodies_of_loops_are_left_out() -> None:
    net = nn.Dense(1, in_units=2)
    net.initialize()
    monitor = Monitor(1, pattern="output")
    monitor.install(net)
    monitor.tic()

    def step(x: NDArray, state: NDArray) -> Any:
        return net(x), state

    nd.contrib.foreach(step, X.expand_dims(1), nd.zeros(()))
    assert monitor.toc() == []


def test_several_results_are_numbered() -> None:
    net = nn.HybridLambda(twice)
    monitor = Monitor(1, same)
    monitor.install(net)
    monitor.tic()
    net(nd.array([3.0]))
    assert monitor.toc() == [(1, "output0", "3.0"), (1, "output1", "6.0")]


def test_mistakes() -> None:
    with pytest.raises(OptionError, match="Monitor: interval: expected an integer of at least 1"):
        Monitor(0)
    with pytest.raises(OptionError, match=r"Monitor: '\(' is no regular expression"):
        Monitor(1, pattern="(")
    wrong: Any = "net"
    with pytest.raises(OptionError, match="Monitor: stat_func: expected a function, given 'net'"):
        Monitor(1, wrong)
    with pytest.raises(OptionError, match="Monitor: expected a block, given 'net'"):
        Monitor(1).install(wrong)
