"""Ops that work cell by cell: elementwise arithmetic, tile loads, stores, fills, products.

A run of such ops is printed cell by cell, all ops of a cell together, so that a long epilogue
of a 6x64 tile needs a few registers and not 24 for each of its ops.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, VectorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap

from nnc.codegen.elements import kind, literal
from nnc.codegen.errors import CodegenError
from nnc.codegen.expressions import EXPRESSIONS, Atom, Form, extended_product
from nnc.codegen.interface import root
from nnc.codegen.linear import Linear
from nnc.codegen.scope import Scope
from nnc.codegen.tiles import Grid, is_column_use
from nnc.dialects import arith, tile
from nnc.dialects.buffer import strides_of, type_of
from nnc.dialects.syntax import integers

Access = tile.LoadOp | tile.StoreOp

HINTS = {
    "arith.bitcast": "bits",
    "arith.shli": "shifted",
    "arith.shrui": "shifted",
    "arith.shrsi": "shifted",
    "math.absf": "magnitude",
    "math.fma": "fused",
    "arith.addf": "sum",
    "arith.subf": "difference",
    "arith.mulf": "product",
    "arith.divf": "quotient",
    "arith.cmpf": "holds",
    "arith.cmpi": "holds",
    "arith.select": "chosen",
    "arith.maximumf": "larger",
    "arith.minimumf": "smaller",
}
"""Names of results that have no name of their own, by op."""


def hint_for(op: Operation) -> str:
    return HINTS.get(op.name, op.name.split(".")[-1])


def is_cellwise(op: Operation) -> bool:
    """Whether each cell of the op's result depends on one cell of each operand."""
    match op:
        case tile.LoadOp() | tile.StoreOp() | tile.FillOp() | tile.BroadcastOp():
            return True
        case tile.OuterOp() | tile.LanesOp():
            return True
        case _:
            on_vectors = bool(op.results) and isinstance(op.results[0].type, VectorType)
            return on_vectors and (op.name in EXPRESSIONS or _is_arith(op))


def _is_arith(op: Operation) -> bool:
    return isinstance(op, arith.ConstantOp | arith.MulUIExtendedOp | arith.MulSIExtendedOp)


