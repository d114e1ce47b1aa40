"""The golden modules of tests/filecheck/codegen as CUDA: emulated, and compiled by NVRTC."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import parse
from emulated import Emulator
from numpy.typing import NDArray

from nnc.codegen.emit import emit

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


CASES = {f.__name__: f for f in (dense, elementwise, softmax, transpose, halo, scan)}


@pytest.mark.parametrize("name", CASES)
def test_example_is_emulated(tmp_path: Path, name: str) -> None:
    run = Emulator(emit(parse(text(name)), "cuda"), tmp_path)
    for seed in range(4):
        arrays, expected = CASES[name]()
        assert run(arrays, seed) == ""
        np.testing.assert_allclose(arrays[-1], expected, rtol=1e-4, atol=1e-5)
