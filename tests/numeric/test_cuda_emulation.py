"""The golden modules of tests/filecheck/codegen as CUDA: emulated, and compiled by NVRTC."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import parse
from emulated import Emulator
from numpy.typing import NDArray

from nnc.codegen.emit import emit
from nnc.runtime.nvrtc import compile_cuda

EXAMPLES = Path(__file__).parents[1] / "filecheck/codegen"
Floats = NDArray[np.float32]


def draw(*shape: int) -> Floats:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def text(name: str) -> str:
    return (EXAMPLES / f"{name}.mlir").read_text()


def dense() -> tuple[list[Floats], Any]:
    x, w, b = draw(48, 384), draw(384, 64), draw(64)
    return [x, w, b, np.empty((48, 64), np.float32)], np.maximum(x.astype(float) @ w + b, 0)


def elementwise() -> tuple[list[Floats], Any]:
    x, y = draw(100), draw(100)[::-1].copy()
    return [x, y], np.maximum(x * 2 + y, 0)


def softmax() -> tuple[list[Floats], Any]:
    x = draw(6, 40)
    d = x.astype(float) - x.max(axis=1, keepdims=True)
    e = 1 + d + d * d
    return [x, np.empty_like(x)], e / e.sum(axis=1, keepdims=True)


def transpose() -> tuple[list[Floats], Any]:
    x = draw(32, 48)
    return [x, np.empty((48, 32), np.float32)], x.T


def halo() -> tuple[list[Floats], Any]:
    x = draw(8, 16)
    padded = np.pad(x, 1).astype(float)
    mean = sum(padded[r : r + 8, c : c + 16] for r in range(3) for c in range(3)) / 9
    return [x, np.empty_like(x)], mean


def scan() -> tuple[list[Floats], Any]:
    x = draw(5, 8)
    h = np.zeros(8)
    for row in x:
        h = h * 0.5 + row
    return [x, np.empty(8, np.float32)], h


def narrow() -> tuple[list[Any], Any]:
    x, b = draw(32).astype("bfloat16"), np.arange(200, 232, dtype=np.uint8)
    return [x, b, np.empty(32, np.float16)], (x.astype(np.float32) * b).astype(np.float16)


CASES = {f.__name__: f for f in (dense, elementwise, softmax, transpose, halo, scan, narrow)}


@pytest.mark.parametrize("name", CASES)
def test_example_is_emulated(tmp_path: Path, name: str) -> None:
    run = Emulator(emit(parse(text(name)), "cuda"), tmp_path)
    for seed in range(4):
        arrays, expected = CASES[name]()
        assert run(arrays, seed) == ""
        np.testing.assert_allclose(arrays[-1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(find_spec("nvidia") is None, reason="needs nvidia-cuda-nvrtc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("name", CASES)
def test_example_compiles_for_devices(name: str, architecture: str) -> None:
    artifact = emit(parse(text(name)), "cuda")
    for unit in artifact.units:
        cubin = compile_cuda(unit.name, unit.text, (f"--gpu-architecture={architecture}",))
        assert cubin.code


# Each thread adds its neighbour's element to its own: a race, unless a barrier stands between.
NEIGHBOURS = """
builtin.module @neighbours {{
  func.func @main(%x: memref<64xf32>, %y: memref<64xf32> {{nnc.role = "output"}}) {{
    kernel.launch @neighbours ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
    func.return
  }}
  kernel.func @neighbours(%x: memref<64xf32>, %y: memref<64xf32>) outs 1 {{
    loop.parallel (%block, %i) to (1, 64) mapping [blocks, threads] {{
      %copy = buffer.alloc : memref<64xf32>
      %a = buffer.load %x[%i] : memref<64xf32> -> f32
      buffer.store %a, %copy[%i] : f32 to memref<64xf32>
      {barrier}
      %b = buffer.load %copy[(%i + {step}) mod 64] : memref<64xf32> -> f32
      %c = arith.addf %a, %b : f32
      buffer.store %c, %y[%i + {offset}] : f32 to memref<64xf32>
      loop.yield
    }}
    kernel.return
  }}
}}
"""


def run_neighbours(folder: Path, seed: int, barrier: str, step: int = 1, offset: int = 0) -> str:
    module = parse(NEIGHBOURS.format(barrier=barrier, step=step, offset=offset))
    x, y = draw(64), np.zeros(64, np.float32)
    error = Emulator(emit(module, "cuda"), folder)([x, y], seed)
    if not error:
        assert (y == x + np.roll(x, -step)).all()
    return error


@pytest.mark.parametrize("seed", range(3))
def test_a_barrier_orders_the_threads_of_a_block(tmp_path: Path, seed: int) -> None:
    assert run_neighbours(tmp_path, seed, "loop.barrier") == ""


@pytest.mark.parametrize("seed", range(3))
def test_a_missing_barrier_is_found(tmp_path: Path, seed: int) -> None:
    error = run_neighbours(tmp_path, seed, "")
    assert "race" in error or "nothing wrote" in error


def test_an_access_outside_of_a_buffer_is_found(tmp_path: Path) -> None:
    assert "outside of every buffer" in run_neighbours(tmp_path, 0, "loop.barrier", offset=1)
