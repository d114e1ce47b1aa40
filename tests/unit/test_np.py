"""`nnc.np` and `nnc.npx`, beside numpy, and in a program as MXNet 2 has them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import nnc
from nnc import autograd, gluon, init, np, npx
from nnc.arrays.array import NDArray
from nnc.gluon import nn

DRAW = numpy.random.default_rng(2)
A, V = DRAW.normal(size=(3, 4)), DRAW.normal(size=4)


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


ROWS: dict[str, Callable[[Any], Any]] = {
    "concatenate": lambda np: np.concatenate([np.array(A), np.array(A)], axis=1),
    "cumsum": lambda np: np.cumsum(np.array(A)),
    "dot": lambda np: np.dot(np.array(A), np.array(V)),
    "exp": lambda np: np.exp(np.array(A)).sum(axis=1, keepdims=True),
    "expand_dims": lambda np: np.expand_dims(np.array(A), 1),
    "linalg.norm": lambda np: np.linalg.norm(np.array(A)),
    "linalg.inv": lambda np: np.linalg.inv(np.array([[2.0, 1], [1, 3]])),
    "newaxis": lambda np: np.array(V)[:, np.newaxis] * np.array(V),
    "pad": lambda np: np.pad(np.array(A), ((1, 0), (0, 2)), constant_values=7),
    "pad everywhere": lambda np: np.pad(np.array(A), 1, mode="edge"),
    "pi": lambda np: np.sin(np.array(A) * np.pi),
    "split": lambda np: np.stack(np.split(np.array(A), 2, axis=1)),
    "split by default": lambda np: np.stack(np.split(np.array(A), 3)),
    "stack": lambda np: np.stack([np.array(V), np.array(V)], 1),
    "take": lambda np: np.take(np.array(A), np.array([[0, 5], [11, 1]], np.int32)),
    "take along": lambda np: np.take(np.array(A), np.array([2, 0], np.int32), 1),
    "tensordot": lambda np: np.tensordot(np.array(A), np.array(A), ([0, 1], [0, 1])),
    "var": lambda np: np.var(np.array(A), axis=0),
    "where": lambda np: np.where(np.array(A) > 0, np.array(A), np.zeros((3, 4))),
    "where of columns": lambda np: np.where(
        np.array([1, 0, 1]) > 0, np.array(A)[:, :3], np.zeros((3, 3))
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_beside_numpy(name: str) -> None:
    found, expected = ROWS[name](np), ROWS[name](numpy)
    assert found.shape == expected.shape
    numpy.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_random_numbers() -> None:
    npx.seed(3)
    assert np.random.normal().shape == ()
    assert np.random.uniform(0, 1, (2, 3)).shape == np.random.rand(2, 3).shape == (2, 3)
    assert np.random.normal(np.array([0.0, 9]), 1e-3).asnumpy().round().tolist() == [0, 9]
    assert np.random.randn(2).dtype == "float32"
    below = np.random.randint(5, size=100).asnumpy()
    assert below.min() == 0
    assert below.max() == 4
    assert np.random.randint(3, 5, 4).asnumpy().min() >= 3
    assert np.random.exponential(2.0, 5).shape == np.random.gamma(2.0, size=5).shape == (5,)
    order = np.random.permutation(6).asnumpy()
    assert sorted(order) == list(range(6))
    rows = np.array(A)
    np.random.shuffle(rows)
    numpy.testing.assert_array_equal(numpy.sort(rows.asnumpy(), 0), numpy.sort(A.astype("f"), 0))
    assert set(np.random.choice(3, 50, p=np.array([0.5, 0, 0.5])).asnumpy()) == {0, 2}
    some = np.random.choice(np.array([1.0, 2, 3]), (3,), replace=False).asnumpy()
    assert sorted(some) == [1, 2, 3]


def test_linear_regression_from_scratch() -> None:
    """As books on MXNet 2 write it: the parameters are found."""
    npx.set_np()
    nnc.random.seed(1)
    true_w, true_b = np.array([2, -3.4]), 4.2
    x = np.random.normal(0, 1, (200, len(true_w)))
    y = (np.dot(x, true_w) + true_b).reshape((-1, 1))
    w, b = np.random.normal(0, 0.01, (2, 1)), np.zeros(1)
    w.attach_grad()
    b.attach_grad()
    for _ in range(60):
        with autograd.record():
            loss = (np.dot(x, w) + b - y) ** 2 / 2
        loss.backward()
        for parameter in (w, b):
            assert parameter.grad is not None
            parameter[:] = parameter - 0.1 * parameter.grad / len(x)
    numpy.testing.assert_allclose(w.asnumpy()[:, 0], [2, -3.4], atol=0.1)
    assert float(b) == pytest.approx(4.2, abs=0.1)


def test_an_initializer_as_books_write_it() -> None:
    class MyInit(init.Initializer):
        def _init_weight(self, name: str, data: NDArray) -> None:
            data[:] = np.random.uniform(-10, 10, data.shape)
            data *= np.abs(data) >= 5

    net = nn.Sequential(nn.Dense(8, activation="relu", in_units=4))
    net.initialize(MyInit())
    weight = net[0].collect_params()["weight"].data()
    kept = numpy.abs(weight.asnumpy())
    assert ((kept == 0) | (kept >= 5)).all()
    assert (kept > 0).any()
    assert gluon.metric is nnc.metric


def test_names_beside_numpy() -> None:
    """Devices, layers as functions; no names of `nnc.nd` that NumPy lacks in `nnc.np`."""
    assert npx.cpu() == nnc.cpu()
    assert npx.is_np_array()
    numpy.testing.assert_allclose(npx.relu(np.array(A)).asnumpy(), numpy.maximum(A, 0), 1e-6)
    with pytest.raises(AttributeError, match=r"no attribute 'relu'; "):
        np.relu(A)
    with pytest.raises(AttributeError, match=r"no attribute 'softmx'; did you mean softmax"):
        npx.softmx(A)


def test_mistakes() -> None:
    with pytest.raises(nnc.NncError, match="choice: 4 of 3 elements, without replacement"):
        np.random.choice(3, 4, replace=False)
    with pytest.raises(nnc.NncError, match="choice: probabilities go with replace=True"):
        np.random.choice(3, 2, False, [1, 2, 3])
