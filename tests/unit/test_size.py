"""The compiler stays small enough to be read.

Counted are lines of code, docstrings and comments aside, without the numpy oracle of the tests
(`dialects/meaning`), which no compilation runs. The limit was 15,000 lines for the spine; ops for
all networks, every optimizer, control flow, half precision and placement on GPUs are the reason
for the rest.
"""

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPILER = ["dialects", "lowering", "codegen", "runtime"]
ORACLE = "dialects/meaning"
FOLDERS = [*COMPILER, ORACLE, "tools", "src/nnc"]
LIMIT = 18_000
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(source: str) -> int:
    """The lines of a Python file that hold more than a comment or a docstring."""
    prose: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - prose)


def lines(folder: str) -> int:
    """Lines of Python and C; links below a folder are not followed, so nothing counts twice."""
    total = 0
    for path in (ROOT / folder).rglob("*"):
        if path.suffix == ".py":
            total += code_lines(path.read_text())
        elif path.suffix in {".c", ".h"}:
            total += sum(bool(line.strip()) for line in path.read_text().splitlines())
    return total


def test_compiler_size() -> None:
    sizes = {folder: lines(folder) for folder in FOLDERS}
    print(*(f"{size:6} {folder}" for folder, size in sizes.items()), sep="\n")
    assert sum(sizes[folder] for folder in COMPILER) - sizes[ORACLE] < LIMIT, sizes
