"""What an expression is spelled from: an op, and the text that stands for each operand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from xdsl.ir import Operation

from nnc.codegen.elements import kind
from nnc.codegen.helpers import VECTOR, Helpers


class Atom(NamedTuple):
    """An operand: its text, and whether a scalar stands for all lanes of a vector."""

    text: str
    uniform: bool = False
    literal: bool = False
    """Whether it is a number, and so not NaN unless it says so."""

    @property
    def number(self) -> bool:
        return self.literal and self.text != "NAN"


@dataclass(frozen=True)
class Form:
    """One op to be spelled: its operands, their kind, and whether they are vectors."""

    op: Operation
    atoms: tuple[Atom, ...]
    vector: bool
    helpers: Helpers
    fma: bool

    @property
    def kind(self) -> str:
        return kind(self.op.operands[0].type)

    @property
    def result(self) -> str:
        return kind(self.op.results[0].type)

    @property
    def of_itself(self) -> bool:
        """Whether both operands are one value."""
        return self.op.operands[0] is self.op.operands[1]

    def operand(self, i: int) -> str:
        """Operand `i`, as a vector where the op is on vectors."""
        atom = self.atoms[i]
        if not (self.vector and atom.uniform):
            return atom.text
        return splat(self.helpers, atom.text, kind(self.op.operands[i].type))

    @property
    def a(self) -> str:
        return self.operand(0)

    @property
    def b(self) -> str:
        return self.operand(1)

    def infix(self, operator: str) -> str:
        """`a operator b`; C takes a scalar on one side of a vector operator."""
        if self.vector and not all(atom.uniform for atom in self.atoms):
            return f"{self.atoms[0].text} {operator} {self.atoms[1].text}"
        return f"{self.a} {operator} {self.b}"

    def call(self, name: str, kind: str | None = None) -> str:
        """A call of a lane-wise helper on all operands."""
        helper = self.helpers.lanewise(name, kind or self.kind, self.vector)
        return f"{helper}({', '.join(self.operand(i) for i in range(len(self.atoms)))})"


def splat(helpers: Helpers, text: str, kind: str) -> str:
    """A vector with the scalar `text` in every lane."""
    return f"{helpers.named(f'splat_{VECTOR[kind]}')}({text})"


Spelling = Callable[[Form], str]
"""One C expression for an op."""
