"""Softmax, losses, batch normalization: meaning, decomposition, gradients."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, TensorType, f64, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.interfaces import Decomposes
from nnc.dialects.interpret import run
from nnc.dialects.nn.base import insert
from nnc.dialects.nn.batch_norm import BatchNormGradOp, BatchNormOp
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import MulOp
from nnc.dialects.nn.normalize import (
    CrossEntropyGradOp,
    CrossEntropyOp,
    LogSoftmaxGradOp,
    LogSoftmaxOp,
    SoftmaxGradOp,
    SoftmaxOp,
)
from nnc.dialects.nn.norms import NormalizeGradOp, NormalizeOp
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.lowering.nn_gradient import NnGradientPass

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
Build = Callable[..., Decomposes]


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def decomposed(build: Build) -> Callable[..., list[SSAValue]]:
    """The op's decomposition instead of the op."""

    def build_parts(b: Builder, *values: SSAValue) -> list[SSAValue]:
        return list(build(*values).decompose(b))

    return build_parts


def one_result(build: Build, result: int) -> Callable[..., SSAValue]:
    """One of the op's results."""

    def build_result(b: Builder, *values: SSAValue) -> SSAValue:
        return b.insert(build(*values)).results[result]

    return build_result


def check_decomposition(evaluate: Evaluate, build: Build, *inputs: Array) -> None:
    for whole, parts in zip(
        evaluate(build, *inputs), evaluate(decomposed(build), *inputs), strict=True
    ):
        assert whole.dtype == parts.dtype
        np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis: int, evaluate: Evaluate, gradcheck: Check) -> None:
    x = draw(0, 2, 3, 4)
    powers = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    (y,) = evaluate(partial(SoftmaxOp, axis=axis), x)
    (logs,) = evaluate(partial(LogSoftmaxOp, axis=axis), x)
    np.testing.assert_allclose(y, powers, rtol=1e-13)
    np.testing.assert_allclose(logs, np.log(powers), rtol=1e-12)
    for op in (SoftmaxOp, LogSoftmaxOp):
        check_decomposition(evaluate, partial(op, axis=axis), x)
        gradcheck(partial(op, axis=axis), x)
    for op, result in ((SoftmaxGradOp, y), (LogSoftmaxGradOp, logs)):
        check_decomposition(evaluate, partial(op, axis=axis), result, x)


@pytest.mark.parametrize("op", [SoftmaxOp, LogSoftmaxOp])
def test_large_scores_do_not_overflow(op: type[SoftmaxOp], evaluate: Evaluate) -> None:
    x = np.array([[1e4, 1e4, -1e4], [-1e5, -1e5, -1e5]])
    check_decomposition(evaluate, partial(op, axis=1), x)
    (y,) = evaluate(partial(op, axis=1), x)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_cross_entropy(dtype: Any, evaluate: Evaluate, gradcheck: Check) -> None:
    x, label = draw(0, 2, 3, 5), np.array([[0, 4, 2], [1, 1, 3]], dtype)
    nll, p = evaluate(CrossEntropyOp, x, label)
    expected = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    np.testing.assert_allclose(p, expected, rtol=1e-13)
    for at in np.ndindex(label.shape):
        np.testing.assert_allclose(nll[at], -np.log(expected[*at, label[at]]), rtol=1e-12)
    check_decomposition(evaluate, CrossEntropyOp, x, label)
    check_decomposition(evaluate, CrossEntropyGradOp, p, label, draw(1, 2, 3))
    for build in (CrossEntropyOp, one_result(CrossEntropyOp, 0), one_result(CrossEntropyOp, 1)):
        gradcheck(build, x, label)


