"""Functions of each element: values, gradients, kinks, far ends of the range, and fusion."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.errors import OptionError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[NDArray], NDArray]
Formula = Callable[[Array], Array]

X = np.array([-2.3, -0.8, -0.1, 0.05, 0.6, 1.7])
INSIDE = np.array([-0.95, -0.4, -0.01, 0.02, 0.5, 0.99])
POSITIVE = np.array([1e-3, 0.2, 1.0, 1.5, 40.0, 9e3])
INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def log1pexp(x: Array) -> Array:
    return np.logaddexp(0, x)


ROWS: dict[str, tuple[Function, Formula, Array]] = {
    "arccos": (nd.arccos, np.arccos, INSIDE),
    "arccosh": (nd.arccosh, np.arccosh, 1 + POSITIVE[1:]),
    "arcsin": (nd.arcsin, np.arcsin, INSIDE),
    "arcsinh": (nd.arcsinh, np.arcsinh, np.concatenate([X, -POSITIVE])),
    "arctan": (nd.arctan, np.arctan, X),
    "arctanh": (nd.arctanh, np.arctanh, INSIDE),
    "cbrt": (nd.cbrt, np.cbrt, X),
    "ceil": (nd.ceil, np.ceil, X),
    "celu": (lambda x: nd.celu(x, 0.5), lambda x: np.where(x > 0, x, np.expm1(x * 2) / 2), X),
    "cosh": (nd.cosh, np.cosh, X),
    "degrees": (nd.degrees, np.degrees, X),
    "elu": (lambda x: nd.elu(x, 0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)), X),
    "expm1": (nd.expm1, np.expm1, X),
    "floor": (nd.floor, np.floor, X),
    "gelu_tanh": (
        nd.gelu_tanh,
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        X,
    ),
    "hard_sigmoid": (nd.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1), X * 2),
    "hard_swish": (nd.hard_swish, lambda x: x * np.clip(x + 3, 0, 6) / 6, X * 2),
    "leaky_relu": (nd.leaky_relu, lambda x: np.where(x > 0, x, x / 4), X),
    "log10": (nd.log10, np.log10, POSITIVE),
    "log1p": (nd.log1p, np.log1p, INSIDE),
    "log2": (nd.log2, np.log2, POSITIVE),
    "log_sigmoid": (nd.log_sigmoid, lambda x: -log1pexp(-x), X),
    "mish": (nd.mish, lambda x: x * np.tanh(log1pexp(x)), X),
    "mod": (lambda x: x % 0.7, lambda x: np.mod(x, 0.7), X),
    "mod of a number": (lambda x: 2.03 % x, lambda x: np.mod(2.03, x), X),
    "radians": (nd.radians, np.radians, X),
    "reciprocal": (nd.reciprocal, np.reciprocal, X),
    "round": (nd.round, np.round, X),
    "selu": (
        nd.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        X,
    ),
    "sinh": (nd.sinh, np.sinh, X),
    "smooth_l1": (
        lambda x: nd.smooth_l1(x, 0.9),
        lambda x: np.where(np.abs(x) < 1 / 0.81, 0.405 * x * x, np.abs(x) - 0.5 / 0.81),
        X,
    ),
    "softplus": (lambda x: nd.softplus(x, 2), lambda x: log1pexp(2 * x) / 2, X),
    "softsign": (nd.softsign, lambda x: x / (1 + np.abs(x)), X),
    "swish": (lambda x: nd.swish(x, 1.5), lambda x: x / (1 + np.exp(-1.5 * x)), X),
    "tan": (nd.tan, np.tan, X),
    "trunc": (nd.trunc, np.trunc, X),
}


def gradient(function: Function, x: Any) -> Array:
    leaf = nd.array(x, "float64")
    leaf.attach_grad()
    with autograd.record():
        y = function(leaf)
    y.backward()
    assert leaf.grad is not None
    return leaf.grad.asnumpy()


@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name: str) -> None:
    function, formula, x = ROWS[name]
    np.testing.assert_allclose(function(nd.array(x, "float64")).asnumpy(), formula(x), rtol=1e-12)
    step = 1e-6 * np.abs(x)
    slope = (formula(x + step) - formula(x - step)) / (2 * step)
    np.testing.assert_allclose(gradient(function, x), slope, rtol=1e-7, atol=1e-7)


def test_compiled_functions_are_accurate() -> None:
    """In f32, all in one program; 17 units in the last place, for small results of those of 1."""
    nnc.configure(backend="compile")
    generator = np.random.default_rng(0)
    inputs = [
        generator.uniform(x.min(), x.max(), 37).astype(np.float32) for _, _, x in ROWS.values()
    ]
    results = [row[0](nd.array(x)) for row, x in zip(ROWS.values(), inputs, strict=True)]
    for (name, row), x, given in zip(ROWS.items(), inputs, results, strict=True):
        exact = row[1](x.astype(np.float64))
        np.testing.assert_allclose(given.asnumpy(), exact, rtol=2e-6, atol=2e-7, err_msg=name)


FAR: list[tuple[Function, list[float], list[float]]] = [
    (nd.softplus, [-100, 100, -INF, INF], [3.7835e-44, 100, 0, INF]),
    (nd.log_sigmoid, [-100, 100, -INF, INF], [-100, 0, -INF, 0]),
    (nd.mish, [-80, 1e30], [-80 * math.exp(-80), 1e30]),
    (nd.elu, [-1e30, 1e30], [-1, 1e30]),
    (nd.gelu_tanh, [-30, 1e30], [0, 1e30]),
    (nd.softsign, [-1e30, 1e30], [-1, 1]),
    (nd.sinh, [89, -89, -INF, 1e-5], [2.2448e38, -2.2448e38, -INF, 1e-5]),
    (nd.cosh, [89, INF, 0], [2.2448e38, INF, 1]),
    (nd.arcsinh, [3e38, -INF, 1e-20, 0], [89.2909, -INF, 1e-20, 0]),
    (nd.arccosh, [1e38, INF, 1], [88.1922, INF, 0]),
    (nd.arccos, [-1, 1], [math.pi, 0]),
    (nd.arcsin, [-1, 1], [-math.pi / 2, math.pi / 2]),
    (nd.arctanh, [1, -1, 2], [INF, -INF, NAN]),
    (nd.arctan, [-INF, 1e30], [-math.pi / 2, math.pi / 2]),
    (nd.cbrt, [-1e30, 0, INF], [-1e10, 0, INF]),
    (nd.expm1, [-1e30, 1e-20, 88.5, 100], [-1, 1e-20, math.expm1(88.5), INF]),
    (nd.log1p, [-1, 1e-20, INF, -2], [-INF, 1e-20, INF, NAN]),
    (nd.log2, [8, 0, -1], [3, -INF, NAN]),
]


@pytest.mark.parametrize("backend", ["interpret", "compile"])
def test_far_ends_of_the_range(backend: str) -> None:
    """In f32, all functions in one program."""
    nnc.configure(backend=backend)
    with np.errstate(all="ignore"):
        results = [function(nd.array(x)) for function, x, _ in FAR]
        for (_, x, expected), given in zip(FAR, results, strict=True):
            # The smallest numbers may be flushed to zero.
            np.testing.assert_allclose(
                given.asnumpy(), expected, rtol=1e-4, atol=1e-37, err_msg=str(x)
            )


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (nd.softplus, 0.5),
        (nd.log_sigmoid, 0.5),
        (nd.softsign, 1.0),
        (nd.leaky_relu, 0.25),
        (nd.elu, 1.0),
        (nd.celu, 1.0),
        (nd.arcsinh, 1.0),
        (nd.sinh, 1.0),
        (nd.cosh, 0.0),
        (nd.trunc, 0.0),
    ],
)
def test_gradients_at_zero(function: Function, slope: float) -> None:
    assert gradient(function, [0.0]).tolist() == [slope]


def test_gradients_at_the_bounds_of_hard_functions() -> None:
    np.testing.assert_allclose(gradient(nd.hard_sigmoid, [-2.5, 2.5]), [0.2, 0.2])


@pytest.mark.parametrize("backend", ["interpret", "compile"])
def test_masks(backend: str) -> None:
    nnc.configure(backend=backend)
    x = nd.array([1, NAN, INF, -INF])
    assert nd.isnan(x).tolist() == [False, True, False, False]
    assert nd.isinf(x).tolist() == [False, False, True, True]
    assert nd.isfinite(x).tolist() == [True, False, False, False]
    a, b = nd.array([0, 0, 2, 3]), nd.array([0, 1, 0, 4])
    assert nd.logical_and(a, b).tolist() == [False, False, False, True]
    assert nd.logical_or(a, b).tolist() == [False, True, True, True]
    assert nd.logical_xor(a, b).tolist() == [False, True, True, False]
    assert nd.logical_not(a > 0).tolist() == [True, True, False, False]
    assert nd.lesser(a, 2).tolist() == [True, True, False, False]


def test_remainders_of_integers() -> None:
    x = nd.array([7, -7], "int32")
    assert (x % 3).tolist() == [1, 2]
    assert (x % 3).dtype == np.int32


def test_slopes_of_channels_are_learned() -> None:
    x, slope = nd.array([[-1, 2], [-3, -4]], "float64"), nd.array([0.5, 0.25], "float64")
    slope.attach_grad()
    with autograd.record():
        y = nd.prelu(x, slope)
    y.backward()
    assert y.tolist() == [[-0.5, 2], [-1.5, -1]]
    assert slope.grad is not None
    assert slope.grad.tolist() == [-4, -4]
    assert nd.LeakyReLU(x, slope[:1], "prelu").tolist() == [[-0.5, 2], [-1.5, -2]]
    with pytest.raises(ShapeError, match=r"for each of the channels \(2,\), given shape \(3,\)"):
        nd.prelu(x, nd.ones((3,), "float64"))


def test_the_family_of_leaky_functions() -> None:
    x = nd.array([-1.0, 2.0])
    assert nd.LeakyReLU(x, slope=0.5).tolist() == [-0.5, 2]
    np.testing.assert_allclose(nd.LeakyReLU(x, act_type="elu", slope=1.0), nd.elu(x), rtol=1e-6)
    np.testing.assert_allclose(nd.LeakyReLU(x, act_type="selu"), nd.selu(x), rtol=1e-6)
    with pytest.raises(OptionError, match="prelu needs gamma"):
        nd.LeakyReLU(x, act_type="prelu")
    with pytest.raises(OptionError, match="no 'rrelu'"):
        nd.LeakyReLU(x, act_type="rrelu")


def test_a_chain_of_functions_is_one_kernel() -> None:
    def chain(x: NDArray) -> NDArray:
        return nd.mish(nd.arcsinh(nd.gelu_tanh(nd.selu(x)))) + nd.arccos(nd.softsign(x))

    nnc.configure(backend="compile")
    compiled = nnc.compile(chain, nd.array(X))
    assert compiled.ir("groups").count("kernel.launch @") == 1
