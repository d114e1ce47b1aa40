"""More functions of `nnc.nd`, with the names of NumPy and MXNet, and methods; beside numpy."""

import math
from collections.abc import Callable, Iterator
from inspect import unwrap
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.arrays.methods import METHODS
from nnc.errors import NncError

Array = np.ndarray[Any, np.dtype[Any]]
Of = Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any]
Row = tuple[Of, Of, tuple[Array, ...]]

DRAW = np.random.default_rng(3)
A, B, C = DRAW.normal(size=(3, 4)), DRAW.normal(size=(3, 4)), DRAW.normal(size=(4, 3))
V, W = DRAW.normal(size=4), DRAW.normal(size=3)
CUBE = DRAW.normal(size=(2, 3, 4))
MARKS = np.array([-1.5, 0.0, 2.0, -0.0])
HOLES = np.where(A > 0.5, np.nan, A)
EDGES = np.array([0.0, -0.0, 1, -1, 2.5, 1e-200, 1e200, np.inf, -np.inf, np.nan])
EDGE, OTHER_EDGE = EDGES.repeat(len(EDGES)), np.tile(EDGES, len(EDGES))
POINTS = np.array([[1.0, 1, -1, -1, 0, 0, 0, 2, -2], [1.0, -1, 1, -1, 1, -1, 0, 0, 0]])


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def listed(function: Any) -> Callable[..., Any]:
    """The function of a list as one of its items."""
    return lambda *arrays: function(list(arrays))


def column_products(a: Array, b: Array) -> Array:
    return np.array([np.kron(a[:, i], b[:, i]) for i in range(3)]).T


def after(ordered: Array, wanted: Array) -> Array:
    return np.asarray(np.searchsorted(ordered, wanted, "right"))


def second_rows(x: Array, y: Array) -> Array:
    return np.array([y[1], x[1], y[2]])


def unraveled(x: Array) -> Array:
    return np.array(np.unravel_index(x.astype(int), (3, 5)))


def raveled(x: Array) -> Array:
    return np.asarray(np.ravel_multi_index(tuple(x.astype(int)), (3, 5)))


def by_rows(x: Array, y: Array) -> list[Array]:
    return list(np.meshgrid(x, y, indexing="ij"))


def places(x: Array) -> Array:
    return np.moveaxis(np.array(np.indices(x.shape))[::-1], 0, -1)


def plain(made: Any) -> list[Array]:
    """All arrays of a result."""
    return [np.asarray(x) for x in (made if isinstance(made, list | tuple) else [made])]


