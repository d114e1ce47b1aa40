"""The numeric differ finds bugs planted in passes, names the kernel and leaves a reproducer."""

import re
from pathlib import Path

import numpy as np
import pytest
from planted import Bug, planted, swap_difference, swap_subtraction
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.traits import SymbolTable

from nnc.dialects import kernel, loop, tile
from nnc.dialects.nn.functions import ReluOp
from nnc.lowering.pass_specs import build_pipeline, load
from nnc.tools.check_numerics import NumericsError, Results, differences, largest_difference
from nnc.tools.nnc_opt import DIALECTS
from nnc.tools.programs import evaluate

PIPELINE = "infer-cpu"
PROGRAM = """
func.func @main(%x: tensor<6x8xf32>, %w1: tensor<8x16xf32>, %w2: tensor<16x4xf32>,
                %b: tensor<6x4xf32>) -> tensor<6x4xf32> {
  %0 = nn.matmul %x, %w1 : (tensor<6x8xf32>, tensor<8x16xf32>) -> tensor<6x16xf32>
  %1 = nn.relu %0 : tensor<6x16xf32>
  %2 = nn.matmul %1, %w2 : (tensor<6x16xf32>, tensor<16x4xf32>) -> tensor<6x4xf32>
  %3 = nn.sub %2, %b : tensor<6x4xf32>
  func.return %3 : tensor<6x4xf32>
}
"""


def context() -> Context:
    ctx = Context()
    for name, reference in DIALECTS.items():
        ctx.register_dialect(name, lambda reference=reference: load(reference))
    return ctx


@pytest.fixture(autouse=True)
def reproducers_in_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(passes: list[ModulePass], tolerance: float = 1e-5) -> list[str]:
    """The passes that keep the results; raises at the first that does not."""
    ctx = context()
    module = Parser(ctx, PROGRAM).parse_module()
    found = differences(ctx, module, passes, evaluate, tolerance)
    return [name for name, _ in found]


def forget_relu(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, ReluOp):
            Rewriter.replace_op(op, [], [op.operands[0]])
            return


def lose_a_sum(module: ModuleOp) -> None:
    """The loop of the second kernel starts every step from its first value."""
    func = SymbolTable.lookup_symbol(module, "matmul")
    assert isinstance(func, kernel.FuncOp)
    name = next(op.callee for op in func.walk() if isinstance(op, kernel.CallOp))
    tiles = SymbolTable.lookup_symbol(module, name)
    assert tiles is not None
    for op in tiles.walk():
        parent = op.parent_op()
        if isinstance(op, tile.OuterOp) and isinstance(parent, loop.ForOp):
            op.operands[2] = parent.inits[0]


def test_passes_without_bugs_keep_the_results() -> None:
    names = [one.name for one in build_pipeline(PIPELINE)]
    assert check(build_pipeline(PIPELINE)) == names


@pytest.mark.parametrize(
    ("name", "bug", "where"),
    [
        ("kernel-fuse", forget_relu, "not inside one kernel"),
        ("bufferize", swap_difference, "not inside one kernel"),
        ("kernel-to-loops", swap_subtraction, "in kernel @matmul"),
        ("loop-hoist", lose_a_sum, "in kernel @matmul"),
    ],
)
def test_a_planted_bug_is_found(name: str, bug: Bug, where: str, tmp_path: Path) -> None:
    with pytest.raises(NumericsError) as caught:
        check(planted(build_pipeline(PIPELINE), name, bug))
    first, second, *_ = str(caught.value).splitlines()
    assert first == f"{name} changes the results, {where}"
    assert re.match(r"'output0' at \[\d, \d\] is .*, before it was .*", second)
    assert evaluate(Parser(context(), saved(tmp_path, name)).parse_module())


def test_a_crash_leaves_a_reproducer(tmp_path: Path) -> None:
    def crash(module: ModuleOp) -> None:
        raise IndexError("out of registers")

    with pytest.raises(NumericsError, match="loop-tile fails: IndexError: out of registers"):
        check(planted(build_pipeline(PIPELINE), "loop-tile", crash))
    assert "kernel.func" in saved(tmp_path, "loop-tile")


def saved(folder: Path, name: str) -> str:
    """The reproducer's text, whose first line runs the pass on it."""
    text = (folder / f"reproducer-{name}.mlir").read_text()
    assert text.startswith(f"// RUN: nnc-opt %s -p '{name}")
    return text


def results(*values: float) -> Results:
    return {"y": np.array(values, np.float32)}


@pytest.mark.parametrize(
    ("before", "after", "relative"),
    [
        ((1, 2, 4), (1, 2, 3), 0.25),
        ((1, np.nan), (1, np.nan), None),
        ((1, np.inf), (1, np.inf), None),
        ((1, 2), (1, np.nan), np.nan),
        ((0, 0), (0, 1), 1),
    ],
)
def test_the_size_of_a_difference(
    before: tuple[float, ...], after: tuple[float, ...], relative: float | None
) -> None:
    found = largest_difference(results(*before), results(*after))
    assert (found and found.relative) == pytest.approx(relative, nan_ok=True)


def test_a_lost_result_is_a_difference() -> None:
    with pytest.raises(NumericsError, match="none of the results y is left"):
        largest_difference(results(1), {})
