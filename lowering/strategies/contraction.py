"""Products summed over reduced dimensions: matrix products, convolutions and their gradients.

One register tile of `rows x lanes` results is computed at a time by a private micro-kernel: for
each reduced point, a column of scalars from one operand times a row of lanes from the other is
added. The row operand is read in place where its lanes are neighbours in memory and its rows not too
far apart, else packed, panel by panel, into scratch. The elementwise ops that follow are applied to the tile in registers
(the epilogue).

    parallel (batch, panel) { [pack panel]  for tile { call tile(row window, column window, …) } }

`choose` decides the tile from shape and target; `build` writes the loops for such a choice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import FunctionType, MemRefType, f32
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from nnc.dialects import buffer, kernel, scalars, tile
from nnc.dialects.interfaces import Structured
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.target import Target
from nnc.lowering.strategies.affine import linear_map, memory_coefficients
from nnc.lowering.strategies.body import KernelBody
from nnc.lowering.strategies.nest import ZERO, Index, Nest, apply

UNROLL = 4
PANEL_BYTES = 256 << 10
"""A panel spread over more memory than this misses in the TLB, and is better copied together."""
COPY_CYCLES = 0.15
"""Cycles to pack one element whose lanes are neighbours."""
PACK_CYCLES = 0.4
"""Cycles to pack one element through a register transpose."""
SCATTER_CYCLES = 2.0
"""Cycles to store one lane that has no neighbour in memory."""


@dataclass(frozen=True)
class Shape:
    """A contraction as loops: sizes, and each operand's step in memory along each dimension."""

    parallel: tuple[int, ...]
    reduced: tuple[int, ...]
    steps: tuple[tuple[int, ...], tuple[int, ...]]

    @staticmethod
    def of(op: Operation) -> "Shape | None":
        """The shape of a product of two operands read without guards, else None."""
        if not isinstance(op, Structured) or len(op.operands) != 2 or not op.domain().reduced:
            return None
        steps: list[tuple[int, ...]] = []
        for operand, access in zip(op.operands, op.accesses(), strict=True):
            strides = buffer.contiguous_strides(shape_of(operand))
            step = memory_coefficients(access.map, strides)
            if step is None or access.guard is not None:
                return None
            steps.append(step)
        domain = op.domain()
        return Shape(domain.parallel, domain.reduced, (steps[0], steps[1]))

    @property
    def multiplications(self) -> int:
        return math.prod(self.parallel) * math.prod(self.reduced)


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
            k_block=0,
        )


def choose(op: Operation, target: Target) -> Choice | None:
    """The cheapest way to compute a contraction on a target, or None where there is none."""
    shape = Shape.of(op)
    if shape is None or element_of(op.results[0]) != f32 or 0 in shape.parallel + shape.reduced:
        return None
    choices = [
        _choice(shape, target, operand, lanes)
        for operand in (0, 1)
        for lanes in range(len(shape.parallel))
        if shape.steps[operand][lanes] != 0 and shape.steps[1 - operand][lanes] == 0
    ]
    return min(choices, key=lambda c: c.cost, default=None)


