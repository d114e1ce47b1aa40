"""What a run of ops does to one cell as a C function, where many cells are alike.

    INLINE void momentum_cell(vf sum, float *w, float *momentum, float lr) { … }

The cell's values are parameters, as is a pointer for each place in memory; so are the scalars
that all cells share. The function returns what ops after the run use of it, if anything.
"""

import re
from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Operation, SSAValue

from nnc.codegen.accesses import Access, AccessOp
from nnc.codegen.cells import CellPrinter, hint_for
from nnc.codegen.elements import VALUE_TYPES, kind
from nnc.codegen.form import Atom
from nnc.codegen.names import Names
from nnc.codegen.scope import Scope, memory_type
from nnc.codegen.text import comment
from nnc.codegen.tiles import SCALAR, Grid
from nnc.codegen.writer import Writer
from nnc.dialects import tile

Position = tuple[int, int]
"""A cell's row and part."""

LEAST = {1: (4, 8), 2: (6, 4)}
"""How many cells, and statements besides loads and stores, a function is worth, by rank."""


def outlined(
    cells: CellPrinter, used: Mapping[Position, Sequence[Operation]], rank: int
) -> dict[Position, "CellFunction"]:
    """The functions for cells; `used` are the ops of each. Cells that are alike share one."""
    least_cells, least_statements = LEAST[rank]
    if len(used) < least_cells:
        return {}
    alike: dict[tuple[object, ...], list[Position]] = {}
    for position, ops in used.items():
        accesses = _accesses(cells, ops)
        widths = [access.width(*position) for access in accesses]
        # What lies outside of memory is zero, and needs no pointer.
        if all(widths) and _statements(ops, accesses, widths) >= least_statements:
            alike.setdefault((*map(id, ops), *widths), []).append(position)
    found: dict[Position, CellFunction] = {}
    for positions in alike.values():
        ops = used[positions[0]]
        if len(positions) >= least_cells and _is_closed(ops):
            found |= dict.fromkeys(positions, CellFunction(cells, ops, positions[0]))
    return found


def _accesses(cells: CellPrinter, ops: Sequence[Operation]) -> list[Access]:
    return [cells.access(op) for op in ops if isinstance(op, tile.LoadOp | tile.StoreOp)]


def _statements(ops: Sequence[Operation], accesses: Sequence[Access], widths: Sequence[int]) -> int:
    """How many there are; lanes that are not beside each other are accessed one by one."""
    apart = (
        width
        for access, width in zip(accesses, widths, strict=True)
        if access.native and access.stride != 1
    )
    return len(ops) - len(accesses) - sum(map(_is_outside, ops)) + sum(apart)


def _is_closed(ops: Sequence[Operation]) -> bool:
    """Whether a function of a few parameters can do it: at most one result leaves."""
    return len(_results(ops)) <= 1 and not any(isinstance(op, tile.OuterOp) for op in ops)


def _is_outside(op: Operation) -> bool:
    """Whether the op names a cell's value, which is then a parameter."""
    return type(op) in (tile.BroadcastOp, tile.LanesOp)


def _results(ops: Sequence[Operation]) -> list[SSAValue]:
    """The values that are used elsewhere."""
    inside = set(ops)
    return [
        result
        for op in ops
        if not _is_outside(op)
        for result in op.results
        if any(use.operation not in inside for use in result.uses)
    ]


class CellScope(Scope):
    """The scope of a function on one cell: every vector is one native vector."""

    def grid(self, value: SSAValue) -> Grid:
        return Grid(1, 1, 1) if isinstance(value.type, VectorType) else SCALAR


