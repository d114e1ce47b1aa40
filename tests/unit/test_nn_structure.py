"""Scans: meaning, gradients through state, sequences and captured values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f64
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.transforms.dead_code_elimination import DeadCodeElimination

from nnc.dialects.interpret import run
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import AddOp, CastOp, MulOp
from nnc.dialects.nn.functions import SigmoidOp, TanhOp
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.shape import SliceOp
from nnc.dialects.nn.structure import YieldOp
from nnc.lowering.nn_gradient import NnGradientPass

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
Body = Callable[..., Sequence[SSAValue]]

STEPS = 3


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def scan(
    inits: Sequence[SSAValue],
    sequences: Sequence[SSAValue],
    captured: Sequence[SSAValue],
    body: Body,
    reverse: bool = False,
) -> ScanOp:
    """A scan of STEPS, its body built by `body`."""
    slices = [TensorType(element_of(s), shape_of(s)[1:]) for s in sequences]
    block = Block(arg_types=[*(i.type for i in inits), *slices, *(c.type for c in captured)])
    b = Builder(InsertPoint.at_end(block))
    b.insert(YieldOp(body(b, *block.args)))
    return ScanOp(STEPS, inits, sequences, captured, block, reverse=reverse)


def one_result(build: Callable[..., ScanOp], result: int) -> Callable[..., SSAValue]:
    """One of the scan's results."""

    def build_result(b: Builder, *values: SSAValue) -> SSAValue:
        return b.insert(build(b, *values)).results[result]

    return build_result


def multiply(b: Builder, x: SSAValue, w: SSAValue) -> list[SSAValue]:
    return [insert(b, MulOp(x, w))]


def step(b: Builder, h: SSAValue, x: SSAValue, w: SSAValue, u: SSAValue) -> list[SSAValue]:
    """`tanh(x @ w + h @ u)` as state and result, and the previous state as a second result."""
    total = AddOp(insert(b, MatmulOp(x, w)), insert(b, MatmulOp(h, u)))
    new = insert(b, TanhOp(insert(b, total)))
    return [new, new, h]


INPUTS = draw(0, 2, 3), draw(1, STEPS, 2, 4), draw(2, 4, 3), draw(3, 3, 3)


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence(reverse: bool, evaluate: Evaluate, gradcheck: Check) -> None:
    def build(b: Builder, h: SSAValue, xs: SSAValue, w: SSAValue, u: SSAValue) -> ScanOp:
        return scan([h], [xs], [w, u], step, reverse)

    final, ys, before = evaluate(build, *INPUTS)
    h, xs, w, u = INPUTS
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        np.testing.assert_array_equal(before[t], h)
        h = np.tanh(xs[t] @ w + h @ u)
        np.testing.assert_allclose(ys[t], h, rtol=1e-14)
    np.testing.assert_array_equal(final, h)
    gradcheck(build, *INPUTS)
    for result in range(3):
        gradcheck(one_result(build, result), *INPUTS)


def test_second_order(gradcheck: Check) -> None:
    def build(b: Builder, h: SSAValue, xs: SSAValue, w: SSAValue) -> ScanOp:
        def body(b: Builder, h: SSAValue, x: SSAValue, w: SSAValue) -> list[SSAValue]:
            new = insert(b, TanhOp(insert(b, AddOp(insert(b, MulOp(h, w)), x))))
            return [new, insert(b, MulOp(new, w))]

        return scan([h], [xs], [w], body)

    gradcheck(build, draw(0, 2), draw(1, STEPS, 2), draw(2, 2), order=2)


def test_a_map_has_no_state(evaluate: Evaluate, gradcheck: Check) -> None:
    def build(b: Builder, xs: SSAValue, w: SSAValue) -> ScanOp:
        return scan([], [xs], [w], multiply)

    xs, w = draw(0, STEPS, 2), draw(1, 2)
    np.testing.assert_array_equal(evaluate(build, xs, w)[0], xs * w)
    gradcheck(build, xs, w)


def test_integer_state_has_no_cotangent(evaluate: Evaluate, gradcheck: Check) -> None:
    """The state counts the steps: `y = n * x`."""

    def body(b: Builder, n: SSAValue, h: SSAValue, x: SSAValue) -> list[SSAValue]:
        one = constant(b, 1, n)
        scaled = insert(b, MulOp(x, insert(b, CastOp(n, f64))))
        return [insert(b, AddOp(n, one)), insert(b, AddOp(h, scaled))]

    def build(b: Builder, n: SSAValue, h: SSAValue, xs: SSAValue) -> ScanOp:
        return scan([n, h], [xs], [], body)

    n, h, xs = np.array([1, 5], np.int32), draw(0, 2), draw(1, STEPS, 2)
    count, total = evaluate(build, n, h, xs)
    assert count.tolist() == [4, 8]
    np.testing.assert_allclose(total, h + sum((n + t) * xs[t] for t in range(STEPS)))
    gradcheck(one_result(build, 1), n, h, xs)


