"""Elementwise ops: meaning, gradients, ties and kinks, scalar meaning."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FunctionType,
    ModuleOp,
    TensorType,
    VectorType,
    f32,
    f64,
    i1,
    i32,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.interpret import run
from nnc.dialects.nn import elementwise as e
from nnc.dialects.nn import functions as f
from nnc.dialects.nn import rounding as r
from nnc.dialects.nn.base import Binary, Unary
from nnc.dialects.nn.constant import ConstantOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]

X = np.array([[-1.7, 0.4, 2.3], [0.9, -0.2, 1.1]])
Y = np.array([[0.6, -1.3, 2.9], [1.4, 0.3, -0.8]])
POSITIVE = np.abs(X) + 0.3
EDGES = np.array([-90.0, -3.0, -1e-9, 0.0, 1e-9, 4.0, 90.0])

UNARY: dict[type[Unary], tuple[Array, Callable[[float], float]]] = {
    e.NegOp: (X, lambda x: 0 - x),
    e.ExpOp: (X, lambda x: math.e**x),
    e.LogOp: (POSITIVE, math.log),
    f.AbsOp: (X, lambda x: math.sqrt(x * x)),
    f.SignOp: (X, lambda x: x / abs(x)),
    f.SqrtOp: (POSITIVE, lambda x: x**0.5),
    f.RsqrtOp: (POSITIVE, lambda x: x**-0.5),
    f.SinOp: (X, math.sin),
    f.CosOp: (X, math.cos),
    f.AtanOp: (X * 3, lambda x: math.atan2(x, 1)),
    f.Expm1Op: (X, lambda x: 2 * math.sinh(x / 2) * math.exp(x / 2)),
    f.Log1pOp: (X + 1, lambda x: 2 * math.atanh(x / (2 + x))),
    r.FloorOp: (X * 3, lambda x: math.floor(x)),
    r.RoundOp: (X * 3, round),
    f.ErfOp: (X, lambda x: 1 - math.erfc(x)),
    f.TanhOp: (X, lambda x: 1 - 2 / (math.exp(2 * x) + 1)),
    f.SigmoidOp: (X, lambda x: (1 + math.tanh(x / 2)) / 2),
    f.SiluOp: (X, lambda x: x * (1 + math.tanh(x / 2)) / 2),
    f.ReluOp: (X, lambda x: (x + abs(x)) / 2),
    f.GeluOp: (X, lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
}
BINARY: dict[type[Binary], tuple[Array, Array, Callable[[float, float], float]]] = {
    e.AddOp: (X, Y, lambda x, y: x - (0 - y)),
    e.SubOp: (X, Y, lambda x, y: x + (0 - y)),
    e.MulOp: (X, Y, lambda x, y: ((x + y) ** 2 - (x - y) ** 2) / 4),
    e.DivOp: (X, Y, lambda x, y: x * y**-1),
    e.PowOp: (POSITIVE, Y, lambda x, y: math.exp(y * math.log(x))),
    e.MaxOp: (X, Y, lambda x, y: (x + y + abs(x - y)) / 2),
    e.MinOp: (X, Y, lambda x, y: (x + y - abs(x - y)) / 2),
    r.ModOp: (X * 7, Y, lambda x, y: x % y),
}


@pytest.mark.parametrize("op", UNARY)
def test_function(
    op: type[Unary], evaluate: Evaluate, gradcheck: Check, check_scalar: Check
) -> None:
    x, formula = UNARY[op]

    (result,) = evaluate(op, x)
    np.testing.assert_allclose(result, np.vectorize(formula)(x), rtol=1e-13)
    gradcheck(op, x, order=2)
    check_scalar(op, x)


@pytest.mark.parametrize("op", BINARY)
def test_arithmetic(
    op: type[Binary], evaluate: Evaluate, gradcheck: Check, check_scalar: Check
) -> None:
    x, y, formula = BINARY[op]

    (result,) = evaluate(op, x, y)
    np.testing.assert_allclose(result, np.vectorize(formula)(x, y), rtol=1e-13)
    gradcheck(op, x, y, order=2)
    check_scalar(op, x, y)


@pytest.mark.parametrize("op", [f.SigmoidOp, f.SiluOp, f.GeluOp, f.TanhOp, f.ReluOp, f.SignOp])
def test_activation_far_from_zero(op: type[Unary], evaluate: Evaluate, check_scalar: Check) -> None:
    (result,) = evaluate(op, EDGES)
    assert np.all(np.isfinite(result))
    check_scalar(op, EDGES[1:])


def on_vectors(op: Any, *types: Attribute) -> ModuleOp:
    """`main` with the scalar meaning of an op, on vectors of 4 lanes."""
    tensors = Block(arg_types=[TensorType(type, [4]) for type in types])
    made = op(*tensors.args)
    block = Block(arg_types=[VectorType(type, [4]) for type in types])
    values = made.scalar(Builder(InsertPoint.at_end(block)), block.args, block.args.__getitem__)
    block.add_op(ReturnOp(*values))
    function = FunctionType.from_lists(block.arg_types, [v.type for v in values])
    return ModuleOp([FuncOp("main", function, Region(block))])


@pytest.mark.parametrize(("op", "count"), [*((op, 1) for op in UNARY), *((op, 2) for op in BINARY)])
def test_scalar_meaning_on_vectors(op: type[Unary | Binary], count: int) -> None:
    inputs = [np.array([0.5, 1.5, 2.0, 3.0], np.float32), np.full(4, 1.25, np.float32)][:count]
    module = on_vectors(op, *[f32] * count)
    module.verify()
    (lanes,) = run(module, inputs)
    assert (lanes.shape, lanes.dtype) == ((4,), np.float32)
    exact = np.vectorize((UNARY | BINARY)[op][-1])(*(x.astype(np.float64) for x in inputs))
    np.testing.assert_allclose(lanes, exact, rtol=1e-6)


def test_masks_on_vectors() -> None:
    x = np.array([1.0, 2.0, 3.0, np.nan], np.float32)
    module = on_vectors(partial(e.CompareOp, "lt"), f32, f32)
    module.verify()
    (mask,) = run(module, [x, np.full(4, 2.5, np.float32)])
    assert mask.tolist() == [True, True, False, False]
    module = on_vectors(partial(e.CastOp, element=f32), i1)
    module.verify()
    (numbers,) = run(module, [mask])
    assert numbers.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("op", [e.AddOp, e.SubOp, e.MulOp, e.MaxOp, e.MinOp])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers(op: type[Binary], dtype: Any, evaluate: Evaluate, check_scalar: Check) -> None:
    x, y = np.array([-7, 3, 5], dtype), np.array([2, 3, -4], dtype)
    (result,) = evaluate(op, x, y)
    assert result.dtype == dtype
    check_scalar(op, x, y)


@pytest.mark.parametrize("op", [e.NegOp, f.AbsOp, f.SignOp, f.ReluOp])
def test_functions_of_integers(op: type[Unary], check_scalar: Check) -> None:
    check_scalar(op, np.array([-7, 0, 5], np.int32))


def test_the_nearest_integer_is_even_in_the_middle(evaluate: Evaluate) -> None:
    (result,) = evaluate(r.RoundOp, np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))
    assert result.tolist() == [-2, -2, 0, 0, 2, 2]


def test_remainders_have_the_sign_of_the_divisor(evaluate: Evaluate, check_scalar: Check) -> None:
    x, y = np.array([7, -7, 7, -7, 6, -6]), np.array([3, 3, -3, -3, 3, 3])
    for dtype in (np.int32, np.int64, np.float64):
        operands = x.astype(dtype), y.astype(dtype)
        (result,) = evaluate(r.ModOp, *operands)
        assert result.tolist() == [1, 2, -2, -1, 0, 0]
        check_scalar(r.ModOp, *operands)
    infinite = np.array([1.0, -1.0]), np.array([np.inf, np.inf])
    assert evaluate(r.ModOp, *infinite)[0].tolist() == [1, np.inf]
    check_scalar(r.ModOp, *infinite)


def test_remainders_that_c_has_no_answer_for(check_scalar: Check) -> None:
    smallest = np.iinfo(np.int32).min
    check_scalar(r.ModOp, np.array([5, smallest], np.int32), np.array([0, -1], np.int32))
    check_scalar(r.ModOp, np.array([5.0]), np.array([0.0]))


@pytest.mark.parametrize("predicate", e.PREDICATES)
def test_compare(predicate: str, evaluate: Evaluate, check_scalar: Check) -> None:
    x, y = np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 2.0, 2.0, 2.0])
    expected = {
        "eq": [0, 1, 0, 0],
        "ne": [1, 0, 1, 1],
        "lt": [1, 0, 0, 0],
        "le": [1, 1, 0, 0],
        "gt": [0, 0, 1, 0],
        "ge": [0, 1, 1, 0],
    }[predicate]
    build = partial(e.CompareOp, predicate)
    (result,) = evaluate(build, x, y)
    np.testing.assert_array_equal(result, np.array(expected, np.bool_))
    check_scalar(build, x, y)
    check_scalar(build, np.array([1, 2, 3]), np.array([2, 2, 2]))


def test_select(evaluate: Evaluate, gradcheck: Check, check_scalar: Check) -> None:
    mask = np.array([[True, False, True], [False, False, True]])
    (result,) = evaluate(e.SelectOp, mask, X, Y)
    np.testing.assert_array_equal(result, [[-1.7, -1.3, 2.3], [1.4, 0.3, 1.1]])
    gradcheck(e.SelectOp, mask, X, Y, order=2)
    check_scalar(e.SelectOp, mask, X, Y)


CASTS: list[tuple[Array, Attribute, list[Any]]] = [
    (np.array([-1.9, 0.0, 2.7]), i32, [-1, 0, 2]),
    (np.array([-1.9, 0.0, 2.7]), i1, [True, False, True]),
    (np.array([-1.5, 0.0, 2.5], np.float32), f64, [-1.5, 0.0, 2.5]),
    (np.array([-3, 0, 9], np.int32), f64, [-3.0, 0.0, 9.0]),
    (np.array([-3, 0, 9], np.int32), i64, [-3, 0, 9]),
    (np.array([-3, 0, 9]), i32, [-3, 0, 9]),
    (np.array([-3, 0, 9]), i1, [True, False, True]),
    (np.array([0, 200, 255], np.uint8), f32, [0.0, 200.0, 255.0]),
    (np.array([0, 200, 255], np.uint8), i32, [0, 200, 255]),
    (np.array([True, False, True]), f64, [1.0, 0.0, 1.0]),
    (np.array([True, False, True]), i32, [1, 0, 1]),
]


@pytest.mark.parametrize(("x", "element", "expected"), CASTS)
def test_cast(
    x: Array, element: Attribute, expected: list[Any], evaluate: Evaluate, check_scalar: Check
) -> None:
    (result,) = evaluate(partial(e.CastOp, element=element), x)
    np.testing.assert_array_equal(result, expected)
    check_scalar(partial(e.CastOp, element=element), x)


def test_cast_gradient(gradcheck: Check) -> None:
    gradcheck(partial(e.CastOp, element=f64), X, order=2)


def test_clamp(evaluate: Evaluate, gradcheck: Check, check_scalar: Check) -> None:
    build = partial(e.ClampOp, low=-1.0, high=1.0)
    (result,) = evaluate(build, X)
    np.testing.assert_array_equal(result, [[-1.0, 0.4, 1.0], [0.9, -0.2, 1.0]])
    gradcheck(build, X, order=2)
    check_scalar(build, X)


def test_constant(evaluate: Evaluate, check_scalar: Check) -> None:
    listed = DenseIntOrFPElementsAttr.from_list(
        TensorType(f64, [2, 3]), [1.0, 1.0, -2.0, 4.0, 4.0, 0.5]
    )
    for value, type in ((2.5, TensorType(f64, [2])), (listed, TensorType(f64, [2, 3]))):
        check_scalar(partial(ConstantOp, value, type))
    (result,) = evaluate(partial(ConstantOp, listed, TensorType(f64, [2, 3])))
    np.testing.assert_array_equal(result, [[1.0, 1.0, -2.0], [4.0, 4.0, 0.5]])
    (splat,) = evaluate(partial(ConstantOp, 3, TensorType(i64, [])))
    assert splat == 3


def test_a_long_list_is_no_constant() -> None:
    listed = DenseIntOrFPElementsAttr.from_list(TensorType(i32, [65]), list(range(65)))
    with pytest.raises(VerifyException, match="lists 65 values, expected at most 64"):
        ConstantOp(listed, TensorType(i32, [65]))


def slope(evaluate: Evaluate, make: Callable[..., Binary | Unary], *inputs: Array) -> list[Array]:
    """The gradients of one op for a cotangent of ones."""

    def gradients(b: Builder, g: SSAValue, *values: SSAValue) -> list[SSAValue]:
        op = b.insert(make(*values))
        return [v for v in op.vjp(b, [g], [True] * len(values)) if v is not None]

    return evaluate(gradients, np.ones_like(inputs[0]), *inputs)


def test_gradients_at_kinks(evaluate: Evaluate) -> None:
    zero, one = np.array([0.0, 1.0, -1.0]), np.array([1.0, 1.0, 1.0])
    assert slope(evaluate, f.ReluOp, zero)[0].tolist() == [0, 1, 0]
    assert slope(evaluate, f.AbsOp, zero)[0].tolist() == [0, 1, -1]
    clamped = slope(evaluate, partial(e.ClampOp, low=-1.0, high=1.0), zero)
    assert clamped[0].tolist() == [1, 1, 1]
    for op in (e.MaxOp, e.MinOp):
        left, right = slope(evaluate, op, one, one)
        assert (left.tolist(), right.tolist()) == ([1, 1, 1], [0, 0, 0])


def test_gradients_of_powers_of_zero(evaluate: Evaluate) -> None:
    x, y = np.array([0.0, 0.0, 0.0, -2.0]), np.array([0.0, 1.0, 2.0, 3.0])
    left, right = slope(evaluate, e.PowOp, x, y)
    assert left.tolist() == [0, 1, 0, 12]
    assert right[:3].tolist() == [0, 0, 0]
