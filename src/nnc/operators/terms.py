"""Formulas as Python writes them: terms emit elementwise ops of the `nn` dialect."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from xdsl.builder import Builder
from xdsl.ir import Operation as Op
from xdsl.ir import SSAValue

from nnc.dialects.nn.base import insert
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import (
    AddOp,
    ClampOp,
    CompareOp,
    DivOp,
    MaxOp,
    MinOp,
    MulOp,
    NegOp,
    PowOp,
    SelectOp,
    SubOp,
)
from nnc.recording.graph import Operation


@dataclass(frozen=True)
class Term:
    """A value with operators; numbers take its type."""

    b: Builder
    value: SSAValue

    def apply(self, kind: Callable[..., Op], *others: "Term | float") -> "Term":
        """An op on this value and others."""
        return Term(self.b, insert(self.b, kind(self.value, *map(self.like, others))))

    def like(self, other: "Term | float") -> SSAValue:
        return other.value if isinstance(other, Term) else constant(self.b, other, self.value)

    def number(self, value: float) -> "Term":
        """A number in each element."""
        return Term(self.b, self.like(value))

    def __add__(self, other: "Term | float") -> "Term":
        return self.apply(AddOp, other)

    def __radd__(self, other: float) -> "Term":
        return self.number(other) + self

    def __sub__(self, other: "Term | float") -> "Term":
        return self.apply(SubOp, other)

    def __rsub__(self, other: float) -> "Term":
        return self.number(other) - self

    def __mul__(self, other: "Term | float") -> "Term":
        return self.apply(MulOp, other)

    def __rmul__(self, other: float) -> "Term":
        return self.number(other) * self

    def __truediv__(self, other: "Term | float") -> "Term":
        return self.apply(DivOp, other)

    def __rtruediv__(self, other: float) -> "Term":
        return self.number(other) / self

    def __pow__(self, other: "Term | float") -> "Term":
        return self.apply(PowOp, other)

    def __neg__(self) -> "Term":
        return self.apply(NegOp)

    def __lt__(self, other: "Term | float") -> "Term":
        return self.compare("lt", other)

    def __gt__(self, other: "Term | float") -> "Term":
        return self.compare("gt", other)

    def compare(self, predicate: str, other: "Term | float") -> "Term":
        return self.apply(partial(CompareOp, predicate), other)

    def at_most(self, bound: "Term | float") -> "Term":
        """The smaller; at the bound the gradient is this term's."""
        return self.apply(MinOp, bound)

    def at_least(self, bound: "Term | float") -> "Term":
        """The larger; at the bound the gradient is this term's."""
        return self.apply(MaxOp, bound)

    def within(self, low: float, high: float) -> "Term":
        """The nearest value between bounds; at them the gradient is this term's."""
        return self.apply(partial(ClampOp, low=low, high=high))

    def where(self, mask: "Term", otherwise: "Term | float") -> "Term":
        """This term where the mask holds."""
        other = self.like(otherwise)
        return Term(self.b, insert(self.b, SelectOp(mask.value, self.value, other)))


def formula(write: Callable[..., Term]) -> Operation:
    """The operation on one array that `write(term, *attributes)` describes."""

    def emit(b: Builder, x: SSAValue, *attributes: Any) -> SSAValue:
        return write(Term(b, x), *attributes).value

    return Operation(emit, write.__name__)
