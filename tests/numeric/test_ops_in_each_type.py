"""The rows of `op_rows` with their floats in f16, bf16 and f64, all of them in one program."""

from pathlib import Path

import numpy as np
import pytest
from emulated import Emulator
from op_row import Row, program
from op_rows import ROWS

from nnc.codegen.emit import emit
from nnc.compilation.compiler import compile_module, lower
from nnc.dialects.nn.attention import Attending
from nnc.dialects.target import TARGETS, target_named
from nnc.runtime.machine import cpu_features


def rows_in(dtype: str) -> list[Row]:
    """The small rows that have floats; attention is cast to f32 by the frontend."""
    floats = [r for r in ROWS if any(x.dtype == np.float32 for x in r.inputs)]
    if dtype != "float64":
        floats = [r for r in floats if not isinstance(r.op, Attending)]
    return [row.of(dtype) for row in floats if sum(x.size for x in row.inputs) <= 1000]


@pytest.mark.parametrize(
    ("dtype", "target"),
    [("float16", "avx512"), ("bfloat16", "avx2"), ("bfloat16", "c99"), ("float64", "avx512")],
)
def test_agrees_with_the_interpreter(dtype: str, target: str) -> None:
    if not TARGETS[target].cpu_features <= cpu_features():
        pytest.skip(f"this CPU cannot run {target}")
    rows = rows_in(dtype)
    compiled = compile_module(program(rows), target)
    check(rows, compiled(*(x for row in rows for x in row.inputs)))


def check(rows: list[Row], results: object) -> None:
    assert isinstance(results, tuple)
    remaining = iter(results)
    for row in rows:
        row.check([next(remaining) for _ in row.op.results])


def test_emulated_cuda_agrees_with_the_interpreter(tmp_path: Path) -> None:
    rows = rows_in("float16")
    artifact = emit(lower(program(rows), "loops", target_named("cuda")), "cuda")
    inputs = [x for row in rows for x in row.inputs]
    outputs = [np.zeros(a.shape, a.dtype) for a in artifact.arguments[len(inputs) :]]
    assert Emulator(artifact, tmp_path, checked=False)([*inputs, *outputs], seed=1) == ""
    check(rows, tuple(outputs))
