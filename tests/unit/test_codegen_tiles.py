"""Tile ops on every target against numpy: reductions, transposes, rows and columns, extents."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import execute
from numpy.typing import NDArray

Array = NDArray[Any]
TARGETS = ["avx512", "avx2", "sse2", "c99"]
REDUCTIONS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}
DTYPES = {"f32": np.float32, "i32": np.int32}


class Module:
    """Collects kernels `out = f(x…)`, and what numpy says."""

    def __init__(self):
        self.parameters: list[str] = []
        self.launches: list[str] = []
        self.kernels: list[str] = []
        self.arrays: list[Array] = []
        self.expected: list[tuple[str, Array, Array]] = []

    def add(self, body: str, inputs: list[Array], expected: Array) -> None:
        """`body` loads from %a, %b, … and stores to %r."""
        out = np.full(expected.shape, 77, expected.dtype)
        names, types = [], []
        for array, role in [*((x, "input") for x in inputs), (out, "output")]:
            shape = "x".join(map(str, array.shape))
            element = "i32" if array.dtype == np.int32 else "f32"
            types.append(f"memref<{shape}{'x' if shape else ''}{element}>")
            names.append(f"%p{len(self.arrays)}")
            self.parameters.append(f'{names[-1]}: {types[-1]} {{nnc.role = "{role}"}}')
            self.arrays.append(array)
        letters = [*"abc"[: len(inputs)], "r"]
        declared = ", ".join(f"%{n}: {t}" for n, t in zip(letters, types, strict=True))
        kernel = f"k{len(self.kernels)}"
        self.kernels.append(
            f"kernel.func @{kernel}({declared}) outs 1 {{\n{body}\nkernel.return }}"
        )
        ins = f"{', '.join(names[:-1])} : {', '.join(types[:-1])}"
        self.launches.append(f"kernel.launch @{kernel} ins({ins}) outs({names[-1]} : {types[-1]})")
        self.expected.append((body, out, expected))

    def run(self, isa: str, folder: Path, compiler: str) -> None:
        text = f"builtin.module {{\nfunc.func @main({', '.join(self.parameters)}) {{\n"
        text += "\n".join(self.launches) + "\nfunc.return }\n" + "\n".join(self.kernels) + "}"
        execute(text, isa, *self.arrays, folder=folder, compiler=compiler)
        for body, out, expected in self.expected:
            np.testing.assert_allclose(out, expected, rtol=2e-5, atol=1e-6, err_msg=body)


def draw(*shape: int, kind: str = "f32") -> Array:
    rng = np.random.default_rng(len(shape))
    if kind == "i32":
        return rng.integers(-9, 9, shape, np.int32)
    return (rng.random(shape, np.float32) + 0.5).astype(np.float32)


def load(name: str, shape: tuple[int, ...], kind: str = "f32", buffer: str = "a") -> str:
    size = "x".join(map(str, shape))
    zeros, along = ", ".join("0" * len(shape)), ", ".join(map(str, range(len(shape))))
    memory, vector = f"memref<{size}x{kind}>", f"vector<{size}x{kind}>"
    return f"%{name} = tile.load %{buffer}[{zeros}] along [{along}] : {memory} -> {vector}\n"


def store(name: str, shape: tuple[int, ...], kind: str = "f32") -> str:
    size = "x".join(map(str, shape))
    zeros, along = ", ".join("0" * len(shape)), ", ".join(map(str, range(len(shape))))
    place = f"%r[{zeros}] along [{along}]"
    return f"tile.store %{name}, {place} : vector<{size}x{kind}> to memref<{size}x{kind}>\n"


def reductions(module: Module) -> None:
    for kind in DTYPES:
        for name, reduce in REDUCTIONS.items():
            if kind == "i32" and name == "prod":
                continue
            for size in (1, 5, 16, 40, 64):
                x = draw(size, kind=kind)
                body = load("v", (size,), kind)
                body += (
                    f'%s = tile.reduce "{name}" %v along [0] : vector<{size}x{kind}> -> {kind}\n'
                )
                body += f"buffer.store %s, %r[] : {kind} to memref<{kind}>"
                module.add(body, [x], np.array(reduce(x), DTYPES[kind]))
            for shape, axis in (((6, 40), 0), ((6, 40), 1), ((3, 16), 1), ((5, 10), 0)):
                x = draw(*shape, kind=kind)
                left = shape[1 - axis]
                body = load("v", shape, kind)
                body += f'%s = tile.reduce "{name}" %v along [{axis}] : '
                body += f"vector<{shape[0]}x{shape[1]}x{kind}> -> vector<{left}x{kind}>\n"
                body += store("s", (left,), kind)
                module.add(body, [x], reduce(x, axis=axis).astype(DTYPES[kind]))


def transposes(module: Module) -> None:
    for kind in DTYPES:
        for rows, columns in ((16, 16), (32, 16), (6, 64), (5, 10), (1, 16)):
            x = draw(rows, columns, kind=kind)
            body = load("v", (rows, columns), kind)
            body += f"%t = tile.transpose %v : vector<{rows}x{columns}x{kind}>"
            body += f" -> vector<{columns}x{rows}x{kind}>\n" + store("t", (columns, rows), kind)
            module.add(body, [x], np.ascontiguousarray(x.T))


def rows_and_columns(module: Module) -> None:
    x, column, row = draw(6, 40), draw(6), draw(40)
    tile, six, forty = "vector<6x40xf32>", "vector<6xf32>", "vector<40xf32>"
    operands = load("x", (6, 40)) + load("u", (6,), buffer="b") + load("w", (40,), buffer="c")
    product = f"%p = tile.outer %u, %w, %x : {six}, {forty} -> {tile}\n"
    module.add(
        operands + product + store("p", (6, 40)),
        [x, column, row],
        x + column[:, None] * row,
    )
    module.add(
        operands + f"%d = arith.addf %u, %u : {six}\n"
        f"%e = tile.broadcast %d along [0] : {six} -> {tile}\n"
        f"%f = tile.broadcast %w along [1] : {forty} -> {tile}\n"
        f"%g = arith.mulf %e, %f : {tile}\n%p = arith.addf %g, %x : {tile}\n" + store("p", (6, 40)),
        [x, column, row],
        x + 2 * column[:, None] * row,
    )
    module.add(
        load("x", (6, 40)) + f'%m = tile.reduce "max" %x along [1] : {tile} -> {six}\n'
        f"%n = arith.mulf %m, %m : {six}\n%b = tile.broadcast %n along [0] : {six} -> {tile}\n"
        f"%y = arith.divf %x, %b : {tile}\n" + store("y", (6, 40)),
        [x],
        x / x.max(axis=1, keepdims=True) ** 2,
    )
    square = draw(16)
    both = "vector<16x16xf32>"
    module.add(
        load("v", (16,)) + f"%z = arith.constant dense<0.0> : {both}\n"
        f"%p = tile.outer %v, %v, %z : vector<16xf32>, vector<16xf32> -> {both}\n"
        + store("p", (16, 16)),
        [square],
        np.outer(square, square),
    )


def extents(module: Module) -> None:
    x = draw(4, 20)
    body = "%v = tile.load %a[1, 3] along [0, 1] extent [2, 17] : memref<4x20xf32>"
    body += " -> vector<3x32xf32>\n" + store("v", (3, 32))
    padded = np.zeros((3, 32), np.float32)
    padded[:2, :17] = x[1:3, 3:]
    module.add(body, [x], padded)
    y = draw(3, 5)
    body = load("v", (3, 5))
    body += (
        "tile.store %v, %r[1, 2] along [0, 1] extent [2, 3] : vector<3x5xf32> to memref<4x9xf32>"
    )
    kept = np.full((4, 9), 77, np.float32)
    kept[1:3, 2:5] = y[:2, :3]
    module.add(body, [y], kept)
    body = load("v", (3, 5))
    body += "tile.store %v, %r[0, 0] along [1, 0] : vector<3x5xf32> to memref<5x3xf32>"
    module.add(body, [y], np.ascontiguousarray(y.T))
    body = "%v = tile.load %a[0, 2] along [0] : memref<4x20xf32> -> vector<4xf32>\n"
    module.add(body + store("v", (4,)), [x], np.ascontiguousarray(x[:, 2]))


def carries(module: Module) -> None:
    """Values that change places from one iteration to the next, and a sum in place."""
    x, y = draw(16), draw(16)
    v = "vector<16xf32>"
    swap = load("p", (16,)) + load("q", (16,), buffer="b")
    swap += f"%s, %t, %u = loop.for %i to 3 iter_args(%c = %p, %d = %q, %e = %p) -> ({v}, {v}, {v})"
    swap += f" {{\n%f = arith.addf %e, %c : {v}\nloop.yield %d, %c, %f : {v}, {v}, {v}\n}}\n"
    swap += f"%w = arith.subf %s, %t : {v}\n%z = arith.addf %w, %u : {v}\n" + store("z", (16,))
    module.add(swap, [x, y], y - x + x + (x + y + x))


def functions(module: Module) -> None:
    """Enough work on enough cells for a function of one cell, which returns a value."""
    x, column = draw(6, 40), draw(6)
    tile, numbers = "vector<6x40xf32>", "vector<6x40xi32>"
    body = load("x", (6, 40)) + load("u", (6,), buffer="b")
    body += f"%c = tile.broadcast %u along [0] : vector<6xf32> -> {tile}\n"
    body += f"%i = tile.lanes : {numbers}\n%j = arith.addi %i, %i : {numbers}\n"
    body += f"%f = arith.sitofp %j : {numbers} to {tile}\n"
    for result, operands in (("p", "%x, %c"), ("q", "%p, %f"), ("r2", "%q, %x")):
        body += f"%{result} = arith.addf {operands} : {tile}\n"
    reduced = '%s = tile.reduce "sum" %r2 along [0] : ' + f"{tile} -> vector<40xf32>\n"
    expected = 2 * x + column[:, None] + 2 * np.arange(40, dtype=np.float32)
    module.add(body + store("r2", (6, 40)), [x, column], expected)
    module.add(body + reduced + store("s", (40,)), [x, column], expected.sum(axis=0))
    apart = "tile.store %r2, %r[0, 0] along [1, 0] : vector<6x40xf32> to memref<40x6xf32>"
    module.add(body + apart, [x, column], np.ascontiguousarray(expected.T))


PARTS = [reductions, transposes, rows_and_columns, extents, carries, functions]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("isa", TARGETS)
def test_tiles(tmp_path: Path, isa: str, compiler: str) -> None:
    module = Module()
    for part in PARTS:
        part(module)
    module.run(isa, tmp_path, compiler)
