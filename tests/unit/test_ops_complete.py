"""Every op of every own dialect has all its parts; docs/ops.md is their table."""

import re
import runpy

import pytest
from op_table import GRAPH, OPS, ROOT, gradient, implemented, lowering, round_trips
from xdsl.ir import Operation
from xdsl.traits import SymbolOpInterface


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


def test_no_two_ops_have_one_name() -> None:
    assert len({op.name for op in OPS}) == len(OPS)


def test_the_table_is_that_of_the_ops() -> None:
    table = runpy.run_path(str(ROOT / "docs/ops.py"))["table"]()
    assert (ROOT / "docs/ops.md").read_text() == table, "run: make docs"
