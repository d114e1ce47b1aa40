"""The arena plan: nothing overlaps while alive, and hardly a byte is wasted."""

import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, MemRefType, ModuleOp, i8

from nnc.dialects import buffer
from nnc.dialects.buffer import type_of
from nnc.dialects.syntax import integers
from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.plan_memory import (
    Live,
    arena_of,
    arena_size,
    byte_size,
    most_alive,
    plan,
)
from nnc.lowering.program import Program

Parse = Callable[[str], ModuleOp]
TRACERS = Path(__file__).parents[1] / "programs/tracers"


def chain(seed: int, length: int) -> list[Live]:
    """Live ranges as a training step has them: forward values wait for their backward op."""
    draw = random.Random(seed)
    lives: list[Live] = []
    for i in range(length):
        size = 64 * draw.choice([1, 16, 16, 64, 256])
        alloc = buffer.AllocOp(MemRefType(i8, [size]))
        lives.append(Live(alloc, size, i, 2 * length - i))
        gradient = buffer.AllocOp(MemRefType(i8, [size]))
        lives.append(Live(gradient, size, 2 * length - i - 1, 2 * length - i + 1))
    return lives


@pytest.mark.parametrize("seed", range(5))
def test_what_is_alive_together_does_not_overlap(seed: int) -> None:
    lives = chain(seed, 40)
    offsets = plan(lives)
    for (a, at), (b, bt) in combinations(zip(lives, offsets, strict=True), 2):
        if a.meets(b):
            assert at + a.size <= bt or bt + b.size <= at


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_close_to_the_bound(seed: int) -> None:
    lives = chain(seed, 40)
    assert arena_size(lives, plan(lives)) <= 1.01 * most_alive(lives)


def planned(module: ModuleOp) -> tuple[int, int]:
    """The bytes of a planned program's arena, and the most bytes alive at once: its bound."""
    program = Program.of(module)
    arena = arena_of(program)
    lives: list[tuple[int, int, int]] = []
    for use in arena.uses:
        live = use.operation.attributes["nnc.live"]
        assert isinstance(live, DenseArrayBase)
        first, last = integers(live)
        lives.append((first, last, -(-byte_size(use.operation.results[0]) // 64) * 64))
    bound = max(
        sum(size for first, last, size in lives if first <= at <= last) for at, _, _ in lives
    )
    return type_of(arena).get_shape()[0], bound


@pytest.mark.parametrize("pipeline", ["train,lower{target=c99}", "train,lower{target=cuda}"])
@pytest.mark.parametrize("name", ["recurrent", "convolutional", "branching"])
def test_training_steps_are_planned_within_half_a_percent(
    parse: Parse, name: str, pipeline: str
) -> None:
    module = parse((TRACERS / f"{name}.mlir").read_text())
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
    arena, bound = planned(module)
    assert 0 < bound <= arena <= 1.005 * bound
