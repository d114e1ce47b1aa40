"""Writes docs/ops.md, the table of all ops of the graph level, from the ops themselves.

make docs
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from op_table import GRAPH, gradient, lowering, second_order, tests_of
from xdsl.ir import Operation

HERE = Path(__file__).parent
INTRODUCTION = """# The ops of the graph level

Made by `make docs` from the classes in `dialects/nn` and `dialects/optim`; do not edit.

* **gradient**: the op's own rule (`vjp`), or that of the smaller ops it decomposes into. Every
  rule is compared with central differences in f64, for each set of wanted gradients. **twice**:
  whether what the rule writes has gradients itself.
* **kernels**: how the op becomes loops. `Structured` ops fuse with what is around them;
  `Decomposes` ops are composites, written out inside of their kernel.
* **targets**: each op is compiled for avx512, avx2, sse2 and c99, and for CUDA, which runs
  emulated; results are compared with the interpreter in f64 (`tests/numeric/`).
* **tests**: where meaning and gradients are tested, beside the round trip that every op has.
"""


def table() -> str:
    """The page."""
    families = groupby(GRAPH, key=lambda op: sys.modules[op.__module__])
    sections = (section(module.__name__, module.__doc__ or "", ops) for module, ops in families)
    return "\n".join([INTRODUCTION, *sections])


def section(module: str, doc: str, ops: Iterator[type[Operation]]) -> str:
    title, path = doc.partition("\n")[0], module.removeprefix("nnc.").replace(".", "/")
    head = ["op", "meaning", "gradient", "twice", "kernels", "tests"]
    rows = [head, ["---"] * len(head), *(row(op) for op in ops)]
    return "\n".join([f"## {path}.py", "", title, "", *map(line, rows), ""])


def row(op: type[Operation]) -> list[str]:
    meaning = re.sub(r"\s+", " ", (inspect.getdoc(op) or "").partition("\n\n")[0])
    tests = " ".join(f"[{path.stem.removeprefix('test_')}](../{path})" for path in tests_of(op))
    return [f"`{op.name}`", meaning, gradient(op), second_order(op), lowering(op), tests]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    (HERE / "ops.md").write_text(table())
