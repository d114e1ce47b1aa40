"""Products summed over reduced dimensions: matrix products, convolutions and their gradients.

One register tile of `rows x lanes` results is computed at a time by a private micro-kernel: for
each reduced point, a column of scalars from one operand times a row of lanes from the other is
added. The row operand is read in place where its lanes are neighbours in memory and its rows not
too far apart, else it is packed, panel by panel, into scratch. The elementwise ops that follow are
applied to the tile in registers (the epilogue).

    parallel (batch, panel) { [pack panel]  for tile { call tile(row window, column window, …) } }
"""

from collections.abc import Sequence
from functools import cached_property

from xdsl.dialects import math
from xdsl.dialects.builtin import FunctionType, MemRefType, f32
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from nnc.dialects import buffer, kernel, scalars, tile
from nnc.dialects.target import Target
from nnc.lowering.strategies.body import new_block
from nnc.lowering.strategies.contraction_choice import chunk_count
from nnc.lowering.strategies.contraction_plan import Extent, Plan, load_tile
from nnc.lowering.strategies.epilogue import Epilogue
from nnc.lowering.strategies.nest import ZERO, Index, Nest, apply
from nnc.lowering.strategies.packing import write_packing

UNROLL = 4
Part = tuple[SSAValue, AffineMap]
"""A buffer that a tile's epilogue works on, at a map of the result's index."""
Window = tuple[SSAValue, Index]
"""A buffer and the index of the first element that a micro-kernel sees."""


def build(function: kernel.FuncOp, target: Target) -> tuple[Block, list[kernel.FuncOp]]:
    """The kernel's loops, and the micro-kernels they call."""
    writer = _Writer(function, target)
    writer.write()
    return writer.block, writer.functions


