"""The lists that pyproject.toml writes out are complete."""

import os
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed() -> None:
    found = [
        ".".join(Path(folder).relative_to(ROOT / "src").parts)
        for folder, _, files in os.walk(ROOT / "src/nnc", followlinks=True)
        if "__init__.py" in files
    ]
    assert sorted(found) == CONFIG["tool"]["setuptools"]["packages"]


def test_every_folder_of_modules_is_a_package() -> None:
    bare = [
        folder
        for folder, _, files in os.walk(ROOT / "src/nnc", followlinks=True)
        if any(name.endswith(".py") for name in files) and "__init__.py" not in files
    ]
    assert not bare


def test_pyright_reads_every_linked_folder() -> None:
    links = {f"src/nnc/{path.name}" for path in (ROOT / "src/nnc").iterdir() if path.is_symlink()}
    assert links <= set(CONFIG["tool"]["pyright"]["include"])


def test_tests_import_no_other_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
