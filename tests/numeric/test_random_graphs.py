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
    read_one_operand_twice,
    stay_at_the_first_step,
    swap_difference,
    swap_subtraction,
    with_bug,
    wrong_coefficients,
)
from random_graph import LARGE, Halves
from random_graphs import SMOOTH, Drawn, graphs
from random_training import optimizers, trained, with_gradients, with_tight_memory
from together import together
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from nnc.codegen import artifact as artifacts
from nnc.codegen.artifact import Artifact
from nnc.codegen.emit import emit
from nnc.compilation.compiler import lower, no_garbage_collection
from nnc.dialects.interpret import run
from nnc.dialects.nn.functions import TanhOp
from nnc.dialects.target import TARGETS, target_named
from nnc.lowering.nn_gradient import NnGradientPass
from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.program import Program
from nnc.runtime.machine import cpu_features, detect_target
from nnc.runtime.program import Program as Compiled
from nnc.tools.check_numerics import NumericsError, Results, differences, largest_difference
from nnc.tools.programs import Argument, Array, arguments, draw, evaluate

pytestmark = pytest.mark.filterwarnings("default:Generating overly large repr")
"""Or else that is all one hears of a failure of large programs."""
TOLERANCE = 1e-3
TOGETHER = 8
"""Programs compiled as one."""
STEP = 1e-6
"""Of central differences."""
PIPELINES = ["infer", *(f"lower{{target={name}}}" for name in ("c99", "avx512", "sse2", "cuda"))]
ROLES = (("parameter", "state", "scalar"), ("input",), ("output",))
"""Roles of what a program holds, is given and returns."""
Compute = Callable[[Artifact, Mapping[str, Array]], dict[str, Array]]


def measured(values: Results) -> Results:
    """Each result beside a 1: what cancels out to nothing is measured by that."""
    return {name: np.append(value.astype(np.float64), 1) for name, value in values.items()}


def check_passes(module: ModuleOp, passes: Sequence[ModulePass]) -> None:
    """Raises a `NumericsError` that names the first pass that changes what the program means."""

    def run(one: ModuleOp) -> Results:
        return measured(evaluate(one))

    with no_garbage_collection():
        for _ in differences(Context(), module.clone(), passes, run, TOLERANCE):
            pass


def check_compiled(module: ModuleOp, target: str, compute: Compute) -> None:
    """Raises a `NumericsError` where the target's program computes something else."""
    with no_garbage_collection():
        artifact = emit(lower(module.clone(), "loops", target_named(target)), target)
    slots = {one.name: slot_of(one) for one in artifact.arguments}
    memory = {name: slot.to_memory(draw(slot, 0)) for name, slot in slots.items()}
    found = {name: slots[name].from_memory(a) for name, a in compute(artifact, memory).items()}
    difference = largest_difference(measured(evaluate(module)), measured(found))
    if difference and not difference.relative <= TOLERANCE:
        path = Path(f"reproducer-{target}.mlir")
        path.write_text(f"// RUN: nnc-opt %s -p 'lower{{target={target}}}' -t c\n{module!s}\n")
        raise NumericsError(f"compiled for {target}: {difference}\nthe module: {path}")


def check_together(programs: Sequence[Drawn], target: str, compute: Compute) -> None:
    """Checks the programs as one, and alone where that fails: what fails alone is shrunk."""
    modules = [drawn.module for drawn in programs]
    try:
        check_compiled(together(modules), target, compute)
    except Exception:
        for module in modules:
            check_compiled(module, target, compute)
        raise


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
    program = Compiled(artifact)
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


def has_right_gradients(drawn: Drawn) -> bool:
    """In f64: whether what a small step in a direction changes is what the gradients say."""
    module = drawn.module.clone()
    NnGradientPass().apply(Context(), module)
    slots = arguments(Program.of(module))
    reals = [i for i, slot in enumerate(slots) if slot.dtype.kind == "f"]
    values = [draw(slot, 0) for slot in slots]
    ways = {i: draw(slots[i], 1).astype(np.float64) for i in reals}

    def at(step: float) -> list[Array]:
        moved = {i: values[i] + step * way for i, way in ways.items()}
        return run(module, [moved.get(i, value) for i, value in enumerate(values)])

    before, after = (at(step)[0].sum() for step in (-STEP, STEP))
    gradients = at(0)[-len(reals) :]
    slopes = [np.sum(g * way) for g, way in zip(gradients, ways.values(), strict=True)]
    scale = 1 + abs(before) + np.abs(slopes).sum()
    return bool(abs((after - before) / (2 * STEP) - sum(slopes)) <= TOLERANCE * scale)


tiny = st.one_of(graphs(), graphs(), trained())
large = st.one_of(graphs(scale=LARGE), graphs(scale=LARGE), trained(LARGE))


def several(programs: st.SearchStrategy[Drawn]) -> st.SearchStrategy[list[Drawn]]:
    return st.lists(programs, min_size=TOGETHER, max_size=TOGETHER)


