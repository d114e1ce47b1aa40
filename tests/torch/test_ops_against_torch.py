"""Windows, losses, normalization and updates mean what PyTorch's mean, in f64."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.batch_norm import BatchNormOp
from nnc.dialects.nn.convolution import ConvOp
from nnc.dialects.nn.normalize import CrossEntropyOp
from nnc.dialects.nn.pool import AvgPoolOp, MaxPoolOp
from nnc.dialects.optim.adam import AdamOp
from nnc.dialects.optim.adaptive import RmspropOp
from nnc.dialects.optim.base import Update
from nnc.dialects.optim.momentum import MomentumOp, NagOp, SgdOp

Array = np.ndarray[Any, np.dtype[Any]]
Evaluate = Callable[..., list[Array]]

CLOSE = partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-13)


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (3, 2, 2)])
def test_conv2d(groups: int, stride: int, padding: int, dilation: int, evaluate: Evaluate) -> None:
    x, kernel = draw(0, 2, 4, 9, 8), draw(1, 6, 4 // groups, 3, 3)
    settings = {"strides": stride, "low": padding, "high": padding, "dilations": dilation}
    pairs = {key: (value, value) for key, value in settings.items()}
    (y,) = evaluate(partial(ConvOp, groups=groups, **pairs), x, kernel)
    tensors = torch.from_numpy(x), torch.from_numpy(kernel)
    expected = functional.conv2d(
        *tensors, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    CLOSE(y, expected.numpy())


def test_pooling(evaluate: Evaluate) -> None:
    x = draw(0, 2, 3, 9, 8)
    window = {"kernel": (3, 3), "strides": (2, 2), "low": (1, 1), "high": (1, 1)}
    values, indices = evaluate(partial(MaxPoolOp, **window), x)
    expected = functional.max_pool2d(torch.from_numpy(x), 3, 2, 1, return_indices=True)
    CLOSE(values, expected[0].numpy())
    np.testing.assert_array_equal(indices, expected[1].numpy())
    for include in (False, True):
        (mean,) = evaluate(partial(AvgPoolOp, count_include_pad=include, **window), x)
        reference = functional.avg_pool2d(torch.from_numpy(x), 3, 2, 1, count_include_pad=include)
        CLOSE(mean, reference.numpy())


def test_cross_entropy(evaluate: Evaluate) -> None:
    x, label = draw(0, 5, 7), np.array([0, 6, 3, 3, 1], np.int64)
    nll, _ = evaluate(CrossEntropyOp, x, label)
    expected = functional.cross_entropy(
        torch.from_numpy(x), torch.from_numpy(label), reduction="none"
    )
    CLOSE(nll, expected.numpy())


def test_batch_norm(evaluate: Evaluate) -> None:
    x, gamma, beta = draw(0, 4, 3, 5, 2), draw(1, 3), draw(2, 3)
    y, *_ = evaluate(BatchNormOp, x, gamma, beta)
    weight, bias = torch.from_numpy(gamma), torch.from_numpy(beta)
    expected = functional.batch_norm(torch.from_numpy(x), None, None, weight, bias, training=True)
    CLOSE(y, expected.numpy())


RULES: list[tuple[type[Update], dict[str, float], Any, dict[str, Any]]] = [
    (SgdOp, {}, torch.optim.SGD, {}),
    (MomentumOp, {}, torch.optim.SGD, {"momentum": 0.9}),
    (NagOp, {}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (AdamOp, {}, torch.optim.Adam, {}),
    (RmspropOp, {"rho": 0.99}, torch.optim.RMSprop, {"alpha": 0.99}),
]


@pytest.mark.parametrize(("rule", "constants", "optimizer", "settings"), RULES)
def test_updates(
    rule: type[Update],
    constants: dict[str, float],
    optimizer: Any,
    settings: dict[str, Any],
    evaluate: Evaluate,
) -> None:
    """Ten steps at a constant rate, with weight decay."""
    states = 2 + len(rule.STATES)
    w = draw(0, 4, 3)
    values = [w, *(np.zeros_like(w) for _ in rule.STATES)]
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    reference = optimizer([parameter], lr=0.05, weight_decay=0.1, **settings)

    def build(b: Builder, *v: SSAValue) -> Update:
        return rule(v[0], v[1], v[2:states], v[states:], None, **constants)

    for t in range(1, 11):
        grad = draw(t, 4, 3)
        run_time = {"lr": 0.05, "wd": 0.1, "rescale": 1.0}
        run_time |= {"correction1": 1 / (1 - 0.9**t), "correction2": 1 / (1 - 0.999**t)}
        scalars = [np.array(run_time[name]) for name in rule.SCALARS]
        values = evaluate(build, grad, *values, *scalars)
        parameter.grad = torch.from_numpy(grad)
        reference.step()
        CLOSE(values[0], parameter.detach().numpy())
