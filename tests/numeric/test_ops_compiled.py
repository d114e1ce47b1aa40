"""Every op on every target against the interpreter in f64: the rows of `op_rows`, compiled."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from emulated import Emulator
from op_row import Array, Arrays, Row, program
from op_rows import LARGE_ROWS, ROWS

from nnc.codegen.emit import emit
from nnc.compilation.compiler import compile_module, lower
from nnc.dialects.interpret import run
from nnc.dialects.nn.dialect import NN
from nnc.dialects.optim.dialect import Optim
from nnc.dialects.target import TARGETS, target_named
from nnc.runtime.machine import cpu_features
from nnc.runtime.pool import reset_workers_that_ran, set_threads, threads, workers_that_ran
from nnc.tools.programs import arguments, entry

C_TARGETS = [target.name for target in TARGETS.values() if target.language == "c"]
SMALL_ROWS = [row for row in ROWS if sum(x.size for x in row.inputs) <= 2000]
"""Rows of few enough elements to be interpreted one by one."""
BATCH = 12
"""Rows in one CUDA program: each costs a run of g++."""


def test_every_op_has_a_row() -> None:
    ops = {op.name for op in [*NN.operations, *Optim.operations]}
    assert {row.op.name for row in ROWS} == ops - {"nn.yield"}


def results_of(program_results: Array | tuple[Array, ...]) -> Arrays:
    return program_results if isinstance(program_results, tuple) else (program_results,)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("target", C_TARGETS)
def test_agrees_with_the_interpreter(target: str, row: Row) -> None:
    if not TARGETS[target].cpu_features <= cpu_features():
        pytest.skip(f"this CPU cannot run {target}")
    compiled = compile_module(row.module(), target)
    results, again = (results_of(compiled(*row.inputs)) for _ in range(2))
    row.check(results)
    assert [r.tobytes() for r in results] == [r.tobytes() for r in again]


@pytest.mark.parametrize("row", SMALL_ROWS, ids=lambda row: row.name)
def test_the_loops_mean_what_the_op_means(row: Row) -> None:
    """The IR of level 4, interpreted: what is wrong here is no matter of the printer."""
    module = lower(row.module(), "loops", target_named("avx2"))
    slots = arguments(entry(module))
    memory = [np.zeros(slot.shape, slot.dtype) for slot in slots]
    memory[: len(row.inputs)] = map(np.copy, row.inputs)
    run(module, memory)
    row.check([m for m, s in zip(memory, slots, strict=True) if s.role == "output"])


@pytest.mark.parametrize("first", range(0, len(ROWS), BATCH))
def test_emulated_cuda_agrees_with_the_interpreter(tmp_path: Path, first: int) -> None:
    rows = ROWS[first : first + BATCH]
    artifact = emit(lower(program(rows), "loops", target_named("cuda")), "cuda")
    emulate = Emulator(artifact, tmp_path, checked=False)
    inputs = [x for row in rows for x in row.inputs]
    outputs = [np.zeros(a.shape, a.dtype) for a in artifact.arguments[len(inputs) :]]
    assert emulate([*inputs, *outputs], seed=1) == ""
    results = iter(outputs)
    for row in rows:
        row.check([next(results) for _ in row.op.results])


@pytest.fixture
def restored_threads() -> Iterator[None]:
    count = threads()
    yield
    set_threads(count)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("row", LARGE_ROWS, ids=lambda row: row.name)
def test_any_number_of_threads_gives_the_same_bits(row: Row) -> None:
    compiled = compile_module(row.module())
    bits: set[tuple[bytes, ...]] = set()
    for count in (1, 2, 3, 4, 1):
        set_threads(count)
        reset_workers_that_ran()
        results = results_of(compiled(*row.inputs))
        assert workers_that_ran() == count
        bits.add(tuple(result.tobytes() for result in results))
        row.check(results)
    assert len(bits) == 1
