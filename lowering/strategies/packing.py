"""Packing: a panel of the row operand copied to `[reduced…, lanes]`, so that lanes are neighbours.

Lanes beyond the panel's extent are zeros. Lanes that are neighbours already are copied vector by
vector; others are transposed through registers, a square of native vectors at a time.
"""

from dataclasses import dataclass

from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr

from nnc.dialects import tile
from nnc.lowering.strategies.contraction_plan import Extent, Plan, load_tile
from nnc.lowering.strategies.nest import ZERO, Index, Nest


def write_packing(
    plan: Plan, nest: Nest, extent: Extent, source: SSAValue, panel: SSAValue
) -> None:
    """Fills `panel` from the window `source`."""
    if plan.lanes_are_neighbours:
        _copy(plan, nest, extent, source, panel)
        return
    width = plan.target.lanes
    *outer, last = plan.reduced
    with nest.parallel(outer) as point:
        for lane in range(0, extent.padded, width):
            square = _Square(plan, nest, source, panel, lane, min(width, extent.lanes - lane))
            if last >= width:
                with nest.parallel([last // width]) as (number,):
                    square.write((*point, number * width), width)
            if last % width:
                square.write((*point, AffineExpr.constant(last - last % width)), last % width)


def _copy(plan: Plan, nest: Nest, extent: Extent, source: SSAValue, panel: SSAValue) -> None:
    lanes, shape = [plan.lanes_dim], [extent.padded]
    limit = None if extent.whole else [extent.lanes]
    with nest.parallel(plan.reduced) as point:
        index = plan.within(plan.row_parts, point)
        value = load_tile(nest, source, plan.row_parts, index, lanes, shape, limit)
        target = nest.map((*point, ZERO))
        nest.builder.insert(tile.StoreOp(value, panel, nest.indices, target, [len(point)]))


@dataclass(frozen=True)
class _Square:
    """One native vector of lanes, `valid` of them real, for as many reduced points."""

    plan: Plan
    nest: Nest
    source: SSAValue
    panel: SSAValue
    lane: int
    valid: int

    def write(self, point: Index, count: int) -> None:
        """Transposes the square whose first reduced point is `point`, `count` of them real."""
        plan, nest, width = self.plan, self.nest, self.plan.target.lanes
        index = plan.within(plan.row_parts, point, self.lane)
        sides = [plan.lanes_dim, len(plan.parallel) + len(plan.reduced) - 1]
        read = None if self.valid == count == width else [self.valid, count]
        square = load_tile(nest, self.source, plan.row_parts, index, sides, [width, width], read)
        turned = nest.builder.insert(tile.TransposeOp(square)).output
        target = nest.map((*point, AffineExpr.constant(self.lane)))
        written = None if count == width else [count, width]
        rank = len(point)
        nest.builder.insert(
            tile.StoreOp(turned, self.panel, nest.indices, target, [rank - 1, rank], written)
        )
