"""Accesses and tiles in `convert-to-mlir`: `tile` ops as `vector` ops.

A tile in memory is a buffer of its own, as large as the extent, read or written by one transfer:
lanes beyond the buffer are out of bounds, and so are filled with zeros or not written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import math, vector
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    BoolAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IntegerAttr,
    MemRefType,
    StridedLayoutAttr,
    UnregisteredOp,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap

from nnc.dialects import arith, buffer, scalars, tile
from nnc.dialects.interfaces import Reduction
from nnc.dialects.syntax import integers
from nnc.dialects.tile import tile_type
from nnc.lowering.mlir_memory import Memory, index_constant
from nnc.lowering.strategies.body import identity_of

FLOAT_KINDS = {"sum": "add", "prod": "mul", "max": "maximumf", "min": "minimumf"}
INTEGER_KINDS = {"sum": "add", "prod": "mul", "max": "maxsi", "min": "minsi"}


def insert(m: Memory, op: Operation) -> SSAValue:
    return m.builder.insert(op).results[0]


def upstream(
    name: str, operands: Sequence[SSAValue], type: Attribute, **properties: Attribute
) -> Operation:
    """An op of MLIR that xDSL does not have."""
    kind = UnregisteredOp.with_name(name)
    return kind.create(operands=operands, result_types=[type], properties=properties)


def _window(m: Memory, op: tile.LoadOp | tile.StoreOp, shape: Sequence[int]) -> SSAValue:
    """The part of the buffer that holds the tile."""
    type = buffer.type_of(op.buffer)
    strides = [buffer.strides_of(type)[d] for d in integers(op.along)]
    window = MemRefType(type.element_type, shape, StridedLayoutAttr(strides))
    return m.part(op.buffer, op.map.data, op.indices, window)


@dataclass(frozen=True)
class Transfer:
    """What a read and a write of a tile have in common."""

    window: SSAValue
    zeros: list[SSAValue]
    in_bounds: ArrayAttr[BoolAttr]
    map: AffineMapAttr


def _transfer(m: Memory, op: tile.LoadOp | tile.StoreOp, full: Sequence[int]) -> Transfer:
    extent = integers(op.extent) or tuple(full)
    return Transfer(
        _window(m, op, extent),
        [index_constant(m.builder, 0)] * len(extent),
        ArrayAttr([BoolAttr.from_bool(n == e) for n, e in zip(full, extent, strict=True)]),
        AffineMapAttr(AffineMap.identity(len(extent))),
    )


def load(m: Memory, op: tile.LoadOp) -> None:
    type = tile_type(op.output)
    by = _transfer(m, op, type.get_shape())
    padding = scalars.literal(m.builder, 0, type.element_type)
    read = vector.TransferReadOp(by.window, by.zeros, padding, type, by.in_bounds, by.map)
    m.values[op.output] = insert(m, read)


def store(m: Memory, op: tile.StoreOp) -> None:
    by = _transfer(m, op, tile_type(op.value).get_shape())
    value = m.values[op.value]
    write = vector.TransferWriteOp(value, by.window, by.zeros, by.in_bounds, None, by.map)
    m.builder.insert(write)


def fill(m: Memory, op: tile.FillOp) -> None:
    m.values[op.output] = insert(m, vector.BroadcastOp(m.values[op.scalar], tile_type(op.output)))


def _spread(m: Memory, line: SSAValue, dimension: int, type: VectorType[Attribute]) -> SSAValue:
    """A line repeated along the other dimension."""
    if dimension == len(type.get_shape()) - 1:
        return insert(m, vector.BroadcastOp(line, type))
    turned = VectorType(type.element_type, type.get_shape()[::-1])
    return _turned(m, insert(m, vector.BroadcastOp(line, turned)), type)


def _turned(m: Memory, value: SSAValue, type: Attribute) -> SSAValue:
    permutation = DenseArrayBase.from_list(i64, [1, 0])
    return insert(m, upstream("vector.transpose", [value], type, permutation=permutation))


def broadcast(m: Memory, op: tile.BroadcastOp) -> None:
    (dimension,) = integers(op.dimension)
    m.values[op.output] = _spread(m, m.values[op.input], dimension, tile_type(op.output))


def outer(m: Memory, op: tile.OuterOp) -> None:
    type = tile_type(op.output)
    columns = _spread(m, m.values[op.column], 0, type)
    rows = _spread(m, m.values[op.row], 1, type)
    m.values[op.output] = insert(m, math.FmaOp(columns, rows, m.values[op.accumulator]))


def reduce(m: Memory, op: tile.ReduceOp) -> None:
    kinds = FLOAT_KINDS if scalars.is_float(op.input.type) else INTEGER_KINDS
    kind = vector.CombiningKindAttr(vector.CombiningKindFlag(kinds[op.kind.data]))
    value, type = m.values[op.input], op.output.type
    if not isinstance(type, VectorType):
        m.values[op.output] = insert(m, upstream("vector.reduction", [value], type, kind=kind))
        return
    first = scalars.constant(
        m.builder, identity_of(cast(Reduction, op.kind.data), type.element_type), type
    )
    dimensions = ArrayAttr([IntegerAttr(d, i64) for d in integers(op.dimension)])
    reduction = upstream(
        "vector.multi_reduction", [value, first], type, kind=kind, reduction_dims=dimensions
    )
    m.values[op.output] = insert(m, reduction)


def transpose(m: Memory, op: tile.TransposeOp) -> None:
    m.values[op.output] = _turned(m, m.values[op.input], op.output.type)


def lanes(m: Memory, op: tile.LanesOp) -> None:
    (count,) = tile_type(op.output).get_shape()
    type = VectorType(i32, [count])
    numbers = DenseIntOrFPElementsAttr.from_list(type, list(range(count)))
    m.values[op.output] = insert(m, arith.ConstantOp(numbers, type))


TILES: dict[type[Operation], Callable[..., None]] = {
    buffer.LoadOp: Memory.load,
    buffer.StoreOp: Memory.store,
    buffer.AllocOp: Memory.alloc,
    buffer.CopyOp: Memory.copy,
    tile.LoadOp: load,
    tile.StoreOp: store,
    tile.FillOp: fill,
    tile.BroadcastOp: broadcast,
    tile.OuterOp: outer,
    tile.ReduceOp: reduce,
    tile.TransposeOp: transpose,
    tile.LanesOp: lanes,
}
