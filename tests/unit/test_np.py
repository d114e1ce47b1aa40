"""`nnc.np` and `nnc.npx`, beside numpy, and in a program as MXNet 2 has them."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
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
    "argwhere": lambda np: np.argwhere(np.array(A) > 0),
    "concatenate": lambda np: np.concatenate([np.array(A), np.array(A)], axis=1),
    "cumsum": lambda np: np.cumsum(np.array(A)),
    "dot": lambda np: np.dot(np.array(A), np.array(V)),
    "exp": lambda np: np.exp(np.array(A)).sum(axis=1, keepdims=True),
    "expand_dims": lambda np: np.expand_dims(np.array(A), 1),
    "linalg.norm": lambda np: np.linalg.norm(np.array(A)),
    "linalg.inv": lambda np: np.linalg.inv(np.array([[2.0, 1], [1, 3]])),
    "flatnonzero": lambda np: np.flatnonzero(np.array(A) > 0),
    "nonzero": lambda np: np.stack(np.nonzero(np.array(A) > 0.5)),
    "newaxis": lambda np: np.array(V)[:, np.newaxis] * np.array(V),
    "pad": lambda np: np.pad(np.array(A), ((1, 0), (0, 2)), constant_values=7),
    "pad everywhere": lambda np: np.pad(np.array(A), 1, mode="edge"),
    "pi": lambda np: np.sin(np.array(A) * np.pi),
    "split": lambda np: np.stack(np.split(np.array(A), 2, axis=1)),
    "split by default": lambda np: np.stack(np.split(np.array(A), 3)),
    "sort of all": lambda np: np.sort(np.array(A), axis=None),
    "argsort of all": lambda np: np.argsort(np.array(A), axis=None),
    "stack": lambda np: np.stack([np.array(V), np.array(V)], 1),
    "take": lambda np: np.take(np.array(A), np.array([[0, 5], [11, 1]], np.int32)),
    "take along": lambda np: np.take(np.array(A), np.array([2, 0], np.int32), 1),
    "tensordot": lambda np: np.tensordot(np.array(A), np.array(A), ([0, 1], [0, 1])),
    "unique": lambda np: np.unique(np.array([[3.0, 1], [1, 2]])),
    "unique rows": lambda np: np.unique(np.array([[3.0, 1], [1, 2], [3, 1]]), axis=0),
    "unique counts": lambda np: np.unique(np.array([3.0, 1, 1]), return_counts=True)[1],
    "sum over a list": lambda np: np.sum(np.array(A), axis=[0, 1]) if np is not numpy else A.sum(),
    "var": lambda np: np.var(np.array(A), axis=0),
    "where": lambda np: np.where(np.array(A) > 0, np.array(A), np.zeros((3, 4))),
    "where alone": lambda np: np.stack(np.where(np.array(A) > 0)),
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


def test_counts() -> None:
    npx.seed(4)
    tosses = np.random.multinomial(100, [0.25, 0.75], size=(50,)).asnumpy()
    assert tosses.shape == (50, 2)
    assert (tosses.sum(1) == 100).all()
    assert tosses[:, 0].mean() == pytest.approx(25, abs=3)
    assert np.random.multinomial(7, np.array([0, 1])).tolist() == [0, 7]
    for drawn in (np.random.poisson(2, 4), np.random.binomial(5, 0.5, 4)):
        assert (drawn.shape, drawn.dtype) == ((4,), "int32")
    assert np.random.normal(size=3, ctx=npx.cpu()).device is npx.cpu()
    assert np.random.uniform(size=3, device=npx.cpu()).device is npx.cpu()


def test_numbers_in_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\t2\n3\t4\n")
    read = np.genfromtxt(tmp_path / "a.tsv", dtype=np.float32, delimiter="\t")
    assert read.tolist() == [[1, 2], [3, 4]]


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


def test_numbers_are_formatted() -> None:
    assert f"{np.array([1.5]).sum():.3f} {np.array(2.0):6.1f}" == "1.500    2.0"
    assert f"{np.array([1, 2])}" == str(np.array([1, 2]))
    with pytest.raises(ValueError, match="Unknown format code"):
        f"{np.array([1, 2]):.3f}"


def test_names_beside_numpy() -> None:
    """Devices, layers as functions; no names of `nnc.nd` that NumPy lacks in `nnc.np`."""
    assert npx.cpu() == nnc.cpu()
    assert npx.is_np_array()
    numpy.testing.assert_allclose(npx.relu(np.array(A)).asnumpy(), numpy.maximum(A, 0), 1e-6)
    assert importlib.import_module("nnc.numpy.random").normal is np.random.normal
    assert nnc.numpy is np
    assert nnc.numpy_extension is npx
    assert nnc.ndarray is nnc.nd
    with pytest.raises(AttributeError, match=r"no attribute 'polyfit'; numpy.polyfit takes x.asn"):
        np.polyfit(A)
    with pytest.raises(AttributeError, match=r"no attribute 'relu'; "):
        np.relu(A)
    with pytest.raises(AttributeError, match=r"no attribute 'softmx'; did you mean softmax"):
        npx.softmx(A)


def test_functions_of_numpy_in_hybrid_forward() -> None:
    class Layer(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return F.npx.relu(F.np.negative(x))

    assert Layer()(np.array([1, -2])).tolist() == [0, 2]


def test_operands_by_the_names_of_mxnet_and_numpy() -> None:
    nd, x, y = nnc.nd, np.array(A), np.array(V)
    for found, expected in (
        (nd.softmax(data=x, axis=0), nd.softmax(x, 0)),
        (nd.relu(data=x), nd.relu(x)),
        (
            npx.pooling(data=x.reshape(1, 1, 3, 4), kernel=(2, 2)),
            nd.Pooling(x.reshape(1, 1, 3, 4), (2, 2)),
        ),
        (nd.broadcast_add(lhs=x, rhs=y), x + y),
        (nd.broadcast_sub(x, rhs=y), x - y),
        (np.dot(a=x, b=y), np.dot(x, y)),
        (np.maximum(x1=x, x2=y), np.maximum(x, y)),
        (np.expand_dims(a=x, axis=1), x.expand_dims(1)),
        (nd.where(condition=x > 0, x=x, y=-x), nd.abs(x)),
        (nd.concat(data=[x, x], dim=1), nd.concat(x, x)),
        (nd.transpose(data=x, axes=(1, 0)), x.T),
        (nd.random_normal(loc=1, scale=0, shape=(2,)), nd.ones((2,))),
    ):
        numpy.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())
    with pytest.raises(TypeError):
        nd.relu(dta=x)


def test_mistakes() -> None:
    with pytest.raises(nnc.NncError, match="choice: 4 of 3 elements, without replacement"):
        np.random.choice(3, 4, replace=False)
    with pytest.raises(nnc.NncError, match="choice: probabilities go with replace=True"):
        np.random.choice(3, 2, False, [1, 2, 3])
