"""Derived values: `@prepare` and `@main` together mean what the program meant."""

from collections.abc import Callable

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from nnc.lowering.nn_derive import split
from nnc.lowering.pass_specs import build_pipeline
from nnc.tools.programs import evaluate

Parse = Callable[[str], ModuleOp]

PROGRAM = """
func.func @main(%x: tensor<4x8xf32> {nnc.name = "x"},
                %w: tensor<12x8xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<12xf32> {nnc.name = "b", nnc.role = "parameter"}) -> tensor<4x12xf32>
    attributes {nnc.outputs = ["y"]} {
  %z = nn.matmul %x, %w {transpose_rhs} :
      (tensor<4x8xf32>, tensor<12x8xf32>) -> tensor<4x12xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<12xf32> -> tensor<4x12xf32>
  %s = nn.add %z, %bs : tensor<4x12xf32>
  %y = nn.relu %s : tensor<4x12xf32>
  func.return %y : tensor<4x12xf32>
}
"""


def run(module: ModuleOp, pipeline: str) -> None:
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
        module.verify()


def test_a_packed_weight_follows_its_parameter(parse: Parse) -> None:
    module = parse(PROGRAM)
    run(module, "nn-layout,nn-canonicalize,nn-derive{columns=8 width=4},nn-canonicalize")
    preparation = split(module)
    assert preparation is not None
    lower = "group,bufferize,nn-decompose,kernel-to-loops,plan-memory,verify-inplace"
    run(module, lower)
    run(preparation, lower)

    random = np.random.default_rng(0)
    given = {"x": random.standard_normal((4, 8)), "b": random.standard_normal(12)}
    for _ in range(2):  # the parameter changes, and what is derived from it with it
        weight = {"w": random.standard_normal((12, 8))}
        derived = evaluate(preparation, given=weight)
        results = evaluate(module, given=given | weight | derived)
        expected = np.maximum(given["x"] @ weight["w"].T + given["b"], 0)
        np.testing.assert_allclose(results["y"], expected, rtol=1e-4, atol=1e-5)


def test_a_program_without_derived_values_has_no_preparation(parse: Parse) -> None:
    module = parse(PROGRAM)
    run(module, "graph,nn-derive")
    assert split(module) is None
