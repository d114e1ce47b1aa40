"""Writing a scalar loop body for many lanes at once.

Loads and stores along the widened index become tiles, other loads stay scalars until they meet a
vector, arithmetic works on vectors, inner loops carry vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import VectorType, i32
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, loop, scalars, tile
from nnc.dialects.arith import vector
from nnc.lowering.strategies.affine import linear, linear_map


@dataclass(frozen=True)
class Widening:
    """One turn of a widened loop: where its first lane stands, how many lanes, how many count."""

    variable: SSAValue
    """The scalar loop's index value."""
    start: AffineExpr
    """The first lane's index, in terms of `indices`."""
    indices: tuple[SSAValue, ...]
    width: int
    extent: int


def unit_dimension(map: AffineMap, indices: Sequence[SSAValue], variable: SSAValue) -> int | None:
    """The only subscript that moves with `variable`, by one; -1 where none does, else None."""
    if variable not in indices:
        return -1
    parts = linear_map(map)
    position = list(indices).index(variable)
    if parts is None:
        return None
    moving = [d for d, p in enumerate(parts) if p.coefficients[position]]
    if not moving:
        return -1
    if len(moving) > 1 or parts[moving[0]].coefficients[position] != 1:
        return None
    return moving[0]


class Widener:
    """Writes a scalar body for many lanes."""

    def __init__(self, b: Builder, turn: Widening):
        self.b = b
        self.turn = turn
        self.values: dict[SSAValue, SSAValue] = {}

    def scalar_or_vector(self, value: SSAValue) -> SSAValue:
        return self.values.get(value, value)

    def vector(self, value: SSAValue) -> SSAValue:
        """The value in every lane."""
        new = self.scalar_or_vector(value)
        if isinstance(new.type, VectorType):
            return new
        return self.b.insert(tile.FillOp(new, (self.turn.width,))).output

    def body(self, block: Block) -> Sequence[SSAValue]:
        """Writes all ops; returns what the block yields, as it is."""
        for op in block.ops:
            if isinstance(op, loop.YieldOp):
                return [self.scalar_or_vector(v) for v in op.values]
            self.op(op)
        return []

    def op(self, op: Operation) -> None:
        match op:
            case buffer.LoadOp():
                self._load(op)
            case buffer.StoreOp():
                self._store(op)
            case arith.IndexCastOp():
                self._coordinate(op)
            case loop.ForOp():
                self._for(op)
            case loop.ParallelOp():
                self._parallel(op)
            case loop.WhenOp():
                self._when(op)
            case _:
                self._elementwise(op)

    def _subscript(
        self, map: AffineMap, indices: Sequence[SSAValue]
    ) -> tuple[list[SSAValue], AffineMap]:
        """The subscript of the first lane, in the new index values."""
        turn = self.turn
        new = [self.scalar_or_vector(v) for v in indices if v is not turn.variable]
        values = [*new, *turn.indices]
        offset = len(new)
        start = AffineMap(len(turn.indices), 0, (turn.start,)).replace_dims_and_symbols(
            [AffineExpr.dimension(offset + d) for d in range(len(turn.indices))], [],
            len(values), 0,
        ).results[0]  # fmt: skip
        positions = iter(range(offset))
        dimensions = [
            start if v is turn.variable else AffineExpr.dimension(next(positions)) for v in indices
        ]
        return values, map.replace_dims_and_symbols(dimensions, [], len(values), 0)

    def _limit(self) -> list[int] | None:
        turn = self.turn
        return None if turn.extent == turn.width else [turn.extent]

    def _load(self, op: buffer.LoadOp) -> None:
        dimension = unit_dimension(op.map.data, op.indices, self.turn.variable)
        assert dimension is not None
        values, map = self._subscript(op.map.data, op.indices)
        source = self.scalar_or_vector(op.buffer)
        if dimension < 0:
            self.values[op.output] = self.b.insert(buffer.LoadOp(source, values, map)).output
            return
        load = tile.LoadOp(source, values, map, [dimension], [self.turn.width], self._limit())
        self.values[op.output] = self.b.insert(load).output

    def _store(self, op: buffer.StoreOp) -> None:
        dimension = unit_dimension(op.map.data, op.indices, self.turn.variable)
        assert dimension is not None
        values, map = self._subscript(op.map.data, op.indices)
        value = self.vector(op.value)
        self.b.insert(tile.StoreOp(value, op.buffer, values, map, [dimension], self._limit()))

    def _coordinate(self, op: arith.IndexCastOp) -> None:
        turn = self.turn
        if op.input is not turn.variable:
            clone = op.clone({op.input: self.scalar_or_vector(op.input)})
            self.values[op.result] = self.b.insert(clone).result
            return
        start = self._index_value(turn.start)
        lanes = self.b.insert(tile.LanesOp(vector(i32, (turn.width,)))).output
        if start is not None:
            first = self.b.insert(tile.FillOp(start, (turn.width,))).output
            lanes = scalars.add(self.b, first, lanes)
        self.values[op.result] = lanes

    def _index_value(self, expr: AffineExpr) -> SSAValue | None:
        """The first lane's index as i32, linear in at most one index value; None where it is 0."""
        parts = linear(expr, len(self.turn.indices))
        assert parts is not None
        constant = scalars.constant(self.b, parts.constant, i32) if parts.constant else None
        if not self.turn.indices:
            return constant
        [coefficient], [value] = parts.coefficients, self.turn.indices
        cast = self.b.insert(arith.IndexCastOp(value, i32)).result
        scaled = scalars.mul(self.b, cast, scalars.constant(self.b, coefficient, i32))
        return scaled if constant is None else scalars.add(self.b, scaled, constant)

    def _elementwise(self, op: Operation) -> None:
        operands = [self.scalar_or_vector(v) for v in op.operands]
        if not any(isinstance(v.type, VectorType) for v in operands):
            clone = op.clone(dict(zip(op.operands, operands, strict=True)))
            self.b.insert(clone)
            self.values.update(zip(op.results, clone.results, strict=True))
            return
        widened = type(op).create(
            operands=[self.vector(v) for v in op.operands],
            result_types=[vector(r.type, (self.turn.width,)) for r in op.results],
            properties=dict(op.properties),
        )
        self.b.insert(widened)
        for old, new in zip(op.results, widened.results, strict=True):
            new.name_hint = old.name_hint
            self.values[old] = new

    def _inner(self, block: Block, arguments: Sequence[Attribute]) -> tuple[Block, "Widener"]:
        new = Block(arg_types=arguments)
        for old, argument in zip(block.args, new.args, strict=True):
            argument.name_hint = old.name_hint
        inner = Widener(Builder(InsertPoint.at_end(new)), self.turn)
        inner.values = dict(self.values)
        inner.values.update(zip(block.args, new.args, strict=True))
        return new, inner

    def _for(self, op: loop.ForOp) -> None:
        inits = [self.vector(v) for v in op.inits]
        block = op.body.block
        new, inner = self._inner(block, [block.args[0].type, *(v.type for v in inits)])
        yielded = inner.body(block)
        inner.b.insert(loop.YieldOp([inner.vector(v) for v in yielded]))
        made = self.b.insert(loop.ForOp(op.count.data, inits, Region(new)))
        self.values.update(zip(op.outputs, made.outputs, strict=True))

    def _parallel(self, op: loop.ParallelOp) -> None:
        block = op.body.block
        new, inner = self._inner(block, [a.type for a in block.args])
        inner.body(block)
        inner.b.insert(loop.YieldOp())
        self.b.insert(loop.ParallelOp(op.sizes, Region(new)))

    def _when(self, op: loop.WhenOp) -> None:
        otherwise = [self.vector(v) for v in op.otherwise]
        new, inner = self._inner(op.body.block, [])
        yielded = inner.body(op.body.block)
        inner.b.insert(loop.YieldOp([inner.vector(v) for v in yielded]))
        indices = [self.scalar_or_vector(v) for v in op.indices]
        made = self.b.insert(loop.WhenOp(op.condition.data, indices, otherwise, Region(new)))
        self.values.update(zip(op.outputs, made.outputs, strict=True))
