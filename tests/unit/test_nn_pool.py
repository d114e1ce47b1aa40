"""Pooling: meaning, where the maximum is, gradients, scalar meaning."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.pool import AvgPoolGradOp, AvgPoolOp, MaxPoolOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
Geometry = tuple[tuple[int, ...], ...]

GEOMETRIES: list[Geometry] = [
    ((2, 2), (2, 2), (0, 0), (0, 0)),
    ((3, 2), (1, 2), (1, 0), (1, 1)),
    ((2, 3), (3, 1), (1, 2), (0, 2)),
    ((3,), (2,), (1,), (2,)),
    ((2, 1, 3), (1, 2, 2), (1, 0, 1), (0, 0, 2)),
]
SIZES: dict[int, tuple[int, ...]] = {1: (7,), 2: (5, 4), 3: (3, 2, 4)}
"""The images' sizes, by the number of axes."""


def images(geometry: Geometry) -> Array:
    """Every element another, so that a difference never changes which is the largest."""
    shape = (2, 2, *SIZES[len(geometry[0])])
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) / 7.0


def pooling(op: Any, geometry: Geometry, **settings: Any) -> Callable[..., Any]:
    """Builds the op with this window."""
    names = ("kernel", "strides", "low", "high")
    return partial(op, **dict(zip(names, geometry, strict=False)), **settings)


def window(geometry: Geometry, x: Array, at: tuple[int, ...]) -> dict[int, Array]:
    """The elements under a window, by their position in the plane, in order."""
    kernel, strides, low, _ = geometry
    found: dict[int, Array] = {}
    for tap in np.ndindex(*kernel):
        steps = zip(at, strides, tap, low, strict=True)
        place = tuple(a * s + k - before for a, s, k, before in steps)
        if all(0 <= p < size for p, size in zip(place, x.shape[2:], strict=True)):
            found[int(np.ravel_multi_index(place, x.shape[2:]))] = x[:, :, *place]
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_max_pool(geometry: Geometry, evaluate: Evaluate, gradcheck: Check) -> None:
    x = images(geometry)
    values, indices = evaluate(pooling(MaxPoolOp, geometry), x)
    assert indices.dtype == np.int32
    for at in np.ndindex(values.shape[2:]):
        elements = window(geometry, x, at)
        stacked = np.stack(list(elements.values()))
        np.testing.assert_array_equal(values[:, :, *at], stacked.max(0))
        first = np.array(list(elements))[stacked.argmax(0)]
        np.testing.assert_array_equal(indices[:, :, *at], first)

    def values_of(b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(MaxPoolOp(x, *geometry)).output

    gradcheck(values_of, x[:1], order=2)


def test_the_first_of_tied_maxima_has_the_gradient(evaluate: Evaluate) -> None:
    def gradient(b: Builder, x: SSAValue, g: SSAValue) -> list[SSAValue]:
        op = b.insert(MaxPoolOp(x, (2, 2), (2, 2)))
        return [v for v in op.vjp(b, [g, None], [True]) if v is not None]

    (dx,) = evaluate(gradient, np.ones((1, 1, 2, 4)), np.array([[[[3.0, 5.0]]]]))
    assert dx[0, 0].tolist() == [[3, 0, 5, 0], [0, 0, 0, 0]]


def test_padding_is_never_the_maximum(evaluate: Evaluate) -> None:
    x = np.full((1, 1, 2, 2), -np.inf)
    values, indices = evaluate(pooling(MaxPoolOp, ((2, 2), (2, 2), (1, 1), (1, 1))), x)
    assert values[0, 0].tolist() == [[-np.inf] * 2] * 2
    assert indices[0, 0].tolist() == [[0, 1], [2, 3]]


def test_nan_is_the_maximum(evaluate: Evaluate) -> None:
    x = np.array([[[[1.0, np.nan], [7.0, np.nan]]]])
    values, indices = evaluate(pooling(MaxPoolOp, ((2, 2), (1, 1))), x)
    assert np.isnan(values).all()
    assert indices.tolist() == [[[[1]]]]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_pool(
    geometry: Geometry,
    count_include_pad: bool,
    evaluate: Evaluate,
    gradcheck: Check,
    check_scalar: Check,
) -> None:
    x = images(geometry)
    build = pooling(AvgPoolOp, geometry, count_include_pad=count_include_pad)
    grad = pooling(AvgPoolGradOp, geometry, count_include_pad=count_include_pad, size=x.shape[2:])
    (y,) = evaluate(build, x)
    area = np.prod(geometry[0])
    for at in np.ndindex(y.shape[2:]):
        elements = list(window(geometry, x, at).values())
        expected = sum(elements) / (area if count_include_pad else len(elements))
        np.testing.assert_allclose(y[:, :, *at], expected, rtol=1e-14)
    gradcheck(build, x[:1], order=2)
    check_scalar(build, x[:1])
    check_scalar(grad, y[:1])
