"""The meaning of ops that move, place and pick elements."""

from typing import Any

import numpy as np
from xdsl.interpreter import InterpreterFunctions, register_impls

from nnc.dialects.meaning.formulas import Array, dtype_of, meaning
from nnc.dialects.nn import indexing, shape
from nnc.dialects.syntax import integers


def reshape(op: shape.ReshapeOp, x: Array) -> Array:
    return x.reshape(integers(op.shape))


def transpose(op: shape.TransposeOp, x: Array) -> Array:
    return x.transpose(integers(op.permutation))


def slice_of(op: shape.SliceOp, x: Array) -> Array:
    box = map(slice, integers(op.starts), integers(op.limits), integers(op.strides))
    return x[tuple(box)]


def pad(op: shape.PadOp, x: Array) -> Array:
    widths = list(zip(integers(op.low), integers(op.high), strict=True))
    return np.pad(x, widths, constant_values=x.dtype.type(op.number)) if widths else x


def concat(op: shape.ConcatOp, *inputs: Array) -> Array:
    return np.concatenate(inputs, op.axis.value.data)


def iota(op: indexing.IotaOp) -> Array:
    return np.indices(integers(op.shape), np.int32)[op.axis.value.data]


def one_hot(op: indexing.OneHotOp, indices: Array) -> Array:
    return (indices[..., None] == np.arange(op.size.value.data)).astype(dtype_of(op.element))


def gather(op: indexing.GatherOp, table: Array, indices: Array) -> Array:
    axis, batches = op.indexed_axis, op.batches
    output = np.empty(op.output.type.get_shape(), table.dtype)
    for b in np.ndindex(table.shape[:batches]):
        output[b] = np.take(table[b], indices[b], axis - batches, mode="clip")
    return output


def scatter_add(op: indexing.ScatterAddOp, updates: Array, indices: Array) -> Array:
    axis, batches = op.indexed_axis, op.batches
    output = np.zeros(op.output.type.get_shape(), updates.dtype)
    places = np.clip(indices, 0, op.size.value.data - 1)
    for i in np.ndindex(indices.shape):
        before: tuple[Any, ...] = (*i[:batches], *[slice(None)] * (axis - batches))
        output[(*before, places[i])] += updates[(*before, *i[batches:])]
    return output


@register_impls
class ShapeFunctions(InterpreterFunctions):
    """One formula per op."""

    reshape = meaning(shape.ReshapeOp, reshape)
    transpose = meaning(shape.TransposeOp, transpose)
    slice = meaning(shape.SliceOp, slice_of)
    pad = meaning(shape.PadOp, pad)
    concat = meaning(shape.ConcatOp, concat)
    iota = meaning(indexing.IotaOp, iota)
    one_hot = meaning(indexing.OneHotOp, one_hot)
    gather = meaning(indexing.GatherOp, gather)
    scatter_add = meaning(indexing.ScatterAddOp, scatter_add)
