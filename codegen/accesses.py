"""Tile loads and stores: where in memory each cell lies, and how it is read or written."""

from collections.abc import Sequence
from copy import copy

from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap

from nnc.codegen.elements import kind, literal
from nnc.codegen.linear import Linear
from nnc.codegen.scope import Scope, plus
from nnc.codegen.tiles import is_column_use
from nnc.dialects import tile
from nnc.dialects.buffer import root, strides_of, type_of
from nnc.dialects.syntax import integers

AccessOp = tile.LoadOp | tile.StoreOp


class Access:
    """One load or store, at given values of its indices."""

    def __init__(self, scope: Scope, op: AccessOp):
        self.scope, self.pointer = scope, scope.buffers[op.buffer]
        self.tile = op.output if isinstance(op, tile.LoadOp) else op.value
        strides = strides_of(type_of(op.buffer))
        *outer, last = integers(op.along)
        self.start = scope.offset(op.buffer, op.map.data, op.indices)
        self.row_stride = strides[outer[0]] if outer else 0
        self.stride = strides[last]
        shape = tile.tile_type(self.tile).get_shape()
        *rows, self.extent = shape if op.extent is None else integers(op.extent)
        self.rows = rows[0] if rows else 1
        self.native = scope.is_native(self.tile)
        self.column = scope.grid(self.tile).column
        self.vector = scope.c_type(self.tile)
        self.is_mask = kind(self.tile.type) == "i1"

    def width(self, row: int, part: int) -> int:
        """How many elements of a cell are in memory."""
        if self.column:
            return int(row < self.extent)
        if row >= self.rows:
            return 0
        lanes = self.scope.lanes
        return max(0, min(lanes, self.extent - part * lanes))

    def offset(self, row: int, part: int, lane: int = 0) -> Linear:
        """The offset of a cell's lane from the buffer's first element."""
        if self.column:
            return self.start + Linear(row * self.stride)
        position = part * self.scope.lanes + lane
        return self.start + Linear(row * self.row_stride + position * self.stride)

    def alone(self, scope: Scope, pointer: str, width: int) -> "Access":
        """The access of one cell that a pointer of another function points to."""
        cell = copy(self)
        cell.scope, cell.pointer, cell.start = scope, pointer, Linear()
        cell.rows, cell.extent = 1, width
        return cell

    def item(self, row: int, part: int, lane: int = 0) -> str:
        return f"{self.pointer}[{self.offset(row, part, lane)}]"

    def place(self, row: int, part: int) -> str:
        return plus(self.pointer, self.offset(row, part))

    def helper(self, name: str) -> str:
        return self.scope.helpers.named(f"{name}_{self.vector}")

    def loaded(self, row: int, part: int) -> str:
        """The expression that reads a cell; zeros stand for what is not in memory."""
        width = self.width(row, part)
        if not self.native:
            return self.item(row, part) if width else literal(0, kind(self.tile.type))
        if width == 0:
            return "{0}"
        if self.stride != 1:
            sign = "-" if self.is_mask else ""
            return f"{{{', '.join(sign + self.item(row, part, lane) for lane in range(width))}}}"
        if self.is_mask:
            return f"{self.helper('load_mask')}({self.place(row, part)}, {width})"
        if width == self.scope.lanes:
            return f"{self.helper('load')}({self.place(row, part)})"
        return f"{self.helper('load_part')}({self.place(row, part)}, {width})"

    def stored(self, row: int, part: int) -> Sequence[str]:
        """The statements that write a cell."""
        width, atom = self.width(row, part), self.scope.atom(self.tile, row, part)
        if not self.native:
            return [f"{self.item(row, part)} = {atom.text};"]
        cell = self.scope.cell(self.tile, row, part)
        if self.stride != 1:
            bit = " & 1" if self.is_mask else ""
            lanes = [(atom.text if atom.uniform else f"{cell}[{i}]") + bit for i in range(width)]
            return [f"{self.item(row, part, i)} = {lane};" for i, lane in enumerate(lanes)]
        if self.is_mask:
            return [f"{self.helper('store_mask')}({self.place(row, part)}, {cell}, {width});"]
        if width == self.scope.lanes:
            return [f"{self.helper('store')}({self.place(row, part)}, {cell});"]
        return [f"{self.helper('store_part')}({self.place(row, part)}, {cell}, {width});"]


def is_spread(scope: Scope, value: SSAValue) -> bool:
    """Whether a column is loaded straight into all lanes, being used in no other way."""
    if scope.lanes == 1 or not isinstance(value.owner, tile.LoadOp) or kind(value.type) != "f32":
        return False
    return all(map(is_column_use, value.uses))


def conflict(op: AccessOp, other: Operation) -> bool:
    """Whether one may write what the other reads or writes in another cell."""
    if not isinstance(other, tile.LoadOp | tile.StoreOp):
        return False
    if isinstance(op, tile.LoadOp) and isinstance(other, tile.LoadOp):
        return False
    return root(op.buffer) is root(other.buffer) and _key(op) != _key(other)


def _key(
    op: AccessOp,
) -> tuple[SSAValue, AffineMap, tuple[SSAValue, ...], tuple[int, ...], Attribute]:
    value = op.output if isinstance(op, tile.LoadOp) else op.value
    return op.buffer, op.map.data, tuple(op.indices), integers(op.along), value.type