ROWS: dict[str, Row] = {
    "add_n": (nd.add_n, lambda a, b, c: a + b + c, (A, B, A)),
    "arctan2 at the edges": (nd.arctan2, np.arctan2, (EDGE, OTHER_EDGE)),
    "copysign at the edges": (nd.copysign, np.copysign, (EDGE, OTHER_EDGE)),
    "floor_divide at the edges": (nd.floor_divide, np.floor_divide, (EDGE, OTHER_EDGE)),
    "floor_divide of what is not exact": (
        nd.floor_divide,
        np.floor_divide,
        (np.array([2.5, 0.3, -0.3, 1.0]), np.array([0.1, 0.1, 0.1, 0.1])),
    ),
    "heaviside at the edges": (nd.heaviside, np.heaviside, (EDGE, OTHER_EDGE)),
    "hypot at the edges": (nd.hypot, np.hypot, (EDGE, OTHER_EDGE)),
    "logaddexp at the edges": (nd.logaddexp, np.logaddexp, (EDGE, OTHER_EDGE)),
    "allclose": (nd.allclose, np.allclose, (A, A + 1e-9)),
    "arctan2": (nd.arctan2, np.arctan2, (POINTS[1], POINTS[0])),
    "array_equal": (nd.array_equal, np.array_equal, (A, A)),
    "average": (nd.average, np.average, (A,)),
    "average of an axis": (
        lambda x, w: nd.average(x, 1, w),
        lambda x, w: np.average(x, 1, w),
        (A, V**2),
    ),
    "copysign": (nd.copysign, np.copysign, (V, MARKS[:3].repeat([1, 1, 2]))),
    "corrcoef": (nd.corrcoef, np.corrcoef, (A,)),
    "count_nonzero": (lambda x: nd.count_nonzero(x, 0), lambda x: np.count_nonzero(x), (MARKS,)),
    "corrcoef of a vector": (nd.corrcoef, lambda x: np.array(1.0), (V,)),
    "cov of a vector": (nd.cov, np.cov, (V,)),
    "cov": (lambda x: nd.cov(x, False), lambda x: np.cov(x, rowvar=False), (A,)),
    "diagonal": (
        lambda x: nd.diagonal(x, 1, 0, 2),
        lambda x: np.diagonal(x, 1, 0, 2),
        (CUBE,),
    ),
    "diff": (lambda x: nd.diff(x, 2, 1), lambda x: np.diff(x, 2, 1), (CUBE,)),
    "diff to nothing": (lambda x: nd.diff(x, 9), lambda x: np.zeros((3, 0)), (A,)),
    "heaviside": (lambda x: nd.heaviside(x, 0.5), lambda x: np.heaviside(x, 0.5), (MARKS,)),
    "erfinv": (
        lambda x: nd.erf(nd.erfinv(x)),
        np.copy,
        (np.array([-0.999999, -0.5, -1e-9, 0, 0.3, 0.99, 1.0]),),
    ),
    "erfinv at its ends": (
        nd.erfinv,
        lambda x: np.array([-np.inf, np.inf, np.nan]),
        (np.array([-1, 1, 1.5]),),
    ),
    "gamma": (nd.gamma, np.vectorize(math.gamma), (np.array([-3.5, -0.2, 0.1, 0.5, 1, 4, 20]),)),
    "gammaln": (
        nd.gammaln,
        np.vectorize(math.lgamma),
        (np.array([-3.5, -0.2, 1e-5, 0.5, 1, 2, 4, 1e4]),),
    ),
    "hypot": (nd.hypot, np.hypot, (A, B)),
    "inner": (nd.inner, np.inner, (A, B)),
    "inner with a number": (lambda x: nd.inner(2, x), lambda x: 2 * x, (V,)),
    "dot with a number": (lambda x: nd.dot(x, 2), lambda x: x * 2, (CUBE,)),
    "isclose": (
        nd.isclose,
        np.isclose,
        (np.array([1.0, 1, np.inf, np.inf]), np.array([1 + 1e-9, 1.1, np.inf, 0])),
    ),
    "khatri_rao": (
        nd.khatri_rao,
        column_products,
        (C, C[:2]),
    ),
    "kron": (nd.kron, np.kron, (A, C)),
    "kron of a vector": (nd.kron, np.kron, (CUBE, V)),
    "logaddexp": (nd.logaddexp, np.logaddexp, (A * 500, B)),
    "median": (nd.median, np.median, (A,)),
    "median of an axis": (lambda x: nd.median(x, 0), lambda x: np.median(x, 0), (A,)),
    "median of NaN": (lambda x: nd.median(x, 0), lambda x: np.median(x, 0), (HOLES,)),
    "quantile of infinities": (
        lambda x: nd.quantile(x, 0.25, 0),
        lambda x: np.array([-np.inf, 1.0]),
        (np.array([[-np.inf, 0], [-np.inf, 1], [5, 1], [np.inf, np.inf], [np.inf, 2]]),),
    ),
    "moments": (
        lambda x: nd.moments(x, (0, 2)),
        lambda x: (x.mean((0, 2)), x.var((0, 2))),
        (CUBE,),
    ),
    "nan_to_num": (nd.nan_to_num, np.nan_to_num, (HOLES,)),
    "nanmax": (lambda x: nd.nanmax(x, 1), lambda x: np.nanmax(x, 1), (HOLES,)),
    "nanmin of NaN only": (
        lambda x: nd.nanmin(x, 1),
        lambda x: np.array([np.nan, 1]),
        (np.array([[np.nan, np.nan], [1, np.nan]]),),
    ),
    "nanmean": (lambda x: nd.nanmean(x, 1), lambda x: np.nanmean(x, 1), (HOLES,)),
    "nanmin": (lambda x: nd.nanmin(x, 1), lambda x: np.nanmin(x, 1), (HOLES,)),
    "nanprod": (nd.nanprod, np.nanprod, (HOLES,)),
    "nansum": (lambda x: nd.nansum(x, 0), lambda x: np.nansum(x, 0), (HOLES,)),
    "outer": (nd.outer, np.outer, (V, W)),
    "percentile": (lambda x: nd.percentile(x, 30, 1), lambda x: np.percentile(x, 30, 1), (A,)),
    "ptp": (lambda x: nd.ptp(x, 1), lambda x: np.ptp(x, 1), (A,)),
    "quantile": (lambda x: nd.quantile(x, 1), lambda x: np.quantile(x, 1), (A,)),
    "rcbrt": (nd.rcbrt, lambda x: 1 / np.cbrt(x), (A,)),
    "searchsorted": (
        lambda a, v: nd.searchsorted(a, v, "right"),
        after,
        (np.sort(V), np.append(V, 9)),
    ),
    "stop_gradient": (nd.stop_gradient, np.copy, (A,)),
    "tensordot": (nd.tensordot, np.tensordot, (CUBE, DRAW.normal(size=(3, 4, 2)))),
    "tensordot of axes": (
        lambda x, y: nd.tensordot(x, y, ([2, 1], [0, 1])),
        lambda x, y: np.tensordot(x, y, ([2, 1], [0, 1])),
        (CUBE, C),
    ),
    "trace": (lambda x: nd.trace(x, -1), lambda x: np.trace(x, -1), (A,)),
    "vdot": (nd.vdot, np.vdot, (A, B)),
    "sum of all other axes": (
        lambda x: nd.sum(x, 1, exclude=True, keepdims=True),
        lambda x: x.sum((0, 2), keepdims=True),
        (CUBE,),
    ),
    "max of all other axes": (
        lambda x: nd.max(x, (0, -1), exclude=True),
        lambda x: x.max(1),
        (CUBE,),
    ),
    "cumsum of all": (nd.cumsum, np.cumsum, (A,)),
    "cumprod of all": (nd.cumprod, np.cumprod, (A,)),
    # How arrays are put together and taken apart.
    "arange again and again": (
        lambda x: nd.arange(1, 4, repeat=2) + x,
        lambda x: np.repeat([1.0, 2, 3], 2) + x,
        (np.zeros(6),),
    ),
    "broadcast_like along axes": (
        lambda x, y: nd.broadcast_like(x, y, (0, 2), (1, -1)),
        lambda x, y: np.broadcast_to(x, (3, 4, 4)),
        (V.reshape(1, 4, 1), A.reshape(1, 3, 4)),
    ),
    "broadcast_to with a size that stays": (
        lambda x: nd.broadcast_to(x, (3, 0)),
        lambda x: np.broadcast_to(x, (3, 4)),
        (V.reshape(1, 4),),
    ),
    "diag of a cube": (lambda x: nd.diag(x, -1), lambda x: np.diagonal(x, -1), (CUBE,)),
    "argmax_channel": (nd.argmax_channel, lambda x: x.argmax(1), (A,)),
    "atleast_2d": (nd.atleast_2d, np.atleast_2d, (V,)),
    "atleast_3d": (nd.atleast_3d, np.atleast_3d, (V,)),
    "batch_take": (
        lambda x: nd.batch_take(x, [1, 0, 3]),
        lambda x: x[np.arange(3), [1, 0, 3]],
        (A,),
    ),
    "broadcast_axis": (
        lambda x: nd.broadcast_axis(x, (0, 2), (2, 3)),
        lambda x: np.broadcast_to(x, (2, 4, 3)),
        (V.reshape(1, 4, 1),),
    ),
    "column_stack": (listed(nd.column_stack), listed(np.column_stack), (V, C)),
    "dstack": (listed(nd.dstack), listed(np.dstack), (V, V)),
    "flatten": (nd.flatten, lambda x: x.reshape(2, 12), (CUBE,)),
    "fliplr": (nd.fliplr, np.fliplr, (A,)),
    "flipud": (nd.flipud, np.flipud, (A,)),
    "hsplit": (lambda x: nd.hsplit(x, [1, 3]), lambda x: np.hsplit(x, [1, 3]), (A,)),
    "hstack": (listed(nd.hstack), listed(np.hstack), (V, W)),
    "logspace": (
        lambda x: nd.logspace(0, 2, 5) + x,
        lambda x: np.logspace(0, 2, 5) + x,
        (np.zeros(5),),
    ),
    "meshgrid": (nd.meshgrid, np.meshgrid, (V, W, V[:2])),
    "meshgrid by rows": (
        lambda x, y: nd.meshgrid(x, y, indexing="ij"),
        by_rows,
        (V, W),
    ),
    "ravel": (nd.ravel, np.ravel, (CUBE,)),
    "ravel_multi_index": (
        lambda x: nd.ravel_multi_index(x, (3, 5)),
        raveled,
        (np.array([[0, 2, 1], [4, 0, 3]]),),
    ),
    "reshape_like": (nd.reshape_like, lambda x, y: x.reshape(y.shape), (A, C)),
    "rot90": (lambda x: nd.rot90(x, 3), lambda x: np.rot90(x, 3), (A,)),
    "shape_array": (nd.shape_array, lambda x: np.array(x.shape), (CUBE,)),
    "size_array": (nd.size_array, lambda x: np.array([x.size]), (CUBE,)),
    "SliceChannel": (
        lambda x: nd.SliceChannel(x, 3, 1, True),
        lambda x: [x[:, i] for i in range(3)],
        (CUBE,),
    ),
    "array_split": (lambda x: nd.array_split(x, 3), lambda x: np.array_split(x, 3), (V,)),
    "array_split into a million": (
        lambda x: nd.array_split(x, 10**6)[:9],
        lambda x: np.array_split(x, 10**6)[:9],
        (V,),
    ),
    "array_split of an axis": (
        lambda x: nd.array_split(x, [1, 3], axis=1),
        lambda x: np.array_split(x, [1, 3], axis=1),
        (A,),
    ),
    "broadcast_axis in the order given": (
        lambda x: nd.broadcast_axis(x, (2, 0), (4, 2)),
        lambda x: np.tile(x, (2, 1, 4)),
        (W.reshape(1, 3, 1),),
    ),
    "concatenate in a row": (
        lambda x, y: nd.concatenate([x, y], axis=None),
        lambda x, y: np.concatenate([x.ravel(), y]),
        (A, V),
    ),
    "sort in a row": (lambda x: nd.sort(x, None), lambda x: np.sort(x.ravel()), (A,)),
    "argsort in a row": (
        lambda x: nd.argsort(x, None),
        lambda x: np.argsort(x.ravel()),
        (A,),
    ),
    "argmax with all axes": (
        lambda x: nd.argmax(x, keepdims=True),
        lambda x: np.array([[A.argmax()]]),
        (A,),
    ),
    "cumsum of a mask": (lambda x: nd.cumsum(x > 0, 1), lambda x: np.cumsum(x > 0, 1), (A,)),
    "transpose": (lambda x: nd.transpose(x, None), np.transpose, (CUBE,)),
    "split_v2": (
        lambda x: nd.split_v2(x, (1, 2), 1),
        lambda x: np.split(x, (1, 2), 1),
        (CUBE,),
    ),
    "unravel_index": (
        lambda x: nd.unravel_index(x, (3, 5)),
        unraveled,
        (np.array([0, 7, 14]),),
    ),
    "vsplit": (lambda x: nd.vsplit(x, 3), lambda x: np.vsplit(x, 3), (A,)),
    "vstack": (listed(nd.vstack), listed(np.vstack), (V, A)),
    "where of rows": (
        lambda x, y: nd.where([1, 0, 1], x, y),
        lambda x, y: np.array([x[0], y[1], x[2]]),
        (CUBE[0], CUBE[1]),
    ),
    "where of rows of a square": (
        lambda x: nd.where([1, 0, 1], x, -x),
        lambda x: np.array([x[0], -x[1], x[2]]),
        (A[:, :3],),
    ),
    "where of numbers": (
        lambda x: nd.where(x, 1, 2),
        lambda x: np.where(x, 1, 2),
        (MARKS,),
    ),
    # MXNet's contrib.
    "boolean_mask": (
        lambda x: nd.contrib.boolean_mask(x, [1, 0, 2]),
        lambda x: np.delete(x, 1, 0),
        (A,),
    ),
    "boolean_mask of columns": (
        lambda x: nd.contrib.boolean_mask(x, [0, 0, 1, 0], 1),
        lambda x: np.delete(x, [0, 1, 3], 1),
        (A,),
    ),
    "arange_like": (
        lambda x: nd.contrib.arange_like(x, 1, 2, 2),
        lambda x: (np.arange(12) // 2 * 2 + 1).reshape(3, 4),
        (A,),
    ),
    "arange_like of an axis": (
        lambda x: nd.contrib.arange_like(x, axis=1),
        lambda x: np.arange(4),
        (A,),
    ),
    "div_sqrt_dim": (nd.contrib.div_sqrt_dim, lambda x: x / 2, (A,)),
    "index_array": (
        lambda x: nd.contrib.index_array(x, (1, 0)),
        places,
        (A,),
    ),
    "index_copy": (
        lambda x, y: nd.contrib.index_copy(x, [2, 0, 2], y),
        second_rows,
        (A, B),
    ),
    "box_iou": (
        nd.contrib.box_iou,
        lambda a, b: np.array([[1 / 7, 1.0, 0.0]]),
        (np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3], [0, 0, 2, 2], [2, 2, 3, 3]])),
    ),
    "box_iou of centers": (
        lambda a, b: nd.contrib.box_iou(a, b, "center"),
        lambda a, b: np.array([[1 / 7]]),
        (np.array([[1.0, 1, 2, 2]]), np.array([[2.0, 2, 2, 2]])),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_beside_numpy(name: str) -> None:
    function, formula, inputs = ROWS[name]
    call: Any = function
    found = plain(call(*[nd.array(x, "float64") for x in inputs]))
    by_numpy: Any = formula
    with np.errstate(all="ignore"):
        expected = plain(by_numpy(*inputs))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)


