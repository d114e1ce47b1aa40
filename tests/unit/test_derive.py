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
func.func @main(%x: tensor<64x256xf32> {nnc.name = "x"},
                %w: tensor<100x256xf32> {nnc.name = "w", nnc.role = "parameter"},
                %b: tensor<100xf32> {nnc.name = "b", nnc.role = "parameter"}) -> tensor<64x100xf32>
    attributes {nnc.outputs = ["y"]} {
  %z = nn.matmul %x, %w {transpose_rhs} :
      (tensor<64x256xf32>, tensor<100x256xf32>) -> tensor<64x100xf32>
  %bs = nn.broadcast %b {dimensions = [1]} : tensor<100xf32> -> tensor<64x100xf32>
  %s = nn.add %z, %bs : tensor<64x100xf32>
  %y = nn.relu %s : tensor<64x100xf32>
  func.return %y : tensor<64x100xf32>
}
"""


def run(module: ModuleOp, pipeline: str) -> None:
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
        module.verify()


def test_a_packed_weight_follows_its_parameter(parse: Parse) -> None:
    module = parse(PROGRAM)
    run(module, "graph,nn-derive{target=avx2}")
    preparation = split(module)
    assert preparation is not None
    run(module, "group{target=avx2},store")
    run(preparation, "group{target=avx2},store")

    random = np.random.default_rng(0)
    given = {"x": random.standard_normal((64, 256)), "b": random.standard_normal(100)}
    for _ in range(2):  # the parameter changes, and what is derived from it with it
        weight = {"w": random.standard_normal((100, 256))}
        derived = evaluate(preparation, given=weight)
        results = evaluate(module, given=given | weight | derived)
        expected = np.maximum(given["x"] @ weight["w"].T + given["b"], 0)
        np.testing.assert_allclose(results["y"], expected, rtol=1e-4, atol=1e-4)


def test_the_whole_module_means_what_the_program_meant(parse: Parse) -> None:
    before, after = parse(PROGRAM), parse(PROGRAM)
    run(after, "graph,nn-derive")
    assert split(after.clone()) is not None
    expected, results = evaluate(before), evaluate(after)
    np.testing.assert_allclose(results["y"], expected["y"], rtol=1e-4, atol=1e-4)


def test_a_program_without_derived_values_has_no_preparation(parse: Parse) -> None:
    module = parse(PROGRAM)
    run(module, "graph,nn-derive{target=c99}")
    assert split(module) is None
