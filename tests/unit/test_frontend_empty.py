"""Arrays without elements: what is defined has numpy's value and a gradient, compiled, too."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, nd
from nnc.arrays.array import NDArray
from nnc.gluon import nn, rnn

loss = gluon.loss


@pytest.fixture(params=["compile", "interpret"])
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    before = nnc.configure(backend=request.param)
    yield
    nnc.configure(backend=before.backend)


def layer(net: Any) -> Any:
    net.initialize()
    return net


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


# A function of an array of zeros of the shape, and what it gives.
ROWS: dict[str, tuple[tuple[int, ...], Callable[[NDArray], NDArray], Any]] = {
    "sum": ((2, 0), lambda x: x.sum(1), zeros(2)),
    "product": ((2, 0), lambda x: x.prod(1), zeros(2) + 1),
    "norm": ((2, 0), lambda x: nd.norm(x, axis=1), zeros(2)),
    "mean of no rows": ((0, 3), lambda x: x.mean(1), zeros(0)),
    "max of no rows": ((0, 3), lambda x: x.max(1), zeros(0)),
    "softmax": ((2, 0), nd.softmax, zeros(2, 0)),
    "log_softmax": ((2, 0), nd.log_softmax, zeros(2, 0)),
    "softmax of no rows": ((0, 3), nd.softmax, zeros(0, 3)),
    "sort": ((2, 0), nd.sort, zeros(2, 0)),
    "topk of no rows": ((0, 3), lambda x: nd.topk(x, k=2, ret_typ="value"), zeros(0, 2)),
    "cumsum": ((2, 0), lambda x: nd.cumsum(x, 1), zeros(2, 0)),
    "cumprod": ((2, 0), lambda x: nd.cumprod(x, 1), zeros(2, 0)),
    "concat": ((2, 0), lambda x: nd.concat(x, nd.ones((2, 3)), dim=1), zeros(2, 3) + 1),
    "concat of nothing": ((2, 0), lambda x: nd.concat(x, x, dim=1), zeros(2, 0)),
    "stack": ((2, 0), lambda x: nd.stack(x, x, axis=2), zeros(2, 0, 2)),
    "split": ((2, 0), lambda x: nd.split(x, 3, 1)[2], zeros(2, 0)),
    "pad": ((2, 0), lambda x: nd.pad(x, "constant", (0, 0, 1, 1), 3), zeros(2, 2) + 3),
    "tile": ((2, 3), lambda x: nd.tile(x, (0, 1)), zeros(0, 3)),
    "flip": ((2, 0), lambda x: nd.flip(x, 1), zeros(2, 0)),
    "roll": ((2, 0), lambda x: nd.roll(x, 1, 1), zeros(2, 0)),
    "slice": ((3, 4), lambda x: x[1:1], zeros(0, 4)),
    "take nothing": ((3, 4), lambda x: x.take([]), zeros(0, 4)),
    "take nothing of nothing": ((0, 4), lambda x: x.take([]), zeros(0, 4)),
    "pick": ((0, 4), lambda x: nd.pick(x, []), zeros(0)),
    "gather_nd": ((2, 3), lambda x: nd.gather_nd(x, zeros(2, 0)), zeros(0)),
    "scatter_nd": ((0,), lambda x: nd.scatter_nd(x, zeros(2, 0), (2, 3)), zeros(2, 3)),
    "broadcast": ((2, 1), lambda x: x + nd.zeros((2, 0)), zeros(2, 0)),
    "no terms": ((2, 0), lambda x: nd.dot(x, x.T), zeros(2, 2)),
    "no matrices": ((0, 2, 3), lambda x: nd.batch_dot(x, x.transpose(0, 2, 1)), zeros(0, 2, 2)),
    "einsum": ((0, 3), lambda x: nd.einsum("ij->j", x), zeros(3)),
    "no queries": ((2, 3, 4), lambda x: nd.attention(x[:, :0], x, x), zeros(2, 0, 4)),
    "no keys": ((2, 3, 4), lambda x: nd.attention(x, x[:, :0], x[:, :0]), zeros(2, 3, 4)),
    "dense": ((0, 2), lambda x: layer(nn.Dense(3))(x), zeros(0, 3)),
    "dense of nothing": ((2, 0), lambda x: layer(nn.Dense(3))(x), zeros(2, 3)),
    "conv": ((0, 2, 5, 5), lambda x: layer(nn.Conv2D(3, 3))(x), zeros(0, 3, 3, 3)),
    "conv of no channels": ((1, 0, 5, 5), lambda x: layer(nn.Conv2D(3, 3))(x), zeros(1, 3, 3, 3)),
    "conv of padding": (
        (1, 1, 0, 5), lambda x: layer(nn.Conv2D(3, 3, padding=2))(x), zeros(1, 3, 2, 7)
    ),
    "transposed": ((0, 2, 5, 5), lambda x: layer(nn.Conv2DTranspose(3, 3))(x), zeros(0, 3, 7, 7)),
    "max pool": ((0, 2, 4, 4), nn.MaxPool2D(), zeros(0, 2, 2, 2)),
    "average pool": ((2, 0, 4, 4), nn.AvgPool2D(), zeros(2, 0, 2, 2)),
    "layer norm": ((0, 4), lambda x: layer(nn.LayerNorm())(x), zeros(0, 4)),
    "group norm": ((0, 2, 3), lambda x: layer(nn.GroupNorm(1))(x), zeros(0, 2, 3)),
    "dropout": ((0, 3), nn.Dropout(0.5), zeros(0, 3)),
    "lstm": ((5, 0, 4), lambda x: layer(rnn.LSTM(3))(x), zeros(5, 0, 3)),
    "lstm of nothing": ((2, 2, 0), lambda x: layer(rnn.LSTM(3))(x), zeros(2, 2, 3)),
    "cross_entropy": ((0, 3), lambda x: loss.SoftmaxCELoss()(x, nd.zeros((0,))), zeros(0)),
    "l2": ((0, 3), lambda x: loss.L2Loss()(x, x), zeros(0)),
    "ctc of no labels": (
        (2, 4, 3), lambda x: loss.CTCLoss()(x, nd.zeros((2, 0))), zeros(2) + 4 * np.log(3)
    ),
}  # fmt: skip


def test_values_and_gradients(backend: None) -> None:
    inputs = [nd.zeros(shape) for shape, _, _ in ROWS.values()]
    outputs: list[NDArray] = []
    for x, (_, function, _) in zip(inputs, ROWS.values(), strict=True):
        x.attach_grad()
        with autograd.record():
            y = function(x)
        y.backward()
        outputs.append(y)
    for x, y, (name, (_, _, expected)) in zip(inputs, outputs, ROWS.items(), strict=True):
        np.testing.assert_allclose(y.asnumpy(), expected, rtol=1e-6, err_msg=name)
        assert x.grad is not None
        assert np.isfinite(x.grad.asnumpy()).all(), name


def test_integers_and_masks(backend: None) -> None:
    none = nd.zeros((2, 0))
    for found, expected in (
        (nd.argsort(none), np.zeros((2, 0), np.int32)),
        (nd.argmax(nd.zeros((0, 3)), 1), np.zeros(0, np.int32)),
        (nd.any(none, 1), [False, False]),
        (nd.all(none, 1), [True, True]),
        (nd.one_hot([], 3), zeros(0, 3)),
        (nd.take_along_axis(none, zeros(2, 0), 1), zeros(2, 0)),
    ):
        np.testing.assert_array_equal(found.asnumpy(), expected)
