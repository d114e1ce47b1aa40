"""Random programs mean the same after every pass, compiled, and emulated as CUDA.

`make fuzz` draws thousands of new ones. A program that fails is shrunk and left behind as
`reproducer-*.mlir`: run from its first line, it fails again.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from emulated import Emulator
from hypothesis import Phase, find, given, settings
from planted import (
    Bug,
    forget_tanh,
    overlap,
    planted,
    swap_difference,
    swap_subtraction,
    wrong_coefficients,
)
from random_graphs import Drawn, graphs
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from nnc.codegen import artifact as artifacts
from nnc.codegen.artifact import Artifact
from nnc.codegen.emit import emit
from nnc.compiler import lower
from nnc.dialects.target import target_named
from nnc.lowering.pass_specs import build_pipeline
from nnc.runtime.program import Program
from nnc.tools.check_numerics import NumericsError, Results, differences, largest_difference
from nnc.tools.programs import Argument, Array, draw, evaluate

TOLERANCE = 1e-3
EMULATED = settings().max_examples // 25
"""Programs emulated as CUDA, for each of which g++ needs a second."""
ROLES = (("parameter", "state", "scalar"), ("input",), ("output",))
"""Roles of what a program holds, is given and returns."""
Compute = Callable[[Artifact, Mapping[str, Array]], dict[str, Array]]


def measured(values: Results) -> Results:
    """Each result beside a 1: what cancels out to nothing is measured by that."""
    return {name: np.append(value, 1) for name, value in values.items()}


def check_passes(module: ModuleOp, passes: Sequence[ModulePass]) -> None:
    """Raises a `NumericsError` that names the first pass that changes what the program means."""

    def run(one: ModuleOp) -> Results:
        return measured(evaluate(one))

    for _ in differences(Context(), module.clone(), passes, run, TOLERANCE):
        pass


def check_compiled(module: ModuleOp, target: str, compute: Compute) -> None:
    """Raises a `NumericsError` where the target's program computes something else."""
    artifact = emit(lower(module.clone(), "loops", target_named(target)), target)
    slots = {one.name: slot_of(one) for one in artifact.arguments}
    memory = {name: slot.to_memory(draw(slot, 0)) for name, slot in slots.items()}
    found = {name: slots[name].from_memory(a) for name, a in compute(artifact, memory).items()}
    difference = largest_difference(measured(evaluate(module)), measured(found))
    if difference and not difference.relative <= TOLERANCE:
        path = Path(f"reproducer-{target}.mlir")
        path.write_text(f"// RUN: nnc-opt %s -p 'lower{{target={target}}}' -t c\n{module}\n")
        raise NumericsError(f"compiled for {target}: {difference}\nthe module: {path}")


def slot_of(argument: artifacts.Argument) -> Argument:
    """The argument with its logical shape."""
    order = argument.layout or range(len(argument.shape))
    logical = tuple(argument.shape[list(order).index(d)] for d in range(len(argument.shape)))
    dtype = np.dtype(argument.dtype)
    return Argument(argument.name, argument.role, dtype, logical, argument.layout)


def called(artifact: Artifact, memory: Mapping[str, Array]) -> dict[str, Array]:
    """What the C program writes, by name."""
    names = {role: [a.name for a in artifact.arguments if a.role in role] for role in ROLES}
    held, inputs, outputs = (names[role] for role in ROLES)
    program = Program(artifact)
    program.bind({name: memory[name] for name in held})
    given = program(*(memory[name] for name in inputs))
    results = given if isinstance(given, tuple) else (given,) * len(outputs)
    return dict(zip(outputs, results, strict=True)) | {name: program.read(name) for name in held}


def emulated(artifact: Artifact, memory: Mapping[str, Array]) -> dict[str, Array]:
    """What the CUDA program writes, by name."""
    arrays = {name: array.copy() for name, array in memory.items()}
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(artifact, Path(folder), checked=False)
    assert emulator(list(arrays.values()), seed=1) == ""
    return arrays


@given(graphs(), st.sampled_from(["lower{target=c99}", "lower{target=avx512}"]))
def test_every_pass_keeps_the_meaning(drawn: Drawn, pipeline: str) -> None:
    check_passes(drawn.module, build_pipeline(pipeline))


@given(graphs(training=True))
def test_training_keeps_its_meaning(drawn: Drawn) -> None:
    check_passes(drawn.module, build_pipeline("train-cpu{rule=momentum}"))


@pytest.mark.parametrize("target", ["avx512", "c99"])
@given(graphs())
def test_compiled(target: str, drawn: Drawn) -> None:
    check_compiled(drawn.module, target, called)


@settings(max_examples=EMULATED)
@given(graphs())
def test_emulated(drawn: Drawn) -> None:
    check_compiled(drawn.module, "cuda", emulated)


@pytest.fixture
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reproducers of planted bugs are nobody's business."""
    monkeypatch.chdir(tmp_path)


BUGS: dict[str, Bug] = {
    "nn-canonicalize": forget_tanh,
    "kernel-fuse": swap_difference,
    "kernel-to-loops": swap_subtraction,
    "expand-math": wrong_coefficients,
    "plan-memory": overlap,
}


def is_found(drawn: Drawn, name: str) -> bool:
    """Whether the bug planted in a pass changes what a program means."""
    try:
        check_passes(drawn.module, planted("lower{target=c99}", name, BUGS[name]))
    except NumericsError as error:
        return str(error).startswith(f"{name} changes the results")
    return False


@pytest.mark.usefixtures("in_its_folder")
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    find(graphs(), lambda drawn: is_found(drawn, name), settings=settings(phases=[Phase.generate]))


@pytest.mark.usefixtures("in_its_folder")
def test_a_program_is_shrunk() -> None:
    """To the op that matters, the return, and what holds them."""
    smallest = find(graphs(steps=4), lambda drawn: is_found(drawn, "kernel-fuse"))
    assert len(list(smallest.module.walk())) <= 6, smallest
