"""Layers and losses against numpy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, gluon, init, nd, random
from nnc.errors import OptionError, ShapeError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


RANDOM = np.random.default_rng(0)


def draw(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def run(layer: Any, *arrays: Array) -> Array:
    layer.initialize(init.Normal(0.5))
    return layer(*map(nd.array, arrays)).asnumpy()


def data(parameter: Any) -> Array:
    return parameter.data().asnumpy()


@pytest.mark.parametrize("flatten", [True, False])
def test_dense(flatten: bool) -> None:
    layer, x = nn.Dense(5, flatten=flatten), draw(2, 3, 4)
    found = run(layer, x)
    rows = x.reshape(2, 12) if flatten else x
    np.testing.assert_allclose(found, rows @ data(layer.weight).T, rtol=1e-4, atol=1e-5)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softrelu": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    x = draw(3, 4)
    expected = ACTIVATIONS[name](x)
    np.testing.assert_allclose(run(nn.Activation(name), x), expected, rtol=1e-5, atol=1e-6)


def images_under(x: Array, size: int, stride: int) -> Array:
    """(N, C, OH, OW, size, size)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    return windows[:, :, ::stride, ::stride]


@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), (1, 1, 2)])
def test_convolution(stride: int, padding: int, groups: int) -> None:
    layer = nn.Conv2D(4, 3, strides=stride, padding=padding, groups=groups)
    x = draw(2, 2, 7, 6)
    found = run(layer, x)
    assert layer.bias is not None
    layer.bias.set_data(np.arange(4))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    patches, weight = images_under(padded, 3, stride), data(layer.weight)
    parts = [
        np.einsum("nchwij,ocij->nohw", patches[:, c], weight[o])
        for c, o in zip(np.split(np.arange(2), groups), np.split(np.arange(4), groups), strict=True)
    ]
    expected = np.concatenate(parts, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    shifted = layer(nd.array(x)).asnumpy()
    np.testing.assert_allclose(shifted, expected + np.arange(4)[:, None, None], 1e-4, 1e-5)


def test_pooling() -> None:
    x = draw(2, 3, 6, 6)
    windows = images_under(x, 2, 2)
    np.testing.assert_allclose(run(nn.MaxPool2D(), x), windows.max((4, 5)))
    np.testing.assert_allclose(run(nn.AvgPool2D(), x), windows.mean((4, 5)), 1e-5, 1e-6)
    overlapping = images_under(x, 3, 1)
    np.testing.assert_allclose(run(nn.MaxPool2D(3, 1), x), overlapping.max((4, 5)))
    np.testing.assert_allclose(run(nn.GlobalAvgPool2D(), x)[..., 0, 0], x.mean((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(run(nn.GlobalMaxPool2D(), x)[..., 0, 0], x.max((2, 3)))


def test_pooling_of_borders() -> None:
    x = np.ones((1, 1, 3, 3), np.float32)
    assert run(nn.AvgPool2D(2, 2, 1), x)[0, 0].tolist() == [[0.25, 0.5], [0.5, 1]]
    assert run(nn.AvgPool2D(2, 2, 1, count_include_pad=False), x)[0, 0].tolist() == [[1, 1], [1, 1]]
    assert run(nn.MaxPool2D(2, 2), x).shape == (1, 1, 1, 1)
    assert run(nn.MaxPool2D(2, 2, ceil_mode=True), x).shape == (1, 1, 2, 2)


def test_batch_norm() -> None:
    layer, x = nn.BatchNorm(), draw(8, 3, 2, 2) * 3 + 1
    layer.initialize()
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    with autograd.record():
        found = layer(nd.array(x)).asnumpy()
    expected = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data(layer.running_mean), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(data(layer.running_var), 0.9 + 0.1 * var, rtol=1e-5)
    running = data(layer.running_mean), data(layer.running_var)
    expected = (x - running[0][:, None, None]) / np.sqrt(running[1][:, None, None] + 1e-5)
    np.testing.assert_allclose(layer(nd.array(x)).asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_along_the_last_axis() -> None:
    x = draw(8, 2, 3)
    layer = nn.BatchNorm(axis=-1)
    layer.initialize()
    with autograd.record():
        found = layer(nd.array(x)).asnumpy()
    np.testing.assert_allclose(found.mean((0, 1)), np.zeros(3), atol=1e-6)


def test_dropout_along_axes_draws_once() -> None:
    layer = nn.Dropout(0.5, axes=(1,))
    with autograd.record():
        found = layer(nd.ones((50, 4))).asnumpy()
    assert (found == found[:, :1]).all()
    assert set(found.ravel()) == {0.0, 2.0}


def test_lambda_and_flatten() -> None:
    x = draw(2, 3, 4)
    np.testing.assert_array_equal(run(nn.Lambda("tanh"), x), run(nn.Lambda(nd.tanh), x))
    assert run(nn.Flatten(), x).shape == (2, 12)


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def loss_of(loss: Any, *arrays: Array) -> Array:
    return loss(*(nd.array(a) for a in arrays)).asnumpy()


def test_simple_losses() -> None:
    p, z = draw(4, 3), draw(4, 3)
    weights = np.array([[1.0], [0], [2], [1]], np.float32)
    l2 = ((p - z) ** 2 / 2).mean(1)
    np.testing.assert_allclose(loss_of(gluon.loss.L2Loss(), p, z), l2, rtol=1e-5)
    np.testing.assert_allclose(loss_of(gluon.loss.L2Loss(3.0), p, z), 3 * l2, rtol=1e-5)
    np.testing.assert_allclose(
        loss_of(gluon.loss.L2Loss(), p, z, weights), l2 * weights[:, 0], rtol=1e-5
    )
    np.testing.assert_allclose(loss_of(gluon.loss.L1Loss(), p, z), np.abs(p - z).mean(1), rtol=1e-5)
    np.testing.assert_allclose(loss_of(gluon.loss.L1Loss(), p[:, 0], z[:, 0]), np.abs(p - z)[:, 0])


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_softmax_cross_entropy_of_classes(dtype: str) -> None:
    p, labels = draw(4, 3), np.array([0, 2, 1, 1], dtype)
    expected = -log_softmax(p)[range(4), labels.astype(int)]
    ce = gluon.loss.SoftmaxCrossEntropyLoss
    np.testing.assert_allclose(loss_of(ce(), p, labels), expected, rtol=1e-5)
    np.testing.assert_allclose(loss_of(ce(), p, labels[:, None]), expected, rtol=1e-5)
    logits = log_softmax(p)
    np.testing.assert_allclose(loss_of(ce(from_logits=True), logits, labels), expected, rtol=1e-5)


def test_softmax_cross_entropy_of_images_and_distributions() -> None:
    p, labels = draw(2, 3, 4), np.array([[0, 1, 2, 0], [2, 2, 1, 0]])
    ce = gluon.loss.SoftmaxCrossEntropyLoss
    moved = log_softmax(p.transpose(0, 2, 1))
    expected = -np.take_along_axis(moved, labels[..., None], -1)[..., 0].mean(1)
    np.testing.assert_allclose(loss_of(ce(axis=1), p, labels), expected, rtol=1e-5)
    p, z = draw(4, 3), np.abs(draw(4, 3))
    expected = -(z * log_softmax(p)).sum(1)
    np.testing.assert_allclose(loss_of(ce(sparse_label=False), p, z), expected, rtol=1e-5)


def test_binary_cross_entropy() -> None:
    x, z = draw(4, 3) * 3, RANDOM.integers(0, 2, (4, 3)).astype(np.float32)
    weight = np.array([1.0, 2, 3], np.float32)
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    plain = -(z * np.log(p) + (1 - z) * np.log(1 - p)).mean(1)
    weighted = -(weight * z * np.log(p) + (1 - z) * np.log(1 - p)).mean(1)
    bce = gluon.loss.SigmoidBinaryCrossEntropyLoss
    np.testing.assert_allclose(loss_of(bce(), x, z), plain, rtol=1e-4)
    np.testing.assert_allclose(loss_of(bce(from_sigmoid=True), p, z), plain, rtol=1e-3)
    found = bce()(nd.array(x), nd.array(z), None, nd.array(weight)).asnumpy()
    np.testing.assert_allclose(found, weighted, rtol=1e-4)


def test_initializers() -> None:
    random.seed(0)
    assert np.abs(init.Uniform(0.3)((1000,))).max() == pytest.approx(0.3, abs=0.01)
    assert init.Normal(2.0)((10000,)).std() == pytest.approx(2.0, abs=0.1)
    bound = np.sqrt(3 / ((20 * 9 + 10 * 9) / 2))
    drawn = init.Xavier()((10, 20, 3, 3))
    assert np.abs(drawn).max() == pytest.approx(bound, rel=0.01)
    assert init.Xavier("gaussian", "in", 2)((64, 100)).std() == pytest.approx(0.1414, rel=0.05)
    assert init.Constant(2.5)((2,)).tolist() == [2.5, 2.5]
    with pytest.raises(ShapeError, match="two or more dimensions"):
        init.Xavier()((3,))


def test_default_initial_values() -> None:
    layer = nn.Dense(50, in_units=100)
    layer.initialize()
    assert 0.06 < np.abs(data(layer.weight)).max() <= 0.07
    assert not data(layer.bias).any()


def test_mistakes_name_the_layer() -> None:
    with pytest.raises(
        ShapeError, match=r"Conv2D: expected images \(N, C, H, W\), given .*\(2, 3\)"
    ):
        run(nn.Conv2D(2, 3), draw(2, 3))
    with pytest.raises(ShapeError, match="does not fit"):
        run(nn.Conv2D(2, 5), draw(1, 1, 3, 3))
    with pytest.raises(ShapeError, match="MaxPool2D: expected images"):
        run(nn.MaxPool2D(), draw(2, 3))
    with pytest.raises(ShapeError, match="Dense: expected a batch"):
        run(nn.Dense(2), draw(3))
    with pytest.raises(
        OptionError, match=r"Dropout: rate: expected a number at least 0 and below 1, given 1.5"
    ):
        nn.Dropout(1.5)
    with pytest.raises(OptionError, match="layout is 'NCHW'"):
        nn.Conv2D(2, 3, layout="NHWC")
    with pytest.raises(ShapeError, match="L2Loss: expected a label of shape"):
        gluon.loss.L2Loss()(nd.ones((2, 3)), nd.ones((2,)))


def test_functions_as_blocks_take_f_as_in_gluon_1() -> None:
    x = nd.array([[1.0, 2.0]])

    def shifted(F: Any, x: nd.NDArray, by: float) -> nd.NDArray:
        return F.exp(x) + by

    found = nn.HybridLambda(shifted)(x, 1.0).asnumpy()
    np.testing.assert_array_equal(found, nd.exp(x).asnumpy() + 1)


@pytest.mark.parametrize("axis", [-1, 1])
def test_weights_of_samples_may_keep_the_axis_of_classes(axis: int) -> None:
    pred = nd.array(np.random.default_rng(0).normal(size=(2, 3, 4)))
    label = nd.zeros(np.delete(pred.shape, axis).tolist())
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss(axis)
    weights = nd.array([2.0, 3.0])
    found = loss_of(pred, label, weights.reshape(2, 1, 1)).asnumpy()
    np.testing.assert_allclose(found, (loss_of(pred, label) * weights).asnumpy(), rtol=1e-6)
