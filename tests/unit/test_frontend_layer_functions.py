"""Layers as functions, as `hybrid_forward(F, x, weight)` calls them, beside layers and formulas."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.errors import NncError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
DRAW = np.random.default_rng(8)
IMAGES = nd.array(DRAW.normal(size=(2, 4, 5, 6)))
STEPS = DRAW.normal(size=(4, 3, 2))
LENGTHS = [2, 4, 1]


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def close(found: NDArray, expected: Any) -> None:
    other = expected.asnumpy() if isinstance(expected, NDArray) else expected
    np.testing.assert_allclose(found.asnumpy(), other, rtol=1e-5, atol=1e-6)


def parameters(layer: Any) -> list[NDArray]:
    layer.initialize(nnc.init.Normal(1), force_reinit=True)
    return [p.data() for p in layer.collect_params().values()]


def test_dense() -> None:
    layer = nn.Dense(3, in_units=6, flatten=False)
    weight, bias = parameters(layer)
    bias[:] = 1
    close(nd.FullyConnected(IMAGES, weight, bias, num_hidden=3, flatten=False), layer(IMAGES))
    flat = nd.FullyConnected(IMAGES, nd.ones((2, 120)), num_hidden=2, no_bias=True)
    close(flat[:, 0], IMAGES.reshape(2, -1).sum(1))


@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions(transposed: bool) -> None:
    options: dict[str, Any] = {"strides": 2, "padding": 1, "groups": 2, "in_channels": 4}
    layer: Any = nn.Conv2D(6, (3, 2), **options)
    function: Any = nd.Convolution
    more: dict[str, Any] = {}
    if transposed:
        layer, function = (
            nn.Conv2DTranspose(6, (3, 2), **options, output_padding=1),
            nd.Deconvolution,
        )
        more = {"adj": (1, 1), "no_bias": False}
    weight, bias = parameters(layer)
    bias[:] = nd.arange(6)
    found = function(
        IMAGES,
        weight,
        bias,
        kernel=(3, 2),
        stride=(2, 2),
        pad=(1, 1),
        num_filter=6,
        num_group=2,
        **more,
    )
    close(found, layer(IMAGES))


def test_batch_norm_changes_its_statistics_in_training() -> None:
    """The function's own defaults: gamma counts as ones, epsilon is 1e-3."""
    gamma, beta = nd.array([3.0] * 4), nd.array([0.0, 1, 2, 3])
    mean, variance = nd.zeros((4,)), nd.ones((4,))
    x = IMAGES.asnumpy()
    averages, spreads = x.mean((0, 2, 3)), x.var((0, 2, 3))
    centred = (x - averages[:, None, None]) / np.sqrt(spreads + 1e-3)[:, None, None]
    with autograd.record():
        y = nd.BatchNorm(IMAGES, gamma, beta, mean, variance)
    close(y, centred + np.arange(4)[:, None, None])
    close(mean, 0.1 * averages)
    close(variance, 0.9 + 0.1 * spreads)
    given = nd.BatchNorm(IMAGES, gamma, beta, mean, variance, fix_gamma=False, eps=0)
    scaled = (x - 0.1 * averages[:, None, None]) / np.sqrt(0.9 + 0.1 * spreads)[:, None, None]
    close(given, 3 * scaled + np.arange(4)[:, None, None])
    with autograd.train_mode():
        outputs = nd.BatchNorm(IMAGES, gamma, beta, mean, variance, output_mean_var=True)
    close(outputs[1], averages)
    close(outputs[2], spreads)


