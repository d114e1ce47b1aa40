"""Which results may be written over which operands, and that kernels which do so are right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from nnc.codegen.emit import emit
from nnc.dialects import buffer, kernel
from nnc.dialects.interpret import run
from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.strategies.donation import Donor
from nnc.runtime.machine import detect_target
from nnc.runtime.program import Program

Array = npt.NDArray[Any]
Parse = Callable[[str], ModuleOp]

AIMED = f"{{target={detect_target().name}}}"
SQUARE = "tensor<5x5xf32>"
ROW = "tensor<5xf32>"
OPERANDS = ("%x", "%w", "%r")


@dataclass(frozen=True)
class Case:
    """A kernel of %x, %w and %r, and whether `result` may take the place of `operand`."""

    name: str
    allowed: bool
    operand: str
    result: str
    body: str
    results: tuple[str, ...] = ("%y",)
    strategy: str = ""
    """Given before `kernel-select` would choose one."""

    @property
    def ties(self) -> list[int]:
        """For each result, the operand it replaces."""
        tied = OPERANDS.index(self.operand)
        return [tied if result == self.result else -1 for result in self.results]

    @property
    def text(self) -> str:
        """A program that launches the kernel once."""
        arguments = ", ".join(f"{name}: {SQUARE}" for name in OPERANDS)
        types = ", ".join([SQUARE] * len(self.results))
        results, operands = ", ".join(self.results), ", ".join(OPERANDS)
        return f"""
        func.func @main({arguments}) -> ({types})
            attributes {{nnc.tied = array<i64: {str(self.ties)[1:-1]}>}} {{
          {results} = kernel.launch @k ins({operands} : {", ".join([SQUARE] * 3)}) -> {types}
          func.return {results} : {types}
        }}
        kernel.func @k({arguments}) -> ({types}) {self.strategy} {{
          {self.body}
          kernel.return {results} : {types}
        }}"""


def matmul(lhs: str, rhs: str) -> str:
    return f"%p = nn.matmul {lhs}, {rhs} : ({SQUARE}, {SQUARE}) -> {SQUARE}"


def maximum(operand: str, axis: int) -> str:
    """%m is the largest of each row or column, for each of its elements."""
    return f"""
    %max = nn.reduce max {operand} {{axes = [{axis}]}} : {SQUARE} -> {ROW}
    %m = nn.broadcast %max {{dimensions = [{1 - axis}]}} : {ROW} -> {SQUARE}"""


SWEEPS = "strategy #kernel.strategy<sweeps {}>"
RESIDUAL = f"{matmul('%x', '%w')}\n%y = nn.add %p, %r : {SQUARE}"
TRANSPOSED = f"""
    {matmul("%x", "%w")}
    %t = nn.transpose %r {{permutation = [1, 0]}} : {SQUARE} -> {SQUARE}
    %y = nn.add %p, %t : {SQUARE}"""
FIRST_ROW = f"""
    %s = nn.slice %r {{starts = [0, 0], limits = [1, 5], strides = [1, 1]}}
        : {SQUARE} -> tensor<1x5xf32>
    %b = nn.broadcast %s {{dimensions = [0, 1]}} : tensor<1x5xf32> -> {SQUARE}
    %y = nn.add %x, %b : {SQUARE}"""
TWO_SWEEPS = f"""
    %y = nn.tanh %x : {SQUARE}
    {maximum("%x", 1)}
    %z = nn.sub %x, %m : {SQUARE}"""
UPDATE = f"""
    {matmul("%x", "%w")}
    %y = nn.add %p, %r : {SQUARE}
    %z = nn.mul %y, %r : {SQUARE}"""

CASES = [
    Case("residual", True, "%r", "%y", RESIDUAL),
    Case("residual, point by point", True, "%r", "%y", RESIDUAL, strategy=SWEEPS),
    Case("residual read twice", True, "%r", "%z", UPDATE, ("%y", "%z")),
    Case("operand of the product", False, "%x", "%y", RESIDUAL),
    Case("operand, point by point", False, "%w", "%y", RESIDUAL, strategy=SWEEPS),
    Case("transposed residual", False, "%r", "%y", TRANSPOSED),
    Case("residual that is an operand too", False, "%x", "%y",
         f"{matmul('%x', '%w')}\n%y = nn.add %p, %x : {SQUARE}"),
    Case("elementwise", True, "%x", "%y", f"%y = nn.mul %x, %r : {SQUARE}"),
    Case("not read at all", True, "%w", "%y", f"%y = nn.mul %x, %r : {SQUARE}"),
    Case("part of an operand", False, "%r", "%y", FIRST_ROW),
    Case("softmax", True, "%x", "%y", f"%y = nn.softmax %x {{axis = 1}} : {SQUARE}"),
    Case("softmax of columns", True, "%x", "%y", f"%y = nn.softmax %x {{axis = 0}} : {SQUARE}"),
    Case("softmax's gradient", True, "%r", "%y",
         f"%y = nn.softmax_grad %x, %r {{axis = 1}} : {SQUARE}"),
    Case("stored before the last sweep", False, "%x", "%y", TWO_SWEEPS, ("%y", "%z")),
    Case("stored in the last sweep", True, "%x", "%z", TWO_SWEEPS, ("%y", "%z")),
    Case("cumulative sum", False, "%x", "%y", f"%y = nn.cumsum %x {{axis = 1}} : {SQUARE}"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_donation(parse: Parse, case: Case) -> None:
    module = parse(case.text)
    arrays = [np.random.default_rng(i).standard_normal((5, 5), np.float32) for i in range(3)]
    expected = run(module, arrays)
    apply(f"kernel-select{AIMED}", module)
    (function,) = (op for op in module.walk() if isinstance(op, kernel.FuncOp))
    operand, result = OPERANDS.index(case.operand), case.results.index(case.result)
    assert Donor(function).may_donate(operand, result) is case.allowed
    apply("bufferize", module)
    copies = [op for op in module.walk() if isinstance(op, buffer.CopyOp)]
    assert bool(copies) is not case.allowed
    apply(f"loops{AIMED},plan", module)
    given = Program(emit(module, detect_target()))(*arrays)
    outputs = iter(given if isinstance(given, tuple) else [] if given is None else [given])
    for tie, values in zip(case.ties, expected, strict=True):
        found = arrays[tie] if tie >= 0 else next(outputs)
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)


def apply(pipeline: str, module: ModuleOp) -> None:
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
        module.verify()


# Results that replace each other's operands.


def exchange(body: str, results: str) -> str:
    return f"""
    func.func @main(%a: {SQUARE}, %b: {SQUARE}, %x: {SQUARE}) -> ({SQUARE}, {SQUARE})
        attributes {{nnc.tied = array<i64: 0, 1>}} {{
      {body}
      func.return {results} : {SQUARE}, {SQUARE}
    }}"""


PAIRS = {
    "two at once": exchange(
        f"%y = nn.add %a, %b : {SQUARE}\n%z = nn.mul %a, %b : {SQUARE}", "%y, %z"
    ),
    "crossed": exchange(f"%y = nn.tanh %b : {SQUARE}\n%z = nn.exp %a : {SQUARE}", "%y, %z"),
    "exchanged": exchange("", "%b, %a"),
    "one after the other": exchange(
        f"%y = nn.add %a, %b : {SQUARE}\n%z = nn.matmul %y, %a : ({SQUARE}, {SQUARE}) -> {SQUARE}",
        "%y, %z",
    ),
    "update after a product": exchange(
        f"""
        %g = nn.matmul %x, %x {{transpose_lhs}} : ({SQUARE}, {SQUARE}) -> {SQUARE}
        %lr = nn.constant 0.1 : tensor<f32>
        %y, %z = optim.momentum %g, %a, %b, %lr, %lr, %lr {{momentum = 0.9 : f64}}
            : ({", ".join([SQUARE] * 3 + ["tensor<f32>"] * 3)}) -> ({SQUARE}, {SQUARE})""",
        "%y, %z",
    ),
    "reshaped": exchange(
        f"""
        %f = nn.reshape %a : {SQUARE} -> tensor<25xf32>
        %t = nn.tanh %f : tensor<25xf32>
        %y = nn.reshape %t : tensor<25xf32> -> {SQUARE}
        %z = nn.add %y, %b : {SQUARE}""",
        "%y, %z",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_replaced_arguments(parse: Parse, name: str) -> None:
    module = parse(PAIRS[name])
    arrays = [np.random.default_rng(i).standard_normal((5, 5), np.float32) for i in range(3)]
    expected = run(module, arrays)
    apply(f"lower{AIMED}", module)
    assert Program(emit(module, detect_target()))(*arrays) is None
    for found, values in zip(arrays[:2], expected, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)