class CellFunction:
    """A function and its calls. It is printed when it is first called."""

    def __init__(self, cells: CellPrinter, ops: Sequence[Operation], first: Position):
        self.cells, self.scope = cells, cells.scope
        self.outside = [op for op in ops if _is_outside(op)]
        self.ops = [op for op in ops if not _is_outside(op)]
        self.results = _results(ops)
        self._first = first
        self._names = Names()
        inputs = self._find_inputs()
        self._varying = [value for value in inputs if not self._is_shared(value)]
        self._shared: dict[Atom, list[SSAValue]] = {}
        """The inputs that are the same for all cells, by what stands for them."""
        for value in filter(self._is_shared, inputs):
            self._shared.setdefault(self.scope.atom(value), []).append(value)
        self._places = self._find_places()
        self._name: str | None = None

    def _find_inputs(self) -> list[SSAValue]:
        inside = {result for op in self.ops for result in op.results}
        read = [
            value
            for op in self.ops
            for value in ([op.value] if isinstance(op, tile.StoreOp) else op.operands)
            if not isinstance(op, tile.LoadOp)
        ]
        return [value for value in dict.fromkeys(read) if value not in inside]

    def _find_places(self) -> list[list[AccessOp]]:
        """The accesses by place in memory; those at the same place share a pointer."""
        places: dict[tuple[object, ...], list[AccessOp]] = {}
        for op in self.ops:
            if isinstance(op, tile.LoadOp | tile.StoreOp):
                access = self.cells.access(op)
                key = (access.pointer, str(access.start), access.row_stride, access.stride)
                places.setdefault(key, []).append(op)
        return list(places.values())

    def call(self, row: int, part: int) -> None:
        """What is done to one cell."""
        for op in self.outside:
            self.cells.print(op, row, part)
        if self._name is None:
            self._name = self._print()
        arguments = [self._argument(value, row, part) for value in self._varying]
        arguments += [self.cells.access(ops[0]).place(row, part) for ops in self._places]
        arguments += [atom.text for atom in self._shared if not atom.literal]
        text = f"{self._name}({', '.join(arguments)})"
        if not self.results:
            self.scope.out.line(f"{text};")
            return
        (result,) = self.results
        assert isinstance(result.owner, Operation)
        self.scope.define(result, row, part, text, hint_for(result.owner))

    def _argument(self, value: SSAValue, row: int, part: int) -> str:
        atom = self.scope.atom(value, row, part)
        return atom.text if atom.uniform else self.scope.cell(value, row, part)

    def _is_shared(self, value: SSAValue) -> bool:
        """Whether all cells of a value are the same."""
        if value.owner in self.outside:
            return False
        first = self.scope.atom(value)
        return all(atom == first for row in self.scope.cells[value] for atom in row)

    # The function

    def _print(self) -> str:
        """Prints the function, unless the unit has the same already; its name."""
        body = Writer(depth=1)
        outer = self.scope
        scope = CellScope(body, self._names, outer.helpers, outer.target, outer.function)
        parameters = self._parameters(scope)
        for op in self.ops:
            self._printer.print(op, 0, 0)
        returned = "void"
        if self.results:
            returned = scope.c_type(self.results[0])
            body.line(f"return {scope.cell(self.results[0])};")
        key = f"{returned}({', '.join(parameters)})\n{body.text}"
        if key not in outer.helpers.cells:
            name = outer.names.fresh(f"{outer.function}_cell")
            outer.helpers.cells[key] = name
            self._insert(f"{returned} {name}({', '.join(parameters)})", body)
        return outer.helpers.cells[key]

    def _insert(self, signature: str, body: Writer) -> None:
        text, lanes = Writer(), self.scope.lanes
        amount = "one element" if lanes == 1 else f"{lanes} lanes"
        text.line(comment(f"{self.scope.function}: what is done to {amount} of a tile"))
        with text.function(f"{self.scope.helpers.inline} {signature}"):
            text.append(body)
        text.line()
        self.scope.out.insert(text)

    def _parameters(self, scope: Scope) -> list[str]:
        """Declarations of the parameters; binds them in the function's scope."""
        declared = [self._parameter(scope, [value]) for value in self._varying]
        accesses: dict[AccessOp, Access] = {}
        declared += [self._pointer(scope, ops, accesses) for ops in self._places]
        self._printer = CellPrinter(scope, accesses)
        for atom, values in self._shared.items():
            if atom.literal:
                for value in values:
                    scope.bind(value, 0, 0, atom)
            else:
                declared.append(self._parameter(scope, values))
        return declared

    def _parameter(self, scope: Scope, values: Sequence[SSAValue]) -> str:
        """One parameter for values that are the same."""
        value, atom = values[0], self.scope.atom(values[0], *self._first)
        name = scope.names.fresh(_stem(atom.text) or value.name_hint or "value")
        for same in values:
            scope.bind(same, 0, 0, Atom(name, atom.uniform))
        type = VALUE_TYPES[kind(value.type)] if atom.uniform else scope.c_type(value)
        return f"{type} {name}"

    def _pointer(
        self, scope: Scope, ops: Sequence[AccessOp], accesses: dict[AccessOp, Access]
    ) -> str:
        """The pointer to a place in memory, and the accesses through it."""
        access = self.cells.access(ops[0])
        name = scope.names.fresh(access.pointer)
        for op in ops:
            width = self.cells.access(op).width(*self._first)
            accesses[op] = self.cells.access(op).alone(scope, name, width)
        const = "" if any(isinstance(op, tile.StoreOp) for op in ops) else "const "
        return f"{const}{memory_type(ops[0].buffer.type)} *{name}"


def _stem(text: str) -> str:
    """`sum` of `sum_0_3`; empty where the text is no name."""
    found = re.fullmatch(r"([A-Za-z]\w*?)(_\d+)*", text)
    return found[1] if found else ""
