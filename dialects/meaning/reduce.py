"""The meaning of reductions and broadcasts."""

import numpy as np
from xdsl.interpreter import InterpreterFunctions, register_impls

from nnc.dialects.meaning.formulas import Array, meaning
from nnc.dialects.nn import reduce as r
from nnc.dialects.syntax import integers


def broadcast(op: r.BroadcastOp, x: Array) -> Array:
    shape = integers(op.shape)
    placed = [1] * len(shape)
    for axis, size in zip(integers(op.dimensions), x.shape, strict=True):
        placed[axis] = size
    return np.broadcast_to(x.reshape(placed), shape)


def reduce(op: r.ReduceOp, x: Array) -> Array:
    axes = integers(op.axes)
    match op.kind.data:
        case "sum":
            return np.sum(x, axes, x.dtype)
        case "mean":
            return np.mean(x, axes, x.dtype)
        case "prod":
            return np.prod(x, axes, x.dtype)
        case "max":
            return np.max(x, axes)
        case _:
            return np.min(x, axes)


def argmax(op: r.ArgmaxOp, x: Array) -> Array:
    return np.argmax(x, op.axis.value.data).astype(np.int32)


def cumsum(op: r.CumsumOp, x: Array) -> Array:
    axis = op.axis.value.data
    if op.reverse is None:
        return np.cumsum(x, axis, x.dtype)
    return np.flip(np.cumsum(np.flip(x, axis), axis, x.dtype), axis)


@register_impls
class ReduceFunctions(InterpreterFunctions):
    """One formula per op."""

    broadcast = meaning(r.BroadcastOp, broadcast)
    reduce = meaning(r.ReduceOp, reduce)
    argmax = meaning(r.ArgmaxOp, argmax)
    cumsum = meaning(r.CumsumOp, cumsum)