class _Writer:
    def __init__(self, function: kernel.FuncOp, target: Target):
        self.plan = Plan(function, target)
        self.block, self.buffers = new_block(function)
        self.nest = Nest(self.block)
        self.functions: list[kernel.FuncOp] = []
        self.tiles: dict[Extent, str] = {}
        self.packs: dict[Extent, str] = {}

    def source(self, tensor: SSAValue) -> SSAValue:
        """The buffer a tensor is read from."""
        return self.buffers[self.plan.body.sources[tensor]]

    # The loops around the micro-kernels.

    def write(self) -> None:
        plan = self.plan
        width = plan.tile[1]
        full, rest = divmod(plan.parallel[plan.lanes_dim], width)
        if full:
            self._panels(full, width, start=0)
        if rest:
            self._panels(1, rest, start=full * width)
        self.nest.builder.insert(kernel.ReturnOp())

    def _panels(self, count: int, lanes: int, start: int) -> None:
        """All tiles of `count` panels of `lanes` lanes each."""
        plan = self.plan
        if plan.packed:
            self._packed_panels(count, lanes, start)
            return
        counts = [plan.parallel[d] for d in plan.batch_dims]
        with self.nest.parallel([*counts, count]) as (*batch, number):
            point = dict(zip(plan.batch_dims, batch, strict=True))
            point[plan.lanes_dim] = number * lanes + start
            self._rows(lanes, point, None)

    def _packed_panels(self, count: int, lanes: int, start: int) -> None:
        """The same, each panel packed before its tiles.

        Batches that share a panel are cut into chunks that run on different threads; each packs
        the panel for itself.
        """
        plan = self.plan
        panel = plan.extent(1, lanes)
        scratch = self._scratch(panel)
        own = [d for d in plan.batch_dims if d not in plan.shared_dims]
        shared = [plan.parallel[d] for d in plan.shared_dims]
        chunks = chunk_count(shared)
        outer = [plan.parallel[d] for d in own]
        with self.nest.parallel([*outer, chunks, count]) as (*batch, chunk, number):
            point = dict(zip(own, batch, strict=True))
            point[plan.lanes_dim] = number * lanes + start
            self._pack(panel, scratch, point)
            inner = [shared[0] // chunks, *shared[1:]] if shared else []
            with self.nest.parallel(inner) as rest:
                inside = dict(zip(plan.shared_dims, rest, strict=True))
                if shared:
                    first = plan.shared_dims[0]
                    inside[first] = chunk * (shared[0] // chunks) + inside[first]
                self._rows(lanes, point | inside, scratch)

    def _scratch(self, panel: Extent) -> SSAValue:
        type = MemRefType(f32, [*self.plan.reduced, panel.padded])
        op = self.nest.builder.insert(buffer.AllocOp(type))
        op.output.name_hint = "panel"
        return op.output

    def _rows(self, lanes: int, point: dict[int, AffineExpr], scratch: SSAValue | None) -> None:
        """The tiles of one panel: `point` has the index along all dimensions but the rows."""
        plan = self.plan
        height = plan.tile[0]
        full, rest = divmod(plan.parallel[plan.rows_dim] if plan.has_rows else 1, height)
        if full:
            with self.nest.parallel([full]) as (number,):
                self._tile(plan.extent(height, lanes), self._at(point, number * height), scratch)
        if rest:
            start = AffineExpr.constant(full * height)
            self._tile(plan.extent(rest, lanes), self._at(point, start), scratch)

    def _at(self, point: dict[int, AffineExpr], row: AffineExpr) -> Index:
        return tuple(point.get(d, row) for d in range(len(self.plan.parallel)))

    def _tile(self, extent: Extent, origin: Index, scratch: SSAValue | None) -> None:
        """Calls the micro-kernel of a tile whose first result is at `origin`."""
        plan = self.plan
        if extent not in self.tiles:
            self.tiles[extent] = self._tile_kernel(extent)
        row = self._operand(plan.row, plan.row_map, origin)
        if scratch is not None:
            row = (scratch, (ZERO,) * (len(plan.reduced) + 1))
        column = self._operand(plan.column, plan.column_map, origin)
        parts = [(source, apply(map, origin, len(self.nest.indices))) for source, map in self.parts]
        self._call(self.tiles[extent], [row, column, *parts])

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What a tile's epilogue reads and writes; what it does both to is one part."""
        plan = self.plan
        identity = AffineMap.identity(len(plan.parallel))
        read = [(self.source(leaf.tensor), leaf.map) for leaf in plan.leaves]
        written = [(self.buffers[target], identity) for _, target in plan.body.results]
        return tuple(dict.fromkeys([*read, *written]))

    def _operand(self, tensor: SSAValue, map: AffineMap, origin: Index) -> Window:
        start, depth = (*origin, *(ZERO,) * len(self.plan.reduced)), len(self.nest.indices)
        index = apply(map, start, depth)
        # A tile lies in one panel: `(64 * p) floordiv 64` is `p`.
        return self.source(tensor), tuple(part.simplify(depth, 0) for part in index)

    def _pack(self, panel: Extent, scratch: SSAValue, point: dict[int, AffineExpr]) -> None:
        plan = self.plan
        if panel not in self.packs:
            types = [self.source(plan.row).type, scratch.type]
            name, nest, (source, target) = self._function(f"pack_{panel.lanes}", types)
            source.name_hint, target.name_hint = "source", "panel"
            write_packing(plan, nest, panel, source, target)
            nest.builder.insert(kernel.ReturnOp())
            self.packs[panel] = name
        target = (scratch, (ZERO,) * (len(plan.reduced) + 1))
        source = self._operand(plan.row, plan.row_map, self._at(point, ZERO))
        self._call(self.packs[panel], [source, target])

    def _call(self, name: str, windows: Sequence[Window]) -> None:
        maps = [self.nest.map(index) for _, index in windows]
        buffers = [source for source, _ in windows]
        self.nest.builder.insert(kernel.CallOp(name, buffers, self.nest.indices, maps))

    def _function(
        self, suffix: str, types: Sequence[Attribute]
    ) -> tuple[str, Nest, Sequence[SSAValue]]:
        """A new private micro-kernel to write in."""
        name = f"{self.plan.name}_{suffix}"
        block = Block(arg_types=types)
        type = FunctionType.from_lists(types, [])
        self.functions.append(kernel.FuncOp(name, type, Region(block), private=True))
        return name, Nest(block), block.args

    # The micro-kernel of one tile.

    def _tile_kernel(self, extent: Extent) -> str:
        plan = self.plan
        row: Attribute = self.source(plan.row).type
        if plan.packed:
            row = MemRefType(f32, [*plan.reduced, extent.padded])
        types = [row, self.source(plan.column).type, *(source.type for source, _ in self.parts)]
        name, nest, arguments = self._function(f"{extent.rows}x{extent.lanes}", types)
        hints = ["row", "column", *(source.name_hint for source, _ in self.parts)]
        for argument, hint in zip(arguments, hints, strict=True):
            argument.name_hint = hint
        argument_of = dict(zip(self.parts, arguments[2:], strict=True))
        windows = [argument_of[self.source(leaf.tensor), leaf.map] for leaf in plan.leaves]
        products = self._products(nest, extent, arguments[0], arguments[1])
        epilogue = Epilogue(plan, nest, extent, windows, products)
        values = [epilogue.value(tensor) for tensor, _ in plan.body.results]
        origin, limit = nest.map((ZERO,) * len(plan.parallel)), plan.limit(extent)
        for value, (_, target) in zip(values, plan.body.results, strict=True):
            argument = argument_of[self.buffers[target], epilogue.identity]
            value = scalars.stored(nest.builder, value, buffer.type_of(argument).element_type)
            nest.builder.insert(tile.StoreOp(value, argument, [], origin, plan.tile_dims, limit))
        nest.builder.insert(kernel.ReturnOp())
        return name

    def _products(self, nest: Nest, extent: Extent, row: SSAValue, column: SSAValue) -> SSAValue:
        """The tile of sums of products."""
        plan = self.plan
        zero = scalars.constant(nest.builder, 0, f32)
        start = nest.builder.insert(tile.FillOp(zero, plan.shape(extent))).output
        start.name_hint = "sum"

        def step(point: Index, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            carried[0].name_hint = "sum"
            lanes = self._load_row(nest, extent, row, point)
            return [self._multiply_add(nest, extent, column, point, lanes, carried[0])]

        unroll = UNROLL if plan.reduced[-1] >= 2 * UNROLL else 1
        return nest.loops(plan.reduced, [start], step, unroll)[0]

    def _multiply_add(
        self,
        nest: Nest,
        extent: Extent,
        column: SSAValue,
        point: Index,
        lanes: SSAValue,
        sums: SSAValue,
    ) -> SSAValue:
        plan, b = self.plan, nest.builder
        index = plan.within(plan.column_parts, point)
        if not plan.has_rows:
            repeated = b.insert(tile.FillOp(nest.load(column, index), (extent.padded,))).output
            return b.insert(math.FmaOp(repeated, lanes, sums)).result
        rows = load_tile(nest, column, plan.column_parts, index, [plan.rows_dim], [extent.rows])
        return b.insert(tile.OuterOp(rows, lanes, sums)).output

    def _load_row(self, nest: Nest, extent: Extent, row: SSAValue, point: Index) -> SSAValue:
        plan, shape = self.plan, [extent.padded]
        if plan.packed:
            packed = nest.map((*point, ZERO))
            load = tile.LoadOp(row, nest.indices, packed, [len(point)], shape)
            return nest.builder.insert(load).output
        index = plan.within(plan.row_parts, point)
        limit = None if extent.whole else [extent.lanes]
        return load_tile(nest, row, plan.row_parts, index, [plan.lanes_dim], shape, limit)
