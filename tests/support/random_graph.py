"""A program of the graph dialect while it is drawn by hypothesis, and so shrunk by it.

Shapes are tiny where a program is interpreted after each of two dozen passes. An op that jumps
(a comparison, relu, a cast to half precision) is given only values that no rounding can change:
`exact` ones, which are arguments, or moved, chosen and compared from such. So all that may differ
is rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from math import prod
from typing import Any, NamedTuple, TypeAlias, TypeVar

import hypothesis.strategies as st
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, bf16, f16, f32, f64, i1, i8, i32, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.nn.base import Tensor, element_of, shape_of
from nnc.dialects.scalars import ui8

Chosen = TypeVar("Chosen")
Shape = Sequence[int]
Kind: TypeAlias = "Callable[[Graph, SSAValue], None]"
"""Adds an op, or a few, on a value; nothing where the value does not fit."""
Kinds: TypeAlias = Mapping[bool, Sequence[Kind]]
Draw = Callable[..., Any]

REALS: tuple[Attribute, ...] = (f32, f64)
HALVES: tuple[Attribute, ...] = (f16, bf16)
INTEGERS: tuple[Attribute, ...] = (i32, i64, i8, ui8)
ELEMENTS = (*REALS, *HALVES, *INTEGERS, i1)
ATTEMPTS = 5
DEPTH = 2
"""Bodies in bodies."""


class Scale(NamedTuple):
    """Sizes of axes, and how many elements a value has at most, but for what an op adds to it."""

    sizes: tuple[int, ...]
    largest: int


TINY = Scale((1, 2, 3, 5, 8, 17), 96)
LARGE = Scale((1, 3, 16, 33, 70, 130), 6000)
"""Enough for register tiles, sums in parts and several threads."""


class Halves(Enum):
    """What is of half precision; all of it is made of exact values."""

    NOTHING = 0
    SOME = 1
    PRODUCTS = 2
    """All products, of f32, read numbers that half precision has, too."""


class Graph:
    """`values` holds its tensors so far, `exact` some of them; what it lacks is a new argument."""

    def __init__(self, draw: Draw, block: Block, kinds: Kinds, halves: Halves, scale: Scale):
        """`kinds` are those for real numbers, and those for all other values."""
        self.draw = draw
        self.block = block
        self.kinds = kinds
        self.halves = halves
        self.scale = scale
        self.b = Builder(InsertPoint.at_end(block))
        self.values: list[SSAValue] = list(block.args)
        self.exact = set(self.values)
        self.depth = 0

    def choose(self, options: Sequence[Chosen]) -> Chosen:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def size(self) -> int:
        return self.choose(self.scale.sizes)

    def fits(self, *shape: int, times: int = 1) -> bool:
        """Whether a value of the shape is small enough."""
        return prod(shape) <= times * self.scale.largest

    def some(self, count: int) -> tuple[int, ...]:
        """One or more of the first numbers, in order."""
        return tuple(sorted(self.draw(st.sets(st.integers(0, count - 1), min_size=1))))

    def add(self, op: Operation, exact: bool = False) -> SSAValue:
        """Inserts an op, keeps its results and gives the first one."""
        results = self.b.insert(op).results
        self.values += results
        if exact and all(operand in self.exact for operand in op.operands):
            self.exact.update(results)
        return results[0]

    def like(self, x: SSAValue, shape: Shape | None = None, exact: bool = False) -> SSAValue:
        """A value of x's shape, or another, and x's elements."""
        return self.value(TensorType(element_of(x), shape_of(x) if shape is None else shape), exact)

    def value(self, type: Tensor, exact: bool = False) -> SSAValue:
        """A value of the type, the latest first: hypothesis shrinks to the front."""
        fitting = [v for v in reversed(self.values) if v.type == type]
        chosen = self.choose([*(v for v in fitting if not exact or v in self.exact), None])
        return self.argument(type, exact) if chosen is None else chosen

    def argument(self, type: Tensor, exact: bool) -> SSAValue:
        """A new argument, which is always exact."""
        return self.take(type, exact=True)

    def take(self, type: Tensor, exact: bool) -> SSAValue:
        argument = self.block.insert_arg(type, len(self.block.args))
        self.values.append(argument)
        if exact:
            self.exact.add(argument)
        return argument

    def reals(self) -> list[SSAValue]:
        """The values of f32 and f64, the latest first."""
        return [v for v in reversed(self.values) if element_of(v) in REALS]

    def steps(self, most: int) -> None:
        """Adds one op or more; kinds are drawn until one fits its value."""
        for _ in range(self.integer(1, most)):
            count = len(self.values)
            for _ in range(ATTEMPTS):
                x = self.choose(self.reals() if self.integer(0, 3) else self.values[::-1])
                self.choose(self.kinds[element_of(x) in REALS])(self, x)
                if len(self.values) > count:
                    break


class Body(Graph):
    """A body of an op of another graph; what it lacks it captures, and so do its siblings."""

    def __init__(
        self, outer: Graph, types: Sequence[Attribute] = (), sibling: "Body | None" = None
    ):
        """Its first arguments are of these types, and not exact; a sibling has none yet."""
        block = Block(arg_types=types)
        super().__init__(outer.draw, block, outer.kinds, outer.halves, outer.scale)
        self.outer = outer
        self.depth = outer.depth + 1
        self.exact.clear()
        self.captured: list[SSAValue] = [] if sibling is None else sibling.captured
        self.siblings: list[Body] = [] if sibling is None else sibling.siblings
        self.siblings.append(self)

    def argument(self, type: Tensor, exact: bool) -> SSAValue:
        """A captured value."""
        value = self.outer.value(type, exact)
        self.captured.append(value)
        for body in self.siblings:
            body.take(type, value in self.outer.exact)
        return self.block.args[-1]


def rank_of(x: SSAValue) -> int:
    return len(shape_of(x))
