"""What an op may know about itself, as mixin classes.

* `Infers`: result types from operand types and properties; constructor and verifier use it.
* `Differentiable`: the vector-Jacobian product as more IR.
* `Structured`: an iteration domain, how each operand is read, and the scalar meaning of one point;
  from it come fusion, loops for every target, in-place analysis and flop counts.
* `Decomposes`: the same value in smaller ops, used inside kernels.

An op with neither `Structured` nor `Decomposes` needs a lowering of its own in
`lowering/strategies`; without one `kernel-to-loops` reports an error.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.builder import Builder
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap, AffineSet

Cotangents = Sequence[SSAValue | None]
"""One cotangent per value; None is zero."""

Reduction = Literal["sum", "prod", "max", "min"]


class Infers(Operation, abc.ABC):
    """An op whose result types follow from its operands and properties."""

    @classmethod
    @abc.abstractmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        """The result types; raises `VerifyException` saying expected and given."""


class Differentiable(Operation, abc.ABC):
    """An op that can write its own vector-Jacobian product as IR."""

    @abc.abstractmethod
    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        """One cotangent per operand, given one per result; None where not needed or zero.

        At least one of `grads` is not None. Every op inserted must itself be differentiable
        or be listed as not twice differentiable in the tests.
        """


@dataclass(frozen=True)
class Access:
    """How an operand is read at a point of the domain.

    `map` takes the domain's point to the operand's index. Where `guard` is false the operand is
    not read and its value is `fill`.
    """

    map: AffineMap
    guard: AffineSet | None = None
    fill: float = 0.0


@dataclass(frozen=True)
class Domain:
    """An iteration domain: the result's dimensions first (parallel), then the reduced ones."""

    parallel: tuple[int, ...]
    reduced: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.parallel + self.reduced


class Structured(Operation, abc.ABC):
    """An op whose results are, at each point of a domain, a function of operand elements.

    All results have the shape `domain().parallel`. When `domain().reduced` is not empty the
    values of `scalar` are combined over the reduced dimensions with `reductions()`, one kind per
    result, and `finalize` makes the results of the combined values.
    """

    @abc.abstractmethod
    def domain(self) -> Domain: ...

    @abc.abstractmethod
    def accesses(self) -> Sequence[Access]:
        """One per operand."""

    @abc.abstractmethod
    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: Callable[[int], SSAValue]
    ) -> Sequence[SSAValue]:
        """The values at one point, in `arith` and `math` ops.

        Arguments are scalars or, equally, vectors with one lane per point: only elementwise
        ops may be used, and constants must be splat to the type of the arguments
        (`nnc.dialects.scalars` has helpers). `index(d)` is the point's coordinate along domain
        dimension d, as i32 (or a vector of them).
        """

    def uses_index(self) -> bool:
        """Whether `scalar` asks for coordinates."""
        return False

    def reductions(self) -> Sequence[Reduction]:
        """How the values of `scalar` are combined, one kind each; empty without reduction."""
        return ()

    def finalize(self, b: Builder, combined: Sequence[SSAValue]) -> Sequence[SSAValue]:
        """The results, given the combined values; the identity unless overridden."""
        return combined


class Decomposes(Operation, abc.ABC):
    """An op that can be written in smaller ops of its dialect."""

    @abc.abstractmethod
    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        """The values that replace the results.

        Built from `Structured` ops on the shape F of the first operand: elementwise on F or on F
        without `row_axes()`, reductions over exactly `row_axes()`, and broadcasts back to F.
        """

    @abc.abstractmethod
    def row_axes(self) -> tuple[int, ...]:
        """The axes of the first operand that the decomposition reduces over; () if none."""
