"""What surrounds kernels in generated C: names, threads, scratch, units, literals, errors."""

import struct
from pathlib import Path

import numpy as np
import pytest
from compiled import execute, parse, sanitize
from emulated import Emulator
from numpy.typing import NDArray
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, StringAttr

from nnc.codegen.elements import literal
from nnc.codegen.emit import emit
from nnc.codegen.errors import CodegenError
from nnc.dialects.kernel import LaunchOp

Floats = NDArray[np.float32]
EXAMPLES = Path(__file__).parents[1] / "filecheck/codegen"
NAMES = [path.stem for path in sorted(EXAMPLES.glob("*.mlir"))]

# Every row is summed by some worker, in scratch of its own, into scratch that all share; the
# total divides the rows in a second loop. The scale is read before the loops.
NORMALISE = """
builtin.module @normalise {
  func.func @main(%x: memref<10x8xf32>, %scale: memref<f32>, %y: memref<10x8xf32>) {
    kernel.launch @normalise
      ins(%x, %scale : memref<10x8xf32>, memref<f32>) outs(%y : memref<10x8xf32>)
    func.return
  }
  kernel.func @normalise(%x: memref<10x8xf32>, %scale: memref<f32>, %y: memref<10x8xf32>) outs 1 {
    %sums = buffer.alloc : memref<10xf32>
    %row = buffer.alloc : memref<8xf32>
    %zero = arith.constant 0.0 : f32
    %s = buffer.load %scale[] : memref<f32> -> f32
    loop.parallel (%i) to (10) mapping [threads] {
      loop.for %j to 8 {
        %a = buffer.load %x[%i, %j] : memref<10x8xf32> -> f32
        %b = arith.mulf %a, %s : f32
        buffer.store %b, %row[%j] : f32 to memref<8xf32>
        loop.yield
      }
      %sum = loop.for %j to 8 iter_args(%t = %zero) -> (f32) {
        %b = buffer.load %row[%j] : memref<8xf32> -> f32
        %u = arith.addf %t, %b : f32
        loop.yield %u : f32
      }
      buffer.store %sum, %sums[%i] : f32 to memref<10xf32>
      loop.yield
    }
    %total = loop.for %i to 10 iter_args(%t = %zero) -> (f32) {
      %b = buffer.load %sums[%i] : memref<10xf32> -> f32
      %u = arith.addf %t, %b : f32
      loop.yield %u : f32
    }
    loop.parallel (%i, %j) to (10, 8) mapping [threads, sequential] {
      %a = buffer.load %x[%i, %j] : memref<10x8xf32> -> f32
      %b = arith.mulf %a, %s : f32
      %q = arith.divf %b, %total : f32
      buffer.store %q, %y[%i, %j] : f32 to memref<10x8xf32>
      loop.yield
    }
    kernel.return
  }
}
"""


def normalise_inputs() -> tuple[list[Floats], Floats]:
    x = np.random.default_rng(0).random((10, 8), np.float32)
    scale = np.array(3, np.float32)
    return [x, scale, np.zeros_like(x)], x / x.sum()


@pytest.mark.parametrize("isa", ["avx512", "c99"])
def test_workers_share_what_several_loops_use(tmp_path: Path, isa: str) -> None:
    results: list[bytes] = []
    for workers in (1, 2, 3, 4):
        arrays, expected = normalise_inputs()
        execute(NORMALISE, isa, *arrays, folder=tmp_path, workers=workers)
        np.testing.assert_allclose(arrays[2], expected, rtol=1e-5)
        results.append(arrays[2].tobytes())
    assert len(set(results)) == 1


def test_loops_are_phases_on_a_gpu(tmp_path: Path) -> None:
    artifact = emit(parse(NORMALISE), "cuda")
    assert [(k.kernel, k.grid[0], k.block[0]) for k in artifact.launches] == [
        ("normalise2_part0", 1, 10),
        ("normalise2_part1", 1, 80),
    ]
    run = Emulator(artifact, tmp_path)
    for seed in range(4):
        arrays, expected = normalise_inputs()
        assert run(arrays, seed) == ""
        np.testing.assert_allclose(arrays[2], expected, rtol=1e-5)


