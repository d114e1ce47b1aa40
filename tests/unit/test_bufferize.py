"""The harder programs, through every level: each pass keeps the numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from nnc.lowering.pass_specs import build_pipeline
from nnc.tools.programs import evaluate

Parse = Callable[[str], ModuleOp]
TRACERS = Path(__file__).parents[1] / "programs/tracers"

LOWER = "graph,group,bufferize,nn-decompose,kernel-to-loops,plan-memory,verify-inplace"


@pytest.mark.parametrize(
    ("name", "train"),
    [
        ("recurrent", "nn-gradient,optim-apply{rule=momentum},"),
        ("convolutional", "nn-gradient,optim-apply{rule=adam},"),
        ("branching", "nn-gradient,optim-apply{rule=sgd},"),
        ("joined", ""),
    ],
)
def test_each_level_has_the_numbers_of_the_graph(parse: Parse, name: str, train: str) -> None:
    module = parse((TRACERS / f"{name}.mlir").read_text())
    expected: dict[str, np.ndarray] | None = None
    for one in build_pipeline(train + LOWER):
        one.apply(Context(), module)
        module.verify()
        if one.name in ("optim-apply", "nn-canonicalize") and expected is None:
            expected = evaluate(module)
        if one.name in ("kernel-schedule", "bufferize", "verify-inplace"):
            assert expected is not None
            after = evaluate(module)
            for key, value in expected.items():
                np.testing.assert_allclose(after[key], value, 2e-4, 2e-5, err_msg=key)
