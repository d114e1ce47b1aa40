"""The state of one C function while it is printed: what each SSA value is called."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.ir.affine import AffineMap

from nnc.codegen.elements import MEMORY_TYPES, VALUE_TYPES, kind
from nnc.codegen.errors import CodegenError
from nnc.codegen.form import Atom, splat
from nnc.codegen.helpers import VECTOR, Helpers
from nnc.codegen.linear import Linear, address
from nnc.codegen.names import Names
from nnc.codegen.tiles import Grid, columns, grid
from nnc.codegen.writer import Writer
from nnc.dialects.buffer import strides_of, type_of
from nnc.dialects.target import Target

Cells = list[list[Atom]]
"""What stands for each cell of a value: `[row][part]`; a scalar has one."""


@dataclass
class Scope:
    """Names and atoms of one C function."""

    out: Writer
    names: Names
    helpers: Helpers
    target: Target
    function: str
    """The kernel that is printed."""
    body: Region | None = None
    cells: dict[SSAValue, Cells] = field(default_factory=dict[SSAValue, Cells])
    indices: dict[SSAValue, Linear] = field(default_factory=dict[SSAValue, Linear])
    buffers: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    """Pointer names."""
    facts: list[Linear] = field(default_factory=list[Linear])
    """What the guards around say is not negative."""
    assigned: dict[SSAValue, Cells] = field(default_factory=dict[SSAValue, Cells])
    """Values that are computed straight into variables of a loop."""
    patterns: dict[Operation, str] = field(default_factory=dict[Operation, str])
    """The expression that all cells of an op share, with marks for their operands."""
    _grids: dict[SSAValue, Grid] = field(default_factory=dict[SSAValue, Grid])
    _heads: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    _bases: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    # What a value is

    @cached_property
    def columns(self) -> set[SSAValue]:
        """The vectors that are one value for each row; with one lane nothing depends on it."""
        return set() if self.body is None or self.lanes == 1 else columns(self.body)

    @property
    def lanes(self) -> int:
        return self.target.lanes

    def grid(self, value: SSAValue) -> Grid:
        shape = self._grids.get(value)
        if shape is None:
            shape = self._grids[value] = grid(value.type, self.lanes, value in self.columns)
        return shape

    def is_native(self, value: SSAValue) -> bool:
        """Whether the cells of a value are native vectors rather than scalars."""
        if self.lanes == 1:
            return False
        shape = self.grid(value)
        return shape.rank > 0 and not shape.column

    def c_type(self, value: SSAValue) -> str:
        element = kind(value.type)
        if not self.is_native(value):
            return VALUE_TYPES[element]
        if element not in VECTOR:
            raise CodegenError(f"{self.target.name} has no vectors of {element}: {value}")
        return self.helpers.vector(element)

    # Names

    def base(self, value: SSAValue, hint: str) -> str:
        """The name of a value, on which the names of its cells are built."""
        if value not in self._bases:
            suffixes = self.grid(value).suffixes
            self._bases[value] = self.names.fresh(value.name_hint or hint, suffixes)
        return self._bases[value]

    def variables(self, value: SSAValue, hint: str) -> Cells:
        """The variables that hold a value's cells."""
        shape, base = self.grid(value), self.base(value, hint)
        return [
            [Atom(base + shape.suffix(r, p)) for p in range(shape.parts)] for r in range(shape.rows)
        ]

    def define(self, value: SSAValue, row: int, part: int, expression: str, hint: str) -> None:
        """`type name = expression;`, or an assignment to the loop variable it is for."""
        head = self._heads.get(value)
        if head is None:
            head = self._heads[value] = self._declared(value, hint)
        if value in self.cells:
            name = self.cells[value][row][part].text
            if name != expression:
                self.out.line(f"{head}{name} = {expression};")

    def _declared(self, value: SSAValue, hint: str) -> str:
        """What stands before a value's name where it is computed; binds the names of its cells."""
        if value in self.assigned:
            self.cells[value] = self.assigned[value]
            return ""
        if not value.uses:
            return ""
        self.cells[value] = self.variables(value, hint)
        return f"{self.c_type(value)} "

    def bind(self, value: SSAValue, row: int, part: int, atom: Atom) -> None:
        """The cell of a value is `atom` from now on."""
        shape = self.grid(value)
        cells = self.cells.get(value)
        if cells is None:
            cells = [[Atom("?")] * shape.parts for _ in range(shape.rows)]
            self.cells[value] = cells
        cells[row][part] = atom

    def bind_all(self, value: SSAValue, atom: Atom) -> None:
        """All cells of a value are `atom`."""
        shape = self.grid(value)
        self.cells[value] = [[atom] * shape.parts] * shape.rows

    # Operands

    def atom(self, value: SSAValue, row: int = 0, part: int = 0) -> Atom:
        cells = self.cells.get(value)
        if cells is not None:
            return cells[row][part]
        linear = self.indices[value]
        return Atom(linear.atom, literal=not linear.terms)

    def cell(self, value: SSAValue, row: int = 0, part: int = 0) -> str:
        """A cell as C text of the value's C type."""
        atom = self.atom(value, row, part)
        if atom.uniform and self.is_native(value):
            return self.splat(atom, kind(value.type))
        return atom.text

    def splat(self, atom: Atom, kind: str) -> str:
        return splat(self.helpers, atom.text, kind)

    def element(self, value: SSAValue, position: int) -> str:
        """One element of a 1-D vector, as a scalar."""
        if self.grid(value).column:
            return self.cells[value][position][0].text
        part, lane = divmod(position, self.lanes)
        atom = self.cells[value][0][part]
        return atom.text if atom.uniform or self.lanes == 1 else f"{atom.text}[{lane}]"

    # Memory

    def linear(self, indices: Sequence[SSAValue]) -> list[Linear]:
        return [self.indices[i] for i in indices]

    def offset(self, buffer: SSAValue, map: AffineMap, indices: Sequence[SSAValue]) -> Linear:
        """The offset of a subscript in elements."""
        return address(map, self.linear(indices), strides_of(type_of(buffer)), self.facts)

    def place(self, buffer: SSAValue, offset: Linear) -> str:
        """`x + offset`, a pointer."""
        return plus(self.buffers[buffer], offset)

    def item(self, buffer: SSAValue, offset: Linear) -> str:
        """`x[offset]`, an element."""
        return f"{self.buffers[buffer]}[{offset}]"


def plus(pointer: str, offset: Linear) -> str:
    text = str(offset)
    if text == "0":
        return pointer
    return f"{pointer} - {text[1:]}" if text.startswith("-") else f"{pointer} + {text}"


def memory_type(type: Attribute) -> str:
    """The C type of a buffer's elements."""
    return MEMORY_TYPES[kind(type)]
