"""The meaning of `buffer` ops: memory is a place in a numpy allocation."""

from typing import Any

import numpy as np
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects import buffer
from nnc.dialects.buffer import type_of
from nnc.dialects.meaning.memory import Memory
from nnc.dialects.syntax import integers


def number(attribute: FloatAttr[Any] | IntegerAttr[Any]) -> float | int:
    """The value of a fill."""
    return attribute.value.data


@register_impls
class BufferFunctions(InterpreterFunctions):
    """Views share memory; loads and stores are checked against the allocation."""

    @impl(buffer.ViewOp)
    def view(self, interpreter: Interpreter, op: buffer.ViewOp, args: PythonValues) -> PythonValues:
        source, *indices = args
        return (source.part(op.map.data.eval(indices, ()), type_of(op.output)),)

    @impl(buffer.CopyOp)
    def copy(self, interpreter: Interpreter, op: buffer.CopyOp, args: PythonValues) -> PythonValues:
        source, target = args
        target.array(op, op.target)[...] = source.array(op, op.source)
        return ()

    @impl(buffer.FillOp)
    def fill(self, interpreter: Interpreter, op: buffer.FillOp, args: PythonValues) -> PythonValues:
        args[0].array(op, op.target)[...] = number(op.value)
        return ()

    @impl(buffer.FillBorderOp)
    def fill_border(
        self, interpreter: Interpreter, op: buffer.FillBorderOp, args: PythonValues
    ) -> PythonValues:
        array = args[0].array(op, op.target)
        border = np.ones(array.shape, np.bool_)
        sizes = zip(integers(op.low), integers(op.high), array.shape, strict=True)
        border[tuple(slice(low, size - high) for low, high, size in sizes)] = False
        array[border] = number(op.value)
        return ()

    @impl(buffer.LoadOp)
    def load(self, interpreter: Interpreter, op: buffer.LoadOp, args: PythonValues) -> PythonValues:
        memory, *indices = args
        address = memory.address(op.map.data.eval(indices, ()))
        memory.check(op, op.buffer, address, address)
        return (memory.elements[address],)

    @impl(buffer.StoreOp)
    def store(
        self, interpreter: Interpreter, op: buffer.StoreOp, args: PythonValues
    ) -> PythonValues:
        value, memory, *indices = args
        address = memory.address(op.map.data.eval(indices, ()))
        memory.check(op, op.buffer, address, address)
        memory.elements[address] = value
        return ()

    @impl(buffer.AllocOp)
    def alloc(
        self, interpreter: Interpreter, op: buffer.AllocOp, args: PythonValues
    ) -> PythonValues:
        return (Memory.fresh(type_of(op.output)),)

    @impl(buffer.ToTensorOp)
    def to_tensor(
        self, interpreter: Interpreter, op: buffer.ToTensorOp, args: PythonValues
    ) -> PythonValues:
        return (args[0].array(op, op.source).copy(),)

    @impl(buffer.MaterializeOp)
    def materialize(
        self, interpreter: Interpreter, op: buffer.MaterializeOp, args: PythonValues
    ) -> PythonValues:
        source, target = args
        target.array(op, op.target)[...] = source
        return ()
