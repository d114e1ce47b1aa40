"""Matrix products and convolutions: meaning, gradients, scalar meaning."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvInputGradOp, ConvOp, ConvWeightGradOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
@pytest.mark.parametrize("lhs", [False, True])
@pytest.mark.parametrize("rhs", [False, True])
def test_matmul(
    batch: tuple[int, ...],
    lhs: bool,
    rhs: bool,
    evaluate: Evaluate,
    gradcheck: Check,
    check_scalar: Check,
) -> None:
    x = draw(0, *batch, *((3, 2) if lhs else (2, 3)))
    y = draw(1, *batch, *((4, 3) if rhs else (3, 4)))

    build = partial(MatmulOp, transpose_lhs=lhs, transpose_rhs=rhs)
    expected = np.zeros((*batch, 2, 4))
    for *at, m, n, k in np.ndindex(*batch, 2, 4, 3):
        left = x[*at, k, m] if lhs else x[*at, m, k]
        right = y[*at, n, k] if rhs else y[*at, k, n]
        expected[*at, m, n] += left * right
    np.testing.assert_allclose(evaluate(build, x, y)[0], expected, rtol=1e-13)
    gradcheck(build, x, y, order=1 if batch else 2)
    check_scalar(build, x, y)


IMAGES: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    1: ((5,), (3,)),
    2: ((5, 4), (3, 2)),
    3: ((3, 2, 4), (2, 2, 3)),
}
"""The spatial sizes of images and kernels, by the number of axes."""
GEOMETRIES: list[tuple[int, int, dict[str, Any]]] = [
    (2, 1, {}),
    (2, 1, {"strides": (2, 1), "low": (1, 0), "high": (0, 1)}),
    (2, 2, {"strides": (2, 2), "low": (1, 1), "high": (1, 1)}),
    (2, 1, {"dilations": (2, 1), "low": (2, 2), "high": (2, 2), "strides": (3, 2)}),
    (2, 4, {"dilations": (1, 2), "low": (0, 1), "high": (1, 1)}),
    (1, 2, {"strides": (2,), "low": (2,), "high": (1,), "dilations": (2,)}),
    (3, 1, {"strides": (1, 2, 2), "low": (0, 1, 0), "high": (1, 0, 1)}),
]
"""Spatial axes, groups, settings."""


def convolved(x: Array, kernel: Array, y: Array, groups: int, settings: dict[str, Any]) -> None:
    """Adds the convolution of x to y, one product after the other."""
    axes = x.ndim - 2
    strides, low = settings.get("strides", (1,) * axes), settings.get("low", (0,) * axes)
    dilations = settings.get("dilations", (1,) * axes)
    outputs, (channels, *size) = kernel.shape[0] // groups, kernel.shape[1:]
    for n, o, *at in np.ndindex(y.shape):
        for c, *tap in product(range(channels), *map(range, size)):
            steps = zip(at, strides, tap, dilations, low, strict=True)
            place = [a * s + k * d - before for a, s, k, d, before in steps]
            if all(0 <= p < limit for p, limit in zip(place, x.shape[2:], strict=True)):
                source = x[n, o // outputs * channels + c, *place]
                y[n, o, *at] += source * kernel[o, c, *tap]


@pytest.mark.parametrize(("axes", "groups", "settings"), GEOMETRIES)
def test_conv(
    axes: int,
    groups: int,
    settings: dict[str, Any],
    evaluate: Evaluate,
    gradcheck: Check,
    check_scalar: Check,
) -> None:
    image, window = IMAGES[axes]
    x, kernel = draw(0, 1, 4, *image), draw(1, 4, 4 // groups, *window)
    settings = {**settings, "groups": groups}

    build = partial(ConvOp, **settings)
    input_grad = partial(ConvInputGradOp, size=image, **settings)
    weight_grad = partial(ConvWeightGradOp, size=window, **settings)

    (y,) = evaluate(build, x, kernel)
    expected = np.zeros_like(y)
    convolved(x, kernel, expected, groups, settings)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)

    # Adjoint: <dy, conv(x, k)> = <input_grad(dy, k), x> = <weight_grad(x, dy), k>.
    dy = draw(2, *y.shape)
    (dx,), (dk,) = evaluate(input_grad, dy, kernel), evaluate(weight_grad, x, dy)
    np.testing.assert_allclose([np.sum(dx * x), np.sum(dk * kernel)], np.sum(dy * y), rtol=1e-11)

    check_scalar(build, x, kernel)
    check_scalar(input_grad, dy, kernel)
    check_scalar(weight_grad, x, dy)
    gradcheck(build, x, kernel)


def test_convolutions_are_closed_under_differentiation(gradcheck: Check) -> None:
    settings: dict[str, Any] = {"strides": (2, 1), "low": (1, 0), "high": (0, 1)}
    x, kernel = draw(0, 1, 2, 3, 3), draw(1, 2, 2, 2, 2)
    gradcheck(partial(ConvOp, **settings), x, kernel, order=2)


def test_rows_that_no_window_reaches_have_no_gradient(evaluate: Evaluate) -> None:
    build = partial(ConvInputGradOp, size=(4, 5), strides=(2, 2))
    (dx,) = evaluate(build, np.ones((1, 1, 1, 2)), np.ones((1, 1, 3, 3)))
    assert dx[0, 0].tolist() == [[1, 1, 2, 1, 1]] * 3 + [[0] * 5]
