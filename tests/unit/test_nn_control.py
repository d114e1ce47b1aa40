"""`nn.cond`, `nn.checkpoint`, `nn.after`, `nn.detach`: meaning and gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import ParseError

from nnc.codegen.emit import emit
from nnc.codegen.errors import CodegenError
from nnc.dialects.interpret import run
from nnc.dialects.nn.base import insert
from nnc.dialects.nn.checkpoint import AfterOp, CheckpointOp
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import AddOp, ExpOp, MulOp, SubOp
from nnc.dialects.nn.functions import SqrtOp, TanhOp
from nnc.dialects.nn.structure import DetachOp, YieldOp
from nnc.dialects.nn.with_gradient import WithGradientOp
from nnc.lowering.nn_gradient import NnGradientPass
from nnc.lowering.pass_specs import build_pipeline

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
Values = Sequence[SSAValue]
Body = Callable[..., Values]


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def block(captured: Values, body: Body) -> Block:
    made = Block(arg_types=[value.type for value in captured])
    b = Builder(InsertPoint.at_end(made))
    b.insert(YieldOp(body(b, *made.args)))
    return made


def product_and_sum(b: Builder, x: SSAValue, w: SSAValue) -> Values:
    return insert(b, TanhOp(insert(b, MatmulOp(x, w)))), insert(b, AddOp(x, x))


def sum_and_captured(b: Builder, x: SSAValue, w: SSAValue) -> Values:
    """The second result is a captured value itself."""
    return insert(b, ExpOp(insert(b, MatmulOp(w, x, transpose_lhs=True)))), x


def choice(b: Builder, predicate: SSAValue, *captured: SSAValue) -> CondOp:
    bodies = block(captured, product_and_sum), block(captured, sum_and_captured)
    return b.insert(CondOp(predicate, captured, *bodies))


def one_result(result: int) -> Callable[..., SSAValue]:
    """One of the results of the choice."""

    def build(b: Builder, *values: SSAValue) -> SSAValue:
        return choice(b, *values).outputs[result]

    return build


def tanh_of_first(b: Builder, x: SSAValue, *rest: SSAValue) -> Values:
    return [insert(b, TanhOp(x))]


def exp_of_first(b: Builder, x: SSAValue, *rest: SSAValue) -> Values:
    return [insert(b, ExpOp(x))]


def scaled_tanh(b: Builder, x: SSAValue, w: SSAValue) -> Values:
    return [insert(b, MulOp(insert(b, TanhOp(x)), w))]


def root(b: Builder, x: SSAValue) -> Values:
    return [insert(b, SqrtOp(x))]


def double(b: Builder, x: SSAValue) -> Values:
    return [insert(b, AddOp(x, x))]


@pytest.mark.parametrize("predicate", [False, True])
def test_cond(predicate: bool, evaluate: Evaluate, gradcheck: Check) -> None:
    p, x, w = np.array(predicate), draw(0, 3, 3), draw(1, 3, 3)
    expected = (np.tanh(x @ w), x + x) if predicate else (np.exp(w.T @ x), x)
    for given, value in zip(evaluate(choice, p, x, w), expected, strict=True):
        np.testing.assert_allclose(given, value, rtol=1e-14)
    gradcheck(choice, p, x, w)
    gradcheck(one_result(0), p, x, w)
    gradcheck(one_result(1), p, x, w)


@pytest.mark.parametrize("predicate", [False, True])
def test_cond_twice(predicate: bool, gradcheck: Check) -> None:
    def build(b: Builder, p: SSAValue, x: SSAValue, w: SSAValue) -> CondOp:
        bodies = block([x, w], scaled_tanh), block([x, w], exp_of_first)
        return b.insert(CondOp(p, [x, w], *bodies))

    gradcheck(build, np.array(predicate), draw(0, 2), draw(1, 2), order=2)


def test_the_other_body_leaves_no_nan(evaluate: Evaluate) -> None:
    """The square root at 0 has an infinite slope, which no mask may be multiplied with."""

    def gradient(b: Builder, p: SSAValue, x: SSAValue, g: SSAValue) -> Values:
        bodies = block([x], root), block([x], double)
        found = b.insert(CondOp(p, [x], *bodies)).vjp(b, [g], [False, True])
        return [value for value in found if value is not None]

    [given] = evaluate(gradient, np.array(False), np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(given, [2, 2])


def checkpoint(b: Builder, *captured: SSAValue) -> CheckpointOp:
    return b.insert(CheckpointOp(captured, block(captured, product_and_sum)))


def test_checkpoint(evaluate: Evaluate, gradcheck: Check) -> None:
    x, w = draw(0, 2, 2), draw(1, 2, 2)
    product, total = evaluate(checkpoint, x, w)
    np.testing.assert_allclose(product, np.tanh(x @ w), rtol=1e-14)
    np.testing.assert_array_equal(total, x + x)
    gradcheck(checkpoint, x, w, order=2)


def test_a_checkpoint_in_a_checkpoint(gradcheck: Check) -> None:
    def inner(b: Builder, x: SSAValue) -> Values:
        return b.insert(CheckpointOp([x], block([x], tanh_of_first))).outputs

    def outer(b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(CheckpointOp([x], block([x], inner))).outputs[0]

    gradcheck(outer, draw(0, 2))


def test_a_captured_integer_has_no_gradient(parse: Callable[[str], ModuleOp]) -> None:
    """Not even one that is a result of an op with a gradient."""
    module = parse("""func.func @main(%x: tensor<1x2x4xf32> {nnc.role = "parameter"})
        -> tensor<1x2x1x4xf32> {
      %y, %at = nn.max_pool %x {kernel = [4], strides = [4], low = [0], high = [0]}
        : (tensor<1x2x4xf32>) -> (tensor<1x2x1xf32>, tensor<1x2x1xi32>)
      %z = nn.checkpoint
          captures (%index = %at : tensor<1x2x1xi32>, %value = %y : tensor<1x2x1xf32>) {
        %hit = nn.one_hot %index to f32 {size = 4} : tensor<1x2x1xi32> -> tensor<1x2x1x4xf32>
        %values = nn.broadcast %value {dimensions = [0, 1, 2]}
          : tensor<1x2x1xf32> -> tensor<1x2x1x4xf32>
        %largest = nn.mul %values, %hit : tensor<1x2x1x4xf32>
        nn.yield %largest : tensor<1x2x1x4xf32>
      }
      func.return %z : tensor<1x2x1x4xf32>
    }""")
    NnGradientPass().apply(Context(), module)
    x = draw(0, 1, 2, 4)
    _, gradient = run(module, [x])
    np.testing.assert_array_equal(gradient, x == x.max(-1, keepdims=True))


def test_after_passes_its_operand_and_its_gradient(evaluate: Evaluate, gradcheck: Check) -> None:
    x, token = draw(0, 3), draw(1, 2)
    np.testing.assert_array_equal(evaluate(AfterOp, x, token)[0], x)
    gradcheck(AfterOp, x, token)


def test_no_gradient_flows_through_detach(evaluate: Evaluate) -> None:
    def gradient(b: Builder, x: SSAValue, g: SSAValue) -> Values:
        detached = insert(b, DetachOp(x))
        found = MulOp(x, detached)
        b.insert(found)
        [by_x, by_detached] = found.vjp(b, [g], [True, True])
        assert by_x is not None
        owner = detached.owner
        assert isinstance(owner, DetachOp)
        assert owner.vjp(b, [by_detached], [True]) == [None]
        return [by_x]

    x = draw(0, 2)
    np.testing.assert_array_equal(evaluate(gradient, x, np.ones(2))[0], x)


def test_a_gradient_of_ones_own(evaluate: Evaluate, gradcheck: Check) -> None:
    """`exp` by its result: the gradient, and that of the gradient, go through what is captured."""

    def product(b: Builder, g: SSAValue, y: SSAValue) -> Values:
        return [insert(b, MulOp(g, y))]

    def build(b: Builder, x: SSAValue) -> WithGradientOp:
        y = insert(b, ExpOp(x))
        return b.insert(WithGradientOp([y], [x], [y], block([y, y], product)))

    x = draw(0, 3)
    np.testing.assert_allclose(evaluate(build, x)[0], np.exp(x))
    gradcheck(build, x, order=2)


def test_a_gradient_of_ones_own_need_not_be_true(evaluate: Evaluate) -> None:
    """It takes cotangents of all values, zeros where there are none."""

    def difference(b: Builder, g: SSAValue, h: SSAValue) -> Values:
        return insert(b, SubOp(g, h)), h

    def gradient(b: Builder, x: SSAValue, w: SSAValue) -> Values:
        own = WithGradientOp([x, w], [x, w], [], block([x, w], difference))
        found = b.insert(own).vjp(b, [x, None], [False, False, True, False])
        assert [grad is None for grad in found] == [True, True, False, True]
        return [grad for grad in found if grad is not None]

    x = draw(0, 2)
    np.testing.assert_array_equal(evaluate(gradient, x, draw(1, 2))[0], x)


CHAIN = """
  func.func @main(%x: tensor<4xf32> {nnc.name = "x", nnc.role = "parameter"}) -> tensor<4xf32> {
    %a = nn.checkpoint captures (%s = %x : tensor<4xf32>) {
      %e = nn.exp %s : tensor<4xf32>
      %l = nn.sin %e : tensor<4xf32>
      nn.yield %l : tensor<4xf32>
    }
    %y = nn.exp %a : tensor<4xf32>
    func.return %y : tensor<4xf32>
  }