ALIASES = {
    nd.amax: nd.max,
    nd.around: nd.rint,
    nd.broadcast_hypot: nd.hypot,
    nd.deg2rad: nd.radians,
    nd.less_equal: nd.lesser_equal,
    nd.linalg_gemm2: nd.linalg.gemm2,
    nd.random_uniform: nnc.random.uniform,
    nd.FullyConnected: nd.fully_connected,
    nnc.np.array: nd.array,
}


def test_gradients_where_two_are_equal() -> None:
    x, y = nd.array([1.0, -math.inf, 3]), nd.array([1.0, -math.inf, 4])
    x.attach_grad()
    y.attach_grad()
    with autograd.record():
        z = nd.logaddexp(x, y)
    z.backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(x.grad.asnumpy(), [0.5, 0.5, 1 / (1 + math.e)], rtol=1e-6)
    np.testing.assert_allclose(y.grad.asnumpy(), [0.5, 0.5, 1 / (1 + math.exp(-1))], rtol=1e-6)


def test_other_names() -> None:
    assert all(unwrap(name) is unwrap(function) for name, function in ALIASES.items())


@pytest.mark.parametrize(
    ("wanted", "reverse", "expected"),
    [
        ((0, -1), False, (2, 12)),
        ((0, 0, 2, 2), False, (2, 3, 2, 2)),
        ((6, 1, -2), False, (6, 1, 4)),
        ((-2, 1), False, (2, 3, 4, 1)),
        ((-3, 0), False, (6, 4)),
        ((0, -3), False, (2, 12)),
        ((-4, 1, 2, -2), False, (1, 2, 3, 4)),
        ((0, 0, -4, -1, 2), False, (2, 3, 2, 2)),
        ((-1, 0), False, (8, 3)),
        ((-1, 0), True, (6, 4)),
    ],
)
def test_codes_of_shapes(wanted: tuple[int, ...], reverse: bool, expected: tuple[int, ...]) -> None:
    """MXNet's: the shapes are those that its documentation and its 1.9.1 give."""
    x = nd.array(CUBE)
    if math.prod(expected) == x.size:
        made = x.reshape(shape=wanted, reverse=reverse)
        np.testing.assert_array_equal(made.asnumpy(), CUBE.astype("f").reshape(expected))
        assert nd.reshape(x, wanted, reverse).shape == expected


