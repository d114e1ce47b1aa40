"""Runs of ops that work cell by cell, printed cell by cell.

All ops of a cell stand together, so that a long epilogue of a 6x64 tile needs a few registers
and not 24 for each of its ops. Where many cells are alike, what is done to one is a function.
"""

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from nnc.codegen.accesses import conflict
from nnc.codegen.cell_functions import CellFunction, Position, outlined
from nnc.codegen.cells import CellPrinter
from nnc.codegen.scope import Scope
from nnc.codegen.tiles import Grid
from nnc.dialects import tile
from nnc.dialects.buffer import root

_Cell = tuple[SSAValue, int, int]


class Run:
    """Consecutive cell-wise ops, printed together."""

    def __init__(self, scope: Scope):
        self.scope = scope
        self.cells = CellPrinter(scope)
        self.ops: list[Operation] = []
        self._needed: set[_Cell] | None = None

    def add(self, op: Operation) -> None:
        """Append; first print the run where its order of memory accesses would be lost."""
        if isinstance(op, tile.LoadOp | tile.StoreOp) and any(
            conflict(op, other) for other in self.ops
        ):
            self.flush()
        self.ops.append(op)

    def writes(self, buffer: SSAValue) -> bool:
        """Whether an op of the run stores to the memory of a buffer."""
        stores = (op for op in self.ops if isinstance(op, tile.StoreOp))
        return any(root(op.buffer) is root(buffer) for op in stores)

    def flush(self) -> None:
        if not self.ops:
            return
        ops = [op for op in self.ops if not self.cells.everywhere(op)]
        self.ops = []
        self.cells.forget_accesses()
        shapes = {id(op): self._shape(op) for op in ops}
        self._needed = self._needed_cells(ops)
        columns = [op for op in ops if shapes[id(op)].column]
        others = [op for op in ops if not shapes[id(op)].column]
        # Lines come first: tiles use them.
        for shape in sorted(dict.fromkeys(shapes[id(op)] for op in others), key=lambda s: s.rank):
            same = [op for op in others if shapes[id(op)] == shape]
            own = [c for c in columns if shape.rank == 2 and shapes[id(c)].rows == shape.rows]
            self._rows(same, shape, own)
            columns = [c for c in columns if c not in own]
        for rows in dict.fromkeys(shapes[id(op)].rows for op in columns):
            same = [c for c in columns if shapes[id(c)].rows == rows]
            self._rows([], Grid(rows, 0, 2), same)

    def _shape(self, op: Operation) -> Grid:
        value = op.value if isinstance(op, tile.StoreOp) else op.results[0]
        return self.scope.grid(value)

    def _rows(self, ops: Sequence[Operation], shape: Grid, columns: Sequence[Operation]) -> None:
        functions = self._functions(ops, shape)
        for row in range(shape.rows):
            for op in columns:
                self.cell(op, row, 0)
            for part in range(shape.parts):
                if (row, part) in functions:
                    functions[row, part].call(row, part)
                    continue
                for op in ops:
                    self.cell(op, row, part)

    def _functions(self, ops: Sequence[Operation], shape: Grid) -> dict[Position, CellFunction]:
        """By cell, the function that it shares with others."""
        used = {(r, p): [op for op in ops if self._is_needed(op, r, p)] for r, p in shape.cells()}
        return outlined(self.cells, used, shape.rank)

    def _needed_cells(self, ops: Sequence[Operation]) -> set[_Cell] | None:
        """The cells whose values are used; None means all, where no store leaves any out."""
        stores = [op for op in ops if isinstance(op, tile.StoreOp) and op.extent is not None]
        if not stores:
            return None
        needed: set[_Cell] = set()
        inside = set(ops)
        for op in reversed(ops):
            for row, part in self._shape(op).cells():
                if isinstance(op, tile.StoreOp):
                    used = self._is_needed(op, row, part)
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

    def _read(self, op: Operation, value: SSAValue, row: int, part: int) -> list[_Cell]:
        """The cells of an operand that one cell of the result reads, or more."""
        shape = self.scope.grid(value)
        if isinstance(op, tile.BroadcastOp | tile.OuterOp) and shape.rank < 2:
            return [(value, r, p) for r, p in shape.cells()]
        return [(value, row, part)]

    def _is_needed(self, op: Operation, row: int, part: int) -> bool:
        if isinstance(op, tile.StoreOp):
            return self.cells.access(op).width(row, part) > 0
        return self._needed is None or (op.results[0], row, part) in self._needed

    def cell(self, op: Operation, row: int, part: int) -> None:
        """Print one cell of an op, unless nothing uses it."""
        if self._is_needed(op, row, part):
            self.cells.print(op, row, part)
