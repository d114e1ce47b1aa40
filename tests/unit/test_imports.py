"""Data flows one way: dialects, lowering, codegen, runtime, then the frontend and the tools."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src/nnc"
ORDER = ["dialects", "lowering", "codegen", "runtime"]


def imported_folders(source: Path) -> set[str]:
    """The folders below `nnc` that a module imports, wherever in the file; the frontend is ''."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Import():
                modules |= {alias.name for alias in node.names}
            case ast.ImportFrom(module="nnc"):
                modules |= {f"nnc.{alias.name}" for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                modules.add(module)
            case _:
                pass
    parts = [module.split(".") for module in modules if module.split(".")[0] == "nnc"]
    return {part[1] if len(part) > 1 and (ROOT / part[1]).is_symlink() else "" for part in parts}


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_from_earlier_ones(folder: str) -> None:
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    wrong = {
        f"{source.relative_to(ROOT)} imports nnc.{name}"
        for source in (ROOT / folder).rglob("*.py")
        for name in imported_folders(source) - allowed
    }
    assert not wrong


def test_compiling_is_imported_before_gluon() -> None:
    """Each needs the other."""
    subprocess.run([sys.executable, "-c", "import nnc; nnc.compile_step, nnc.gluon"], check=True)
