"""Ops that move, place and pick elements: meaning, gradients, scalar meaning."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.dialects.builtin import f32, f64
from xdsl.ir import SSAValue

from nnc.dialects.nn.indexing import GatherOp, IotaOp, OneHotOp, ScatterAddOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]

X = np.arange(24.0).reshape(2, 3, 4) / 7


def test_reshape(evaluate: Evaluate, gradcheck: Check) -> None:
    build = partial(ReshapeOp, shape=[4, 6])
    (result,) = evaluate(build, X)
    assert result[1, 3] == X[0, 2, 1]
    gradcheck(build, X, order=2)


def test_reshape_to_a_scalar(evaluate: Evaluate) -> None:
    (result,) = evaluate(partial(ReshapeOp, shape=[]), X[:1, :1, 2])
    assert (result.shape, float(result)) == ((), X[0, 0, 2])


def test_transpose(evaluate: Evaluate, gradcheck: Check, check_scalar: Check) -> None:
    build = partial(TransposeOp, permutation=[2, 0, 1])
    (result,) = evaluate(build, X)
    assert result.shape == (4, 2, 3)
    assert result[3, 1, 2] == X[1, 2, 3]
    gradcheck(build, X, order=2)
    check_scalar(build, X)


SLICES = [
    ([0, 0, 0], [2, 3, 4], [1, 1, 1]),
    ([1, 0, 1], [2, 2, 4], [1, 1, 1]),
    ([0, 1, 0], [2, 3, 4], [1, 2, 3]),
    ([1, 0, 3], [2, 3, 4], [5, 2, 2]),
    ([0, 2, 0], [2, 2, 4], [1, 1, 1]),
]


@pytest.mark.parametrize(("starts", "limits", "strides"), SLICES)
def test_slice(
    starts: list[int],
    limits: list[int],
    strides: list[int],
    evaluate: Evaluate,
    gradcheck: Check,
    check_scalar: Check,
) -> None:
    build = partial(SliceOp, starts=starts, limits=limits, strides=strides)
    (result,) = evaluate(build, X)
    ranges = [range(*axis) for axis in zip(starts, limits, strides, strict=True)]
    assert result.tolist() == [
        [[X[i, j, k] for k in ranges[2]] for j in ranges[1]] for i in ranges[0]
    ]
    gradcheck(build, X, order=2)
    if result.size:
        check_scalar(build, X)


@pytest.mark.parametrize(
    ("low", "high"), [([0, 0, 0], [0, 0, 0]), ([1, 0, 2], [0, 1, 1]), ([0, 2, 0], [0, 0, 0])]
)
def test_pad(
    low: list[int], high: list[int], evaluate: Evaluate, gradcheck: Check, check_scalar: Check
) -> None:
    build = partial(PadOp, low=low, high=high, value=-1.5)
    (result,) = evaluate(build, X)
    inside = tuple(slice(n, n + size) for n, size in zip(low, X.shape, strict=True))
    np.testing.assert_array_equal(result[inside], X)
    result[inside] = -1.5
    assert np.all(result == -1.5)
    gradcheck(build, X, order=2)
    check_scalar(build, X)


def test_pad_with_the_lowest(evaluate: Evaluate) -> None:
    (result,) = evaluate(partial(PadOp, low=[1], high=[0], value=-np.inf), np.ones(2))
    assert result.tolist() == [-np.inf, 1, 1]


def test_concat(evaluate: Evaluate, gradcheck: Check) -> None:
    def build(b: Builder, *inputs: SSAValue) -> ConcatOp:
        return ConcatOp(inputs, axis=1)

    parts = (X[:, :2], X[:, 2:], X)
    (result,) = evaluate(build, *parts)
    np.testing.assert_array_equal(result[:, :3], X)
    np.testing.assert_array_equal(result[:, 3:], X)
    gradcheck(build, *parts, order=2)


def test_iota(evaluate: Evaluate, check_scalar: Check) -> None:
    (result,) = evaluate(partial(IotaOp, [2, 3], 1))
    assert result.dtype == np.int32
    assert result.tolist() == [[0, 1, 2], [0, 1, 2]]
    check_scalar(partial(IotaOp, [2, 3], 1))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_one_hot(dtype: Any, evaluate: Evaluate, check_scalar: Check) -> None:
    indices = np.array([2, 0, 7], dtype)
    (result,) = evaluate(partial(OneHotOp, size=3, element=f32), indices)
    assert result.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    check_scalar(partial(OneHotOp, size=3, element=f64), indices)


INDEXED = [
    ((5, 3), (4,), 0, 0),
    ((5, 3), (2, 2), 0, 0),
    ((2, 5), (3,), 1, 0),
    ((2, 5), (2, 3), 1, 1),
    ((2, 4, 3), (2, 2, 2), 1, 1),
    ((2, 2, 3, 2), (2, 3), 2, 1),
    ((5,), (), 0, 0),
]


def indexed(shape: Sequence[int], index_shape: Sequence[int], axis: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    indices = generator.integers(0, shape[axis], index_shape).astype(np.int32)
    return generator.standard_normal(shape), indices


def places(table: Array, indices: Array, axis: int, batches: int) -> Array:
    """For each element of the gathered array, its position along the axis of the table."""
    before, after = [1] * (axis - batches), [1] * (table.ndim - axis - 1)
    sizes = (*indices.shape[:batches], *before, *indices.shape[batches:], *after)
    shape = (*table.shape[:axis], *indices.shape[batches:], *table.shape[axis + 1 :])
    return np.broadcast_to(indices.reshape(sizes), shape)


@pytest.mark.parametrize(("shape", "index_shape", "axis", "batches"), INDEXED)
def test_gather_and_scatter_add(
    shape: tuple[int, ...],
    index_shape: tuple[int, ...],
    axis: int,
    batches: int,
    evaluate: Evaluate,
    gradcheck: Check,
) -> None:
    table, indices = indexed(shape, index_shape, axis)
    rank = len(index_shape) - batches
    gather = partial(GatherOp, axis=axis, batch_dims=batches)
    scatter_add = partial(ScatterAddOp, size=shape[axis], axis=axis, batch_dims=batches)
    (taken,) = evaluate(gather, table, indices)
    (added,) = evaluate(scatter_add, taken, indices)
    expected, totals = np.empty(taken.shape), np.zeros(shape)
    where = places(table, indices, axis, batches)
    for point in np.ndindex(taken.shape):
        source = (*point[:axis], where[point], *point[axis + rank :])
        expected[point] = table[source]
        totals[source] += table[source]
    np.testing.assert_array_equal(taken, expected)
    np.testing.assert_allclose(added, totals, rtol=1e-15)
    gradcheck(gather, table, indices, order=2)
    gradcheck(scatter_add, taken, indices, order=2)


def test_an_index_outside_means_the_nearest(evaluate: Evaluate) -> None:
    indices = np.array([-3, 1, 9])
    (taken,) = evaluate(GatherOp, np.array([1.0, 2.0, 3.0]), indices)
    assert taken.tolist() == [1, 2, 3]
    (added,) = evaluate(partial(ScatterAddOp, size=3), np.array([1.0, 2.0, 3.0]), indices)
    assert added.tolist() == [1, 2, 3]
