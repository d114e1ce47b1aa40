"""Ops whose loops follow an index: gather, scatter, arg-max, cumulative sums, max-pooling.

Each has its own kernel and a builder here: a table from op to loops. Whatever order a sum needs is
fixed, so the same bits come out with any number of threads.
"""

import math
from collections.abc import Callable, Sequence

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, i32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineConstraintExpr,
    AffineConstraintKind,
    AffineExpr,
    AffineMap,
    AffineSet,
)

from nnc.dialects import buffer, kernel, scalars
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.pool import MaxPoolOp
from nnc.dialects.nn.reduce import ArgmaxOp, CumsumOp
from nnc.dialects.nn.shape import GatherOp, ScatterAddOp
from nnc.lowering.strategies.body import Evaluator, KernelBody
from nnc.lowering.strategies.nest import Index, Nest

Buffers = Sequence[SSAValue]
Loops = Callable[[Operation, "Place"], None]


class Place:
    """Where one op's kernel is written: its nest, operand values and result buffers."""

    def __init__(self, function: kernel.FuncOp):
        body = KernelBody.of(function)
        self.block = Block(arg_types=function.block.arg_types)
        for old, new in zip(function.block.args, self.block.args, strict=True):
            new.name_hint = old.name_hint
        buffers = dict(zip(function.block.args, self.block.args, strict=True))
        self.nest = Nest(self.block)
        self.sources = {tensor: buffers[source] for tensor, source in body.sources.items()}
        self.evaluator = Evaluator(self.nest, self.sources)
        self.targets = {tensor: buffers[target] for tensor, target in body.results}
        (self.op,) = (op for op in body.ops if has_loops(op))

    def operand(self, number: int, index: Index) -> SSAValue:
        return self.evaluator.value(self.op.operands[number], index)

    def store(self, value: SSAValue, number: int, index: Index) -> None:
        """Stores an element of a result, where the kernel returns that result."""
        target = self.targets.get(self.op.results[number])
        if target is not None:
            self.nest.store(value, target, index)

    def position(self, value: SSAValue, size: int) -> SSAValue:
        """An index read from memory, held within `[0, size)` so that no access leaves its buffer."""
        b = self.nest.builder
        low = scalars.maximum(b, value, scalars.constant(b, 0, value))
        held = scalars.minimum(b, low, scalars.constant(b, size - 1, value))
        return b.insert(arith.IndexCastOp(held, IndexType())).result


def has_loops(op: Operation) -> bool:
    """Whether the op has a builder here."""
    return type(op) in BUILDERS


def build(function: kernel.FuncOp) -> Block:
    """The kernel's loops."""
    place = Place(function)
    BUILDERS[type(place.op)](place.op, place)
    place.nest.builder.insert(kernel.ReturnOp())
    return place.block


def _insert_position(
    index: Index, at: int, position: SSAValue, nest: Nest
) -> tuple[list[SSAValue], AffineMap]:
    """A subscript whose part number `at` is an index value of its own."""
    values = [*nest.indices, position]
    exprs = (*index[:at], AffineExpr.dimension(len(nest.indices)), *index[at:])
    return values, AffineMap(len(values), 0, exprs)


def _gather(op: Operation, place: Place) -> None:
    assert isinstance(op, GatherOp)
    axis, size = op.gathered_axis, shape_of(op.table)[op.gathered_axis]
    batch, rank = op.batches, len(shape_of(op.indices))
    with place.nest.parallel(shape_of(op.output)) as point:
        end = axis + rank - batch
        number = place.operand(1, (*point[:batch], *point[axis:end]))
        position = place.position(number, size)
        values, map = _insert_position((*point[:axis], *point[end:]), axis, position, place.nest)
        load = buffer.LoadOp(place.sources[op.table], values, map)
        place.store(place.nest.builder.insert(load).output, 0, point)


BUILDERS: dict[type[Operation], Loops] = {GatherOp: _gather}
