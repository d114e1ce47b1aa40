"""Which register tile a contraction gets: the cheapest by a small model of the machine.

The lanes of the tile lie along a result dimension that only one operand (the row operand) has, its
rows along one that only the other has. A tile costs its multiplications, those wasted on unfilled
lanes included, and what packing the row operand and storing lanes apart in memory take.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import f32
from xdsl.ir import Operation

from nnc.dialects import buffer, kernel, scalars
from nnc.dialects.interfaces import Structured
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.target import Target
from nnc.lowering.strategies.affine import (
    Panels,
    in_panel,
    memory_coefficients,
    panels_of,
)

PANEL_BYTES = 32 << 10
"""A panel spread over more memory than this misses in the caches, and is better copied together."""
COPY_CYCLES = 0.15
"""Cycles to pack one element whose lanes are neighbours."""
PACK_CYCLES = 0.4
"""Cycles to pack one element through a register transpose."""
PACK_CHUNKS = 8
"""Into how many parts the batch is cut at most, each packing the panel that all batches share."""
SCATTER_CYCLES = 2.0
"""Cycles to store one lane that has no neighbour in memory."""


@dataclass(frozen=True)
class Shape:
    """A contraction as loops: sizes, and each operand's step in memory along each dimension."""

    parallel: tuple[int, ...]
    reduced: tuple[int, ...]
    steps: tuple[tuple[int, ...], tuple[int, ...]]
    panels: tuple[Panels | None, Panels | None]
    """The panels that an operand is stored as; its steps are those inside of one."""

    @staticmethod
    def of(op: Structured) -> "Shape | None":
        """The shape of a product whose operands are read without guards, else None."""
        steps: list[tuple[int, ...]] = []
        accesses = op.accesses()
        for operand, access in zip(op.operands, accesses, strict=True):
            strides = buffer.contiguous_strides(shape_of(operand))
            step = memory_coefficients(in_panel(access.map), strides)
            if step is None or access.guard is not None:
                return None
            steps.append(step)
        domain = op.domain()
        panels = panels_of(accesses[0].map), panels_of(accesses[1].map)
        return Shape(domain.parallel, domain.reduced, (steps[0], steps[1]), panels)

    @property
    def multiplications(self) -> int:
        return math.prod(self.parallel) * math.prod(self.reduced)

    def width(self, operand: int, lanes_dim: int) -> int | None:
        """How many lanes in a row an operand has; None where it is not stored that way."""
        if self.steps[operand][lanes_dim] == 0 or self.steps[1 - operand][lanes_dim] != 0:
            return None
        panels = self.panels[operand]
        if panels is None:
            return self.parallel[lanes_dim]
        return panels.width if panels.dimension == lanes_dim else None


@dataclass(frozen=True)
class Choice:
    """Which operand gives the lanes, along which dimensions the tile lies, and its size."""

    row_operand: int
    lanes_dim: int
    rows_dim: int
    """-1 where no dimension belongs to the other operand alone."""
    tile: tuple[int, int]
    packed: bool
    cost: float

    def strategy(self) -> kernel.StrategyAttr:
        return kernel.StrategyAttr.of(
            "contraction",
            tile=self.tile,
            rows_dim=self.rows_dim,
            lanes_dim=self.lanes_dim,
            row_operand=self.row_operand,
            packed=int(self.packed),
        )


def choose(op: Structured, target: Target) -> Choice | None:
    """The cheapest way to compute a contraction on a target, or None where there is none."""
    shape = Shape.of(op)
    in_f32 = all(scalars.held(element_of(v)) == f32 for v in (*op.operands, *op.results))
    if shape is None or not in_f32 or 0 in shape.parallel + shape.reduced:
        return None
    choices = [
        _choice(shape, target, operand, lanes_dim, width)
        for operand in (0, 1)
        for lanes_dim in range(len(shape.parallel))
        if (width := shape.width(operand, lanes_dim)) is not None
        and shape.panels[1 - operand] is None
    ]
    found = [c for c in choices if c is not None]
    return min(found, key=lambda c: c.cost, default=None)


def _choice(
    shape: Shape, target: Target, row_operand: int, lanes_dim: int, width: int
) -> Choice | None:
    """The tile whose lanes lie along one dimension; None where it would cross panels."""
    column = shape.steps[1 - row_operand]
    row = shape.steps[row_operand]
    candidates = [d for d, c in enumerate(column[: len(shape.parallel)]) if c and not row[d]]
    rows_dim = max(candidates, key=lambda d: shape.parallel[d], default=-1)
    rows = shape.parallel[rows_dim] if rows_dim >= 0 else 1
    lanes = shape.parallel[lanes_dim]
    size = tile_size(rows, width, target)
    in_panels = shape.panels[row_operand] is not None
    if in_panels and width % size[1]:
        return None
    apart = row[lanes_dim] != 1
    packed = apart or (
        not in_panels and rows >= 4 * size[0] and _footprint(shape, row) > PANEL_BYTES
    )
    padded = math.ceil(lanes / target.lanes) * target.lanes
    slow_rows = max(1.0, 8 / (size[0] * max(1, size[1] // target.lanes)))
    cost = shape.multiplications * (padded / lanes) * slow_rows
    per_cycle = 2 * target.lanes
    if packed:
        cycles = PACK_CYCLES * _squares(shape.reduced[-1], target) if apart else COPY_CYCLES
        panels = math.prod(shape.reduced) * padded * _panels(shape, row, (rows_dim, lanes_dim))
        cost += cycles * per_cycle * panels
    if lanes_dim != len(shape.parallel) - 1:
        cost += SCATTER_CYCLES * per_cycle * math.prod(shape.parallel)
    return Choice(row_operand, lanes_dim, rows_dim, size, packed, cost)


def _footprint(shape: Shape, row: Sequence[int]) -> int:
    """Bytes between the first and the last row that one panel reads."""
    reduced = row[len(shape.parallel) :]
    return 4 * sum((s - 1) * step for s, step in zip(shape.reduced, reduced, strict=True))


def _panels(shape: Shape, row: Sequence[int], tile_dims: tuple[int, int]) -> int:
    """How often a range of lanes is packed: for each batch it depends on, and each chunk."""
    batch = [(size, row[d]) for d, size in enumerate(shape.parallel) if d not in tile_dims]
    shared = [size for size, step in batch if not step]
    return math.prod(size for size, step in batch if step) * chunk_count(shared)


def chunk_count(shared: Sequence[int]) -> int:
    """Into how many chunks the batches that share a panel are cut: a divisor of the first size."""
    first = shared[0] if shared else 1
    return max(d for d in range(1, PACK_CHUNKS + 1) if first % d == 0)


def _squares(last: int, target: Target) -> float:
    """How much of the squares that are transposed is not used, as a factor."""
    return math.ceil(last / target.lanes) * target.lanes / last


def tile_size(rows: int, lanes: int, target: Target) -> tuple[int, int]:
    """Rows and lanes of the register tile: as many accumulators as the registers hold.

    One register is left for the broadcast scalar, and one for each vector of the row.
    """
    widest = 4 if target.registers > 16 else 2
    if rows == 1:
        widest *= 2
    vectors = min(widest, math.ceil(lanes / target.lanes))
    held = (target.registers - 1 - vectors) // vectors
    return min(rows, held, 24), vectors * target.lanes


def contraction_of(ops: Iterable[Operation]) -> Structured | None:
    """The op among `ops` that sums a product of two operands, if there is one."""
    for op in ops:
        if isinstance(op, Structured) and len(op.operands) == 2 and op.domain().reduced:
            return op
    return None
