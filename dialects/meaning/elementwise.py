"""The meaning of elementwise ops."""

import math
from typing import Any

import numpy as np
from xdsl.dialects.builtin import AnyFloat, DenseIntOrFPElementsAttr
from xdsl.interpreter import InterpreterFunctions, register_impls

from nnc.dialects.meaning.formulas import Array, dtype_of, elementwise, meaning
from nnc.dialects.nn import constant as c
from nnc.dialects.nn import elementwise as e
from nnc.dialects.nn import functions as f
from nnc.dialects.nn import rounding as r

COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def constant(op: c.ConstantOp) -> Array:
    value, dtype = op.value, dtype_of(op.output.type)
    shape = op.output.type.get_shape()
    if isinstance(value, DenseIntOrFPElementsAttr):
        return np.array(value.get_values(), dtype).reshape(shape)
    return np.full(shape, value.value.data, dtype)


def cast(op: e.CastOp, x: Array) -> Array:
    target = dtype_of(op.element)
    if np.issubdtype(target, np.integer) and x.dtype.kind == "f":
        return nearest_integer(x, target)
    # An f32 program that is computed in f64 stays so.
    precise = x.dtype == np.float64 and dtype_of(op.input.type) != np.float64
    return x if precise and isinstance(op.element, AnyFloat) else x.astype(target)


def nearest_integer(x: Array, dtype: np.dtype[Any]) -> Array:
    """Towards zero, as near as the type allows; 0 for NaN."""
    limits = np.iinfo(dtype)
    below, above = x < limits.min, x >= float(limits.max) + 1
    whole = np.where(np.isnan(x) | below | above, 0, x).astype(dtype)
    return np.where(below, limits.min, np.where(above, limits.max, whole)).astype(dtype)


def error_function(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def rsqrt(x: Array) -> Array:
    return 1 / np.sqrt(x)


def relu(x: Array) -> Array:
    return np.where(x < 0, x.dtype.type(0), x)


def sigmoid(x: Array) -> Array:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    return x * (1 + error_function(x / math.sqrt(2))) / 2


def compare(op: e.CompareOp, x: Array, y: Array) -> Array:
    return COMPARISONS[op.predicate.data](x, y)


def clamp(op: e.ClampOp, x: Array) -> Array:
    return np.clip(x, *map(x.dtype.type, op.bounds))


@register_impls
class ElementwiseFunctions(InterpreterFunctions):
    """One formula per op."""

    constant = meaning(c.ConstantOp, constant)

    add = elementwise(e.AddOp, np.add)
    sub = elementwise(e.SubOp, np.subtract)
    mul = elementwise(e.MulOp, np.multiply)
    div = elementwise(e.DivOp, np.divide)
    pow = elementwise(e.PowOp, np.power)
    max = elementwise(e.MaxOp, np.maximum)
    min = elementwise(e.MinOp, np.minimum)

    neg = elementwise(e.NegOp, np.negative)
    exp = elementwise(e.ExpOp, np.exp)
    log = elementwise(e.LogOp, np.log)
    abs = elementwise(f.AbsOp, np.abs)
    sign = elementwise(f.SignOp, np.sign)
    sqrt = elementwise(f.SqrtOp, np.sqrt)
    rsqrt = elementwise(f.RsqrtOp, rsqrt)
    sin = elementwise(f.SinOp, np.sin)
    cos = elementwise(f.CosOp, np.cos)
    atan = elementwise(f.AtanOp, np.arctan)
    expm1 = elementwise(f.Expm1Op, np.expm1)
    log1p = elementwise(f.Log1pOp, np.log1p)
    erf = elementwise(f.ErfOp, error_function)
    tanh = elementwise(f.TanhOp, np.tanh)
    sigmoid = elementwise(f.SigmoidOp, sigmoid)
    relu = elementwise(f.ReluOp, relu)
    silu = elementwise(f.SiluOp, silu)
    gelu = elementwise(f.GeluOp, gelu)

    floor = elementwise(r.FloorOp, np.floor)
    round = elementwise(r.RoundOp, np.rint)
    mod = elementwise(r.ModOp, np.mod)
    floor_div = elementwise(r.FloorDivOp, np.floor_divide)

    compare = meaning(e.CompareOp, compare)
    select = elementwise(e.SelectOp, np.where)
    cast = meaning(e.CastOp, cast)
    clamp = meaning(e.ClampOp, clamp)