def _choice(shape: Shape, target: Target, row_operand: int, lanes_dim: int) -> Choice:
    column = shape.steps[1 - row_operand]
    row = shape.steps[row_operand]
    candidates = [d for d, c in enumerate(column[: len(shape.parallel)]) if c and not row[d]]
    rows_dim = max(candidates, key=lambda d: shape.parallel[d], default=-1)
    rows = shape.parallel[rows_dim] if rows_dim >= 0 else 1
    lanes = shape.parallel[lanes_dim]
    size = tile_size(rows, lanes, target)
    apart = row[lanes_dim] != 1
    packed = apart or (rows >= 4 * size[0] and _footprint(shape, row) > PANEL_BYTES)
    padded = math.ceil(lanes / target.lanes) * target.lanes
    slow_rows = max(1.0, 8 / (size[0] * max(1, size[1] // target.lanes)))
    cost = shape.multiplications * (padded / lanes) * slow_rows
    per_cycle = 2 * target.lanes
    if packed:
        panels = math.prod(shape.reduced) * padded * _batches(shape, row, lanes_dim)
        cost += (PACK_CYCLES if apart else COPY_CYCLES) * per_cycle * panels
    if lanes_dim != len(shape.parallel) - 1:
        cost += SCATTER_CYCLES * per_cycle * math.prod(shape.parallel)
    return Choice(row_operand, lanes_dim, rows_dim, size, packed, cost)


def _footprint(shape: Shape, row: Sequence[int]) -> int:
    """Bytes between the first and the last row that one panel reads."""
    reduced = row[len(shape.parallel) :]
    return 4 * sum((s - 1) * step for s, step in zip(shape.reduced, reduced, strict=True))


def _batches(shape: Shape, row: Sequence[int], lanes_dim: int) -> int:
    """How many panels of the row operand there are for one range of lanes."""
    return math.prod(s for d, s in enumerate(shape.parallel) if d != lanes_dim and row[d] != 0)


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


def build(function: kernel.FuncOp, target: Target) -> tuple[Block, list[kernel.FuncOp]]:
    """The kernel's loops, and the micro-kernels they call."""
    writer = _Writer(function, target)
    writer.write()
    return writer.block, writer.functions


@dataclass(frozen=True)
class Leaf:
    """A tensor the epilogue reads from memory, at a map of the result's index."""

    tensor: SSAValue
    map: AffineMap


@dataclass(frozen=True)
class Extent:
    """The part of the tile that holds results: all rows, and so many lanes."""

    rows: int
    lanes: int
    padded: int
    """Lanes rounded up to whole vectors."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.padded

    @property
    def limit(self) -> tuple[int, int] | None:
        return None if self.lanes == self.padded else (self.rows, self.lanes)


class _Writer:
    def __init__(self, function: kernel.FuncOp, target: Target):
        self.function = function
        self.target = target
        self.body = KernelBody.of(function)
        strategy = function.strategy
        assert strategy is not None
        self.tile = strategy.integers("tile")
        self.rows_dim = strategy.integer("rows_dim")
        self.lanes_dim = strategy.integer("lanes_dim")
        self.packed = bool(strategy.integer("packed"))
        self.op = next(op for op in self.body.ops if is_contraction(op))
        row_operand = strategy.integer("row_operand")
        self.row = self.op.operands[row_operand]
        self.column = self.op.operands[1 - row_operand]
        self.row_map = self.op.accesses()[row_operand].map
        self.column_map = self.op.accesses()[1 - row_operand].map
        self.functions: list[kernel.FuncOp] = []
        self.block = Block(arg_types=function.block.arg_types)
        for old, new in zip(function.block.args, self.block.args, strict=True):
            new.name_hint = old.name_hint
        self.buffers = dict(zip(function.block.args, self.block.args, strict=True))
        self.nest = Nest(self.block)
        self.calls: dict[Extent, str] = {}
        self.packs: dict[Extent, str] = {}

    @cached_property
    def parallel(self) -> tuple[int, ...]:
        return self.op.domain().parallel

    @cached_property
    def reduced(self) -> tuple[int, ...]:
        return self.op.domain().reduced

    @cached_property
    def leaves(self) -> list[Leaf]:
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
        return list(found)

    # The loops around the micro-kernel.

    def write(self) -> None:
        lanes = self.parallel[self.lanes_dim]
        full, rest = divmod(lanes, self.tile[1])
        batch = [
            1 if d in (self.lanes_dim, self.rows_dim) else s for d, s in enumerate(self.parallel)
        ]
        if full:
            self._panels(batch, full, self.tile[1])
        if rest:
            self._panels(batch, 1, rest, start=full * self.tile[1])
        self.nest.builder.insert(kernel.ReturnOp())

    def _panels(self, batch: Sequence[int], count: int, lanes: int, start: int = 0) -> None:
        """All tiles of `count` panels of `lanes` lanes each."""
        padded = math.ceil(lanes / self.target.lanes) * self.target.lanes
        scratch = self._scratch(padded) if self.packed else None
        with self.nest.parallel([*batch, count]) as (*point, panel):
            point[self.lanes_dim] = panel * lanes + start
            if scratch is not None:
                self._pack(Extent(1, lanes, padded), scratch, tuple(point))
            self._rows(lanes, padded, point, scratch)

    def _rows(
        self, lanes: int, padded: int, point: list[AffineExpr], scratch: SSAValue | None
    ) -> None:
        rows = self.parallel[self.rows_dim] if self.rows_dim >= 0 else 1
        full, rest = divmod(rows, self.tile[0])
        if full:
            extent = Extent(self.tile[0], lanes, padded)
            with self.nest.parallel([full]) as (number,):
                self._call(extent, self._at_row(point, number * self.tile[0]), scratch)
        if rest:
            extent = Extent(rest, lanes, padded)
            start = AffineExpr.constant(full * self.tile[0])
            self._call(extent, self._at_row(point, start), scratch)

    def _at_row(self, point: Sequence[AffineExpr], row: AffineExpr) -> Index:
        if self.rows_dim < 0:
            return tuple(point)
        return tuple(row if d == self.rows_dim else e for d, e in enumerate(point))

    def _scratch(self, padded: int) -> SSAValue:
        type = MemRefType(f32, [*self.reduced, padded])
        op = self.nest.builder.insert(buffer.AllocOp(type))
        op.output.name_hint = "panel"
        return op.output

    def _call(self, extent: Extent, origin: Index, scratch: SSAValue | None) -> None:
        if extent not in self.calls:
            self.calls[extent] = self._micro_kernel(extent)
        start = (*origin, *(ZERO,) * len(self.reduced))
        windows = [
            (self._source(self.row), self._origin(self.row_map, start))
            if scratch is None
            else (scratch, (ZERO,) * (len(self.reduced) + 1)),
            (self._source(self.column), self._origin(self.column_map, start)),
            *((self._source(leaf.tensor), self._origin(leaf.map, origin)) for leaf in self.leaves),
            *((self.buffers[target], origin) for _, target in self.body.results),
        ]
        self._insert_call(self.calls[extent], windows)

    def _insert_call(self, name: str, windows: Sequence[tuple[SSAValue, Index]]) -> None:
        nest = self.nest
        maps = [nest.map(index) for _, index in windows]
        buffers = [source for source, _ in windows]
        nest.builder.insert(kernel.CallOp(name, buffers, nest.indices, maps))

    def _source(self, tensor: SSAValue) -> SSAValue:
        return self.buffers[self.body.sources[tensor]]

    def _origin(self, map: AffineMap, point: Index) -> Index:
        return apply(map, point, len(self.nest.indices))

    # The micro-kernel.

    def _new_function(self, suffix: str, types: Sequence[Attribute]) -> tuple[str, Block]:
        name = f"{self.function.sym_name.data}_{suffix}"
        block = Block(arg_types=types)
        function = kernel.FuncOp(
            name, FunctionType.from_lists(types, []), Region(block), private=True
        )
        self.functions.append(function)
        return name, block

    def _micro_kernel(self, extent: Extent) -> str:
        sources = [self.row, self.column, *(leaf.tensor for leaf in self.leaves)]
        types = [self._source(s).type for s in sources]
        if self.packed:
            types[0] = MemRefType(f32, [*self.reduced, extent.padded])
        types += [target.type for _, target in self.body.results]
        name, block = self._new_function(f"{extent.rows}x{extent.lanes}", types)
        row, column, *others = block.args
        hints = ["row", "column", *(self._source(leaf.tensor).name_hint for leaf in self.leaves)]
        hints += [target.name_hint for _, target in self.body.results]
        for argument, hint in zip(block.args, hints, strict=True):
            argument.name_hint = hint
        nest = Nest(block)
        products = self._accumulate(nest, extent, row, column)
        epilogue = _Epilogue(self, nest, extent, others[: len(self.leaves)], products)
        for (tensor, _), target in zip(self.body.results, others[len(self.leaves) :], strict=True):
            self._store(nest, extent, epilogue.value(tensor), target)
        nest.builder.insert(kernel.ReturnOp())
        return name

    def _accumulate(self, nest: Nest, extent: Extent, row: SSAValue, column: SSAValue) -> SSAValue:
        """The sums of products of the tile, in one value."""
        zero = scalars.constant(nest.builder, 0, f32)
        shape = extent.shape if self.rows_dim >= 0 else extent.shape[1:]
        start = nest.builder.insert(tile.FillOp(zero, shape)).output

        def step(reduced: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            return [self._multiply_add(nest, extent, row, column, reduced, carried[0])]

        unrolled = UNROLL if self.reduced[-1] >= 2 * UNROLL else 1
        return nest.loops(self.reduced, [start], step, unrolled)[0]

    def _multiply_add(
        self,
        nest: Nest,
        extent: Extent,
        row: SSAValue,
        column: SSAValue,
        reduced: Index,
        sums: SSAValue,
    ) -> SSAValue:
        b = nest.builder
        lanes = self._load_row(nest, extent, row, reduced)
        parts = linear_map(self.column_map)
        assert parts is not None
        point = (*(ZERO,) * len(self.parallel), *reduced)
        index = tuple(part.shifted(point) for part in parts)
        if self.rows_dim < 0:
            scalar = nest.load(column, index)
            repeated = b.insert(tile.FillOp(scalar, (extent.padded,))).output
            return b.insert(math_dialect.FmaOp(repeated, lanes, sums)).result
        along = next(d for d, p in enumerate(parts) if p.coefficients[self.rows_dim])
        scalars_read = b.insert(
            tile.LoadOp(column, nest.indices, nest.map(index), [along], [extent.rows])
        ).output
        return b.insert(tile.OuterOp(scalars_read, lanes, sums)).output

    def _load_row(self, nest: Nest, extent: Extent, row: SSAValue, reduced: Index) -> SSAValue:
        limit = None if extent.limit is None else [extent.lanes]
        if self.packed:
            index, along, limit = (*reduced, ZERO), len(self.reduced), None
        else:
            parts = linear_map(self.row_map)
            assert parts is not None
            point = (*(ZERO,) * len(self.parallel), *reduced)
            index = tuple(part.shifted(point) for part in parts)
            along = next(d for d, p in enumerate(parts) if p.coefficients[self.lanes_dim])
        op = tile.LoadOp(row, nest.indices, nest.map(index), [along], [extent.padded], limit)
        return nest.builder.insert(op).output

    def _store(self, nest: Nest, extent: Extent, value: SSAValue, target: SSAValue) -> None:
        origin = (ZERO,) * len(self.parallel)
        along = [self.rows_dim, self.lanes_dim] if self.rows_dim >= 0 else [self.lanes_dim]
        limit = None if extent.limit is None else extent.limit[-len(along) :]
        nest.builder.insert(
            tile.StoreOp(value, target, nest.indices, nest.map(origin), along, limit)
        )

    # Packing.

    def _pack(self, extent: Extent, scratch: SSAValue, point: Index) -> None:
        if extent not in self.packs:
            self.packs[extent] = self._pack_kernel(extent, scratch)
        start = (*point, *(ZERO,) * len(self.reduced))
        source = (self._source(self.row), self._origin(self.row_map, start))
        target = (scratch, (ZERO,) * (len(self.reduced) + 1))
        self._insert_call(self.packs[extent], [source, target])

    def _pack_kernel(self, extent: Extent, scratch: SSAValue) -> str:
        """Copies a panel to `[reduced…, lanes]`, lanes beyond the extent as zeros."""
        types = [self._source(self.row).type, scratch.type]
        name, block = self._new_function(f"pack_{extent.lanes}", types)
        source, panel = block.args
        source.name_hint, panel.name_hint = "source", "panel"
        nest = Nest(block)
        if self._lanes_are_neighbours:
            self._copy_rows(nest, extent, source, panel)
        else:
            self._transpose_blocks(nest, extent, source, panel)
        nest.builder.insert(kernel.ReturnOp())
        return name

    @cached_property
    def _lanes_are_neighbours(self) -> bool:
        strides = buffer.strides_of(buffer.type_of(self._source(self.row)))
        steps = memory_coefficients(self.row_map, strides)
        return steps is not None and steps[self.lanes_dim] == 1

    def _copy_rows(self, nest: Nest, extent: Extent, source: SSAValue, panel: SSAValue) -> None:
        parts = linear_map(self.row_map)
        assert parts is not None
        along = next(d for d, p in enumerate(parts) if p.coefficients[self.lanes_dim])
        limit = None if extent.limit is None else [extent.lanes]
        with nest.parallel(self.reduced) as reduced:
            point = (*(ZERO,) * len(self.parallel), *reduced)
            index = nest.map(tuple(part.shifted(point) for part in parts))
            load = tile.LoadOp(source, nest.indices, index, [along], [extent.padded], limit)
            value = nest.builder.insert(load).output
            target = nest.map((*reduced, ZERO))
            rank = len(self.reduced)
            nest.builder.insert(tile.StoreOp(value, panel, nest.indices, target, [rank]))

    def _transpose_blocks(
        self, nest: Nest, extent: Extent, source: SSAValue, panel: SSAValue
    ) -> None:
        width, last = self.target.lanes, self.reduced[-1]
        with nest.parallel(self.reduced[:-1]) as outer:
            for lane in range(0, extent.padded, width):
                valid = min(width, extent.lanes - lane)
                block = _Block(nest, source, panel, lane, valid)
                if last >= width:
                    with nest.parallel([last // width]) as (number,):
                        self._pack_block(block, (*outer, number * width), width)
                if last % width:
                    start = AffineExpr.constant(last - last % width)
                    self._pack_block(block, (*outer, start), last % width)

    def _pack_block(self, block: "_Block", reduced: Index, count: int) -> None:
        """Transposes some lanes by `count` reduced points through registers."""
        parts = linear_map(self.row_map)
        assert parts is not None
        point = [ZERO] * len(self.parallel)
        point[self.lanes_dim] = AffineExpr.constant(block.lane)
        index = tuple(part.shifted((*point, *reduced)) for part in parts)
        last_dim = len(self.parallel) + len(self.reduced) - 1
        along = [
            next(d for d, p in enumerate(parts) if p.coefficients[dim])
            for dim in (self.lanes_dim, last_dim)
        ]
        width, rank, nest = self.target.lanes, len(self.reduced), block.nest
        whole = (block.valid, count) == (width, width)
        shape, read = [width, width], None if whole else [block.valid, count]
        load = tile.LoadOp(block.source, nest.indices, nest.map(index), along, shape, read)
        turned = nest.builder.insert(tile.TransposeOp(nest.builder.insert(load).output)).output
        target = nest.map((*reduced, AffineExpr.constant(block.lane)))
        written = None if count == width else [count, width]
        nest.builder.insert(
            tile.StoreOp(turned, block.panel, nest.indices, target, [rank - 1, rank], written)
        )


@dataclass(frozen=True)
class _Block:
    """Where a panel is packed from and to: one native vector of lanes."""

    nest: Nest
    source: SSAValue
    panel: SSAValue
    lane: int
    valid: int


class _Epilogue:
    """Evaluates the elementwise ops after a contraction on one register tile."""

    def __init__(
        self,
        writer: _Writer,
        nest: Nest,
        extent: Extent,
        windows: Sequence[SSAValue],
        products: SSAValue,
    ):
        self.writer = writer
        self.nest = nest
        self.extent = extent
        self.windows = dict(zip(writer.leaves, windows, strict=True))
        self.identity = AffineMap.identity(len(writer.parallel))
        self.values: dict[tuple[SSAValue, AffineMap], SSAValue] = {
            (writer.op.results[0], self.identity): products
        }

    def value(self, tensor: SSAValue) -> SSAValue:
        return self._at(tensor, self.identity)

    def _at(self, tensor: SSAValue, map: AffineMap) -> SSAValue:
        known = self.values.get((tensor, map))
        if known is not None:
            return known
        leaf = self.windows.get(Leaf(tensor, map))
        if leaf is not None:
            value = self._load(leaf, map)
            self.values[tensor, map] = value
            return value
        op = tensor.owner
        assert isinstance(op, Structured)
        arguments = [
            self._at(operand, access.map.compose(map))
            for operand, access in zip(op.operands, op.accesses(), strict=True)
        ]
        results = op.scalar(self.nest.builder, arguments, no_index)
        for result, value in zip(op.results, results, strict=True):
            self.values[result, map] = self._whole(value)
        return self.values[tensor, map]

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.extent.shape if self.writer.rows_dim >= 0 else self.extent.shape[1:]

    def _whole(self, value: SSAValue) -> SSAValue:
        """A constant of the epilogue is a scalar until it meets the tile."""
        if scalars.element_type(value.type) is not value.type:
            return value
        return self.nest.builder.insert(tile.FillOp(value, self._shape)).output

    def _load(self, window: SSAValue, map: AffineMap) -> SSAValue:
        parts = linear_map(map)
        assert parts is not None
        tile_dims = [d for d in (self.writer.rows_dim, self.writer.lanes_dim) if d >= 0]
        used = [
            (position, next(i for i, p in enumerate(parts) if p.coefficients[d]))
            for position, d in enumerate(tile_dims)
            if any(p.coefficients[d] for p in parts)
        ]
        b, nest = self.nest.builder, self.nest
        origin = nest.map((ZERO,) * len(parts))
        if not used:
            scalar = nest.load(window, (ZERO,) * len(parts))
            return b.insert(tile.FillOp(scalar, self._shape)).output
        shape = [self._shape[position] for position, _ in used]
        limit = self._limit(used)
        along = [dim for _, dim in used]
        value = b.insert(tile.LoadOp(window, nest.indices, origin, along, shape, limit)).output
        if len(used) < len(self._shape):
            value = b.insert(tile.BroadcastOp(value, used[0][0], self._shape)).output
        return value

    def _limit(self, used: Sequence[tuple[int, int]]) -> list[int] | None:
        if self.extent.limit is None:
            return None
        limit = self.extent.limit[-len(self._shape) :]
        return [limit[position] for position, _ in used]


def no_index(dimension: int) -> SSAValue:
    """An epilogue has no op that asks for its coordinate: `kernel-fuse` keeps them out."""
    raise ValueError("an op that needs its index cannot follow a contraction in one kernel")


def is_contraction(op: Operation) -> bool:
    """Whether an op sums a product of two operands."""
    return isinstance(op, Structured) and len(op.operands) == 2 and bool(op.domain().reduced)
