"""`kernel-fuse` and `kernel-outline` keep the meaning; depth adds no kernels."""

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from nnc.dialects import kernel
from nnc.lowering.pass_specs import build_pipeline
from nnc.tools.programs import evaluate

Parse = Callable[[str], ModuleOp]


def mlp(layers: int) -> str:
    """A training program's forward part: dense layers of one shape, then cross-entropy."""
    parameters = "".join(
        f', %w{i}: tensor<8x8xf32> {{nnc.name = "d{i}.weight", nnc.role = "parameter"}}'
        f', %b{i}: tensor<8xf32> {{nnc.name = "d{i}.bias", nnc.role = "parameter"}}'
        for i in range(layers)
    )
    body = "".join(
        f"""
          %z{i} = nn.matmul %h{i}, %w{i} {{transpose_rhs}} :
              (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
          %c{i} = nn.broadcast %b{i} {{dimensions = [1]}} : tensor<8xf32> -> tensor<4x8xf32>
          %s{i} = nn.add %z{i}, %c{i} : tensor<4x8xf32>
          %h{i + 1} = nn.relu %s{i} : tensor<4x8xf32>"""
        for i in range(layers)
    )
    return f"""
        func.func @main(%h0: tensor<4x8xf32> {{nnc.name = "x"}},
                        %label: tensor<4xi32> {{nnc.name = "label"}}{parameters})
            -> tensor<4xf32> attributes {{nnc.outputs = ["loss"]}} {{{body}
          %loss, %p = nn.cross_entropy %h{layers}, %label :
              (tensor<4x8xf32>, tensor<4xi32>) -> (tensor<4xf32>, tensor<4x8xf32>)
          func.return %loss : tensor<4xf32>
        }}
        """


def run(module: ModuleOp, pipeline: str) -> ModuleOp:
    for one in build_pipeline(pipeline):
        one.apply(Context(), module)
        module.verify()
    return module


def kernels(module: ModuleOp) -> list[str]:
    return [op.sym_name.data for op in module.ops if isinstance(op, kernel.FuncOp)]


def test_kernels_do_not_grow_with_depth(parse: Parse) -> None:
    pipeline = "nn-gradient,optim-apply{rule=adam},graph,group"
    four, eight = (kernels(run(parse(mlp(n)), pipeline)) for n in (4, 8))
    assert four == eight
    assert {"dense_relu", "cross_entropy_and_grad", "matmul_adam", "sum_adam"} <= set(four)


@pytest.mark.parametrize("max_ops", [1, 2, 64])
def test_groups_of_any_size_mean_the_same(parse: Parse, max_ops: int) -> None:
    training = "nn-gradient,optim-apply{rule=momentum},graph"
    before = evaluate(run(parse(mlp(2)), training))
    fused = run(parse(mlp(2)), f"{training},kernel-fuse{{max-ops={max_ops}}},kernel-outline")
    after = evaluate(fused)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_larger_groups_make_fewer_launches(parse: Parse) -> None:
    training = "nn-gradient,optim-apply{rule=momentum},graph"
    counts = [
        sum(isinstance(op, kernel.GroupOp) for op in run(parse(mlp(2)), pipeline).walk())
        for pipeline in (f"{training},kernel-fuse{{max-ops=1}}", f"{training},kernel-fuse")
    ]
    assert counts[1] == 8 < counts[0]
