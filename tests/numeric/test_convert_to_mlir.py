"""What `convert-to-mlir` makes of every op is IR that MLIR's own verifier and lowerings take."""

import os
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from op_row import program
from op_rows import ROWS
from xdsl.context import Context
from xdsl.printer import Printer

from nnc.compilation.compiler import lower
from nnc.dialects.target import target_named
from nnc.lowering.convert_to_mlir import ConvertToMlirPass

BATCH = 12
TO_LLVM = (
    "convert-vector-to-scf", "convert-scf-to-cf", "expand-strided-metadata", "lower-affine",
    "arith-expand",
    "convert-vector-to-llvm", "convert-math-to-llvm", "convert-math-to-libm",
    "convert-arith-to-llvm", "convert-index-to-llvm", "finalize-memref-to-llvm",
    "convert-func-to-llvm", "convert-cf-to-llvm", "reconcile-unrealized-casts",
)  # fmt: skip


def mlir_opt() -> str:
    """The tool of an installed MLIR; a test without one is skipped."""
    names = [os.environ.get("NNC_MLIR_OPT", "mlir-opt"), "mlir-opt-19"]
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip("needs mlir-opt (Debian: mlir-19-tools), on the PATH or named by NNC_MLIR_OPT")
    return found


@pytest.mark.parametrize("target", ["avx512", "c99"])
@pytest.mark.parametrize("first", range(0, len(ROWS), BATCH))
def test_mlir_takes_every_op(tmp_path: Path, target: str, first: int) -> None:
    tool = mlir_opt()
    module = lower(program(ROWS[first : first + BATCH]), "loops", target_named(target))
    ConvertToMlirPass().apply(Context(), module)
    module.verify()
    text = StringIO()
    Printer(text, print_generic_format=True).print_op(module)
    source = tmp_path / "program.mlir"
    source.write_text(text.getvalue())
    command = [tool, str(source), *(f"--{name}" for name in TO_LLVM), "-o", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    assert "unrealized_conversion_cast" not in done.stdout
    assert "llvm.func @main" in done.stdout
