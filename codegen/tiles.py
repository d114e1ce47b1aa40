"""How a vector value is laid out in C: rows of native vectors, or a column of scalars.

A `vector<6x64xf32>` on a target of 16 lanes is 6 rows of 4 native vectors. A 1-D vector is one row,
unless it stands for one value per row of a tile (a column): then it is as many scalars.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Operation, Region, SSAValue, Use

from nnc.codegen.expressions import EXPRESSIONS
from nnc.dialects import loop, tile
from nnc.dialects.syntax import integers


@dataclass(frozen=True)
class Grid:
    """Rows by native vectors in each; `column` values are rows by one scalar."""

    rows: int
    parts: int
    rank: int
    column: bool = False

    def suffix(self, row: int, part: int) -> str:
        """What follows a value's name in the name of one cell."""
        if self.rank == 2:
            return f"_{row}_{part}"
        if self.column:
            return f"_{row}"
        return f"_{part}" if self.parts > 1 else ""

    def cells(self) -> Iterator[tuple[int, int]]:
        return ((r, p) for r in range(self.rows) for p in range(self.parts))

    @property
    def suffixes(self) -> list[str]:
        return [self.suffix(r, p) for r, p in self.cells()]


SCALAR = Grid(1, 1, 0)


def grid(type: Attribute, lanes: int, column: bool = False) -> Grid:
    """The layout of a value of this type."""
    if not isinstance(type, VectorType):
        return SCALAR
    *rows, last = type.get_shape()
    if column:
        return Grid(last, 1, 1, column=True)
    return Grid(rows[0] if rows else 1, -(-last // lanes), len(rows) + 1)


def is_column_use(use: Use) -> bool:
    """Whether one element per row of a tile is used."""
    match use.operation:
        case tile.OuterOp():
            return use.index == 0
        case tile.BroadcastOp() as op:
            return (
                integers(op.dimension) == (0,) and len(tile.tile_type(op.output).get_shape()) == 2
            )
        case _:
            return False


def _is_row_use(use: Use) -> bool:
    match use.operation:
        case tile.OuterOp():
            return use.index == 1
        case tile.BroadcastOp():
            return not is_column_use(use)
        case tile.ReduceOp():
            return True
        case _:
            return False


def columns(body: Region) -> set[SSAValue]:
    """The 1-D vectors that are columns: one value per row, and never a row.

    Values that meet in an elementwise op, or are carried by one loop, share a layout.
    """
    groups = _Groups()
    for op in body.walk():
        for values in _related(op):
            groups.join([v for v in values if _is_line(v)])
    return {value for members in groups.sets() if _is_column(members) for value in members}


def _is_line(value: SSAValue) -> bool:
    return isinstance(value.type, VectorType) and len(value.type.get_shape()) == 1


def _is_column(members: Sequence[SSAValue]) -> bool:
    if any(_reduces_rows(value) for value in members):
        return True
    uses = [use for value in members for use in value.uses]
    return any(map(is_column_use, uses)) and not any(map(_is_row_use, uses))


def _reduces_rows(value: SSAValue) -> bool:
    op = value.owner
    return isinstance(op, tile.ReduceOp) and integers(op.dimension) == (1,)


def _related(op: Operation) -> Iterator[Sequence[SSAValue]]:
    """Groups of values of one layout that `op` ties together."""
    if op.name in EXPRESSIONS:
        yield [*op.operands, *op.results]
        return
    match op:
        case loop.ForOp():
            arguments = op.body.block.args[1:]
            yield from zip(op.inits, arguments, _yielded(op.body), op.outputs, strict=True)
        case loop.WhenOp():
            yield from zip(op.otherwise, _yielded(op.body), op.outputs, strict=True)
        case scf.IfOp() if op.results:
            yields = (_yielded(op.true_region), _yielded(op.false_region))
            yield from zip(*yields, op.results, strict=True)
        case _:
            yield from ([result] for result in op.results)


def _yielded(body: Region) -> Sequence[SSAValue]:
    last = body.block.last_op
    return last.operands if last is not None else ()


class _Groups:
    """Disjoint sets of values; each points towards the one that stands for its set."""

    def __init__(self):
        self._parent: dict[SSAValue, SSAValue] = {}

    def find(self, value: SSAValue) -> SSAValue:
        parent = self._parent.setdefault(value, value)
        if parent is value:
            return value
        self._parent[value] = found = self.find(parent)
        return found

    def join(self, values: Sequence[SSAValue]) -> None:
        if values:
            first = self.find(values[0])
            for value in values[1:]:
                self._parent[self.find(value)] = first

    def sets(self) -> list[list[SSAValue]]:
        members: dict[SSAValue, list[SSAValue]] = {}
        for value in list(self._parent):
            members.setdefault(self.find(value), []).append(value)
        return list(members.values())
