"""Random programs of several ops: whatever fusion makes of them, the numbers stay.

Each program draws its shapes and ops from its seed. All programs of a target are compiled together.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from random import Random

import numpy as np
import pytest
from batch import Array, Batch, Case, runnable_targets
from xdsl.builder import Builder
from xdsl.dialects.builtin import f32, f64, i1
from xdsl.ir import Operation, SSAValue

from nnc.dialects.nn import elementwise, functions
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.normalize import LogSoftmaxOp, SoftmaxOp
from nnc.dialects.nn.reduce import BroadcastOp, CumsumOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp

PROGRAMS = 40
SIZES = (1, 2, 3, 5, 7, 8, 16, 17, 20, 33)
UNARY = (
    functions.TanhOp, functions.ReluOp, functions.AbsOp, functions.SigmoidOp, functions.GeluOp,
    elementwise.NegOp,
)  # fmt: skip
BINARY = (
    elementwise.AddOp, elementwise.SubOp, elementwise.MulOp, elementwise.MaxOp, elementwise.MinOp,
)  # fmt: skip


class Draw:
    """One program while it is drawn: the values so far, and ops to go on with."""

    def __init__(self, b: Builder, values: Sequence[SSAValue], seed: int):
        self.b = b
        self.values = list(values)
        self.random = Random(seed)

    def value(self, fits: Callable[[SSAValue], bool]) -> SSAValue | None:
        """One of the values, mostly of the latest."""
        fitting = [v for v in self.values if fits(v)]
        recent = fitting[-6:] if self.random.random() < 0.7 else fitting
        return self.random.choice(recent) if recent else None

    def like(self, x: SSAValue) -> SSAValue:
        return self.value(lambda v: v.type == x.type) or x

    def step(self) -> None:
        """Adds an op on a tensor of floats, where the kind that is drawn fits one."""
        x = self.value(lambda v: element_of(v) == f32)
        assert x is not None
        kinds = [self.pointwise, self.pointwise, self.pointwise, self.broadcast, self.product]
        if shape_of(x):
            kinds += [self.rows, self.rows, self.move, self.move]
        op = self.random.choice(kinds)(x)
        if op is not None:
            self.values.append(insert(self.b, op))

    def pointwise(self, x: SSAValue) -> Operation:
        match self.random.randrange(6):
            case 0 | 1:
                return self.random.choice(UNARY)(x)
            case 2 | 3:
                return self.random.choice(BINARY)(x, self.like(x))
            case 4:
                compare = elementwise.CompareOp(self.random.choice(["lt", "ge"]), x, self.like(x))
                self.values.append(insert(self.b, compare))
                return elementwise.SelectOp(self.values[-1], x, self.like(x))
            case _:
                mask = self.value(lambda v: element_of(v) == i1 and shape_of(v) == shape_of(x))
                kept = mask or insert(self.b, elementwise.CastOp(x, f64))
                cast = insert(self.b, elementwise.CastOp(kept, f32))
                return elementwise.AddOp(x, cast)

    def broadcast(self, x: SSAValue) -> Operation | None:
        """Something smaller, for all of x."""
        sizes = shape_of(x)
        found = [
            (value, axes)
            for value in self.values
            if element_of(value) == f32 and len(shape_of(value)) < len(sizes)
            for axes in combinations(range(len(sizes)), len(shape_of(value)))
            if shape_of(value) == tuple(sizes[axis] for axis in axes)
        ]
        if not found:
            return None
        value, axes = self.random.choice(found)
        return elementwise.AddOp(x, insert(self.b, BroadcastOp(value, sizes, axes)))

    def product(self, x: SSAValue) -> Operation | None:
        if len(shape_of(x)) != 2:
            return None
        lhs, rhs = (self.random.random() < 0.5 for _ in range(2))
        depth = shape_of(x)[0 if lhs else 1]
        y = self.value(
            lambda v: (
                element_of(v) == f32
                and len(shape_of(v)) == 2
                and shape_of(v)[1 if rhs else 0] == depth
            )
        )
        return y and MatmulOp(x, y, transpose_lhs=lhs, transpose_rhs=rhs)

    def rows(self, x: SSAValue) -> Operation:
        rank = len(shape_of(x))
        axis = self.random.randrange(rank)
        axes = sorted(self.random.sample(range(rank), self.random.randint(1, rank)))
        kind = self.random.choice(["sum", "mean", "max", "min"])
        return self.random.choice(
            [
                partial(ReduceOp, kind, x, axes),
                partial(SoftmaxOp, x, axis),
                partial(LogSoftmaxOp, x, axis),
                partial(CumsumOp, x, axis, reverse=self.random.random() < 0.5),
            ]
        )()

    def move(self, x: SSAValue) -> Operation:
        sizes, random = shape_of(x), self.random
        total = math.prod(sizes)
        starts = [random.randrange(size) for size in sizes]
        limits = [
            random.randint(start + 1, size) for start, size in zip(starts, sizes, strict=True)
        ]
        ends = [[random.randint(0, 2) for _ in sizes] for _ in range(2)]
        return random.choice(
            [
                partial(TransposeOp, x, random.sample(range(len(sizes)), len(sizes))),
                partial(SliceOp, x, starts, limits, [random.choice((1, 1, 2)) for _ in sizes]),
                partial(PadOp, x, *ends, random.choice((0.0, 1.5))),
                partial(ConcatOp, [x, self.like(x)], random.randrange(len(sizes))),
                partial(ReshapeOp, x, random.choice([(total,), (1, total), (total, 1)])),
            ]
        )()


def drawn(seed: int) -> Case:
    """A program; its results are the values that nobody reads, and some that somebody does."""
    random = Random(seed)
    sizes = random.choices(SIZES, k=3)
    shapes = [random.choices(sizes, k=random.choice((1, 2, 2, 2, 3)))] * 2
    shapes += [random.choices(sizes, k=random.randint(1, 3)) for _ in range(random.randint(0, 2))]
    generator = np.random.default_rng(seed)
    inputs: list[Array] = [generator.standard_normal(s).astype(np.float32) for s in shapes]

    def build(b: Builder, *arguments: SSAValue) -> list[SSAValue]:
        program = Draw(b, arguments, seed)
        for _ in range(program.random.randint(3, 14)):
            program.step()
        made = program.values[len(arguments) :]
        wanted = [v for v in made if not v.uses or program.random.random() < 0.2]
        return wanted or [insert(b, functions.TanhOp(arguments[0]))]

    return Case(f"seed {seed}", build, tuple(inputs), 3e-5)


@pytest.mark.parametrize("target", runnable_targets())
def test_random_programs(target: str) -> None:
    assert not Batch([drawn(seed) for seed in range(PROGRAMS)], target).mistakes()