ODD = """
builtin.module @for {
  func.func @main(
    %x: memref<4xf32> {nnc.name = "dense0.weight*/ ?? \\\\"},
    %int: memref<4xf32> {nnc.name = "int"},
    %y: memref<4xf32> {nnc.role = "output", nnc.name = "für x"}
  ) {
    kernel.launch @exp ins(%x, %int : memref<4xf32>, memref<4xf32>) outs(%y : memref<4xf32>)
    func.return
  }
  kernel.func @exp(%while: memref<4xf32>, %pool: memref<4xf32>, %context: memref<4xf32>) outs 1 {
    loop.parallel (%worker) to (4) mapping [threads] {
      %float = buffer.load %while[%worker] : memref<4xf32> -> f32
      %begin = buffer.load %pool[%worker] : memref<4xf32> -> f32
      %vf = arith.addf %float, %begin : f32
      %load_vf = math.exp %vf : f32
      buffer.store %load_vf, %context[%worker] : f32 to memref<4xf32>
      loop.yield
    }
    kernel.return
  }
}
"""


@pytest.mark.parametrize("isa", ["avx512", "c99"])
def test_names_cannot_break_the_text(tmp_path: Path, isa: str) -> None:
    x, z, y = np.ones(4, np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32)
    execute(ODD, isa, x, z, y, folder=tmp_path)
    np.testing.assert_allclose(y, np.exp(1), rtol=1e-6)


PROLOGUE_NAMES = """
builtin.module {
  func.func @main(%load_vf: memref<16xf32>, %vf: memref<16xf32>) {
    kernel.launch @work ins(%load_vf : memref<16xf32>) outs(%vf : memref<16xf32>)
    kernel.launch @work_task inouts(%vf : memref<16xf32>)
    func.return
  }
  kernel.func @work(%vi: memref<16xf32>, %INLINE: memref<16xf32>) outs 1 {
    loop.parallel (%LANES) to (1) mapping [threads] {
      %vf = tile.load %vi[%LANES] along [0] : memref<16xf32> -> vector<16xf32>
      %store_vf = math.fma %vf, %vf, %vf : vector<16xf32>
      tile.store %store_vf, %INLINE[%LANES] along [0] : vector<16xf32> to memref<16xf32>
      loop.yield
    }
    kernel.return
  }
  kernel.func @work_task(%y: memref<16xf32>) inouts 1 {
    loop.for %i to 16 {
      %fma_vf = buffer.load %y[%i] : memref<16xf32> -> f32
      %sum = arith.addf %fma_vf, %fma_vf : f32
      buffer.store %sum, %y[%i] : f32 to memref<16xf32>
      loop.yield
    }
    kernel.return
  }
}
"""


@pytest.mark.parametrize("isa", ["avx512", "c99"])
def test_names_never_meet_those_of_the_prologue(tmp_path: Path, isa: str) -> None:
    x, y = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    execute(PROLOGUE_NAMES, isa, x, y, folder=tmp_path)
    assert (y == 2 * (x * x + x)).all()


def test_launches_cite_their_line() -> None:
    module = parse(ODD)
    launch = next(op for op in module.walk() if isinstance(op, LaunchOp))
    launch.location = FileLineColLoc(StringAttr("my/*odd*/train.py"), IntAttr(41), IntAttr(0))
    assert "/* train.py:41 */\n    exp3(" in emit(module, "c99").units[0].text


def test_restrict_is_printed_only_where_it_is_true() -> None:
    text = (EXAMPLES / "elementwise.mlir").read_text()
    assert "(const float *restrict x, float *restrict y)" in emit(parse(text), "c99").units[0].text
    aliased = text.replace("ins(%x :", "ins(%y :")
    assert "(const float *x, float *y)" in emit(parse(aliased), "c99").units[0].text


TWO = """
builtin.module {
  func.func @main(%x: memref<4xf32>) {
    kernel.launch @first inouts(%x : memref<4xf32>)
    kernel.launch @second inouts(%x : memref<4xf32>)
    func.return
  }
"""
KERNEL = """
  kernel.func @{name}(%x: memref<4xf32>) inouts 1 {{
    loop.for %i to 4 {{
      %a = buffer.load %x[%i] : memref<4xf32> -> f32
      %b = arith.{op} %a, %a : f32
      buffer.store %b, %x[%i] : f32 to memref<4xf32>
      loop.yield
    }}
    kernel.return
  }}
"""


def test_kernels_are_spread_over_units(tmp_path: Path) -> None:
    kernels = KERNEL.format(name="first", op="addf") + KERNEL.format(name="second", op="mulf")
    text = TWO + kernels + "}"
    artifact = emit(parse(text), "avx512")
    assert artifact == emit(parse(text), "avx512")
    assert [unit.name for unit in artifact.units] == ["program_0", "program_1"]
    assert "second(float *restrict x)\n{" in artifact.units[1].text
    assert len(emit(parse(text), "c99").units) == 1
    x = np.array([1, 2, 3, 4], np.float32)
    execute(text, "avx512", x, folder=tmp_path)
    assert x.tolist() == [4, 16, 36, 64]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", NAMES)
