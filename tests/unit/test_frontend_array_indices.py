"""Indices that are arrays, and masks: what they read and where they write, beside numpy."""

from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray

DRAW = np.random.default_rng(3)
A = DRAW.normal(size=(3, 4))
ROW, COLUMN, TABLE = np.array([0, 2]), np.array([1, 3]), np.array([[0, 1], [2, 1]])
IMAGE = DRAW.normal(size=(3, 4, 5)).astype(np.float32)
KEYS: list[Any] = [
    (ROW, COLUMN),
    (slice(None), ROW),
    (..., ROW),
    (slice(None), ROW, COLUMN),
    (1, ROW),
    (ROW, 1),
    (slice(1, None), TABLE),
    (ROW[:, None], COLUMN),
    ([0, 2], [1, 3]),
    (slice(None), slice(None), [4, 0]),
    TABLE,
    IMAGE > 0,
    IMAGE[:, 0, 0] > 9,
    (slice(None), IMAGE[0] > 0),
    (..., 1, IMAGE[0, 0] > 0),
    (1, IMAGE[0] > 0),
    ([True, False, True], 2),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indices_with_arrays(key: Any) -> None:
    """Reading, with a gradient, and writing."""
    x = nd.array(IMAGE)
    x.attach_grad()
    with autograd.record():
        y = x[key] * 2
    y.backward()
    np.testing.assert_array_equal(y.asnumpy(), IMAGE[key] * 2)
    expected = np.zeros_like(IMAGE)
    np.add.at(expected, key, 2)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.asnumpy(), expected)
    written, by_numpy = nd.array(IMAGE), IMAGE.copy()
    written[key] = 7
    by_numpy[key] = 7
    np.testing.assert_array_equal(written.asnumpy(), by_numpy)


def test_masks_of_nnc() -> None:
    """What a mask chooses is computed; a mask that is a constant may be in a compiled function."""
    x, mask = nd.array(A), nd.array(A > 0, "bool")
    np.testing.assert_array_equal(x[x > 0].asnumpy(), A[A > 0].astype("f"))

    def positive(x: NDArray) -> NDArray:
        return x[mask]

    np.testing.assert_array_equal(nnc.compile(positive)(x).asnumpy(), positive(x).asnumpy())


def test_masks_and_arrays_of_nnc_as_places_to_write() -> None:
    x = nd.array(A)
    x[x > 0] = 0
    np.testing.assert_array_equal(x.asnumpy(), np.minimum(A, 0).astype(np.float32))
    x[nd.array([2, 0])] = nd.ones((2, 4))
    assert x.sum(1).tolist()[::2] == [4, 4]
    assert x[2, nd.array([0, 3])].tolist() == [1, 1]


def test_masks() -> None:
    x = nd.array(A)
    low, high = x > -0.5, x < 0.5
    for found, expected in [
        (low & high, (A > -0.5) & (A < 0.5)),
        (low | (x > 1), (A > -0.5) | (A > 1)),
        (low ^ high, (A > -0.5) ^ (A < 0.5)),
        (~low & True, ~(A > -0.5)),
    ]:
        assert found.dtype == bool
        np.testing.assert_array_equal(found.asnumpy(), expected)
