"""Calls of functions and methods of arrays that MXNet 1.9.1 and nnc run from the same text.

They are the lines of `tests/mxnet/functions.txt`. There, `x` is an array of 2 x 3 x 4 normal
numbers, `v` of 4 positive ones, and `i` of 2 images of 2 x 5 x 5.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

LINES = (Path(__file__).parents[1] / "mxnet/functions.txt").read_text().splitlines()
HALVES = "halves go to the even number, as in NumPy; MXNet's round goes away from 0, its rint down"
DIFFERENT = {
    "nd.round(nd.array([0.5, 1.5, -0.5, 2.5]))": HALVES,
    "nd.rint(nd.array([0.5, 1.5, -0.5, 2.5]))": HALVES,
}
"""Lines whose numbers are meant to be others, and why."""
INTEGERS = "what was an integer on the way has no gradient; MXNet's goes through"
DIFFERENT_GRADIENTS = {
    'nd.Cast(x, dtype="int32")': INTEGERS,
    'nd.cast(x * 10, dtype="int32")': INTEGERS,
    'nd.LeakyReLU(x, act_type="selu")': "MXNet's gradient below 0 is not that of its values",
}
UNRECORDED = ("nd.Dropout(", "nd.BatchNorm(")
"""Random, or changed while recording."""


def operands(mx: Any) -> dict[str, Any]:
    draws = np.random.RandomState(3)
    return {
        "x": mx.nd.array(draws.normal(size=(2, 3, 4)), dtype="float32"),
        "v": mx.nd.array(draws.uniform(0.1, 2, 4), dtype="float32"),
        "i": mx.nd.array(draws.normal(size=(2, 2, 5, 5)), dtype="float32"),
    }


def evaluated(mx: Any, line: str) -> Any:
    """What a line gives, as a numpy array of float32."""
    return eval(line, {"nd": mx.nd, **operands(mx)}).asnumpy().astype(np.float32)


def gradient(mx: Any, line: str) -> Any:
    """The gradient of the sum of cubes of what a line gives, by the first operand it names."""
    arrays = operands(mx)
    chosen = next(array for name, array in arrays.items() if re.search(rf"\b{name}\b", line))
    chosen.attach_grad()
    with mx.autograd.record():
        y = eval(line, {"nd": mx.nd, **arrays})
        loss = (y * y * y).sum()
    loss.backward()
    return chosen.grad.asnumpy()


def has_gradient(line: str) -> bool:
    return re.search(r"\b[xvi]\b", line) is not None and not line.startswith(UNRECORDED)
