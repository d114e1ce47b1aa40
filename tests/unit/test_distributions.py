"""Random numbers: how they are distributed, and that a seed gives them again."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.errors import NncError

random = nnc.random
COUNT = 4000
DRAWS: dict[str, tuple[Callable[[], NDArray], float, float]] = {
    "uniform": (lambda: random.uniform(-1, 3, COUNT), 1, 16 / 12),
    "normal": (lambda: random.normal(2, 3, COUNT), 2, 9),
    "randn": (lambda: random.randn(COUNT // 4, 4, loc=1, scale=2), 1, 4),
    "exponential": (lambda: random.exponential(2, COUNT), 2, 4),
    "gamma": (lambda: random.gamma(2.5, 2, COUNT), 5, 10),
    "gamma of a small alpha": (lambda: random.gamma(0.3, 2, COUNT), 0.6, 1.2),
    "poisson": (lambda: random.poisson(3.5, COUNT), 3.5, 3.5),
    "poisson of nothing": (lambda: random.poisson(0, COUNT), 0, 0),
    "binomial": (lambda: random.binomial(10, 0.3, COUNT), 3, 2.1),
    "binomial of more than half": (lambda: random.binomial(9, 0.8, COUNT), 7.2, 1.44),
    "negative_binomial": (lambda: random.negative_binomial(3, 0.4, COUNT), 4.5, 11.25),
    "generalized": (lambda: random.generalized_negative_binomial(2, 0.3, COUNT), 2, 3.2),
    "bernoulli": (lambda: random.bernoulli(0.2, COUNT), 0.2, 0.16),
    "randint": (lambda: random.randint(0, 5, COUNT), 2, 2),
    "uniform_like": (lambda: random.uniform_like(nd.zeros((COUNT,)), 0, 2), 1, 4 / 12),
    "normal_like": (lambda: random.normal_like(nd.zeros((COUNT,)), 1, 2), 1, 4),
}


@pytest.fixture(scope="module", autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[Any, Any]]:
    """All draws, twice from one seed."""

    def all_of_them() -> dict[str, NDArray]:
        random.seed(11)
        return {name: draw() for name, (draw, _, _) in DRAWS.items()}

    first = {name: x.asnumpy() for name, x in all_of_them().items()}
    second = {name: x.asnumpy() for name, x in all_of_them().items()}
    return {name: (first[name], second[name]) for name in DRAWS}


@pytest.mark.parametrize("name", DRAWS)
def test_mean_and_variance(name: str, drawn: dict[str, tuple[Any, Any]]) -> None:
    """Within five standard errors, of a distribution with moderate tails; the seed decides."""
    x, again = drawn[name]
    _, mean, variance = DRAWS[name]
    assert x.size == COUNT
    assert x.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / COUNT) + 1e-9)
    assert x.var() == pytest.approx(variance, rel=0.15, abs=1e-9)
    np.testing.assert_array_equal(x, again)


def test_shares_of_counts(drawn: dict[str, tuple[Any, Any]]) -> None:
    """Each count is as frequent as its probability says."""
    counts = np.bincount(drawn["poisson"][0].astype(int), minlength=9)[:9] / COUNT
    expected = np.array([math.exp(-3.5) * 3.5**k / math.factorial(k) for k in range(9)])
    np.testing.assert_allclose(counts, expected, atol=5 * math.sqrt(0.25 / COUNT))


def test_parameters_that_are_arrays() -> None:
    low, high = nd.array([0, 100]), nd.array([1, 200])
    found = random.uniform(low, high, (50,)).asnumpy()
    assert found.shape == (2, 50)
    assert ((found[0] < 1) & (found[1] >= 100)).all()
    centers = random.normal(nd.array([[-5, 5]]), 0.1).asnumpy()
    np.testing.assert_allclose(centers, [[-5, 5]], atol=1)


def test_positions_by_their_probabilities() -> None:
    random.seed(2)
    shares = nd.array([[0.1, 0.2, 0.7], [0, 1, 0]])
    shares.attach_grad()
    with autograd.record():
        at, logarithms = random.multinomial(shares, 2000, get_prob=True)
    logarithms.backward()
    found = at.asnumpy()
    assert at.dtype == "int32"
    frequencies = np.bincount(found[0], minlength=3) / 2000
    np.testing.assert_allclose(frequencies, [0.1, 0.2, 0.7], atol=0.05)
    assert set(found[1]) == {1}
    expected = np.log([0.1, 0.2, 0.7])[found[0]]
    np.testing.assert_allclose(logarithms.asnumpy()[0], expected, rtol=1e-5)
    assert shares.grad is not None
    counts = np.bincount(found[0], minlength=3)
    np.testing.assert_allclose(shares.grad.asnumpy()[0], counts / [0.1, 0.2, 0.7], rtol=1e-4)
    assert random.multinomial(shares).shape == (2,)
    assert random.multinomial(nd.array([0.0, 2, 0])).item() == 1


def test_a_random_order() -> None:
    random.seed(1)
    rows = nd.arange(20).reshape(10, 2)
    found = random.shuffle(rows).asnumpy()
    assert found.tolist() != rows.tolist()
    np.testing.assert_array_equal(found[found[:, 0].argsort()], rows.asnumpy())


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: random.gamma(0), "gamma: alpha: expected a number above 0, given 0"),
        (lambda: random.poisson(-1), "poisson: lam: expected a number at least 0, given -1"),
        (
            lambda: random.negative_binomial(1, 1.5),
            "negative_binomial: p: expected a number at most 1 and above 0, given 1.5",
        ),
        (
            lambda: random.generalized_negative_binomial(1e12),
            "negative_binomial: with a mean of 1e+12 counts go beyond 262144, which are too many "
            "to draw from; round draws of nnc.random.normal or gamma",
        ),
        (
            lambda: random.multinomial(0.5),
            "multinomial: expected probabilities along an axis, given a number",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message
