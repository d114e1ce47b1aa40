"""loop-tile: scalar loops become loops over vectors.

For each loop nest the loop is chosen whose index runs along neighbours in memory: the last
dimension of a parallel loop, or an inner loop that reduces. Its body is widened: loads and stores
along the index become tiles, other loads are repeated in every lane, arithmetic works on vectors,
carried sums become one sum per lane, combined at the end in a fixed order. The rest of the range
is one more turn on a partly filled vector.

A body that holds what no vector can (f64, masks in memory, divergent guards, strided access)
stays scalar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

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
from xdsl.ir.affine import AffineExpr
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, kernel, loop, scalars, tile
from nnc.dialects.arith import vector
from nnc.dialects.interfaces import Reduction
from nnc.dialects.target import Target, target_named
from nnc.lowering.strategies.body import COMBINE, identity_of
from nnc.lowering.widening import Widener, Widening, unit_dimension

LaneTypes = (f32, i32, i1, *scalars.HELD)
MemoryTypes = (f32, i32, *scalars.HELD)
"""Elements that tiles are loaded of."""
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


# Analysis: what can be widened, and where it pays.


def benefit(block: Block, variable: SSAValue) -> int | None:
    """How many accesses become vectors, less those that stay apart; None where it cannot be.

    An access counts as often as the loops inside of `block` run it: what is read once for each row
    decides nothing.
    """
    total = 0
    for op in block.ops:
        gains = [_benefit_of(op, variable)]
        gains += [benefit(inner, variable) for region in op.regions for inner in region.blocks]
        if None in gains:
            return None
        total += trips(op) * sum(gain for gain in gains if gain is not None)
    return total


def trips(op: Operation) -> int:
    """How often a loop runs its body; 1 for any other op."""
    match op:
        case loop.ForOp():
            return op.count.data
        case loop.ParallelOp():
            return prod(op.sizes)
        case _:
            return 1


def _benefit_of(op: Operation, variable: SSAValue) -> int | None:
    """`benefit` of the op itself."""
    match op:
        case buffer.LoadOp() | buffer.StoreOp():
            return _access_benefit(op, variable)
        case loop.WhenOp():
            return None if variable in op.indices else 0
        case arith.IndexCastOp():
            # A subscript of its own in each lane is no vector access.
            scattered = isinstance(op.result.type, IndexType) and _moves(op.input, variable)
            return None if scattered else 0
        case kernel.CallOp() | buffer.AllocOp() | tile.LoadOp() | tile.StoreOp():
            return None
        case _:
            known = all(_in_lanes(v.type) for v in (*op.results, *op.operands))
            return 0 if known else None


def _moves(value: SSAValue, variable: SSAValue) -> bool:
    """Whether a value is computed from `variable`."""
    owner = value.owner
    operands = owner.operands if isinstance(owner, Operation) else ()
    return value is variable or any(_moves(operand, variable) for operand in operands)


def _in_lanes(type: Attribute) -> bool:
    return type in LaneTypes or isinstance(type, IndexType)


def _access_benefit(op: buffer.LoadOp | buffer.StoreOp, variable: SSAValue) -> int | None:
    type = buffer.type_of(op.buffer)
    dimension = unit_dimension(op.map.data, op.indices, variable)
    if dimension is None:
        return None
    if dimension < 0:
        return 0 if isinstance(op, buffer.LoadOp) and type.element_type in MemoryTypes else None
    if type.element_type not in MemoryTypes:
        return None
    return 2 if buffer.strides_of(type)[dimension] == 1 else -2


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
    widener = Widener(inside, Widening(block.args[-1], start, (new.args[-1],), width, width))
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
        widener = Widener(b, Widening(variable, start, (), width, extent))
        widener.values.update(values)
        widener.body(block)
        return
    new = _same_arguments([variable])
    inside = Builder(InsertPoint.at_end(new))
    start = AffineExpr.dimension(0) * width + first
    widener = Widener(inside, Widening(variable, start, (new.args[0],), width, extent))
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
        if len(list(value.uses)) != 1:
            return None  # What has been combined so far is wanted too, as in a running sum.
        kinds.append(kind)
    return kinds


def widen_reduction(op: loop.ForOp, lanes: int) -> None:
    """Widens a loop that reduces, in place: one partial result per lane, combined at the end."""
    kinds = reduction_kinds(op)
    assert kinds is not None
    b = Builder(InsertPoint.before(op))
    results: list[SSAValue | None] = [None] * len(kinds)
    for turn in _turns(op.count.data, lanes):
        partial = _reduce_range(b, op, kinds, turn)
        for i, kind in enumerate(kinds):
            reduced = b.insert(tile.ReduceOp(kind, partial[i], 0)).output
            before = results[i]
            results[i] = reduced if before is None else COMBINE[kind](b, before, reduced)
    for old, init, kind, new in zip(op.outputs, op.inits, kinds, results, strict=True):
        assert new is not None
        total = new if _is_identity(init, kind) else COMBINE[kind](b, init, new)
        old.replace_all_uses_with(total)
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
        scalars.constant(b, identity_of(kind, value.type), vector(value.type, (width,)))
        for kind, value in zip(kinds, op.inits, strict=True)
    ]
    if count == 1:
        start = AffineExpr.constant(first)
        widener = Widener(b, Widening(block.args[0], start, (), width, extent))
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
    widener = Widener(inside, Widening(block.args[0], start, (new.args[0],), width, extent))
    widener.values.update(zip(block.args[1:], new.args[1:], strict=True))
    yielded = [widener.vector(v) for v in widener.body(block)]
    inside.insert(loop.YieldOp(yielded))
    return b.insert(loop.ForOp(count, inits, Region(new))).outputs


def _masked(b: Builder, value: SSAValue, otherwise: SSAValue, extent: int) -> SSAValue:
    """`value` in the first `extent` lanes, else `otherwise`."""
    type = value.type
    assert isinstance(type, VectorType)
    lanes = b.insert(tile.LanesOp(vector(i32, type.get_shape()))).output
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
    inner = sum(map(_inner_benefit, block.ops))
    if own is not None and own > 0 and own >= inner and op.sizes[-1] > 1:
        widen_parallel(op, lanes)
    else:
        tile_block(block, lanes)


def _inner_benefit(op: Operation) -> int:
    if not isinstance(op, loop.ForOp | loop.ParallelOp):
        return 0
    block = op.body.block
    index = block.args[0] if isinstance(op, loop.ForOp) else block.args[-1]
    nested = sum(map(_inner_benefit, block.ops))
    return trips(op) * max(benefit(block, index) or 0, nested)


def _tile_for(op: loop.ForOp, lanes: int) -> None:
    block = op.body.block
    gain = benefit(block, block.args[0])
    has_loops = any(isinstance(o, loop.ForOp | loop.ParallelOp) for o in block.ops)
    worth = gain is not None and gain > 0 and op.count.data > 0
    if worth and not has_loops and reduction_kinds(op) is not None:
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