def test_a_label_of_no_class_costs_nan(evaluate: Evaluate) -> None:
    x, label = draw(0, 5, 4), np.array([-1, 4, 10**6, 2**32, 3])
    check_decomposition(evaluate, CrossEntropyOp, x, label)
    nll, p = evaluate(CrossEntropyOp, x, label)
    np.testing.assert_array_equal(np.isnan(nll), [True] * 4 + [False])
    assert np.isfinite(p).all()
    check_decomposition(evaluate, CrossEntropyGradOp, p, label, draw(1, 5))
    (grad,) = evaluate(CrossEntropyGradOp, p, label, draw(1, 5))
    np.testing.assert_array_equal(np.isnan(grad).all(-1), [True] * 4 + [False])
    assert np.isfinite(grad[4]).all()


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 2, 4)])
def test_batch_norm(shape: tuple[int, ...], evaluate: Evaluate, gradcheck: Check) -> None:
    x, gamma, beta, g = draw(0, *shape), draw(1, 3), draw(2, 3), draw(3, *shape)
    epsilon = 1e-3
    build, grad = (partial(op, epsilon=epsilon) for op in (BatchNormOp, BatchNormGradOp))

    y, mean, variance = evaluate(build, x, gamma, beta)
    for c in range(3):
        channel = x[:, c]
        deviation = np.sqrt(((channel - channel.mean()) ** 2).mean() + epsilon)
        expected = gamma[c] * (channel - channel.mean()) / deviation + beta[c]
        np.testing.assert_allclose(y[:, c], expected, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose([mean[c], variance[c]], [channel.mean(), channel.var()])
    check_decomposition(evaluate, build, x, gamma, beta)
    check_decomposition(evaluate, grad, x, gamma, mean, variance, g)
    gradcheck(build, x, gamma, beta)
    gradcheck(one_result(build, 0), x, gamma, beta)


@pytest.mark.parametrize("uncentered", [False, True])
@pytest.mark.parametrize("axes", [(2,), (0,), (0, 2)])
def test_normalize(
    axes: tuple[int, ...], uncentered: bool, evaluate: Evaluate, gradcheck: Check
) -> None:
    x, g = draw(0, 2, 3, 4), draw(1, 2, 3, 4)
    build = partial(NormalizeOp, axes=axes, epsilon=1e-3, uncentered=uncentered)
    h, rate = evaluate(build, x)
    centered = x if uncentered else x - x.mean(axes, keepdims=True)
    np.testing.assert_allclose(rate, ((centered**2).mean(axes) + 1e-3) ** -0.5, rtol=1e-12)
    np.testing.assert_allclose(h, centered * np.expand_dims(rate, axes), rtol=1e-11)
    check_decomposition(evaluate, build, x)
    grad = partial(NormalizeGradOp, axes=axes, uncentered=uncentered)
    check_decomposition(evaluate, grad, h, rate, g)
    for wanted in (build, one_result(build, 0), one_result(build, 1)):
        gradcheck(wanted, x)


def test_rows_without_variance(evaluate: Evaluate, gradcheck: Check) -> None:
    """Epsilon alone decides the rate where a row is constant, or nearly."""
    x = np.array([[2.0, 2.0, 2.0], [1.0, 1.0 + 1e-6, 1.0 - 1e-6]])
    build = partial(NormalizeOp, axes=(1,), epsilon=1e-2)
    h, rate = evaluate(build, x)
    np.testing.assert_allclose(rate, [10, 10], rtol=1e-9)
    np.testing.assert_allclose(h, [[0, 0, 0], [0, 1e-5, -1e-5]], atol=1e-15)
    gradcheck(build, x)


def square(b: Builder, x: SSAValue) -> SSAValue:
    return insert(b, MulOp(x, x))


def entropies(b: Builder, x: SSAValue) -> SSAValue:
    """`nll * probabilities`."""
    type = TensorType(i32, [2])
    label = ConstantOp(DenseIntOrFPElementsAttr.from_list(type, [2, 0]), type)
    op = b.insert(CrossEntropyOp(x, insert(b, label)))
    return insert(b, MulOp(insert(b, BroadcastOp(op.nll, (2, 3), [0])), op.probabilities))


def normalized(b: Builder, x: SSAValue) -> SSAValue:
    gamma = insert(b, ConstantOp(1.5, TensorType(f64, [3])))
    return square(b, b.insert(BatchNormOp(x, gamma, gamma, 0.1)).output)


def rows_normalized(b: Builder, x: SSAValue, *, uncentered: bool) -> SSAValue:
    op = b.insert(NormalizeOp(x, (1,), 0.1, uncentered=uncentered))
    return insert(b, MulOp(square(b, op.output), insert(b, BroadcastOp(op.rate, (2, 3), [0]))))


TWICE: dict[str, Callable[[Builder, SSAValue], SSAValue]] = {
    "softmax": lambda b, x: insert(b, SoftmaxOp(x, 1)),
    "log_softmax": lambda b, x: insert(b, LogSoftmaxOp(x, 1)),
    "matmul": lambda b, x: insert(b, MatmulOp(x, x, transpose_rhs=True)),
    "cross_entropy": entropies,
    "batch_norm": normalized,
    "layer_norm": partial(rows_normalized, uncentered=False),
    "rms_norm": partial(rows_normalized, uncentered=True),
}


def module_of(build: Callable[[Builder, SSAValue], SSAValue]) -> ModuleOp:
    """`main`: the sum of the squares of what is built on a parameter."""
    type = TensorType(f64, [2, 3])
    block = Block(arg_types=[type])
    b = Builder(InsertPoint.at_end(block))
    loss = insert(b, ReduceOp("sum", square(b, build(b, block.args[0])), [0, 1]))
    b.insert(ReturnOp(loss))
    block.args[0].name_hint = "x"
    return ModuleOp([FuncOp("main", ([type], [loss.type]), Region(block))])


@pytest.mark.parametrize("name", TWICE)
def test_second_order(name: str) -> None:
    """`nn-gradient` twice: the gradient of the sum of the gradient."""
    module = module_of(TWICE[name])
    x = draw(4, 2, 3)
    NnGradientPass(of=0, wrt=("x",)).apply(Context(), module)
    once = module.clone()
    NnGradientPass(of=1, wrt=("x",)).apply(Context(), module)
    module.verify()
    found = run(module, [x])[2]
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-5
        high, low = (cast(Array, run(once, [x + s])[1]).sum() for s in (step, -step))
        np.testing.assert_allclose(found[at], (high - low) / 2e-5, rtol=1e-6, atol=1e-7)
