"""Ops that work cell by cell: elementwise arithmetic, tile loads, stores, fills, products."""

from collections.abc import Callable, Sequence
from typing import Any

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, VectorType
from xdsl.ir import Operation, SSAValue

from nnc.codegen.accesses import Access, AccessOp, is_spread
from nnc.codegen.elements import kind, literal
from nnc.codegen.errors import CodegenError
from nnc.codegen.expressions import EXPRESSIONS, extended_product
from nnc.codegen.form import Atom, Form, Spelling
from nnc.codegen.scope import Scope
from nnc.codegen.tiles import is_column_use
from nnc.dialects import arith, tile

MARKS = "\0\1\2"
"""Stand for the operands of an op in the expression that all its cells share."""

HINTS = {
    "arith.addi": "sum",
    "arith.subi": "difference",
    "arith.muli": "product",
    "arith.andi": "both",
    "arith.ori": "either",
    "arith.xori": "flipped",
    "arith.bitcast": "bits",
    "arith.extf": "wide",
    "arith.extsi": "wide",
    "arith.extui": "wide",
    "arith.index_cast": "number",
    "arith.maxsi": "larger",
    "arith.minsi": "smaller",
    "arith.sitofp": "number",
    "arith.fptosi": "whole",
    "arith.shli": "shifted",
    "arith.shrui": "shifted",
    "arith.shrsi": "shifted",
    "math.absf": "magnitude",
    "math.fma": "fused",
    "math.sqrt": "root",
    "math.rsqrt": "inverse_root",
    "arith.addf": "sum",
    "arith.subf": "difference",
    "arith.truncf": "rounded",
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


_TILE_OPS = frozenset(
    (tile.LoadOp, tile.StoreOp, tile.FillOp, tile.BroadcastOp, tile.OuterOp, tile.LanesOp)
)
_ARITH_OPS = frozenset((arith.ConstantOp, arith.MulUIExtendedOp, arith.MulSIExtendedOp))


def is_cellwise(op: Operation) -> bool:
    """Whether each cell of the op's result depends on one cell of each operand."""
    if op.name in EXPRESSIONS or type(op) in _ARITH_OPS:
        return isinstance(op.results[0].type, VectorType)
    return type(op) in _TILE_OPS


class CellPrinter:
    """Prints single cells of ops."""

    def __init__(self, scope: Scope, accesses: dict[AccessOp, Access] | None = None):
        self.scope = scope
        self._accesses = accesses or {}
        self._printers: dict[type[Operation], Callable[[Any, int, int], None]] = {
            tile.LoadOp: self._load,
            tile.StoreOp: self._store,
            tile.BroadcastOp: self._broadcast,
            tile.OuterOp: self._outer,
            tile.LanesOp: self._lanes,
            arith.MulUIExtendedOp: self._extended_product,
            arith.MulSIExtendedOp: self._extended_product,
        }

    def print(self, op: Operation, row: int, part: int) -> None:
        print_cell = self._printers.get(type(op), self._expression)
        print_cell(op, row, part)

    def everywhere(self, op: Operation) -> bool:
        """Bind a value whose cells are all the same."""
        match op:
            case tile.FillOp():
                self._fill(op)
            case arith.ConstantOp():
                self._constant(op)
            case _:
                return False
        return True

    def access(self, op: AccessOp) -> Access:
        if op not in self._accesses:
            self._accesses[op] = Access(self.scope, op)
        return self._accesses[op]

    def forget_accesses(self) -> None:
        """Indices may have other values from now on."""
        self._accesses.clear()

    def _expression(self, op: Operation, row: int, part: int) -> None:
        atoms = [self.scope.atom(v, row, part) for v in op.operands]
        self._elementwise(op, EXPRESSIONS[op.name], atoms, row, part)

    def _extended_product(self, op: Operation, row: int, part: int) -> None:
        halves = extended_product(op, form(self.scope, op, row, part))
        for result, text in zip(op.results, halves, strict=True):
            self.scope.define(result, row, part, text, hint_for(op))

    def _elementwise(
        self, op: Operation, spell: Spelling, atoms: Sequence[Atom], row: int, part: int
    ) -> None:
        """An expression of cells. It is spelled once for an op, and the cells' names put in."""
        scope, result = self.scope, op.results[0]
        pattern = scope.patterns.get(op)
        if pattern is None:
            marked = tuple(
                a if a.literal else Atom(mark, a.uniform)
                for a, mark in zip(atoms, MARKS, strict=False)
            )
            native = scope.is_native(result)
            pattern = spell(Form(op, marked, native, scope.helpers, scope.target.fma))
            scope.patterns[op] = pattern
        for atom, mark in zip(atoms, MARKS, strict=False):
            pattern = pattern.replace(mark, atom.text)
        scope.define(result, row, part, pattern, hint_for(op))

    def _outer(self, op: tile.OuterOp, row: int, part: int) -> None:
        accumulator = self.scope.atom(op.accumulator, row, part)
        atoms = (self._column(op.column, row), self._row(op.row, part), accumulator)
        self._elementwise(op, EXPRESSIONS["math.fma"], atoms, row, part)

    def _broadcast(self, op: tile.BroadcastOp, row: int, part: int) -> None:
        along_rows = any(is_column_use(use) for use in op.input.uses if use.operation is op)
        atom = self._column(op.input, row) if along_rows else self._row(op.input, part)
        self.scope.bind(op.output, row, part, atom)

    def _column(self, value: SSAValue, row: int) -> Atom:
        """Element `row` of a 1-D vector, for all lanes."""
        scope = self.scope
        if scope.grid(value).column:
            atom = scope.atom(value, row)
            if is_spread(scope, value):
                return atom
            if kind(value.type) == "i1":
                return Atom(scope.splat(Atom(f"-{atom.text}"), "i1"))
            return Atom(atom.text, uniform=True)
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

    def _fill(self, op: tile.FillOp) -> None:
        atom = self.scope.atom(op.scalar)
        native = self.scope.is_native(op.output)
        if native and kind(op.scalar.type) == "i1":
            # A mask has lanes, whatever it selects.
            self.scope.bind_all(op.output, Atom(self.scope.splat(Atom(f"-{atom.text}"), "i1")))
        else:
            self.scope.bind_all(op.output, Atom(atom.text, native, atom.literal))

    def _lanes(self, op: tile.LanesOp, row: int, part: int) -> None:
        scope = self.scope
        if not scope.is_native(op.output):
            number = row if scope.grid(op.output).column else part
            scope.bind(op.output, row, part, Atom(str(number)))
            return
        first = part * scope.lanes
        numbers = ", ".join(str(first + lane) for lane in range(scope.lanes))
        scope.define(op.output, row, part, f"{{{numbers}}}", "lane")

    def _constant(self, op: arith.ConstantOp) -> None:
        scope, value = self.scope, op.value
        if not (isinstance(value, DenseIntOrFPElementsAttr) and _is_splat(value)):
            raise CodegenError.at(op, "vector constants have one value; load others from a buffer")
        number = next(n for n in value.iter_values() if isinstance(n, float | int))
        native = scope.is_native(op.result)
        text = _number(number, kind(op.result.type), native)
        scope.bind_all(op.result, Atom(text, native, literal=True))

    # Memory

    def _store(self, op: tile.StoreOp, row: int, part: int) -> None:
        for line in self.access(op).stored(row, part):
            self.scope.out.line(line)

    def _load(self, op: tile.LoadOp, row: int, part: int) -> None:
        scope, access = self.scope, self.access(op)
        text = access.loaded(row, part)
        hint = f"{access.pointer}_value"
        if is_spread(scope, op.output):
            name = f"{scope.base(op.output, hint)}_{row}"
            scope.out.line(f"vf {name} = {scope.helpers.named('splat_vf')}({text});")
            scope.bind(op.output, row, 0, Atom(name))
        else:
            scope.define(op.output, row, part, text, hint)


def form(scope: Scope, op: Operation, row: int = 0, part: int = 0) -> Form:
    """An op's operands at one cell."""
    atoms = tuple(scope.atom(operand, row, part) for operand in op.operands)
    native = scope.is_native(op.results[0])
    return Form(op, atoms, native, scope.helpers, scope.target.fma)


def _is_splat(value: DenseIntOrFPElementsAttr[Any]) -> bool:
    """Whether all elements have the same bits; NaN is not equal to itself."""
    data, count = value.data.data, len(value)
    return data == data[: len(data) // count] * count


def _number(value: float, kind: str, native: bool) -> str:
    if kind == "i1" and native:
        return "-1" if value else "0"
    return literal(value, kind)