def test_plain_c_is_clean(tmp_path: Path, name: str, compiler: str) -> None:
    sanitize(emit(parse((EXAMPLES / f"{name}.mlir").read_text()), "c99"), tmp_path, compiler)


def test_literals_are_exact() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 2000, np.uint32)
    for value in bits.view(np.float32):
        if np.isfinite(value):
            assert np.float32(literal(float(value), "f32").removesuffix("f")) == value
    assert literal(1e30, "f32") == "1e+30f"
    assert literal(3.0, "f64") == "3.0"
    assert literal(float("inf"), "f32") == "INFINITY"
    assert literal(-0.0, "f32") == "-0.0f"
    assert literal(-(2**31), "i32") == "(-2147483647 - 1)"
    assert literal(0xFFFFFFFF, "i32") == "-1"
    assert literal(-(2**63), "i64") == "(-9223372036854775807LL - 1)"
    assert struct.unpack("f", struct.pack("f", 0.1))[0] == np.float32(literal(0.1, "f32")[:-1])


def kernel_of(body: str) -> str:
    return f"kernel.func @k(%x: memref<16xf64>) {{ {body} kernel.return }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "func.func @main() { %b = buffer.alloc : memref<4xf32>\nfunc.return }",
            "buffer.alloc: the arena is not planned; run plan-memory first",
        ),
        (
            kernel_of(
                "%v = tile.load %x[0] along [0] : memref<16xf64> -> vector<16xf64>"
                "tile.store %v, %x[0] along [0] : vector<16xf64> to memref<16xf64>"
            ),
            "avx512 has no vectors of f64",
        ),
        (
            "func.func @main(%x: memref<4xf32>) {\n"
            "kernel.launch @gone inouts(%x : memref<4xf32>)\nfunc.return }",
            "kernel.launch: there is no kernel.func @gone",
        ),
        (
            kernel_of("loop.barrier"),
            "loop.barrier: target avx512 has no barriers",
        ),
    ],
)
def test_errors_name_the_op(text: str, message: str) -> None:
    with pytest.raises(CodegenError) as error:
        emit(parse(f"builtin.module {{ {text} }}"), "avx512")
    assert message in str(error.value)


def test_only_launched_kernels_are_printed() -> None:
    kernels = [KERNEL.format(name=name, op="addf") for name in ("first", "second", "third")]
    artifact = emit(parse(TWO + "".join(kernels) + "}"), "c99")
    assert [kernel.name for kernel in artifact.kernels] == ["first", "second"]
    assert "third" not in artifact.units[0].text


BRANCH = (
    """
builtin.module {
  func.func @main(%flag: memref<i1>, %x: memref<4xf32>) {
    %c = buffer.load %flag[] : memref<i1> -> i1
    scf.if %c {
      kernel.launch @first inouts(%x : memref<4xf32>)
    } else {
      kernel.launch @second inouts(%x : memref<4xf32>)
    }
    func.return
  }
"""
    + KERNEL.format(name="first", op="addf")
    + KERNEL.format(name="second", op="mulf")
    + "}"
)


@pytest.mark.parametrize(("flag", "expected"), [(True, 6), (False, 9)])
def test_the_host_program_branches(tmp_path: Path, flag: bool, expected: int) -> None:
    x = np.full(4, 3, np.float32)
    execute(BRANCH, "c99", np.array(flag), x, folder=tmp_path)
    assert x.tolist() == [expected] * 4


def test_reports_say_what_a_program_does() -> None:
    text = (EXAMPLES / "dense.mlir").read_text()
    (kernel,) = emit(parse(text), "avx512").kernels
    assert (kernel.name, kernel.launches, kernel.flops) == ("dense", 1, 2362368)
    assert kernel.strategy == "contraction {tile = [6, 64]}"
    artifact = emit(parse((EXAMPLES / "halo.mlir").read_text()), "avx512")
    assert [(b.name, b.offset, b.bytes) for b in artifact.buffers] == [("padded", 0, 720)]
    assert artifact.arena_bytes == 768
    assert [(a.name, a.role, a.access) for a in artifact.arguments] == [
        ("x", "input", "in"),
        ("y", "output", "out"),
    ]
