"""The interpreter's entry: functions, arguments, precision, and what is wrong with them."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import InterpretationError

from nnc.dialects.interpret import run

PROGRAM = """
func.func @main(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<f32>) {
  %y = func.call @double(%x) : (tensor<3xf32>) -> tensor<3xf32>
  %s = nn.reduce sum %y {axes = [0]} : tensor<3xf32> -> tensor<f32>
  func.return %y, %s : tensor<3xf32>, tensor<f32>
}
func.func @double(%x: tensor<3xf32>) -> tensor<3xf32> {
  %y = nn.add %x, %x : tensor<3xf32>
  func.return %y : tensor<3xf32>
}
"""
X = np.array([0.1, 0.2, 0.3], np.float32)


@pytest.fixture
def module(parse: Callable[[str], ModuleOp]) -> ModuleOp:
    return parse(PROGRAM)


def test_functions_call_each_other(module: ModuleOp) -> None:
    doubled, total = run(module, [X])
    np.testing.assert_array_equal(doubled, 2 * X)
    assert (total.dtype, total.shape) == (np.float32, ())


def test_any_function_can_be_run(module: ModuleOp) -> None:
    (doubled,) = run(module, [X], "double")
    np.testing.assert_array_equal(doubled, 2 * X)


def test_an_f32_program_can_be_computed_in_f64(module: ModuleOp) -> None:
    exact = X.astype(np.float64) + 1e-12
    doubled, total = run(module, [exact])
    np.testing.assert_array_equal(doubled, 2 * exact)
    assert total.dtype == np.float64


def test_what_is_missing_or_too_much_is_named(module: ModuleOp) -> None:
    with pytest.raises(InterpretationError, match="named @train"):
        run(module, [X], "train")
    with pytest.raises(InterpretationError, match="@main takes 1 arguments, given 2"):
        run(module, [X, X])
    message = r"@main: argument 0 is tensor<3xf32>, given shape \(2,\)"
    with pytest.raises(InterpretationError, match=message):
        run(module, [X[:2]])
