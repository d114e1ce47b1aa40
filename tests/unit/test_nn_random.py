"""Random draws: the generator, what is drawn, dropout's mask."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, f64, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region
from xdsl.rewriter import InsertPoint

from nnc.dialects.interpret import run
from nnc.dialects.meaning import random as meaning
from nnc.dialects.nn.random import DropoutOp, NormalOp, UniformOp, philox

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]

# Random123's known answers: counter, key, block.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
STATES = [
    (np.int32(7), np.int32(-3)),
    (np.int64(2**40 + 5), np.int64(-(2**50))),
    (np.int32(0), np.int64(2**33)),
]


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], block: list[int]) -> None:
    found = meaning.philox(np.array(counter)[:, None], np.array(key))
    assert found[:, 0].tolist() == block

    body = Block(arg_types=[i32] * 6)
    b = Builder(InsertPoint.at_end(body))
    words = philox(b, body.args[:4], (body.args[4], body.args[5]))
    body.add_op(ReturnOp(*words))
    module = ModuleOp([FuncOp("main", ([i32] * 6, [i32] * 4), Region(body))])
    arguments = list(np.array([*counter, *key], np.uint32).view(np.int32))
    results = np.array(run(module, arguments), np.int32)
    assert results.view(np.uint32).tolist() == block


@pytest.mark.parametrize(("key", "counter"), STATES)
@pytest.mark.parametrize("kind", [UniformOp, NormalOp])
def test_draws(
    kind: type[UniformOp | NormalOp], key: Array, counter: Array, check_scalar: Check
) -> None:
    build = partial(kind, type=TensorType(f64, (2, 3)))
    check_scalar(build, np.asarray(key), np.asarray(counter))


def draw(evaluate: Evaluate, kind: Any, *shape: int, counter: int = 0, element: Any = f64) -> Array:
    build = partial(kind, type=TensorType(element, shape))
    return evaluate(build, np.asarray(np.int32(1)), np.asarray(np.int32(counter)))[0]


def test_uniform(evaluate: Evaluate) -> None:
    draws = draw(evaluate, UniformOp, 100_000)
    assert draws.min() >= 0
    assert draws.max() < 1
    np.testing.assert_array_equal(draws, np.round(draws * 2**24) / 2**24)
    np.testing.assert_allclose([draws.mean(), draws.var()], [1 / 2, 1 / 12], atol=3e-3)
    shares = np.histogram(draws, 10, (0, 1))[0] / len(draws)
    np.testing.assert_allclose(shares, 0.1, atol=5e-3)
    np.testing.assert_array_equal(draws, draw(evaluate, UniformOp, 100_000, element=f32))


def test_normal(evaluate: Evaluate) -> None:
    draws = draw(evaluate, NormalOp, 100_000)
    moments = [np.mean(draws**n) for n in range(1, 5)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=6e-2)


def test_a_draw_depends_on_the_element_and_the_counter_only(evaluate: Evaluate) -> None:
    first = draw(evaluate, UniformOp, 6, 4)
    np.testing.assert_array_equal(first.reshape(-1), draw(evaluate, UniformOp, 24))
    np.testing.assert_array_equal(first.reshape(-1)[:5], draw(evaluate, UniformOp, 5))
    assert not np.any(first == draw(evaluate, UniformOp, 6, 4, counter=1))


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropout(rate: float, evaluate: Evaluate, gradcheck: Check, check_scalar: Check) -> None:
    build = partial(DropoutOp, rate=rate)
    key, counter = np.asarray(np.int64(3)), np.asarray(np.int32(4))
    x = np.random.default_rng(0).standard_normal((200, 50))
    (y,) = evaluate(build, x, key, counter)
    kept = y != 0
    assert abs(kept.mean() - (1 - rate)) < 0.02
    np.testing.assert_allclose(y[kept], x[kept] / (1 - rate))
    gradcheck(build, x[:3, :4], key, counter, order=2)
    check_scalar(build, x[:3, :4], key, counter)


def test_dropped_elements_do_not_carry_nan(evaluate: Evaluate) -> None:
    build = partial(DropoutOp, rate=0.5)
    state = np.asarray(np.int32(1)), np.asarray(np.int32(2))
    (y,) = evaluate(build, np.full(100, np.nan), *state)
    assert 30 < np.isnan(y).sum() < 70
    assert set(y[~np.isnan(y)]) == {0.0}
