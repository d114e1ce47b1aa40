"""loop-tile: scalar loops become loops over vectors.

For each loop nest the loop is chosen whose index runs along neighbours in memory: the last
dimension of a parallel loop, or an inner loop that reduces. Its body is widened: loads and stores
along the index become tiles, other loads are repeated in every lane, arithmetic works on vectors,
carried sums become one sum per lane, combined at the end in a fixed order. The rest of the range
is one more turn on a partly filled vector.

A body that holds what no vector can (f64, bytes, divergent guards, strided access) stays scalar.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    FloatAttr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    VectorType,
    f32,
    i1,
    i32,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, kernel, loop, scalars, tile
from nnc.dialects.interfaces import Reduction
from nnc.dialects.target import Target, target_named
from nnc.lowering.strategies.affine import linear, linear_map
from nnc.lowering.strategies.body import COMBINE, identity_of

LaneTypes = (f32, i32, i1)
WIDE = 4
"""Native vectors in one turn of a long loop, so that sums have that many chains."""

_KINDS: dict[type[Operation], Reduction] = {
    arith.AddfOp: "sum",
    arith.AddiOp: "sum",
    arith.MulfOp: "prod",
    arith.MuliOp: "prod",
    arith.MaximumfOp: "max",
    arith.MinimumfOp: "min",
    arith.MaxSIOp: "max",
    arith.MinSIOp: "min",
}


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


# Analysis: what can be widened, and where it pays.


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


def benefit(block: Block, variable: SSAValue) -> int | None:
    """How many accesses become vectors, less those that stay apart; None where it cannot be."""
    total = 0
    for op in block.walk():
        match op:
            case buffer.LoadOp() | buffer.StoreOp():
                gain = _access_benefit(op, variable)
            case loop.WhenOp():
                gain = None if variable in op.indices else 0
            case arith.IndexCastOp():
                gain = 0
            case kernel.CallOp() | buffer.AllocOp() | tile.LoadOp() | tile.StoreOp():
                gain = None
            case _:
                known = all(_in_lanes(v.type) for v in (*op.results, *op.operands))
                gain = 0 if known else None
        if gain is None:
            return None
        total += gain
    return total


def _in_lanes(type: Attribute) -> bool:
    return type in LaneTypes or isinstance(type, IndexType)


def _access_benefit(op: buffer.LoadOp | buffer.StoreOp, variable: SSAValue) -> int | None:
    type = buffer.type_of(op.buffer)
    dimension = unit_dimension(op.map.data, op.indices, variable)
    if dimension is None:
        return None
    if dimension < 0:
        return 0 if isinstance(op, buffer.LoadOp) and type.element_type in (f32, i32) else None
    if type.element_type not in (f32, i32):
        return None
    return 2 if buffer.strides_of(type)[dimension] == 1 else -2


# Rewriting: one op of the scalar body at a time.


class _Widener:
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
        lanes = self.b.insert(tile.LanesOp(VectorType(i32, [turn.width]))).output
        first = self.b.insert(tile.FillOp(start, (turn.width,))).output
        self.values[op.result] = scalars.add(self.b, first, lanes)

    def _index_value(self, expr: AffineExpr) -> SSAValue:
        """The first lane's index as i32; it is linear in at most one index value."""
        parts = linear(expr, len(self.turn.indices))
        assert parts is not None
        total = scalars.constant(self.b, parts.constant, i32)
        for coefficient, value in zip(parts.coefficients, self.turn.indices, strict=True):
            cast = self.b.insert(arith.IndexCastOp(value, i32)).result
            scaled = scalars.mul(self.b, cast, scalars.constant(self.b, coefficient, i32))
            total = scalars.add(self.b, scaled, total)
        return total

    def _elementwise(self, op: Operation) -> None:
        operands = [self.scalar_or_vector(v) for v in op.operands]
        if not any(isinstance(v.type, VectorType) for v in operands):
            clone = op.clone(dict(zip(op.operands, operands, strict=True)))
            self.b.insert(clone)
            self.values.update(zip(op.results, clone.results, strict=True))
            return
        widened = type(op).create(
            operands=[self.vector(v) for v in op.operands],
            result_types=[VectorType(r.type, [self.turn.width]) for r in op.results],
            properties=dict(op.properties),
        )
        self.b.insert(widened)
        for old, new in zip(op.results, widened.results, strict=True):
            new.name_hint = old.name_hint
            self.values[old] = new

    def _inner(self, block: Block, arguments: Sequence[Attribute]) -> tuple[Block, "_Widener"]:
        new = Block(arg_types=arguments)
        for old, argument in zip(block.args, new.args, strict=True):
            argument.name_hint = old.name_hint
        inner = _Widener(Builder(InsertPoint.at_end(new)), self.turn)
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


