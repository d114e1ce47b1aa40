"""The compiler stays small enough to be read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPILER = ["dialects", "lowering", "codegen", "runtime"]
FOLDERS = [*COMPILER, "tools", "src/nnc"]
LIMIT = 15_000


def lines(folder: str) -> int:
    """Lines of Python and C; links below a folder are not followed, so nothing counts twice."""
    sources = (path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".c", ".h"})
    return sum(len(path.read_text().splitlines()) for path in sources)


def test_compiler_size() -> None:
    sizes = {folder: lines(folder) for folder in FOLDERS}
    print(*(f"{size:6} {folder}" for folder, size in sizes.items()), sep="\n")
    assert sum(sizes[folder] for folder in COMPILER) < LIMIT, sizes
