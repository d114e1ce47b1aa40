"""`nn-gradient` on whole programs, and twice."""

from collections.abc import Callable

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from nnc.lowering.pass_specs import build_pipeline
from nnc.tools.programs import evaluate

Parse = Callable[[str], ModuleOp]


def transformed(module: ModuleOp, pipeline: str) -> ModuleOp:
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
        module.verify()
    return module


def test_the_gradient_of_a_gradient(parse: Parse) -> None:
    module = parse(
        """
        func.func @main(%w: tensor<5xf64> {nnc.name = "w", nnc.role = "parameter"}) -> tensor<f64>
            attributes {nnc.outputs = ["loss"]} {
          %t = nn.tanh %w : tensor<5xf64>
          %q = nn.mul %t, %t : tensor<5xf64>
          %c = nn.mul %q, %t : tensor<5xf64>
          %loss = nn.reduce sum %c {axes = [0]} : tensor<5xf64> -> tensor<f64>
          func.return %loss : tensor<f64>
        }
        """
    )
    transformed(module, "nn-gradient,nn-canonicalize,cse,nn-gradient{of=1},nn-canonicalize,cse")
    w = np.linspace(-1, 1, 5)
    results = evaluate(module, given={"w": w})
    t = np.tanh(w)
    second = 6 * t * (1 - t**2) ** 2 - 6 * t**3 * (1 - t**2)
    assert list(results) == ["loss", "grad:w"]
    np.testing.assert_allclose(results["grad:w"], second, rtol=1e-12, atol=1e-12)


def test_what_does_not_lead_to_the_result_need_not_be_differentiable(parse: Parse) -> None:
    module = parse(
        """
        func.func @main(%w: tensor<3xf32> {nnc.name = "w", nnc.role = "parameter"}, %s: tensor<f32>)
            -> (tensor<3xf32>, tensor<3xf32>) attributes {nnc.outputs = ["loss", "other"]} {
          %other = optim.sgd %w, %w, %s, %s, %s :
              (tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<3xf32>
          %loss = nn.exp %w : tensor<3xf32>
          func.return %loss, %other : tensor<3xf32>, tensor<3xf32>
        }
        """
    )
    results = evaluate(transformed(module, "nn-gradient"), given={"w": np.zeros(3, np.float32)})
    np.testing.assert_array_equal(results["grad:w"], np.ones(3))


def test_steps_follow_the_gradient(parse: Parse) -> None:
    """A few steps of each rule make a small loss smaller."""
    text = """
        func.func @main(%x: tensor<8x3xf64> {nnc.name = "x"},
                        %w: tensor<2x3xf64> {nnc.name = "w", nnc.role = "parameter"})
            -> tensor<8xf64> attributes {nnc.outputs = ["loss"]} {
          %y = nn.matmul %x, %w {transpose_rhs} :
              (tensor<8x3xf64>, tensor<2x3xf64>) -> tensor<8x2xf64>
          %q = nn.mul %y, %y : tensor<8x2xf64>
          %loss = nn.reduce sum %q {axes = [1]} : tensor<8x2xf64> -> tensor<8xf64>
          func.return %loss : tensor<8xf64>
        }
        """
    random = np.random.default_rng(0)
    scalars = {"lr": 0.01, "wd": 0.0, "rescale": 1 / 8, "correction1": 1.0, "correction2": 1.0}
    fixed = {name: np.array(value) for name, value in scalars.items()}
    fixed["x"] = random.standard_normal((8, 3))
    for rule in ("sgd", "momentum", "nag", "adam", "rmsprop"):
        module = transformed(parse(text), f"nn-gradient,optim-apply{{rule={rule}}},graph")
        kept = {"w": random.standard_normal((2, 3))}
        kept |= {f"{s}:w": np.zeros((2, 3)) for s in ("momentum", "mean", "variance", "square")}
        losses: list[float] = []
        for _ in range(5):
            results = evaluate(module, given=fixed | kept)
            losses.append(results.pop("loss").sum())
            kept |= results
        assert losses == sorted(losses, reverse=True), rule