def some(part: float) -> settings:
    """Settings for a part of the examples."""
    return settings(max_examples=max(1, round(part * settings().max_examples)))


@some(0.5)
@given(graphs(), st.sampled_from(PIPELINES))
def test_every_pass_keeps_the_meaning(drawn: Drawn, pipeline: str) -> None:
    check_passes(drawn.module, build_pipeline(pipeline))


@some(0.05)
@given(graphs(Halves.PRODUCTS), st.sampled_from(["bf16", "f16"]), st.sampled_from(["avx2", "c99"]))
def test_half_precision_keeps_the_meaning(drawn: Drawn, type: str, target: str) -> None:
    pipeline = f"nn-precision{{type={type}}},lower{{target={target}}}"
    check_passes(drawn.module, build_pipeline(pipeline))


@some(0.15)
@given(with_gradients(), optimizers, st.sampled_from(["avx512", "c99"]), st.booleans())
def test_training_keeps_its_meaning(drawn: Drawn, optimizer: str, target: str, tight: bool) -> None:
    lowering = with_tight_memory(target) if tight else build_pipeline(f"lower{{target={target}}}")
    check_passes(drawn.module, [*build_pipeline(optimizer), *lowering])


@given(graphs(Halves.NOTHING, kinds=SMOOTH))
def test_gradients_are_slopes(drawn: Drawn) -> None:
    assert has_right_gradients(drawn)


@some(1 / TOGETHER)
@given(several(st.one_of(tiny, large)), st.sampled_from([*[None] * 4, "avx2", "sse2"]))
def test_compiled(programs: list[Drawn], also: str | None) -> None:
    """For this machine's best target and for the plainest; sometimes for one between them."""
    for target in dict.fromkeys((detect_target().name, "c99", also)):
        if target is not None and TARGETS[target].cpu_features <= cpu_features():
            check_together(programs, target, called)


@some(0.04 / TOGETHER)
@given(several(tiny))
def test_emulated(programs: list[Drawn]) -> None:
    check_together(programs, "cuda", emulated)


@pytest.fixture
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reproducers of planted bugs are nobody's business."""
    monkeypatch.chdir(tmp_path)


LOOK = settings(phases=[Phase.generate], max_examples=500)
LOWER = build_pipeline("lower{target=c99}")
HALF = [*build_pipeline("nn-precision"), *LOWER]
TRAIN = [*build_pipeline("train"), *with_tight_memory("c99")]
BUGS: dict[str, tuple[Bug, Sequence[ModulePass], Halves]] = {
    "nn-canonicalize": (forget_tanh, LOWER, Halves.SOME),
    "kernel-fuse": (swap_difference, LOWER, Halves.SOME),
    "kernel-to-loops": (swap_subtraction, LOWER, Halves.SOME),
    "expand-math": (wrong_coefficients, LOWER, Halves.SOME),
    "plan-memory": (overlap, LOWER, Halves.SOME),
    "bufferize": (stay_at_the_first_step, LOWER, Halves.SOME),
    "nn-precision": (read_one_operand_twice, HALF, Halves.PRODUCTS),
    "optim-apply": (swap_difference, TRAIN, Halves.NOTHING),
    "nn-remat": (forget_tanh, TRAIN, Halves.NOTHING),
}
"""A bug for each of these passes, the pipeline it is in, and what programs it is looked for in."""


def is_found(drawn: Drawn, name: str) -> bool:
    """Whether the bug planted in a pass that does something changes what a program means."""
    bug, passes, _ = BUGS[name]
    module, place = drawn.module.clone(), [one.name for one in passes].index(name)
    for one in passes[:place]:
        one.apply(Context(), module)
    after = module.clone()
    passes[place].apply(Context(), after)
    if after.is_structurally_equivalent(module):
        return False
    try:
        check_passes(module, [with_bug(passes[place], bug)])
    except NumericsError as error:
        return str(error).startswith(f"{name} changes the results")
    return False


@pytest.mark.usefixtures("in_its_folder")
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    find(graphs(BUGS[name][2]), lambda drawn: is_found(drawn, name), settings=LOOK)
    assert Path(f"reproducer-{name}.mlir").read_text().startswith("// RUN: nnc-opt %s -p '")


@pytest.mark.usefixtures("in_its_folder")
def test_a_program_is_shrunk() -> None:
    """To the op that matters, the return, and what holds them."""
    smallest = find(graphs(steps=4), lambda drawn: is_found(drawn, "kernel-fuse"))
    assert len(list(smallest.module.walk())) <= 6, smallest


def the_cotangent_itself(op: TanhOp, b: Builder, g: SSAValue) -> SSAValue:
    return g


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TanhOp, "cotangent", the_cotangent_itself)
    programs = graphs(Halves.NOTHING, kinds=SMOOTH)
    find(programs, lambda drawn: not has_right_gradients(drawn), settings=LOOK)
