"""The golden modules of tests/filecheck/codegen, compiled for every target and run."""

from pathlib import Path

import numpy as np
import pytest
from compiled import execute
from numpy.typing import NDArray

EXAMPLES = Path(__file__).parents[1] / "filecheck/codegen"
TARGETS = ["avx512", "avx2", "sse2", "c99"]
SANITIZE = ("-fsanitize=undefined", "-fno-sanitize-recover=all")

Floats = NDArray[np.float32]


def draw(*shape: int) -> Floats:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def text(name: str) -> str:
    return (EXAMPLES / f"{name}.mlir").read_text()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("isa", TARGETS)
class TestExamples:
    def test_dense(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x, w, b = draw(48, 384), draw(384, 64), draw(64)
        z = np.empty((48, 64), np.float32)
        execute(text("dense"), isa, x, w, b, z, compiler=compiler, folder=tmp_path)
        expected = np.maximum(x.astype(float) @ w + b, 0)
        assert np.abs(z - expected).max() < 1e-4

    def test_elementwise(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x, y = draw(100), draw(100)[::-1].copy()
        expected = np.maximum(x * 2 + y, 0)
        execute(text("elementwise"), isa, x, y, compiler=compiler, folder=tmp_path)
        np.testing.assert_allclose(y, expected, atol=1e-6)

    def test_cells(self, tmp_path: Path, isa: str, compiler: str) -> None:
        grad, w, m = draw(6, 40), draw(6, 40) + 1, draw(6, 40) * 2
        rate = np.array(0.5, np.float32)
        mean = np.float32(0.9) * m - rate * grad
        new = w + mean
        execute(text("cells"), isa, grad, rate, w, m, compiler=compiler, folder=tmp_path)
        assert (m == mean).all()
        assert (w == new).all()

    def test_softmax(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x = draw(6, 40)
        y = np.empty_like(x)
        execute(text("softmax"), isa, x, y, compiler=compiler, folder=tmp_path)
        d = x.astype(float) - x.max(axis=1, keepdims=True)
        e = 1 + d + d * d
        np.testing.assert_allclose(y, e / e.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-6)

    def test_transpose(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x = draw(32, 48)
        y = np.empty((48, 32), np.float32)
        execute(text("transpose"), isa, x, y, compiler=compiler, folder=tmp_path)
        assert (y == x.T).all()

    def test_halo(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x = draw(8, 16)
        y = np.empty_like(x)
        execute(text("halo"), isa, x, y, compiler=compiler, folder=tmp_path)
        padded = np.pad(x, 1).astype(float)
        expected = sum(padded[r : r + 8, c : c + 16] for r in range(3) for c in range(3)) / 9
        np.testing.assert_allclose(y, expected, atol=1e-6)

    def test_scan(self, tmp_path: Path, isa: str, compiler: str) -> None:
        x, last = draw(5, 8), np.empty(8, np.float32)
        execute(text("scan"), isa, x, last, compiler=compiler, folder=tmp_path)
        h = np.zeros(8)
        for row in x:
            h = h * 0.5 + row
        np.testing.assert_allclose(last, h, rtol=1e-5)