# The two kinds of loop.


def _turns(count: int, lanes: int) -> list[tuple[int, int, int, int]]:
    """(turns, width, first index, lanes that count) that together cover a range."""
    turns: list[tuple[int, int, int, int]] = []
    done = 0
    for width in (WIDE * lanes, lanes):
        whole = (count - done) // width
        if whole:
            turns.append((whole, width, done, width))
            done += whole * width
    if done < count:
        turns.append((1, lanes, done, count - done))
    return turns


def _same_arguments(arguments: Sequence[SSAValue]) -> Block:
    """An empty body with arguments of the same types and names."""
    block = Block(arg_types=[a.type for a in arguments])
    for old, new in zip(arguments, block.args, strict=True):
        new.name_hint = old.name_hint
    return block


def widen_parallel(op: loop.ParallelOp, lanes: int) -> None:
    """Widens the last dimension of a parallel loop, in place."""
    sizes, block = op.sizes, op.body.block
    *outer, variable = block.args
    b = Builder(InsertPoint.before(op))
    turns = _turns(sizes[-1], lanes)
    if len(turns) == 1 and turns[0][0] > 1:
        _one_nest(b, op, turns[0])
    elif outer:
        new = _same_arguments(outer)
        inside = Builder(InsertPoint.at_end(new))
        for turn in turns:
            _turn(inside, block, variable, turn, dict(zip(outer, new.args, strict=True)))
        inside.insert(loop.YieldOp())
        b.insert(loop.ParallelOp(sizes[:-1], Region(new)))
    else:
        for turn in turns:
            _turn(b, block, variable, turn, {})
    op.detach()
    op.erase()


def _one_nest(b: Builder, op: loop.ParallelOp, turn: tuple[int, int, int, int]) -> None:
    """All dimensions in one loop, where vectors cover the last one exactly."""
    count, width, _, _ = turn
    block = op.body.block
    new = _same_arguments(block.args)
    inside = Builder(InsertPoint.at_end(new))
    start = AffineExpr.dimension(0) * width
    widener = _Widener(inside, Widening(block.args[-1], start, (new.args[-1],), width, width))
    widener.values.update(zip(block.args[:-1], new.args[:-1], strict=True))
    widener.body(block)
    inside.insert(loop.YieldOp())
    b.insert(loop.ParallelOp([*op.sizes[:-1], count], Region(new)))


def _turn(
    b: Builder,
    block: Block,
    variable: SSAValue,
    turn: tuple[int, int, int, int],
    values: dict[SSAValue, SSAValue],
) -> None:
    """One range of a parallel loop: a loop of its own where it has several turns."""
    count, width, first, extent = turn
    if count == 1:
        start = AffineExpr.constant(first)
        widener = _Widener(b, Widening(variable, start, (), width, extent))
        widener.values.update(values)
        widener.body(block)
        return
    new = _same_arguments([variable])
    inside = Builder(InsertPoint.at_end(new))
    start = AffineExpr.dimension(0) * width + first
    widener = _Widener(inside, Widening(variable, start, (new.args[0],), width, extent))
    widener.values.update(values)
    widener.body(block)
    inside.insert(loop.YieldOp())
    b.insert(loop.ParallelOp([count], Region(new)))


def reduction_kinds(op: loop.ForOp) -> list[Reduction] | None:
    """How each carried value is combined, or None where one is not a reduction."""
    last = op.body.block.last_op
    assert isinstance(last, loop.YieldOp)
    kinds: list[Reduction] = []
    for carried, value in zip(op.body.block.args[1:], last.values, strict=True):
        combine = value.owner
        kind = _KINDS.get(type(combine)) if isinstance(combine, Operation) else None
        uses = list(carried.uses)
        if kind is None or len(uses) != 1 or uses[0].operation is not combine:
            return None
        kinds.append(kind)
    return kinds


def widen_reduction(op: loop.ForOp, lanes: int) -> None:
    """Widens a loop that reduces, in place: one partial result per lane, combined at the end."""
    kinds = reduction_kinds(op)
    assert kinds is not None
    b = Builder(InsertPoint.before(op))
    results: list[SSAValue | None] = [
        None if _is_identity(init, kind) else init
        for init, kind in zip(op.inits, kinds, strict=True)
    ]
    for turn in _turns(op.count.data, lanes):
        partial = _reduce_range(b, op, kinds, turn)
        for i, kind in enumerate(kinds):
            reduced = b.insert(tile.ReduceOp(kind, partial[i], 0)).output
            before = results[i]
            results[i] = reduced if before is None else COMBINE[kind](b, before, reduced)
    for old, new in zip(op.outputs, results, strict=True):
        assert new is not None
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()


