"""Normalizing layers and functions against numpy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
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
    return RANDOM.standard_normal(shape)


def precise(x: Array) -> nd.NDArray:
    return nd.array(x, dtype="float64")


def close(found: nd.NDArray, expected: Array) -> None:
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-9, atol=1e-12)


def normalized(x: Array, axes: tuple[int, ...], epsilon: float = 1e-5) -> Array:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def in_groups(x: Array, groups: int) -> Array:
    return normalized(x.reshape(len(x), groups, -1), (2,)).reshape(x.shape)


LAYERS: list[tuple[Any, int, Callable[[Array], Array]]] = [
    (nn.LayerNorm(), -1, lambda x: normalized(x, (3,))),
    (nn.LayerNorm(axis=1), 1, lambda x: normalized(x, (1,))),
    (nn.GroupNorm(num_groups=2), 1, lambda x: in_groups(x, 2)),
    (nn.GroupNorm(), 1, lambda x: in_groups(x, 1)),
    (nn.InstanceNorm(), 1, lambda x: normalized(x, (2, 3))),
    (nn.InstanceNorm(axis=2), 2, lambda x: normalized(x, (1, 3))),
]


@pytest.mark.parametrize(("layer", "axis", "formula"), LAYERS)
def test_layers(layer: Any, axis: int, formula: Callable[[Array], Array]) -> None:
    x = draw(2, 4, 3, 5) * 3 + 1
    layer.initialize(force_reinit=True)
    layer.cast("float64")
    layer(precise(x))
    scale, shift = draw(x.shape[axis]), draw(x.shape[axis])
    layer.gamma.set_data(scale)
    layer.beta.set_data(shift)
    column = [-1 if a == axis % 4 else 1 for a in range(4)]
    expected = formula(x) * scale.reshape(column) + shift.reshape(column)
    close(layer(precise(x)), expected)


def test_gradients_of_scale_and_shift() -> None:
    """They are the sums of what comes back along all other axes."""
    layer, x, g = nn.LayerNorm(), draw(2, 3, 5), draw(2, 3, 5)
    layer.initialize()
    layer.cast("float64")
    with autograd.record():
        y = layer(precise(x))
    y.backward(precise(g))
    expected = (g * normalized(x, (2,))).sum((0, 1))
    close(layer.gamma.grad(), expected)
    close(layer.beta.grad(), g.sum((0, 1)))


def test_functions() -> None:
    values = draw(2, 4, 3), draw(3), draw(3)
    x, gamma, beta = map(precise, values)
    square = (values[0] ** 2).mean(-1, keepdims=True)
    close(nd.rms_norm(x, gamma, eps=0.1), values[1] * values[0] / np.sqrt(square + 0.1))
    ones, zeros = precise(np.ones((4, 3))), precise(np.zeros((4, 3)))
    close(nd.layer_norm(x, ones, zeros, axis=(1, 2)), normalized(values[0], (1, 2)))
    rows = normalized(values[0], (2,), 0.5)
    close(nd.LayerNorm(x, gamma, beta, eps=0.5), values[1] * rows + values[2])
    ones, zeros = precise(np.ones(4)), precise(np.zeros(4))
    close(nd.InstanceNorm(x, ones, zeros), normalized(values[0], (2,), 1e-3))


@pytest.mark.parametrize(
    ("mode", "axes"), [("instance", (1, 2)), ("channel", (1,)), ("spatial", (2,))]
)
def test_l2_normalization(mode: str, axes: tuple[int, ...]) -> None:
    x = draw(2, 4, 3)
    expected = x / np.sqrt((x**2).sum(axes, keepdims=True) + 1e-10)
    close(nd.L2Normalization(precise(x), mode=mode), expected)


def test_errors() -> None:
    x, three, four = nd.ones((2, 4, 3)), nd.ones(3), nd.ones(4)
    with pytest.raises(
        ShapeError, match=r"LayerNorm: gamma and beta must have shape \(3,\), given shape \(4,\)"
    ):
        nd.LayerNorm(x, three, four)
    with pytest.raises(ShapeError, match=r"RMSNorm: gamma and beta must have shape \(3,\)"):
        nd.rms_norm(x, four)
    with pytest.raises(ShapeError, match="LayerNorm: axis 3 of an array with 3 axes"):
        nd.LayerNorm(x, three, three, axis=3)
    with pytest.raises(ShapeError, match="GroupNorm: 4 channels cannot be divided into 3 groups"):
        nd.GroupNorm(x, four, four, num_groups=3)
    with pytest.raises(
        ShapeError, match=r"expected an array of shape \(N, C, L, …\), given \(4, 3\)"
    ):
        nd.InstanceNorm(nd.ones((4, 3)), three, three)
    with pytest.raises(OptionError, match="L2Normalization: mode: no 'batch'"):
        nd.L2Normalization(x, mode="batch")
    with pytest.raises(OptionError, match="num_groups: expected an integer of at least 1, given 0"):
        nn.GroupNorm(num_groups=0)
