"""Normalizing functions and their gradients beside PyTorch's, compiled, in f64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnc import autograd, nd

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[Any, Any, Any], Any]

CASES: dict[str, tuple[tuple[int, ...], int, Function, Function]] = {
    "layer_norm": (
        (3, 4, 7), 7, nd.LayerNorm, lambda x, g, b: functional.layer_norm(x, (7,), g, b)
    ),
    "group_norm": (
        (3, 6, 5), 6, lambda x, g, b: nd.GroupNorm(x, g, b, 3),
        lambda x, g, b: functional.group_norm(x, 3, g, b),
    ),
    "instance_norm": (
        (3, 6, 4, 5), 6, lambda x, g, b: nd.InstanceNorm(x, g, b, 1e-5),
        lambda x, g, b: functional.instance_norm(x, None, None, g, b),
    ),
    "rms_norm": (
        (3, 4, 7), 7, lambda x, g, b: nd.rms_norm(x, g, eps=1e-5) + b,
        lambda x, g, b: functional.rms_norm(x, (7,), g, 1e-5) + b,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_norms(name: str) -> None:
    shape, channels, ours, theirs = CASES[name]
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(s) for s in (shape, (channels,), (channels,))]
    weights = random.standard_normal(shape)

    given = [nd.array(a, dtype="float64") for a in arrays]
    for x in given:
        x.attach_grad()
    with autograd.record():
        y = ours(*given)
    y.backward(nd.array(weights, dtype="float64"))

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*tensors)
    expected.backward(torch.tensor(weights))
    close(y, expected)
    for x, tensor in zip(given, tensors, strict=True):
        close(x.grad, tensor.grad)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.asnumpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