class Run:
    """Consecutive cell-wise ops, printed together."""

    def __init__(self, scope: Scope):
        self.scope = scope
        self.ops: list[Operation] = []
        self._needed: set[tuple[SSAValue, int, int]] | None = None

    def add(self, op: Operation) -> None:
        """Append; first print the run where its order of memory accesses would be lost."""
        if isinstance(op, Access) and any(_conflict(op, other) for other in self.ops):
            self.flush()
        self.ops.append(op)

    def flush(self) -> None:
        ops, self.ops = self.ops, []
        shapes = {id(op): self._shape(op) for op in ops}
        self._needed = self._needed_cells(ops)
        lines = [op for op in ops if shapes[id(op)].rank == 1 and not shapes[id(op)].column]
        for part in range(max((shapes[id(op)].parts for op in lines), default=0)):
            for op in lines:
                if part < shapes[id(op)].parts:
                    self.cell(op, 0, part)
        columns = [op for op in ops if shapes[id(op)].column]
        tiles = [op for op in ops if shapes[id(op)].rank == 2]
        for shape in dict.fromkeys(shapes[id(op)] for op in tiles):
            same = [op for op in tiles if shapes[id(op)] == shape]
            self._rows(same, shape, [c for c in columns if shapes[id(c)].rows == shape.rows])
            columns = [c for c in columns if shapes[id(c)].rows != shape.rows]
        for rows in dict.fromkeys(shapes[id(op)].rows for op in columns):
            same = [c for c in columns if shapes[id(c)].rows == rows]
            self._rows([], Grid(rows, 0, 2), same)

    def _shape(self, op: Operation) -> Grid:
        value = op.value if isinstance(op, tile.StoreOp) else op.results[0]
        return self.scope.grid(value)

    def _rows(self, ops: Sequence[Operation], shape: Grid, columns: Sequence[Operation]) -> None:
        for row in range(shape.rows):
            for op in columns:
                self.cell(op, row, 0)
            for part in range(shape.parts):
                for op in ops:
                    self.cell(op, row, part)

    def _needed_cells(self, ops: Sequence[Operation]) -> set[tuple[SSAValue, int, int]] | None:
        """The cells whose values are used; None means all, where no store leaves any out."""
        stores = [op for op in ops if isinstance(op, tile.StoreOp) and op.extent is not None]
        if not stores:
            return None
        needed: set[tuple[SSAValue, int, int]] = set()
        inside = set(ops)
        for op in reversed(ops):
            for row, part in self._shape(op).cells():
                if isinstance(op, tile.StoreOp):
                    used = self._stores(op, row, part)
                else:
                    used = any(
                        use.operation not in inside or (result, row, part) in needed
                        for result in op.results
                        for use in result.uses
                    )
                if used:
                    needed.update((result, row, part) for result in op.results)
                    needed.update(
                        cell for v in op.operands for cell in self._read(op, v, row, part)
                    )
        return needed

    def _read(
        self, op: Operation, value: SSAValue, row: int, part: int
    ) -> list[tuple[SSAValue, int, int]]:
        """The cells of an operand that one cell of the result reads, or more."""
        shape = self.scope.grid(value)
        if isinstance(op, tile.BroadcastOp | tile.OuterOp) and shape.rank < 2:
            return [(value, r, p) for r, p in shape.cells()]
        return [(value, row, part)]

    def _stores(self, op: tile.StoreOp, row: int, part: int) -> bool:
        if self.scope.is_native(op.value):
            return self._width(op, row, part) > 0
        return _within(op, *self._position(op.value, row, part))

    def cell(self, op: Operation, row: int, part: int) -> None:
        """Print one cell of an op, unless nothing uses it."""
        needed = self._needed
        if needed is not None and op.results and (op.results[0], row, part) not in needed:
            return
        match op:
            case tile.LoadOp():
                self._load(op, row, part)
            case tile.StoreOp():
                self._store(op, row, part)
            case tile.FillOp():
                self._fill(op, row, part)
            case tile.BroadcastOp():
                self.scope.bind(op.output, row, part, self._broadcast(op, row, part))
            case tile.OuterOp():
                self._outer(op, row, part)
            case tile.LanesOp():
                self._lanes(op, row, part)
            case arith.ConstantOp():
                self._constant(op, row, part)
            case arith.MulUIExtendedOp() | arith.MulSIExtendedOp():
                halves = extended_product(op, self._form(op, row, part))
                for result, text in zip(op.results, halves, strict=True):
                    self.scope.define(result, row, part, text, hint_for(op))
            case _:
                text = EXPRESSIONS[op.name](self._form(op, row, part))
                self.scope.define(op.results[0], row, part, text, hint_for(op))

    def _form(self, op: Operation, row: int, part: int) -> Form:
        return form(self.scope, op, row, part)

    def _outer(self, op: tile.OuterOp, row: int, part: int) -> None:
        scope = self.scope
        atoms = (self._column(op.column, row), self._row(op.row, part))
        accumulator = scope.atom(op.accumulator, row, part)
        target = scope.target
        f = Form(op, (*atoms, accumulator), scope.is_native(op.output), scope.helpers, target.fma)
        scope.define(op.output, row, part, EXPRESSIONS["math.fma"](f), "acc")

    def _broadcast(self, op: tile.BroadcastOp, row: int, part: int) -> Atom:
        if any(is_column_use(use) for use in op.input.uses if use.operation is op):
            return self._column(op.input, row)
        return self._row(op.input, part)

    def _column(self, value: SSAValue, row: int) -> Atom:
        """Element `row` of a 1-D vector, for all lanes."""
        scope = self.scope
        if scope.grid(value).column:
            atom = scope.atom(value, row)
            return atom if self._is_spread(value) else Atom(atom.text, uniform=True)
        return Atom(scope.element(value, row), uniform=True)

    def _row(self, value: SSAValue, part: int) -> Atom:
        """Part `part` of a 1-D vector."""
        scope = self.scope
        if not scope.grid(value).column:
            return scope.atom(value, 0, part)
        count = scope.grid(value).rows
        lanes = range(part * scope.lanes, min(count, (part + 1) * scope.lanes))
        elements = ", ".join(scope.element(value, i) for i in lanes)
        return Atom(f"({'vf' if kind(value.type) == 'f32' else 'vi'}){{{elements}}}")

    def _is_spread(self, value: SSAValue) -> bool:
        """Whether a column is loaded straight into all lanes, being used in no other way."""
        loaded = isinstance(value.owner, tile.LoadOp) and self.scope.lanes > 1
        return loaded and kind(value.type) == "f32" and all(map(is_column_use, value.uses))

    def _fill(self, op: tile.FillOp, row: int, part: int) -> None:
        atom = self.scope.atom(op.scalar)
        native = self.scope.is_native(op.output)
        if native and kind(op.scalar.type) == "i1":
            atom = Atom(f"-{atom.text}")
        self.scope.bind(op.output, row, part, Atom(atom.text, native, atom.literal))

    def _lanes(self, op: tile.LanesOp, row: int, part: int) -> None:
        scope = self.scope
        first = part * scope.lanes
        if not scope.is_native(op.output):
            scope.bind(op.output, row, part, Atom(str(first + row), literal=True))
            return
        numbers = ", ".join(str(first + lane) for lane in range(scope.lanes))
        scope.define(op.output, row, part, f"{{{numbers}}}", "lane")

    def _constant(self, op: arith.ConstantOp, row: int, part: int) -> None:
        scope, value = self.scope, op.value
        if not isinstance(value, DenseIntOrFPElementsAttr):
            raise CodegenError.at(op, "expected a dense vector constant")
        numbers = [n for n in value.get_values() if isinstance(n, float | int)]
        native = scope.is_native(op.result)
        if all(_same(number, numbers[0]) for number in numbers):
            text = _number(numbers[0], kind(op.result.type), native)
            scope.bind(op.result, row, part, Atom(text, native, literal=True))
            return
        raise CodegenError.at(op, "vector constants have one value; load others from a buffer")

    # Memory

    def _load(self, op: tile.LoadOp, row: int, part: int) -> None:
        scope, place = self.scope, self._place(op, row)
        hint = f"{scope.buffers[op.buffer]}_value"
        if scope.grid(op.output).column or scope.lanes == 1:
            text = self._load_element(op, row, part)
            if self._is_spread(op.output):
                scope.out.line(f"vf {scope.base(op.output, hint)}_{row} = splat_vf({text});")
                scope.helpers.named("splat_vf")
                scope.bind(op.output, row, 0, Atom(f"{scope.base(op.output, hint)}_{row}"))
            else:
                scope.define(op.output, row, part, text, hint)
            return
        vector, width = scope.c_type(op.output), self._width(op, row, part)
        stride = _stride(op)
        start = place + Linear(part * scope.lanes * stride)
        if width == 0:
            text = "{0}"
        elif stride != 1:
            items = (scope.item(op.buffer, start + Linear(i * stride)) for i in range(width))
            text = f"{{{', '.join(items)}}}"
        elif width == scope.lanes:
            text = f"{scope.helpers.named(f'load_{vector}')}({scope.place(op.buffer, start)})"
        else:
            helper = scope.helpers.named(f"load_part_{vector}")
            text = f"{helper}({scope.place(op.buffer, start)}, {width})"
        scope.define(op.output, row, part, text, hint)

    def _load_element(self, op: tile.LoadOp, row: int, part: int) -> str:
        """The scalar in a cell that is not a native vector."""
        row, position = self._position(op.output, row, part)
        if not _within(op, row, position):
            return literal(0, kind(op.output.type))
        start = self._place(op, row) + Linear(position * _stride(op))
        return self.scope.item(op.buffer, start)

    def _position(self, value: SSAValue, row: int, part: int) -> tuple[int, int]:
        """Row and position along the last dimension of a scalar cell."""
        return (0, row) if self.scope.grid(value).column else (row, part)

    def _store(self, op: tile.StoreOp, row: int, part: int) -> None:
        scope = self.scope
        if not scope.is_native(op.value):
            row_index, position = self._position(op.value, row, part)
            if _within(op, row_index, position):
                place = self._place(op, row_index) + Linear(position * _stride(op))
                text = scope.atom(op.value, row, part).text
                scope.out.line(f"{scope.item(op.buffer, place)} = {text};")
            return
        width, stride = self._width(op, row, part), _stride(op)
        start = self._place(op, row) + Linear(part * scope.lanes * stride)
        vector, cell = scope.c_type(op.value), scope.cell(op.value, row, part)
        if stride != 1:
            uniform = scope.atom(op.value, row, part).uniform
            for i in range(width):
                text = scope.atom(op.value, row, part).text if uniform else f"{cell}[{i}]"
                item = scope.item(op.buffer, start + Linear(i * stride))
                scope.out.line(f"{item} = {text};")
        elif width == scope.lanes:
            helper = scope.helpers.named(f"store_{vector}")
            scope.out.line(f"{helper}({scope.place(op.buffer, start)}, {cell});")
        elif width:
            helper = scope.helpers.named(f"store_part_{vector}")
            scope.out.line(f"{helper}({scope.place(op.buffer, start)}, {cell}, {width});")

    def _place(self, op: Access, row: int) -> Linear:
        """The offset of the first element of a row."""
        start = self.scope.offset(op.buffer, op.map.data, op.indices)
        along = integers(op.along)
        if len(along) == 1:
            return start
        return start + Linear(row * strides_of(type_of(op.buffer))[along[0]])

    def _width(self, op: Access, row: int, part: int) -> int:
        """How many lanes of a native vector are in memory."""
        extent = _extent(op)
        if len(extent) == 2 and row >= extent[0]:
            return 0
        return max(0, min(self.scope.lanes, extent[-1] - part * self.scope.lanes))