def test_an_empty_array_has_sizes_of_zero() -> None:
    assert nd.zeros((0, 3)).reshape(3, 0).shape == (3, 0)


@pytest.mark.parametrize("name", METHODS.split())
def test_functions_are_methods(name: str) -> None:
    assert getattr(NDArray, name) is getattr(nd, name)


def test_methods() -> None:
    x = nd.array(A, "float64")
    np.testing.assert_array_equal(x.argsort(1).asnumpy(), A.argsort(1))
    np.testing.assert_allclose(x.norm(axis=1).asnumpy(), np.linalg.norm(A, axis=1))
    np.testing.assert_allclose(x.slice_axis(1, 1, 3).tan().asnumpy(), np.tan(A[:, 1:3]))
    np.testing.assert_array_equal(x.dot(nd.array(C, "float64")).asnumpy(), A @ C)
    x %= 0.5
    np.testing.assert_allclose(x.asnumpy(), A % 0.5)


def test_results_are_written_where_they_are_wanted() -> None:
    x, y, z = nd.array(A), nd.array(B), nd.zeros((3, 4))
    seen = z[0]
    assert nd.elemwise_add(x, y, out=z) is z
    np.testing.assert_allclose(seen.asnumpy(), (A + B)[0], rtol=1e-6)
    nd.divide(x, y, out=x)
    np.testing.assert_allclose(x.asnumpy(), A / B, rtol=1e-5)
    nd.random.uniform(5, 6, out=z)
    nd.random.normal(-50, 1, out=x)
    assert z.min().item() >= 5
    assert x.max().item() < 0


