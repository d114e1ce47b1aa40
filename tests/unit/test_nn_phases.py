"""`nn-phases` keeps what gradients of strided convolutions mean."""

from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType, f64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region
from xdsl.rewriter import InsertPoint

from nnc.dialects.interpret import run
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.convolution import ConvInputGradOp, ConvOp
from nnc.lowering.nn_phases import NnPhasesPass

CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8, 8), (4, 3, 3, 3), {"strides": (2, 2), "low": (1, 1), "high": (1, 1)}),
    ((1, 4, 9, 7), (6, 2, 5, 4), {"strides": (2, 3), "low": (3, 0), "high": (2, 1), "groups": 2}),
    ((1, 4, 9, 9), (4, 1, 3, 3), {"strides": (2, 2), "low": (1, 1), "high": (1, 1), "groups": 4}),
    ((1, 2, 11), (3, 2, 1), {"strides": (3,)}),
    ((1, 2, 14), (3, 2, 2), {"strides": (4,), "low": (1,), "high": (0,)}),
    ((1, 2, 7, 8), (2, 2, 2, 3), {"strides": (1, 2), "dilations": (2, 1), "low": (1, 0)}),
    ((1, 1, 5, 4, 6), (2, 1, 3, 2, 2), {"strides": (2, 1, 2), "low": (0, 1, 1)}),
    ((1, 2, 3), (2, 2, 7), {"strides": (2,), "low": (5,), "high": (6,)}),
]


def gradient(image: tuple[int, ...], kernel: tuple[int, ...], settings: dict[str, Any]) -> ModuleOp:
    """The gradient in images of this shape."""
    types = [TensorType(f64, image), TensorType(f64, kernel)]
    output = ConvOp(*Block(arg_types=types).args, **settings).output.type
    block = Block(arg_types=[output, types[1]])
    b = Builder(InsertPoint.at_end(block))
    dx = insert(b, ConvInputGradOp(*block.args, size=image[2:], **settings))
    b.insert(ReturnOp(dx))
    type = FunctionType.from_lists([output, types[1]], [dx.type])
    return ModuleOp([FuncOp("main", type, Region(block))])


@pytest.mark.parametrize(("image", "kernel", "settings"), CASES)
def test_same_gradient(
    image: tuple[int, ...], kernel: tuple[int, ...], settings: dict[str, Any]
) -> None:
    module = gradient(image, kernel, settings)
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(shape_of(argument)) for argument in function.args]
    (expected,) = run(module, inputs)
    NnPhasesPass().apply(Context(), module)
    module.verify()
    remaining = [op for op in module.walk() if isinstance(op, ConvInputGradOp)]
    assert remaining
    assert all(w.stride == 1 for op in remaining for w in op.geometry.windows)
    (found,) = run(module, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
