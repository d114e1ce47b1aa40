"""Values of NaN and infinity, and gradients at kinks, beside PyTorch's, compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as f

from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray

Array = np.ndarray[Any, np.dtype[Any]]
Rows = dict[str, tuple[Callable[[NDArray], NDArray], Callable[[Any], Any]]]
NAN, INF = np.nan, np.inf

STRANGE = np.array(
    [
        [1, NAN, 3, 2], [NAN, NAN, 0, 1], [INF, 1, -INF, 2], [-INF, -INF, -INF, -INF],
        [1, 2, INF, INF], [0, -0.0, 1, -1], [NAN, INF, -INF, 0],
    ],
    np.float32,
)  # fmt: skip
LABELS = np.array([0, 1, 2, 3, 0, 1, 2])

VALUES: Rows = {
    "max": (lambda x: x.max(1), lambda x: x.amax(1)),
    "min": (lambda x: x.min(1), lambda x: x.amin(1)),
    "argmax": (lambda x: nd.argmax(x, 1), lambda x: x.argmax(1)),
    "argmin": (lambda x: nd.argmin(x, 1), lambda x: x.argmin(1)),
    "sum": (lambda x: x.sum(1), lambda x: x.sum(1)),
    "mean": (lambda x: x.mean(1), lambda x: x.mean(1)),
    "prod": (lambda x: x.prod(1), lambda x: x.prod(1)),
    "norm": (lambda x: nd.norm(x, axis=1), lambda x: torch.linalg.vector_norm(x, dim=1)),
    "std": (lambda x: nd.std(x, axis=1), lambda x: x.std(1, correction=0)),
    "sort": (nd.sort, lambda x: x.sort(1).values),
    "argsort": (nd.argsort, lambda x: x.argsort(dim=1, stable=True)),
    "sort down": (
        lambda x: nd.sort(x, is_ascend=False), lambda x: x.sort(1, descending=True).values
    ),
    "topk": (lambda x: nd.topk(x, k=2, ret_typ="value"), lambda x: x.topk(2).values),
    "least": (
        lambda x: nd.topk(x, k=2, ret_typ="value", is_ascend=True),
        lambda x: x.topk(2, largest=False).values,
    ),
    "softmax": (nd.softmax, lambda x: x.softmax(1)),
    "log_softmax": (nd.log_softmax, lambda x: x.log_softmax(1)),
    "logsumexp": (lambda x: nd.logsumexp(x, 1), lambda x: x.logsumexp(1)),
    "cumsum": (lambda x: nd.cumsum(x, 1), lambda x: x.cumsum(1)),
    "cumprod": (lambda x: nd.cumprod(x, 1), lambda x: x.cumprod(1)),
    "clip": (lambda x: nd.clip(x, -1, 1), lambda x: x.clamp(-1, 1)),
    "maximum": (lambda x: nd.maximum(x, 0), lambda x: x.clamp(min=0)),
    "relu": (nd.relu, torch.relu),
    "sigmoid": (nd.sigmoid, torch.sigmoid),
    "tanh": (nd.tanh, torch.tanh),
    "mish": (nd.mish, f.mish),
    "power": (lambda x: x**0.5, lambda x: x**0.5),
    "division": (lambda x: x / 0, lambda x: x / 0),
    "product": (lambda x: nd.dot(x, x.T), lambda x: x @ x.T),
    "max pool": (
        lambda x: gluon.nn.MaxPool2D(2, 1)(x.reshape(1, 1, 7, 4)),
        lambda x: f.max_pool2d(x.reshape(1, 1, 7, 4), 2, 1),
    ),
    "layer norm": (
        lambda x: nd.LayerNorm(x, nd.ones((4,)), nd.zeros((4,))), lambda x: f.layer_norm(x, (4,))
    ),
    "cross entropy": (
        lambda x: gluon.loss.SoftmaxCELoss()(x, nd.array(LABELS)),
        lambda x: f.cross_entropy(x, torch.tensor(LABELS), reduction="none"),
    ),
}  # fmt: skip


def test_values_of_nan_and_infinity() -> None:
    found = {name: ours(nd.array(STRANGE)) for name, (ours, _) in VALUES.items()}
    for name, (_, theirs) in VALUES.items():
        expected = theirs(torch.tensor(STRANGE)).numpy()
        np.testing.assert_allclose(found[name].asnumpy(), expected, 1e-5, 1e-6, err_msg=name)


ZEROS = np.array([[0, 0, 0], [1, 2, -2], [0, 1, 0]], np.float64)
OTHERS = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]], np.float64)


def constant(x: Array) -> NDArray:
    return nd.array(x, dtype="float64")


KINKS: Rows = {
    "norm": (lambda x: nd.norm(x, axis=1), lambda x: torch.linalg.vector_norm(x, dim=1)),
    "norm of all": (lambda x: nd.norm(x * 0), lambda x: torch.linalg.vector_norm(x * 0)),
    "sum of absolutes": (
        lambda x: nd.norm(x, ord=1, axis=1), lambda x: torch.linalg.vector_norm(x, 1, dim=1)
    ),
    "std": (lambda x: nd.std(x, axis=1), lambda x: x.std(1, correction=0)),
    "var": (lambda x: nd.var(x, axis=1), lambda x: x.var(1, correction=0)),
    "prod": (lambda x: x.prod(1), lambda x: x.prod(1)),
    "cumprod": (lambda x: nd.cumprod(x, 1), lambda x: x.cumprod(1)),
    "square": (lambda x: x**2, lambda x: x**2),
    "ones": (lambda x: x**0, lambda x: x**0),
    "itself": (lambda x: nd.power(x, nd.ones_like(x)), lambda x: torch.pow(x, 1)),
    "power": (lambda x: nd.abs(x) ** 1.5, lambda x: x.abs() ** 1.5),
    "sqrt": (lambda x: nd.sqrt(nd.abs(x)), lambda x: x.abs().sqrt()),
    "abs": (nd.abs, torch.abs),
    "sign": (nd.sign, torch.sign),
    "relu": (nd.relu, torch.relu),
    "leaky_relu": (lambda x: nd.leaky_relu(x, 0.1), lambda x: f.leaky_relu(x, 0.1)),
    "elu": (lambda x: nd.elu(x, 1.0), f.elu),
    "selu": (nd.selu, f.selu),
    "clip": (lambda x: nd.clip(x, 0, 1), lambda x: x.clamp(0, 1)),
    "huber": (
        lambda x: gluon.loss.HuberLoss()(x, constant(OTHERS)),
        lambda x: f.huber_loss(x, torch.tensor(OTHERS), reduction="none").mean(1),
    ),
    "l1": (
        lambda x: gluon.loss.L1Loss()(x, constant(ZEROS)),
        lambda x: f.l1_loss(x, torch.tensor(ZEROS), reduction="none").mean(1),
    ),
    "hinge": (
        lambda x: gluon.loss.HingeLoss()(x, constant(OTHERS * 2 - 1)),
        lambda x: torch.relu(1 - x * torch.tensor(OTHERS * 2 - 1)).mean(1),
    ),
    "divergence": (
        lambda x: gluon.loss.KLDivLoss()(x, constant(OTHERS)),
        lambda x: f.kl_div(x, torch.tensor(OTHERS), reduction="none").mean(1),
    ),
    "masked softmax": (
        lambda x: nd.softmax(nd.where(x == 0, nd.full_like(x, -INF), x))[1:] * x[1:],
        lambda x: torch.softmax(torch.where(x == 0, -INF, x), 1)[1:] * x[1:],
    ),
}  # fmt: skip


def gradient(x: NDArray) -> Array:
    assert x.grad is not None
    return x.grad.asnumpy()


def test_gradients_at_kinks() -> None:
    inputs: dict[str, NDArray] = {}
    for name, (ours, _) in KINKS.items():
        inputs[name] = x = constant(ZEROS)
        x.attach_grad()
        with autograd.record():
            y = ours(x)
        y.backward()
    for name, (_, theirs) in KINKS.items():
        tensor = torch.tensor(ZEROS, requires_grad=True)
        theirs(tensor).sum().backward()
        assert tensor.grad is not None
        found, expected = gradient(inputs[name]), tensor.grad.numpy()
        np.testing.assert_allclose(found, expected, 1e-9, 1e-12, err_msg=name)


def test_gradients_of_cosine_losses_of_zero_rows_are_numbers() -> None:
    loss, label = gluon.loss.CosineEmbeddingLoss(), constant(np.array([1.0, -1, 1]))
    for first, second in ((ZEROS, OTHERS), (OTHERS, ZEROS), (ZEROS * 0, ZEROS * 0)):
        x, y = constant(first), constant(second)
        for one in (x, y):
            one.attach_grad()
        with autograd.record():
            cost = loss(x, y, label)
        cost.backward()
        assert np.isfinite([gradient(x), gradient(y)]).all()