def test_dropout() -> None:
    x = nd.ones((1000,))
    assert nd.Dropout(x, 0.4) is x
    kept = nd.Dropout(x, 0.4, mode="always").asnumpy()
    assert set(np.unique(kept)) == {0, np.float32(1 / 0.6)}
    assert kept.mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_the_first_of_a_row(axis: int) -> None:
    """Behind a length there is nothing, at a length of 0 nowhere."""
    x = STEPS[:, :, 0] if axis == 0 else STEPS[:, :, 0].T
    lengths = np.array([2, 4, 0])
    inside = np.arange(4)[:, None] < lengths
    inside = inside if axis == 0 else inside.T
    powers = np.where(inside, np.exp(x / 2), 0)
    expected = powers / np.maximum(powers.sum(axis, keepdims=True), 1e-30)
    options: dict[str, Any] = {
        "axis": axis,
        "length": lengths,
        "use_length": True,
        "temperature": 2,
    }
    close(nd.softmax(nd.array(x), **options), expected)
    logarithms = nd.log_softmax(nd.array(x), **options).asnumpy()
    np.testing.assert_allclose(np.exp(logarithms), expected, rtol=1e-5)
    close(nd.softmax(nd.array(x), axis), nd.array(x).softmax(axis))
    close(nd.softmin(nd.array(x), axis), nd.array(-x).softmax(axis))


def test_softmax_activation_and_cross_entropy() -> None:
    powers = np.exp(IMAGES.asnumpy())
    close(nd.SoftmaxActivation(IMAGES), powers / powers.sum((1, 2, 3), keepdims=True))
    close(nd.SoftmaxActivation(IMAGES, "channel"), powers / powers.sum(1, keepdims=True))
    rows = nd.array(STEPS[:, :, 0])
    shares = rows.softmax().asnumpy()
    close(
        nd.softmax_cross_entropy(rows, [0, 2, 1, 1]), -np.log(shares[range(4), [0, 2, 1, 1]]).sum()
    )


def test_activations() -> None:
    close(nd.Activation(IMAGES, "softrelu"), np.log1p(np.exp(IMAGES.asnumpy())))


@pytest.mark.parametrize("axis", [0, 1])
def test_sequences(axis: int) -> None:
    """The last step of each, and all in reverse order, of whole or shorter sequences."""
    x = nd.array(STEPS if axis == 0 else STEPS.swapaxes(0, 1))
    close(nd.SequenceLast(x, axis=axis), STEPS[-1])
    last = STEPS[np.array(LENGTHS) - 1, np.arange(3)]
    close(nd.SequenceLast(x, LENGTHS, True, axis), last)
    turned = STEPS.copy()
    for i, n in enumerate(LENGTHS):
        turned[:n, i] = STEPS[:n, i][::-1]
    expected = turned if axis == 0 else turned.swapaxes(0, 1)
    close(nd.SequenceReverse(x, LENGTHS, True, axis), expected)
    close(nd.SequenceReverse(x, axis=axis), nd.flip(x, axis))


def test_local_response_norm() -> None:
    """PyTorch's formula, too."""
    x = IMAGES.asnumpy()
    sums = np.array([(x[:, max(c - 1, 0) : c + 2] ** 2).sum(1) for c in range(4)]).swapaxes(0, 1)
    expected = x / (2 + 1e-1 / 3 * sums) ** 0.75
    close(nd.LRN(IMAGES, alpha=1e-1, nsize=3), expected)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), num_hidden=5),
            "FullyConnected: num_hidden is 5, but the weight is for 4",
        ),
        (
            lambda: nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), nd.ones((3,))),
            "FullyConnected: expected a bias of shape (4,), given (3,)",
        ),
        (
            lambda: nd.Convolution(IMAGES, nd.ones((2, 4, 3, 3)), kernel=(2, 2)),
            "Convolution: kernel is (2, 2), but the weight is for (3, 3)",
        ),
        (
            lambda: nd.softmax(nd.ones((2, 3)), length=[1, 2, 3], use_length=True),
            "softmax: lengths (3,) do not fit (2, 3)",
        ),
        (
            lambda: nd.softmax(nd.ones((2, 3)), temperature=0),
            "softmax: temperature: expected a number above 0, given 0",
        ),
        (
            lambda: nd.SequenceReverse(nd.ones((3,))),
            "SequenceReverse: expected axis 0 or 1 of two or more, given 0",
        ),
        (
            lambda: nd.Dropout(nd.ones((3,)), 0.5, "never"),
            "Dropout: mode: no 'never'; known: always, training",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message
