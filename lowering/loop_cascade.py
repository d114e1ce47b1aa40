"""`loop-cascade`: long sums become sums of short sums.

Comes in: kernels of level 4 after `loop-tile`. Goes out: no loop adds more than `CHAIN` terms one
after the other, and an inner loop adds up its own terms before they join those of the loop around
it. The rounding error of a sum so grows with the depth of the cascade, not with its length. The
order depends on the shape only, so it is the same on every run and for any number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import AffineMapAttr, IndexType, ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from nnc.dialects import buffer, kernel, loop, scalars, tile
from nnc.dialects.interfaces import Reduction
from nnc.lowering.loop_tile import reduction_kinds
from nnc.lowering.strategies.body import COMBINE, identity_of

CHAIN = 64
"""Terms added one after the other."""
WORTH = 8
"""Fewer iterations than this add to the sum of the loop around them."""

Access = buffer.LoadOp | buffer.StoreOp | buffer.ViewOp | tile.LoadOp | tile.StoreOp


@dataclass(frozen=True)
class LoopCascadePass(ModulePass):
    """Cuts the loops of every kernel that add up floats."""

    name = "loop-cascade"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.body.block.ops:
            if isinstance(function, kernel.FuncOp):
                for inner in [o for o in function.walk(reverse=True) if isinstance(o, loop.ForOp)]:
                    cascade(inner)


def cascade(op: loop.ForOp) -> None:
    """Makes the loop's sums short, in place."""
    kinds = reduction_kinds(op)
    if not kinds or not any(_is_rounded(k, v) for k, v in zip(kinds, op.inits, strict=True)):
        return
    if op.count.data >= WORTH and isinstance(op.parent_op(), loop.ForOp):
        op = _from_identities(op, kinds)
    if op.count.data > CHAIN and _is_only_subscript(op.induction_variable):
        _cut(op, kinds)


def _is_rounded(kind: Reduction, value: SSAValue) -> bool:
    return kind == "sum" and scalars.is_float(value.type)


def _is_only_subscript(variable: SSAValue) -> bool:
    return all(isinstance(use.operation, Access) for use in variable.uses)


def _identities(b: Builder, op: loop.ForOp, kinds: Sequence[Reduction]) -> list[SSAValue]:
    return [
        scalars.constant(b, identity_of(kind, scalars.element_type(init.type)), init)
        for kind, init in zip(kinds, op.inits, strict=True)
    ]


def _combined(
    b: Builder, kinds: Sequence[Reduction], left: Sequence[SSAValue], right: Sequence[SSAValue]
) -> list[SSAValue]:
    return [COMBINE[k](b, x, y) for k, x, y in zip(kinds, left, right, strict=True)]


def _replace(op: loop.ForOp, values: Sequence[SSAValue]) -> None:
    for old, new in zip(op.outputs, values, strict=True):
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()


def _from_identities(op: loop.ForOp, kinds: Sequence[Reduction]) -> loop.ForOp:
    """The loop with a sum of its own, which is added to the initial values afterwards."""
    b = Builder(InsertPoint.before(op))
    own = b.insert(
        loop.ForOp(op.count.data, _identities(b, op, kinds), op.detach_region(op.body), _unroll(op))
    )
    _replace(op, _combined(b, kinds, op.inits, own.outputs))
    return own


def _unroll(op: loop.ForOp) -> int:
    return op.unroll.data if op.unroll is not None else 1


def _cut(op: loop.ForOp, kinds: Sequence[Reduction]) -> None:
    """A loop over chunks, each summed by a loop of `CHAIN` iterations; then one for the rest."""
    b = Builder(InsertPoint.before(op))
    chunks, rest = divmod(op.count.data, CHAIN)
    body = Block(arg_types=[IndexType(), *op.inits.types])
    body.args[0].name_hint = "chunk"
    inside = Builder(InsertPoint.at_end(body))
    chunk = _chunk(inside, op, kinds, CHAIN, body.args[:1], AffineExpr.dimension(0) * CHAIN)
    inside.insert(loop.YieldOp(_combined(inside, kinds, body.args[1:], chunk)))
    outer = b.insert(loop.ForOp(chunks, op.inits, Region(body)))
    totals: Sequence[SSAValue] = outer.outputs
    if rest:
        last = _chunk(b, op, kinds, rest, (), AffineExpr.constant(chunks * CHAIN))
        totals = _combined(b, kinds, totals, last)
    _replace(op, totals)
    cascade(outer)


def _chunk(
    b: Builder,
    op: loop.ForOp,
    kinds: Sequence[Reduction],
    count: int,
    indices: Sequence[SSAValue],
    start: AffineExpr,
) -> Sequence[SSAValue]:
    """What `count` iterations from `start` on, an expression of `indices`, add up to."""
    body = op.body.clone()
    variable = body.block.args[0]
    index = start + AffineExpr.dimension(len(indices))
    for use in list(variable.uses):
        _move(use.operation, variable, [*indices, variable], index)
    return b.insert(loop.ForOp(count, _identities(b, op, kinds), body, _unroll(op))).outputs


def _move(
    op: Operation, variable: SSAValue, indices: Sequence[SSAValue], index: AffineExpr
) -> None:
    """Makes an access use `index`, an expression of `indices`, in the place of `variable`."""
    assert isinstance(op, Access)
    others = [value for value in op.indices if value is not variable]
    moved = index.replace_dims_and_symbols(
        [AffineExpr.dimension(len(others) + d) for d in range(len(indices))], []
    )
    dimensions = [
        moved if value is variable else AffineExpr.dimension(others.index(value))
        for value in op.indices
    ]
    first = len(op.operands) - len(op.indices)
    values = [*others, *indices]
    map: AffineMap = op.map.data.replace_dims_and_symbols(dimensions, [], len(values), 0)
    op.operands = [*op.operands[:first], *values]
    op.properties["map"] = AffineMapAttr(map)
