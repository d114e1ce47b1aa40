"""Optimizers beside PyTorch's in f64: on the same gradients, the same parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnc
from nnc import gluon, nd, optimizer

Make = Callable[..., Any]
Array = np.ndarray[Any, np.dtype[Any]]

ROWS: list[tuple[str, dict[str, Any], Make, dict[str, Any]]] = [
    # rule, its options, torch's, its options
    ("sgd", {}, torch.optim.SGD, {}),
    ("sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ("nag", {}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ("adam", {}, torch.optim.Adam, {}),
    ("adamw", {"epsilon": 1e-8}, torch.optim.AdamW, {}),
    ("adamax", {}, torch.optim.Adamax, {}),
    ("nadam", {}, torch.optim.NAdam, {}),
    ("rmsprop", {}, torch.optim.RMSprop, {"alpha": 0.9}),
    ("adagrad", {"epsilon": 1e-10}, torch.optim.Adagrad, {}),
    ("adadelta", {}, torch.optim.Adadelta, {}),
]


@pytest.mark.parametrize(("name", "options", "theirs", "their_options"), ROWS)
def test_update(
    name: str, options: dict[str, Any], theirs: Make, their_options: dict[str, Any]
) -> None:
    """Twenty steps with weight decay.

    Adamax differs by where epsilon is, and torch's NAdam multiplies the momenta in f32.
    """
    before = nnc.configure(backend="interpret")
    generator = np.random.default_rng(0)
    start = generator.standard_normal((3, 4))
    expected = torch.nn.Parameter(torch.tensor(start))
    reference = theirs([expected], lr=0.01, weight_decay=0.1, **their_options)
    weight = nd.array(start, "float64")
    update = optimizer.get_updater(optimizer.create(name, learning_rate=0.01, wd=0.1, **options))
    for _ in range(20):
        grad: Array = generator.standard_normal((3, 4))
        expected.grad = torch.tensor(grad)
        reference.step()
        update(0, nd.array(grad, "float64"), weight)
    bound = 1e-7 if name in ("adamax", "nadam") else 1e-12
    np.testing.assert_allclose(weight.asnumpy(), expected.detach().numpy(), rtol=bound)
    nnc.configure(backend=before.backend)


def test_norm_of_all_gradients() -> None:
    generator = np.random.default_rng(0)
    grads: list[Array] = [generator.standard_normal(shape) for shape in ((3, 4), (5,))]
    expected = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads]
    for parameter, grad in zip(expected, grads, strict=True):
        parameter.grad = torch.tensor(grad)
    arrays = [nd.array(g, "float64") for g in grads]
    norm = gluon.utils.clip_global_norm(arrays, 0.5)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(expected, 0.5)))
    for array, parameter in zip(arrays, expected, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(array.asnumpy(), parameter.grad.numpy(), rtol=1e-6)
