"""Layers and functions on images of 1, 2 and 3 spatial axes, against numpy; their mistakes."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import nd
from nnc.errors import OptionError, ShapeError
from nnc.gluon import nn

Array = np.ndarray[Any, np.dtype[Any]]
RANDOM = np.random.default_rng(0)
LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def draw(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def run(layer: Any, x: Array) -> Array:
    layer.initialize("normal")
    return layer(nd.array(x)).asnumpy()


@pytest.mark.parametrize("axes", LAYOUTS)
def test_transposed_convolution_is_the_adjoint(axes: int) -> None:
    x, y = draw(2, 4, *(9, 8, 7)[:axes]), draw(2, 6, *(5, 4, 4)[:axes])
    settings: dict[str, Any] = {"strides": 2, "padding": 1, "groups": 2, "use_bias": False}
    more = tuple(int(size % 2 == 0) for size in x.shape[2:])
    forward = getattr(nn, f"Conv{axes}D")(6, 3, **settings)
    back = getattr(nn, f"Conv{axes}DTranspose")(4, 3, output_padding=more, **settings)
    filtered = run(forward, x)
    run(back, y)
    assert filtered.shape == y.shape
    assert back.weight.shape == forward.weight.shape == (6, 2, *(3,) * axes)
    back.weight.set_data(forward.weight.data())
    spread = back(nd.array(y)).asnumpy()
    np.testing.assert_allclose(np.sum(filtered * y), np.sum(x * spread), rtol=1e-4)


def test_transposed_convolution_has_a_bias_for_each_output() -> None:
    layer = nn.Conv1DTranspose(5, 2, in_channels=3, activation="relu")
    layer.initialize("zeros")
    assert layer.bias is not None
    layer.bias.set_data(np.arange(5) - 2)
    y = layer(nd.ones((1, 3, 4))).asnumpy()
    assert y[0, :, 0].tolist() == [0, 0, 0, 1, 2]
    assert y.shape == (1, 5, 5)


@pytest.mark.parametrize("axes", LAYOUTS)
def test_pooling_of_axes(axes: int) -> None:
    x = draw(2, 3, *(4,) * axes)
    order = [0, 1, *range(2, 2 + 2 * axes, 2), *range(3, 2 + 2 * axes, 2)]
    blocks = x.reshape(2, 3, *(2, 2) * axes).transpose(order)
    inner = tuple(range(2 + axes, 2 + 2 * axes))
    np.testing.assert_allclose(run(getattr(nn, f"MaxPool{axes}D")(), x), blocks.max(inner))
    np.testing.assert_allclose(
        run(getattr(nn, f"AvgPool{axes}D")(), x), blocks.mean(inner), 1e-5, 1e-6
    )
    whole = tuple(range(2, 2 + axes))
    for kind, expected in {"Max": x.max(whole), "Avg": x.mean(whole)}.items():
        found = run(getattr(nn, f"Global{kind}Pool{axes}D")(), x)
        np.testing.assert_allclose(found.reshape(2, 3), expected, 1e-5, 1e-6)


def test_partial_windows() -> None:
    x = np.arange(1, 6, dtype=np.float32).reshape(1, 1, 5)
    assert run(nn.MaxPool1D(2, ceil_mode=True), x)[0, 0].tolist() == [2, 4, 5]
    assert run(nn.AvgPool1D(2, ceil_mode=True), x)[0, 0].tolist() == [1.5, 3.5, 5]
    # The padding is counted, what lies beyond it is not: (0 + 1 + 2 + 3) / 4, (4 + 5 + 0) / 3.
    assert run(nn.AvgPool1D(4, 4, 1, ceil_mode=True), x)[0, 0].tolist() == [1.5, 3]
    # A window that would start in the padding is left out.
    assert run(nn.MaxPool1D(1, 3, ceil_mode=True), x)[0, 0].tolist() == [1, 4]


def test_kinds_of_pooling() -> None:
    x = nd.array(np.array([[[1, -2, 3, 4]]], np.float32))
    kinds: dict[str, list[float]] = {"max": [1, 4], "avg": [-0.5, 3.5], "sum": [-1, 7]}
    for kind, expected in kinds.items():
        assert nd.pooling(x, 2, kind, stride=2).asnumpy()[0, 0].tolist() == expected
    norms = nd.pooling(x, 2, "lp", stride=2).asnumpy()[0, 0]
    np.testing.assert_allclose(norms, [5**0.5, 5], rtol=1e-6)
    assert nd.pooling(x, pool_type="sum", global_pool=True).asnumpy().tolist() == [[[6]]]
    full = nd.pooling(x, 3, "sum", pooling_convention="full", stride=2)
    assert full.asnumpy()[0, 0].tolist() == [2, 7]


def test_reflection() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    expected = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "reflect")
    np.testing.assert_array_equal(run(nn.ReflectionPad2D(1), x), expected)
    with pytest.raises(ShapeError, match="ReflectionPad2D: padding 2 of only 2 rows or columns"):
        run(nn.ReflectionPad2D(2), x)


def test_resampling() -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    image = nd.array(x)
    tall = nd.up_sampling(image, 2).asnumpy()
    np.testing.assert_array_equal(tall, x.repeat(2, 2).repeat(2, 3))
    halved = nd.adaptive_avg_pooling2d(image, (3, 2)).asnumpy()
    np.testing.assert_array_equal(halved, x.reshape(1, 1, 3, 2, 2).mean(4))
    # Windows of rows 0 to 1 and 1 to 2.
    overlapping = nd.adaptive_avg_pooling2d(image, (2, 4)).asnumpy()
    np.testing.assert_allclose(overlapping[0, 0], [x[0, 0, :2].mean(0), x[0, 0, 1:].mean(0)])
    between = nd.bilinear_resize2d(image, 5, 4).asnumpy()
    np.testing.assert_allclose(between[0, 0, 1], (x[0, 0, 0] + x[0, 0, 1]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(between[0, 0, ::4], x[0, 0, ::2])


@pytest.mark.parametrize("axes", LAYOUTS)
def test_signatures_show_the_layout(axes: int) -> None:
    for name in ("Conv{}D", "Conv{}DTranspose", "MaxPool{}D", "AvgPool{}D", "GlobalAvgPool{}D"):
        layer = getattr(nn, name.format(axes))
        assert inspect.signature(layer).parameters["layout"].default == LAYOUTS[axes]


MISTAKES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: nn.Conv3D(2, 3, layout="NDHWC"),
        OptionError,
        "Conv3D: layout is 'NCDHW', given 'NDHWC'; memory is laid out by the compiler",
    ),
    (lambda: nn.GlobalMaxPool1D("NWC"), OptionError, "GlobalMaxPool1D: layout is 'NCW'"),
    (
        lambda: run(nn.Conv1D(2, 3), draw(2, 3, 4, 5)),
        ShapeError,
        r"Conv1D: expected images \(N, C, W\), given shape \(2, 3, 4, 5\)",
    ),
    (
        lambda: run(nn.Conv2DTranspose(2, 3, in_channels=4), draw(2, 3, 4, 5)),
        ShapeError,
        r"Conv2DTranspose: expected images \(N, 4, H, W\), given shape \(2, 3, 4, 5\)",
    ),
    (
        lambda: run(nn.Conv1DTranspose(2, 2, padding=3), draw(1, 1, 3)),
        ShapeError,
        r"Conv1DTranspose: padding \(3,\) leaves images of size \(-2,\), given \(1, 1, 3\)",
    ),
    (
        lambda: nn.Conv2DTranspose(2, 3, 2, output_padding=2),
        OptionError,
        r"output_padding: expected less than the strides \(2, 2\), given 2",
    ),
    (
        lambda: nn.Conv2D(2, (3, 3, 3)),
        OptionError,
        "Conv2D: kernel_size: expected an integer or 2 of them",
    ),
    (
        lambda: nn.Conv1DTranspose(3, 3, groups=2),
        ShapeError,
        "Conv1DTranspose: 3 channels cannot be divided into 2 groups",
    ),
    (
        lambda: run(nn.AvgPool3D(), draw(1, 1, 2, 2)),
        ShapeError,
        r"AvgPool3D: expected images \(N, C, D, H, W\), given shape \(1, 1, 2, 2\)",
    ),
    (
        lambda: nd.pooling(nd.ones((1, 1, 4)), 2, "median"),
        OptionError,
        "pooling: pool_type: no 'median'",
    ),
    (
        lambda: nd.up_sampling(nd.ones((1, 2, 3)), 2),
        ShapeError,
        r"up_sampling: expected images \(N, C, H, W\), given shape \(1, 2, 3\)",
    ),
]


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes(mistake: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mistake()