def _is_identity(value: SSAValue, kind: Reduction) -> bool:
    """Whether combining with the value changes nothing."""
    constant = value.owner
    return (
        isinstance(constant, arith.ConstantOp)
        and isinstance(constant.value, FloatAttr | IntegerAttr)
        and constant.value.value.data == identity_of(kind, value.type)
    )


def _combined_value(op: loop.ForOp, number: int) -> SSAValue:
    """What an iteration combines with carried value `number`."""
    last = op.body.block.last_op
    assert isinstance(last, loop.YieldOp)
    combine = last.values[number].owner
    assert isinstance(combine, Operation)
    carried = op.body.block.args[1 + number]
    lhs, rhs = combine.operands
    return rhs if lhs is carried else lhs


def _reduce_range(
    b: Builder, op: loop.ForOp, kinds: Sequence[Reduction], turn: tuple[int, int, int, int]
) -> Sequence[SSAValue]:
    """The partial results of one range, a vector each."""
    count, width, first, extent = turn
    block = op.body.block
    inits = [
        scalars.constant(b, identity_of(kind, value.type), VectorType(value.type, [width]))
        for kind, value in zip(kinds, op.inits, strict=True)
    ]
    if count == 1:
        start = AffineExpr.constant(first)
        widener = _Widener(b, Widening(block.args[0], start, (), width, extent))
        widener.values.update(zip(block.args[1:], inits, strict=True))
        widener.body(block)
        values = [widener.vector(_combined_value(op, i)) for i in range(len(kinds))]
        if extent == width:
            return values
        return [_masked(b, v, i, extent) for v, i in zip(values, inits, strict=True)]
    new = Block(arg_types=[IndexType(), *(i.type for i in inits)])
    new.args[0].name_hint = block.args[0].name_hint
    inside = Builder(InsertPoint.at_end(new))
    start = AffineExpr.dimension(0) * width + first
    widener = _Widener(inside, Widening(block.args[0], start, (new.args[0],), width, extent))
    widener.values.update(zip(block.args[1:], new.args[1:], strict=True))
    yielded = [widener.vector(v) for v in widener.body(block)]
    inside.insert(loop.YieldOp(yielded))
    return b.insert(loop.ForOp(count, inits, Region(new))).outputs


def _masked(b: Builder, value: SSAValue, otherwise: SSAValue, extent: int) -> SSAValue:
    """`value` in the first `extent` lanes, else `otherwise`."""
    type = value.type
    assert isinstance(type, VectorType)
    lanes = b.insert(tile.LanesOp(VectorType(i32, type.get_shape()))).output
    inside = scalars.compare(b, "lt", lanes, scalars.constant(b, extent, lanes))
    return scalars.select(b, inside, value, otherwise)


# The choice.


def tile_block(block: Block, lanes: int) -> None:
    """Widens the best loop of each nest in a block."""
    for op in list(block.ops):
        match op:
            case loop.ParallelOp():
                _tile_parallel(op, lanes)
            case loop.ForOp():
                _tile_for(op, lanes)
            case loop.WhenOp():
                tile_block(op.body.block, lanes)
            case _:
                pass


def _tile_parallel(op: loop.ParallelOp, lanes: int) -> None:
    block = op.body.block
    own = benefit(block, block.args[-1])
    inner = max((_inner_benefit(o) for o in block.ops), default=0)
    if own is not None and own > 0 and own >= inner and op.sizes[-1] > 1:
        widen_parallel(op, lanes)
    else:
        tile_block(block, lanes)


def _inner_benefit(op: Operation) -> int:
    if not isinstance(op, loop.ForOp | loop.ParallelOp):
        return 0
    block = op.body.block
    index = block.args[0] if isinstance(op, loop.ForOp) else block.args[-1]
    nested = max((_inner_benefit(o) for o in block.ops), default=0)
    return max(benefit(block, index) or 0, nested)


def _tile_for(op: loop.ForOp, lanes: int) -> None:
    block = op.body.block
    gain = benefit(block, block.args[0])
    has_loops = any(isinstance(o, loop.ForOp | loop.ParallelOp) for o in block.ops)
    if gain and gain > 0 and not has_loops and reduction_kinds(op) is not None:
        widen_reduction(op, lanes)
    else:
        tile_block(block, lanes)


@dataclass(frozen=True)
class LoopTilePass(ModulePass):
    """Makes vectors of the scalar loops of every kernel."""

    name = "loop-tile"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = target_named(self.target)
        if target.lanes == 1:
            return
        for function in op.body.block.ops:
            if isinstance(function, kernel.FuncOp) and not function.private:
                tile_block(function.block, target.lanes)