def test_a_scan_in_a_scan(evaluate: Evaluate, gradcheck: Check) -> None:
    """The inner scan multiplies by w three times."""

    def outer(b: Builder, h: SSAValue, x: SSAValue, w: SSAValue) -> list[SSAValue]:
        inner = b.insert(scan([h], [], [w], multiply))
        return [insert(b, AddOp(inner.results[0], x))]

    def build(b: Builder, h: SSAValue, xs: SSAValue, w: SSAValue) -> ScanOp:
        return scan([h], [xs], [w], outer)

    h, xs, w = draw(0, 2), draw(1, STEPS, 2), draw(2, 2)
    expected = h
    for x in xs:
        expected = expected * w**3 + x
    np.testing.assert_allclose(evaluate(build, h, xs, w)[0], expected, rtol=1e-13)
    gradcheck(build, h, xs, w)


def test_the_steps_run_once_forward_and_once_backward(parse: Callable[[str], ModuleOp]) -> None:
    module = parse("""
      func.func @main(%h: tensor<2xf64> {nnc.name = "h", nnc.role = "parameter"}) -> tensor<2xf64> {
        %y = nn.scan 3 carry (%s = %h : tensor<2xf64>) {
          %t = nn.tanh %s : tensor<2xf64>
          nn.yield %t : tensor<2xf64>
        }
        func.return %y : tensor<2xf64>
      }
    """)
    NnGradientPass(of=0).apply(Context(), module)
    DeadCodeElimination().apply(Context(), module)
    assert sum(isinstance(op, ScanOp) for op in module.walk()) == 2
    (y, gradient), h = run(module, [np.array([0.3, -0.2])]), np.array([0.3, -0.2])
    slope = np.ones(2)
    for _ in range(STEPS):
        h = np.tanh(h)
        slope *= 1 - h**2
    np.testing.assert_allclose([y, gradient], [h, slope], rtol=1e-14)


def lstm(b: Builder, h: SSAValue, c: SSAValue, x: SSAValue, u: SSAValue) -> list[SSAValue]:
    """`x` is the projection of the step's input on the four gates."""
    gates = insert(b, AddOp(insert(b, MatmulOp(h, u)), x))
    rows, width = shape_of(h)
    i, f, g, o = (
        insert(b, SliceOp(gates, (0, k * width), (rows, (k + 1) * width), (1, 1))) for k in range(4)
    )
    kept = insert(b, MulOp(insert(b, SigmoidOp(f)), c))
    new = insert(b, MulOp(insert(b, SigmoidOp(i)), insert(b, TanhOp(g))))
    cell = insert(b, AddOp(kept, new))
    out = insert(b, MulOp(insert(b, SigmoidOp(o)), insert(b, TanhOp(cell))))
    return [out, cell, out]


def test_an_lstm_keeps_its_states_and_its_gates(gradcheck: Check) -> None:
    """The gradient reads both states before, the cell after, and the product; it makes none again.

    Then come the input of the step and the cotangent. Its products are the gradients of the state
    and of the weight.
    """

    def build(b: Builder, h: SSAValue, c: SSAValue, xs: SSAValue, u: SSAValue) -> ScanOp:
        return scan([h, c], [xs], [u], lstm)

    inputs = draw(0, 2, 3), draw(1, 2, 3), draw(2, STEPS, 2, 12), draw(3, 3, 12)
    gradcheck(build, *inputs)
    types = [TensorType(f64, x.shape) for x in inputs]
    block = Block(arg_types=types)
    b = Builder(InsertPoint.at_end(block))
    forward = b.insert(build(b, *block.args))
    grads = [None, None, constant(b, 1.0, forward.outputs[2])]
    forward.vjp(b, grads, [True] * 4)
    backward = block.last_op
    assert isinstance(backward, ScanOp)
    kept = [shape_of(value)[1:] for value in backward.sequences]
    assert kept == [(2, 3), (2, 3), (2, 12), (2, 3), (2, 12), (2, 3)]
    assert sum(isinstance(op, MatmulOp) for op in backward.body.block.ops) == 2
