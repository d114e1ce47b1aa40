"""What is known of every op: its gradients, how it becomes loops, which tests have it.

`tests/unit/test_ops_complete.py` asks for all of it, `docs/ops.py` writes it down.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from op_rows import ROWS
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from nnc.dialects.interfaces import Decomposes, Differentiable, Structured
from nnc.dialects.interpret import MEANINGS
from nnc.dialects.nn.attention import Attending
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.reverse import is_real
from nnc.lowering.pass_specs import load
from nnc.lowering.program import Program
from nnc.lowering.strategies import indexed
from nnc.tools.nnc_opt import DIALECTS

ROOT = Path(__file__).parents[2]
OWN = ("nn", "optim", "kernel", "buffer", "loop", "tile")
OPS: list[type[Operation]] = [op for name in OWN for op in load(DIALECTS[name]).operations]
GRAPH = [op for op in OPS if op.name.startswith(("nn.", "optim."))]

NOT_DIFFERENTIABLE = {
    "nn.constant": "it has no operands",
    "nn.iota": "it has no operands",
    "nn.compare": "its result is a mask",
    "nn.one_hot": "its operand is an index",
    "nn.argmax": "its result is an index",
    "nn.uniform": "it draws numbers",
    "nn.normal": "it draws numbers",
    "nn.yield": "it ends a body",
    "nn.packed_matmul": "it is made for inference only",
}

MOVED = {
    "nn.reshape": "a view",
    "nn.concat": "parts of a larger buffer",
    "nn.after": "another name of its operand",
}
"""What `bufferize` turns into memory without a kernel."""

STRUCTURE = {
    "nn.scan": "a loop around kernels",
    "nn.cond": "a branch around kernels, or selects",
    "nn.checkpoint": "its body",
    "nn.with_gradient": "its values",
    "nn.yield": "the end of its body",
}
"""What becomes the host program."""


@cache
def implemented() -> set[type[Operation]]:
    """The ops with a meaning, as `register_impls` and `impl_callable` have listed them."""
    tables = ("__impl_dict", "__callable_impl_dict")
    return {op for functions in MEANINGS for table in tables for op in vars(functions)[table]}


@cache
def round_trips() -> str:
    """The text of all tests that print and parse ops again."""
    texts = [path.read_text() for path in (ROOT / "tests/filecheck/dialects").rglob("*.mlir")]
    return "\n".join(text for text in texts if "%roundtrip" in text)


def tests_of(op: type[Operation]) -> list[Path]:
    """The unit tests that name an op's class, relative to the root."""
    named = re.compile(rf"\b{op.__name__}\b")
    texts = {path: path.read_text() for path in (ROOT / "tests/unit").glob("test_*.py")}
    return sorted(path.relative_to(ROOT) for path, text in texts.items() if named.search(text))


def gradient(op: type[Operation]) -> str:
    """Where an op's gradient comes from."""
    if issubclass(op, Differentiable):
        return "its own rule"
    if issubclass(op, Decomposes):
        return "that of smaller ops"
    return f"none: {NOT_DIFFERENTIABLE[op.name]}" if op.name in NOT_DIFFERENTIABLE else ""


def lowering(op: type[Operation]) -> str:
    """How an op becomes loops."""
    if issubclass(op, Structured):
        return "Structured"
    if issubclass(op, Decomposes):
        return "Decomposes"
    if op in indexed.BUILDERS or issubclass(op, Attending):
        return "loops of its own"
    return MOVED.get(op.name) or STRUCTURE.get(op.name) or ""


def second_order(op: type[Operation]) -> str:
    """Whether what an op's gradient rule writes has gradients itself."""
    if not issubclass(op, Differentiable):
        return gradient(op)
    lacking = {o.name for row in ROWS if isinstance(row.op, op) for o in rules(row.module(), op)}
    return f"not through {', '.join(sorted(lacking))}" if lacking else "yes"


def rules(module: ModuleOp, kind: type[Operation]) -> Iterator[Operation]:
    """The ops without gradient that the rule of a program's op writes, masks aside."""
    function = Program.of(module).function
    op = next(o for o in function.body.block.ops if isinstance(o, kind))
    assert isinstance(op, Differentiable)
    if not any(map(is_real, op.results)):
        return
    before = set(function.body.block.ops)
    b = Program(function).builder()
    grads = [constant(b, 1.0, r) if is_real(r) else None for r in op.results]
    op.vjp(b, grads, [is_real(operand) for operand in op.operands])
    for new in set(function.body.block.ops) - before:
        if any(map(is_real, new.operands)) and not gradient(type(new)):
            yield new
