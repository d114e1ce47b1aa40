"""What the writers of a contraction share: the op, its operands, dimensions and tile extents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.dialects.builtin import MemRefType, StridedLayoutAttr
from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineMap

from nnc.dialects import buffer, kernel, scalars, tile
from nnc.dialects.interfaces import Structured
from nnc.dialects.target import Target
from nnc.lowering.strategies.affine import Linear, in_panel, linear_map, memory_coefficients
from nnc.lowering.strategies.body import KernelBody
from nnc.lowering.strategies.contraction_choice import contraction_of
from nnc.lowering.strategies.nest import ZERO, Index, Nest


@dataclass(frozen=True)
class Extent:
    """One size of register tile: rows, lanes that hold results, lanes rounded up to vectors."""

    rows: int
    lanes: int
    padded: int

    @property
    def whole(self) -> bool:
        """Whether all lanes hold results."""
        return self.lanes == self.padded


@dataclass(frozen=True)
class Leaf:
    """A tensor the epilogue reads from memory, at a map of the result's index."""

    tensor: SSAValue
    map: AffineMap


class Plan:
    """A kernel with a contraction, as its strategy says to compute it."""

    def __init__(self, function: kernel.FuncOp, target: Target):
        strategy, body = function.strategy, KernelBody.of(function)
        op = contraction_of(body.ops)
        assert strategy is not None
        assert op is not None
        self.name = function.sym_name.data
        self.target = target
        self.body = body
        self.op: Structured = op
        self.tile = strategy.integers("tile")
        self.rows_dim = strategy.integer("rows_dim")
        self.lanes_dim = strategy.integer("lanes_dim")
        self.packed = bool(strategy.integer("packed"))
        self.row_operand = strategy.integer("row_operand")

    @cached_property
    def parallel(self) -> tuple[int, ...]:
        return self.op.domain().parallel

    @cached_property
    def reduced(self) -> tuple[int, ...]:
        return self.op.domain().reduced

    @property
    def has_rows(self) -> bool:
        """Whether tiles have rows; without them they are one vector of lanes."""
        return self.rows_dim >= 0

    @property
    def tile_dims(self) -> tuple[int, ...]:
        """The result's dimensions along which a tile lies."""
        return (self.rows_dim, self.lanes_dim) if self.has_rows else (self.lanes_dim,)

    def shape(self, extent: Extent) -> tuple[int, ...]:
        """The vector shape of a tile."""
        return (extent.rows, extent.padded) if self.has_rows else (extent.padded,)

    def limit(self, extent: Extent) -> tuple[int, ...] | None:
        """How much of a tile's vector holds results; None for all of it."""
        if extent.whole:
            return None
        return (extent.rows, extent.lanes) if self.has_rows else (extent.lanes,)

    def extent(self, rows: int, lanes: int) -> Extent:
        width = self.target.lanes
        return Extent(rows, lanes, math.ceil(lanes / width) * width)

    @cached_property
    def row(self) -> SSAValue:
        """The operand whose elements lie along the lanes."""
        return self.op.operands[self.row_operand]

    @cached_property
    def column(self) -> SSAValue:
        """The operand whose elements are one scalar for each row of the tile."""
        return self.op.operands[1 - self.row_operand]

    @cached_property
    def row_map(self) -> AffineMap:
        return self.op.accesses()[self.row_operand].map

    @cached_property
    def column_map(self) -> AffineMap:
        return self.op.accesses()[1 - self.row_operand].map

    @cached_property
    def row_parts(self) -> tuple[Linear, ...]:
        """Those inside of one panel, where the operand is stored as panels."""
        return _linear(in_panel(self.row_map))

    @cached_property
    def column_parts(self) -> tuple[Linear, ...]:
        return _linear(self.column_map)

    def within(self, parts: tuple[Linear, ...], reduced: Index, lane: int = 0) -> Index:
        """Where an operand's window is read, from its first element, at a reduced point."""
        point = [ZERO] * len(self.parallel)
        if lane:
            point[self.lanes_dim] = ZERO + lane
        return tuple(part.shifted((*point, *reduced)) for part in parts)

    @cached_property
    def batch_dims(self) -> tuple[int, ...]:
        """The result's dimensions outside of the tile."""
        return tuple(d for d in range(len(self.parallel)) if d not in self.tile_dims)

    @cached_property
    def shared_dims(self) -> tuple[int, ...]:
        """The batch dimensions for all of which a packed panel is the same."""
        return tuple(
            d for d in self.batch_dims if not any(p.coefficients[d] for p in self.row_parts)
        )

    @cached_property
    def lanes_are_neighbours(self) -> bool:
        """Whether the row operand's lanes lie next to each other in memory."""
        strides = buffer.strides_of(buffer.type_of(self.body.sources[self.row]))
        steps = memory_coefficients(self.row_map, strides)
        return steps is not None and steps[self.lanes_dim] == 1

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """What the epilogue reads from memory, each once."""
        found: dict[Leaf, None] = {}

        def visit(tensor: SSAValue, map: AffineMap) -> None:
            if tensor in self.body.sources:
                found[Leaf(tensor, map)] = None
                return
            op = tensor.owner
            if op is self.op:
                return
            assert isinstance(op, Structured)
            for operand, access in zip(op.operands, op.accesses(), strict=True):
                visit(operand, access.map.compose(map))

        for tensor, _ in self.body.results:
            visit(tensor, AffineMap.identity(len(self.parallel)))
        return tuple(found)


def moved_by(parts: tuple[Linear, ...], dimension: int) -> int:
    """The subscript that a dimension of the domain moves."""
    return next(d for d, part in enumerate(parts) if part.coefficients[dimension])


def load_tile(
    nest: Nest,
    source: SSAValue,
    parts: tuple[Linear, ...],
    index: Index,
    dimensions: Sequence[int],
    shape: Sequence[int],
    extent: Sequence[int] | None = None,
) -> SSAValue:
    """A tile from `index` on, along dimensions of the domain; `parts` say how they move it."""
    along = [moved_by(parts, dimension) for dimension in dimensions]
    steps = [parts[d].coefficients[dim] for d, dim in zip(along, dimensions, strict=True)]
    if any(step != 1 for step in steps):
        # Strided: a view whose own neighbours are so many elements apart.
        type = buffer.type_of(source)
        strides = [buffer.strides_of(type)[d] * step for d, step in zip(along, steps, strict=True)]
        view = MemRefType(type.element_type, shape, StridedLayoutAttr(strides))
        op = buffer.ViewOp(source, nest.indices, nest.map(index), view)
        source = nest.builder.insert(op).output
        index, along = (ZERO,) * len(shape), list(range(len(shape)))
    load = tile.LoadOp(source, nest.indices, nest.map(index), along, shape, extent)
    return scalars.extended(nest.builder, nest.builder.insert(load).output)


def _linear(map: AffineMap) -> tuple[Linear, ...]:
    parts = linear_map(map)
    assert parts is not None
    return parts
