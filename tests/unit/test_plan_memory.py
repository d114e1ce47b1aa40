"""The arena plan: nothing overlaps while alive, and hardly a byte is wasted."""

import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType, ModuleOp, i8

from nnc.dialects import buffer
from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.plan_memory import Live, arena_size, live_ranges, most_alive, plan
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


@pytest.mark.parametrize("name", ["recurrent", "convolutional"])
def test_training_steps_are_planned_within_half_a_percent(parse: Parse, name: str) -> None:
    module = parse((TRACERS / f"{name}.mlir").read_text())
    for one in build_pipeline("train,graph,group,bufferize"):
        one.apply(Context(), module)
    lives = live_ranges(Program.of(module), align=64)
    assert len(lives) > 8
    assert arena_size(lives, plan(lives)) <= 1.005 * most_alive(lives)
