"""Inference with values derived from parameters: they follow every change of those."""

from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.compilation import execution
from nnc.compilation.preparation import Preparation
from nnc.dialects.target import TARGETS
from nnc.gluon import nn
from nnc.gluon.parameter import Parameter
from nnc.runtime.machine import cpu_features
from nnc.settings import Settings

RANDOM = np.random.default_rng(0)
DEPTH = 300


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    if not TARGETS["avx2"].cpu_features <= cpu_features():
        pytest.skip("this CPU cannot run avx2")
    monkeypatch.setattr("nnc.settings.current", Settings("compile", "avx2", False))


def dense(units: int) -> nn.Dense:
    layer = nn.Dense(units, "relu", in_units=DEPTH)
    layer.initialize()
    return layer


def bias_of(layer: nn.Dense) -> Parameter:
    assert layer.bias is not None
    return layer.bias


def expected(layer: nn.Dense, x: Any) -> Any:
    weight, bias = layer.weight.data().asnumpy(), bias_of(layer).data().asnumpy()
    return np.maximum(x.astype(np.float64) @ weight.T + bias, 0)


def assert_right(layer: nn.Dense, x: Any) -> None:
    result = layer(nd.array(x)).asnumpy()
    np.testing.assert_allclose(result, expected(layer, x), rtol=1e-5, atol=1e-5)


def drawn(rows: int) -> Any:
    return RANDOM.standard_normal((rows, DEPTH)).astype(np.float32)


def preparation_of_the_last_program() -> Preparation:
    *_, bound = execution.bindings()[-1]
    assert bound.preparation is not None
    return bound.preparation


@pytest.mark.parametrize("rows", [1, 64, 65])
@pytest.mark.parametrize("columns", [64, 100, 512, 10])
def test_sizes(rows: int, columns: int) -> None:
    layer = dense(columns)
    assert_right(layer, drawn(rows))
    text = execution.programs()[-1].ir("graph")
    assert ("nn.packed_matmul" in text) == (rows > 1 and columns > 10)
    assert ("// -----" in text) == ("nn.packed_matmul" in text)


def test_values_set_between_calls_are_seen() -> None:
    layer, x = dense(64), drawn(64)
    assert_right(layer, x)
    layer.weight.set_data(layer.weight.data() * 2 - 1)
    assert_right(layer, x)
    layer.weight.data()[:] = 0.25
    assert_right(layer, x)
    layer.weight.data()[3:5] = RANDOM.standard_normal((2, DEPTH))
    assert_right(layer, x)
    layer.initialize(nnc.init.Xavier(), force_reinit=True)
    assert_right(layer, x)


def test_steps_between_calls_are_seen() -> None:
    layer, x = dense(100), drawn(64)
    trainer = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.5})
    loss, label = gluon.loss.L2Loss(), nd.array(RANDOM.standard_normal((64, 100)))
    step = nnc.compile_step(lambda *given: layer(*given), loss, trainer)
    infer = nnc.compile(lambda *given: layer(*given), nd.array(x))
    for _ in range(3):
        with autograd.record():
            error = loss(layer(nd.array(x)), label)
        error.backward()
        trainer.step(64)
        assert_right(layer, x)
        before = layer.weight.data().asnumpy().copy()
        step(nd.array(x), label)
        assert not np.array_equal(before, layer.weight.data().asnumpy())
        np.testing.assert_allclose(infer(x).asnumpy(), expected(layer, x), rtol=1e-5, atol=1e-5)


def test_weights_are_packed_once_while_they_stay() -> None:
    layer, x = dense(64), drawn(64)
    assert_right(layer, x)
    preparation = preparation_of_the_last_program()
    [panels] = preparation.outputs
    assert isinstance(panels, np.ndarray)
    panels[:] = 0
    assert layer(nd.array(x)).asnumpy().max() == 0
    bias_of(layer).set_data(bias_of(layer).data() + 1)
    assert layer(nd.array(x)).asnumpy().max() == 1
    layer.weight.set_data(layer.weight.data())
    assert_right(layer, x)


def test_a_program_with_updates_derives_nothing() -> None:
    layer, x = dense(64), drawn(64)
    trainer = gluon.Trainer(layer.collect_params("bias"), "sgd")
    with autograd.record():
        total = layer(nd.array(x)).sum()
    total.backward()
    trainer.step(64)
    assert "derived" not in execution.programs()[-1].ir("graph")
