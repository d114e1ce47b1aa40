"""The meaning of `tile` ops: a tile is an array, each lane rounded as the target rounds it."""

from collections.abc import Callable, Sequence
from types import EllipsisType

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import SSAValue

from nnc.dialects import tile
from nnc.dialects.meaning.formulas import Array, dtype_of
from nnc.dialects.meaning.memory import Memory, places
from nnc.dialects.meaning.scalar import fma
from nnc.dialects.syntax import IntegerArray, integers
from nnc.dialects.tile import tile_type

COMBINE: dict[str, Callable[[Array, Array], Array]] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}


def halves(kind: str, lanes: Array) -> Array:
    """Combines along the first dimension: the upper half onto the lower one, until one is left.

    Of an odd number of lanes the last of the lower half waits for the next turn.
    """
    while len(lanes) > 1:
        half = (len(lanes) + 1) // 2
        upper = lanes[half:]
        lower = COMBINE[kind](lanes[: len(upper)], upper)
        lanes = np.concatenate([lower, lanes[len(upper) : half]])
    return lanes[0]


def accessed(
    op: tile.LoadOp | tile.StoreOp, memory: Memory, indices: Sequence[int], value: SSAValue
) -> Array:
    """The places of the elements within the extent."""
    shape = integers(op.extent) or tile_type(value).get_shape()
    strides = tuple(memory.strides[d] for d in integers(op.along))
    found = memory.address(op.map.data.eval(indices, ())) + places(shape, strides)
    memory.check(op, op.buffer, int(found.min()), int(found.max()))
    return found


def within(extent: IntegerArray | None) -> tuple[slice | EllipsisType, ...]:
    """The part of a tile that is read or written."""
    return (...,) if extent is None else tuple(slice(n) for n in integers(extent))


@register_impls
class TileFunctions(InterpreterFunctions):
    """Tiles are values: every op gives a new array."""

    @impl(tile.LoadOp)
    def load(self, interpreter: Interpreter, op: tile.LoadOp, args: PythonValues) -> PythonValues:
        memory, *indices = args
        loaded = np.zeros(tile_type(op.output).get_shape(), memory.elements.dtype)
        loaded[within(op.extent)] = memory.elements[accessed(op, memory, indices, op.output)]
        return (loaded,)

    @impl(tile.StoreOp)
    def store(self, interpreter: Interpreter, op: tile.StoreOp, args: PythonValues) -> PythonValues:
        value, memory, *indices = args
        memory.elements[accessed(op, memory, indices, op.value)] = value[within(op.extent)]
        return ()

    @impl(tile.FillOp)
    def fill(self, interpreter: Interpreter, op: tile.FillOp, args: PythonValues) -> PythonValues:
        type = tile_type(op.output)
        return (np.full(type.get_shape(), args[0], dtype_of(type.element_type)),)

    @impl(tile.BroadcastOp)
    def broadcast(
        self, interpreter: Interpreter, op: tile.BroadcastOp, args: PythonValues
    ) -> PythonValues:
        shape = tile_type(op.output).get_shape()
        (dimension,) = integers(op.dimension)
        sizes = [n if d == dimension else 1 for d, n in enumerate(shape)]
        return (np.broadcast_to(args[0].reshape(sizes), shape),)

    @impl(tile.OuterOp)
    def outer(self, interpreter: Interpreter, op: tile.OuterOp, args: PythonValues) -> PythonValues:
        column, row, accumulator = args
        return (fma(column[:, None], row[None, :], accumulator),)

    @impl(tile.ReduceOp)
    def reduce(
        self, interpreter: Interpreter, op: tile.ReduceOp, args: PythonValues
    ) -> PythonValues:
        (dimension,) = integers(op.dimension)
        return (halves(op.kind.data, np.moveaxis(args[0], dimension, 0)),)

    @impl(tile.TransposeOp)
    def transpose(
        self, interpreter: Interpreter, op: tile.TransposeOp, args: PythonValues
    ) -> PythonValues:
        return (args[0].T,)

    @impl(tile.LanesOp)
    def lanes(self, interpreter: Interpreter, op: tile.LanesOp, args: PythonValues) -> PythonValues:
        (count,) = tile_type(op.output).get_shape()
        return (np.arange(count, dtype=np.int32),)