def form(scope: Scope, op: Operation, row: int = 0, part: int = 0) -> Form:
    """An op's operands at one cell."""
    atoms = tuple(scope.atom(operand, row, part) for operand in op.operands)
    native = scope.is_native(op.results[0])
    return Form(op, atoms, native, scope.helpers, scope.target.fma)


def _tile(op: Access) -> SSAValue:
    return op.output if isinstance(op, tile.LoadOp) else op.value


def _extent(op: Access) -> tuple[int, ...]:
    """The part of a tile that is in memory."""
    if op.extent is not None:
        return integers(op.extent)
    return tile.tile_type(_tile(op)).get_shape()


def _within(op: Access, row: int, position: int) -> bool:
    extent = _extent(op)
    return position < extent[-1] and (len(extent) == 1 or row < extent[0])


def _stride(op: Access) -> int:
    """The stride of a tile's last dimension."""
    return strides_of(type_of(op.buffer))[integers(op.along)[-1]]


def _conflict(op: Access, other: Operation) -> bool:
    """Whether a store may touch what another op of the run reads or writes elsewhere in a tile."""
    if not isinstance(other, Access):
        return False
    if isinstance(op, tile.LoadOp) and isinstance(other, tile.LoadOp):
        return False
    return root(op.buffer) is root(other.buffer) and _access(op) != _access(other)


def _access(
    op: Access,
) -> tuple[SSAValue, AffineMap, tuple[SSAValue, ...], tuple[int, ...], Attribute]:
    return op.buffer, op.map.data, tuple(op.indices), integers(op.along), _tile(op).type


def _same(x: float, y: float) -> bool:
    return x == y or (x != x and y != y)


def _number(value: float, kind: str, native: bool) -> str:
    if kind == "i1" and native:
        return "-1" if value else "0"
    return literal(value, kind)
