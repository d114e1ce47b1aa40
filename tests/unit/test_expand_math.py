"""How far the polynomials are from the exact functions, over the whole range of f32."""

import math as libm
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func, math
from xdsl.dialects.builtin import ModuleOp, VectorType, f32
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects import arith
from nnc.dialects.interpret import run
from nnc.lowering.expand_math import EXPANSIONS, ExpandMathPass

Array = np.ndarray[Any, np.dtype[Any]]

STEP = 10007
"""Every so many of the 2^32 bit patterns are tried: 430 thousand."""


def program(op: type[Operation], type: Attribute, operands: int) -> ModuleOp:
    """One function of values of a type, after `expand-math`."""
    block = Block(arg_types=[type] * operands)
    builder = Builder(InsertPoint.at_end(block))
    result = builder.insert(op.create(operands=block.args, result_types=[type])).results[0]
    builder.insert(func.ReturnOp(result))
    module = ModuleOp([func.FuncOp("main", ([type] * operands, [type]), Region(block))])
    ExpandMathPass().apply(Context(), module)
    module.verify()
    assert not any(isinstance(inner, tuple(EXPANSIONS)) for inner in module.walk())
    return module


def without_fma(module: ModuleOp) -> ModuleOp:
    """As on a target without FMA: a product and a sum, each rounded."""
    for op in list(module.walk()):
        if isinstance(op, math.FmaOp):
            product = arith.MulfOp(op.a, op.b)
            Rewriter.replace_op(op, [product, arith.AddfOp(product.result, op.c)])
    return module


def evaluate(op: type[Operation], fused: bool, *operands: Array) -> Array:
    module = program(op, VectorType(f32, operands[0].shape), len(operands))
    return run(module if fused else without_fma(module), operands)[0]


def errors(given: Array, exact: Array) -> Array:
    """The distance in units in the last place of the exact result; 0 where both are not finite."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        same = (given == rounded) | (np.isnan(given) & np.isnan(rounded))
        distance = np.abs(given.astype(np.float64) - exact) / np.spacing(np.abs(rounded))
    distance = np.where(np.isfinite(distance), distance, np.inf)
    return np.where(same, np.where(np.isfinite(rounded), distance, 0), distance)


def all_floats() -> Array:
    return np.arange(0, 2**32, STEP, dtype=np.uint64).astype(np.uint32).view(np.float32)


def near_turns() -> Array:
    """The floats nearest to multiples of a quarter turn, where the results are smallest."""
    return (np.arange(-6000, 6000) * (np.pi / 2)).astype(np.float32)


CASES: dict[type[Operation], tuple[Callable[[Array], Array], float]] = {
    math.ExpOp: (np.exp, 1),
    math.LogOp: (np.log, 1),
    math.TanhOp: (np.tanh, 3),
    math.ErfOp: (np.vectorize(libm.erf, otypes=[np.float64]), 3),
    math.SinOp: (np.sin, 3),
    math.CosOp: (np.cos, 3),
    math.AtanOp: (np.arctan, 3),
    math.ExpM1Op: (np.expm1, 2),
    math.Log1pOp: (np.log1p, 2),
}


@pytest.mark.parametrize("fused", [True, False], ids=["fma", "two roundings"])
@pytest.mark.parametrize("op", CASES, ids=lambda op: op.name)
def test_largest_error(op: type[Operation], fused: bool) -> None:
    exact, bound = CASES[op]
    x = all_floats()
    if op in (math.SinOp, math.CosOp):
        x = np.concatenate([x[~(np.abs(x) > 1e4)], near_turns()])
    with np.errstate(all="ignore"):
        expected = exact(x.astype(np.float64))
        given = evaluate(op, fused, x)
        distance = errors(given, expected)
    worst = int(distance.argmax())
    assert distance[worst] <= bound, (x[worst], expected[worst])
    if op in (math.TanhOp, math.ErfOp, math.SinOp, math.CosOp):
        assert np.nanmax(np.abs(given)) <= 1


def power_cases() -> tuple[Array, Array]:
    """Bases and exponents whose powers are finite for the most part, and all special ones."""
    random = np.random.default_rng(0)
    count = 100_000
    special = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2, -2, 0.5, -0.5, 3, -3, 1e-40, 3e38, 1e10]
    wide = np.exp(random.uniform(-88, 88, count))
    bases = [
        wide,
        random.uniform(0.5, 2, count),
        -random.uniform(0.1, 9, count),
        1 + random.standard_normal(count) * 1e-4,
        np.repeat(special, len(special)),
    ]
    exponents = [
        random.uniform(-1, 1, count) * 150 / np.abs(np.log2(wide)),
        random.uniform(-150, 150, count),
        random.integers(-30, 30, count),
        random.uniform(-1e5, 1e5, count),
        np.tile(special, len(special)),
    ]
    return np.concatenate(bases).astype(np.float32), np.concatenate(exponents).astype(np.float32)


@pytest.mark.parametrize("fused", [True, False], ids=["fma", "two roundings"])
def test_largest_error_of_powers(fused: bool) -> None:
    x, y = power_cases()
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    given = evaluate(math.PowFOp, fused, x, y)
    distance = errors(given, exact)
    worst = int(distance.argmax())
    assert distance[worst] <= 5, (x[worst], y[worst], given[worst], exact[worst])
    assert np.array_equal(np.signbit(given)[~np.isnan(exact)], np.signbit(exact)[~np.isnan(exact)])


@pytest.mark.parametrize("op", EXPANSIONS, ids=lambda op: op.name)
def test_a_scalar_gives_the_bits_of_a_vector_lane(op: type[Operation]) -> None:
    operands = 2 if op is math.PowFOp else 1
    x = np.array([0.75, 3.25, 1e-3], np.float32)
    vector = evaluate(op, True, *[x] * operands)
    scalars = [run(program(op, f32, operands), [value] * operands)[0] for value in x]
    assert vector.tolist() == [float(value) for value in scalars]
