"""Every op of every own dialect has all its parts; `pytest -s` prints them as a table."""

import re
from functools import cache
from pathlib import Path

import pytest
from xdsl.ir import Operation
from xdsl.traits import SymbolOpInterface

from nnc.dialects.interfaces import Decomposes, Differentiable, Structured
from nnc.dialects.interpret import MEANINGS
from nnc.lowering.pass_specs import load
from nnc.lowering.strategies import indexed
from nnc.tools.nnc_opt import DIALECTS

TESTS = Path(__file__).parents[1] / "filecheck/dialects"
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
    texts = [path.read_text() for path in TESTS.rglob("*.mlir")]
    return "\n".join(text for text in texts if "%roundtrip" in text)


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
    if op in indexed.BUILDERS:
        return "loops of its own"
    return MOVED.get(op.name) or STRUCTURE.get(op.name) or ""


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_survives_printing_and_parsing(op: type[Operation]) -> None:
    assert re.search(rf"\b{re.escape(op.name)}\b", round_trips())


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_has_a_meaning(op: type[Operation]) -> None:
    """Or it is a function, which its launches enter."""
    assert op in implemented() or op.has_trait(SymbolOpInterface)


@pytest.mark.parametrize(
    "op", [op for op in GRAPH if op.name.startswith("nn.")], ids=lambda op: op.name
)
def test_op_has_a_gradient_or_a_reason(op: type[Operation]) -> None:
    assert gradient(op)


@pytest.mark.parametrize("op", GRAPH, ids=lambda op: op.name)
def test_op_can_become_loops(op: type[Operation]) -> None:
    assert lowering(op)


def test_table() -> None:
    for op in GRAPH:
        print(f"{op.name:26} {lowering(op):26} {gradient(op)}")
    assert len({op.name for op in OPS}) == len(OPS)