def test_every_function_takes_a_name_and_where_to_write() -> None:
    """The name is that of the result in the IR, as far as it can be one."""
    x, z = nd.array(A), nd.zeros((3, 4))
    functions: Any = nd
    named = functions.relu(x, name="fwd/relu"), *functions.split(x + x, 2, 1, name="%sgates")
    assert [array.current.node.label for array in named] == ["fwd/relu", "%sgates", "%sgates"]
    assert "%fwd_relu = nn.relu" in autograd.get_symbol(named[0])
    assert functions.FullyConnected(x, x, no_bias=True, num_hidden=3, name="fc").shape == (3, 3)
    assert functions.tanh(x, out=z, name="h") is z
    np.testing.assert_allclose(z.asnumpy(), np.tanh(A), rtol=1e-5)
    assert nd.SliceChannel is nd.split


def test_numbers_among_arrays_that_are_joined() -> None:
    """What has no axes here is of shape (1,) in MXNet 1.x."""
    x = nd.array(V)
    joined = nd.concat(x.sum(), x, x[1], dim=0)
    np.testing.assert_allclose(joined.asnumpy(), [V.sum(), *V, V[1]], rtol=1e-5)


def test_gradient_multiplier() -> None:
    x = nd.array(V)
    x.attach_grad()
    with autograd.record():
        y = nd.contrib.gradientmultiplier(x, -2) * 3
    y.backward()
    assert x.grad is not None
    np.testing.assert_allclose(y.asnumpy(), V.astype("f") * 3)
    assert set(x.grad.tolist()) == {-6}