"""


def test_the_forward_ops_run_again_in_the_gradient(parse: Callable[[str], ModuleOp]) -> None:
    """`exp` of the checkpoint stands twice after all simplification, with the same numbers."""
    module = parse(CHAIN)
    NnGradientPass(of=0).apply(Context(), module)
    for one in build_pipeline("graph"):
        one.apply(Context(), module)
    assert sum(isinstance(op, ExpOp) for op in module.walk()) == 3
    x = draw(0, 4)
    expected = np.exp(np.sin(np.exp(x))) * np.cos(np.exp(x)) * np.exp(x)
    np.testing.assert_allclose(run(module, [x])[1], expected, rtol=1e-12)


def test_the_bodies_of_a_choice_bind_the_same_values(parse: Callable[[str], ModuleOp]) -> None:
    text = "nn.cond %p captures (%a = %x : tensor<2xf32>) { nn.yield } else (%b, %c) { nn.yield }"
    with pytest.raises(ParseError, match=r"nn\.cond: expected 1 names for the captured values"):
        parse(f"func.func @main(%p: tensor<i1>, %x: tensor<2xf32>) {{ {text} }}")


def test_a_gpu_cannot_branch(parse: Callable[[str], ModuleOp]) -> None:
    module = parse("""
      func.func @main(%p: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> {
        %y = nn.cond %p captures (%a = %x : tensor<2xf32>) {
          nn.yield %a : tensor<2xf32>
        } else (%b) {
          %e = nn.exp %b : tensor<2xf32>
          nn.yield %e : tensor<2xf32>
        }
        func.return %y : tensor<2xf32>
      }
    """)
    for one in build_pipeline("group{target=cuda},store,loops{target=cuda},plan"):
        one.apply(Context(), module)
    with pytest.raises(CodegenError, match="launches on a GPU cannot branch; run nn-flatten"):
        emit(module, "cuda")
