"""Reductions and broadcasts: meaning, gradients, ties, scalar meaning."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.reduce import ArgmaxOp, BroadcastOp, CumsumOp, ReduceOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]

X = np.random.default_rng(1).standard_normal((2, 3, 4))
COMBINE: dict[str, Callable[[float, float], float]] = {
    "sum": lambda x, y: x + y,
    "mean": lambda x, y: x + y,
    "prod": lambda x, y: x * y,
    "max": max,
    "min": min,
}


def reduced(kind: str, x: Array, axes: Sequence[int]) -> Array:
    """The reduction, one element after the other."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(*kept, *axes).reshape(*(x.shape[axis] for axis in kept), -1)
    count = rows.shape[-1] if kind == "mean" else 1
    return np.apply_along_axis(lambda row: reduce(COMBINE[kind], row.tolist()) / count, -1, rows)


@pytest.mark.parametrize("kind", COMBINE)
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (2, 0), (0, 1, 2)])
def test_reduce(
    kind: str, axes: tuple[int, ...], evaluate: Evaluate, gradcheck: Check, check_scalar: Check
) -> None:
    build = partial(ReduceOp, kind, axes=axes)
    (result,) = evaluate(build, X)
    np.testing.assert_allclose(result, reduced(kind, X, axes), rtol=1e-14)
    gradcheck(build, X, order=2)
    check_scalar(build, X)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_reduce_integers(kind: str, check_scalar: Check) -> None:
    x = np.array([[3, -1, 2], [0, 5, -4]], np.int32)
    check_scalar(partial(ReduceOp, kind, axes=[1]), x)


def test_product_gradient_with_zeros(gradcheck: Check) -> None:
    x = np.array([[2.0, 0.0, 3.0, -1.0, 0.5], [0.0, 1.5, 0.0, 2.0, 4.0]])
    gradcheck(partial(ReduceOp, "prod", axes=[1]), x, order=2)


@pytest.mark.parametrize("kind", ["max", "min"])
def test_each_tied_extreme_has_the_gradient(kind: str, evaluate: Evaluate) -> None:
    sign = 1.0 if kind == "max" else -1.0
    x = sign * np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

    def gradient(b: Builder, x: SSAValue, g: SSAValue) -> list[SSAValue]:
        op = b.insert(ReduceOp(kind, x, [1]))
        return [v for v in op.vjp(b, [g], [True]) if v is not None]

    (result,) = evaluate(gradient, x, np.array([1.0, 5.0]))
    assert result.tolist() == [[0, 1, 1], [5, 5, 5]]


BROADCASTS = [
    ((3,), (2, 3), [1]),
    ((2,), (2, 3), [0]),
    ((), (2, 3), []),
    ((2, 1, 3), (2, 4, 3), [0, 1, 2]),
    ((1, 3), (2, 4, 3), [1, 2]),
    ((2, 3), (2, 3), [0, 1]),
]


@pytest.mark.parametrize(("given", "shape", "dimensions"), BROADCASTS)
def test_broadcast(
    given: tuple[int, ...],
    shape: tuple[int, ...],
    dimensions: list[int],
    evaluate: Evaluate,
    gradcheck: Check,
    check_scalar: Check,
) -> None:
    x = np.random.default_rng(2).standard_normal(given)

    build = partial(BroadcastOp, shape=shape, dimensions=dimensions)
    (result,) = evaluate(build, x)
    for point in np.ndindex(shape):
        source = tuple(
            0 if size == 1 else point[axis] for size, axis in zip(given, dimensions, strict=True)
        )
        assert result[point] == x[source]
    gradcheck(build, x, order=2)
    check_scalar(build, x)


def test_argmax(evaluate: Evaluate) -> None:
    x = np.array([[1.0, 4.0, 4.0], [7.0, np.nan, 9.0], [-1.0, -2.0, -1.0]])
    (rows,) = evaluate(partial(ArgmaxOp, axis=1), x)
    (columns,) = evaluate(partial(ArgmaxOp, axis=0), x[:, ::2])
    assert rows.dtype == np.int32
    assert (rows.tolist(), columns.tolist()) == ([1, 1, 0], [1, 1])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum(axis: int, reverse: bool, evaluate: Evaluate, gradcheck: Check) -> None:
    build = partial(CumsumOp, axis=axis, reverse=reverse)
    (result,) = evaluate(build, X)
    for i in range(X.shape[axis]):
        part = range(i, X.shape[axis]) if reverse else range(i + 1)
        total = sum(np.take(X, j, axis) for j in part)
        np.testing.assert_allclose(np.take(result, i, axis), total, rtol=1e-14)
    gradcheck(build, X, order=2)