def test_interleaved_attention() -> None:
    """Queries, keys and values of each head beside each other in one array."""
    length, batch, heads, size = 3, 2, 2, 4
    given = DRAW.normal(size=(length, batch, heads, 3, size))
    flat = nd.array(given.reshape(length, batch, -1), "float64")
    scores = nd.contrib.interleaved_matmul_selfatt_qk(flat, heads)
    queries, keys, values = (given[:, :, :, i] for i in range(3))
    expected = np.einsum("lnhd,mnhd->nhlm", queries, keys) / 2
    np.testing.assert_allclose(scores.asnumpy(), expected.reshape(-1, length, length))
    found = nd.contrib.interleaved_matmul_selfatt_valatt(flat, scores, heads)
    weighted = np.einsum("nhlm,mnhd->lnhd", expected, values)
    np.testing.assert_allclose(found.asnumpy(), weighted.reshape(length, batch, -1))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: nd.array([1, 2], "int32") & 1,
            "&: expected masks of dtype bool, given int32",
        ),
        (
            lambda: nd.ones((2,)).reshape(0, 0),
            "reshape: shape (0, 0) asks for more axes than (2,) has",
        ),
        (
            lambda: nd.ones((2, 3, 4))[0, :, [1]],
            "the arrays and numbers of an index stand side by side, without None; take the slices "
            "first, as x[0][:, at]",
        ),
        (
            lambda: nd.ones((2, 3))[[0], [1], [1]],
            "index with 3 items for an array of 2 axes",
        ),
        (
            lambda: nd.ones((2, 3)).__setitem__([5], 1),
            "assignment: index 5 is out of bounds for axis 0 with size 2",
        ),
        (
            lambda: nd.tensordot(nd.ones((2, 3)), nd.ones((2, 3)), 1),
            "tensordot: axes 1 of shapes (2, 3) and (2, 3)",
        ),
        (
            lambda: nd.diagonal(nd.ones((2, 3)), 0, 1, 1),
            "diagonal: an axis is there twice, given (1, 1)",
        ),
        (
            lambda: nd.quantile(nd.ones((2,)), 2),
            "quantile: q: expected a number at least 0 and at most 1, given 2",
        ),
        (
            lambda: nd.broadcast_axis(nd.ones((1, 2)), 0, (2, 3)),
            "broadcast_axis: expected a size for each of 1 axes",
        ),
        (
            lambda: nd.ones((2,)).sum()[0],
            "index 0: an array of shape () has no axes; x.item() is its number",
        ),
        (lambda: nd.clip(nd.ones((2,)), 0, math.nan), "clip: a_max: expected a number, given nan"),
        (
            lambda: nd.meshgrid(nd.ones((2,)), indexing="yx"),
            "meshgrid: indexing: no 'yx'; known: ij, xy",
        ),
        (
            lambda: nd.contrib.index_copy(nd.ones((3, 2)), [1], nd.ones((1, 3))),
            "index_copy: rows of shape (1, 3) for an array of (3, 2)",
        ),
        (
            lambda: nd.contrib.interleaved_matmul_selfatt_qk(nd.ones((2, 2, 8)), 2),
            "interleaved_matmul: 2 heads of shape (2, 2, 8)",
        ),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(NncError) as caught:
        mistake()
    assert str(caught.value) == message
