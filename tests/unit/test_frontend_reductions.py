"""Functions along axes, that order, and that move, pick and multiply, beside numpy's."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.errors import IndexingError, OptionError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[NDArray], Any]
Formula = Callable[[Array], Any]

X = np.array([[0.5, -1.5, 0.25, 2.0], [0.5, 3.0, -0.75, 0.125], [-2.5, 0.5, 1.0, -1.0]])
V = np.array([0.5, -1.5, 0.0, 2.0])
CUBE = np.random.default_rng(0).standard_normal((2, 3, 4))
IMAGES = np.random.default_rng(1).standard_normal((1, 4, 2, 2))
AT = np.array([[2, 0, 2], [1, 3, 1]])


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def scattered(x: Array) -> Array:
    out = np.zeros((3, 4))
    np.add.at(out, (AT[0], AT[1]), x[:3])
    return out


REDUCTIONS: dict[str, tuple[Function, Formula, Array]] = {
    "sum of two axes": (lambda x: x.sum((0, 2)), lambda x: x.sum((0, 2)), CUBE),
    "mean, kept": (lambda x: x.mean(1, True), lambda x: x.mean(1, keepdims=True), X),
    "prod": (lambda x: x.prod(0), lambda x: x.prod(0), X),
    "var": (lambda x: nd.var(x, (0, 2)), lambda x: x.var((0, 2)), CUBE),
    "std": (lambda x: nd.std(x, 1, True, 1), lambda x: x.std(1, ddof=1, keepdims=True), X),
    "norm": (lambda x: nd.norm(x, axis=1), lambda x: np.linalg.norm(x, axis=1), X),
    "norm of one": (lambda x: nd.norm(x, 1), lambda x: np.abs(x).sum(), X),
    "norm of infinity": (lambda x: nd.norm(x, math.inf, 0), lambda x: np.abs(x).max(0), X),
    "logsumexp": (lambda x: nd.logsumexp(x, 1), lambda x: np.log(np.exp(x).sum(1)), X),
    "logsumexp of two axes": (
        lambda x: nd.logsumexp(x, (0, 2), True),
        lambda x: np.log(np.exp(x).sum((0, 2), keepdims=True)),
        CUBE,
    ),
    "cumsum": (lambda x: nd.cumsum(x, 1), lambda x: x.cumsum(1), X),
    "cumprod": (lambda x: nd.cumprod(x, 1), lambda x: x.cumprod(1), X),
    "cumprod with a zero": (nd.cumprod, lambda x: x.cumprod(0), V),
    "sort": (nd.sort, lambda x: np.sort(x, kind="stable"), X),
    "sort down": (lambda x: nd.sort(x, 0, False), lambda x: -np.sort(-x, 0), CUBE),
    "largest": (lambda x: nd.topk(x, 1, 2, "value"), lambda x: -np.sort(-x, 1)[:, :2], X),
    "smallest": (lambda x: nd.topk(x, 0, 2, "value", True), lambda x: np.sort(x, 0)[:2], CUBE),
}
MOVES: dict[str, tuple[Function, Formula, Array]] = {
    "swapaxes": (lambda x: nd.swapaxes(x, 0, 2), lambda x: x.swapaxes(0, 2), CUBE),
    "moveaxis": (lambda x: nd.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), CUBE),
    "depth_to_space": (
        lambda x: nd.depth_to_space(x, 2),
        lambda x: x.reshape(1, 2, 2, 1, 2, 2).transpose(0, 3, 4, 1, 5, 2).reshape(1, 1, 4, 4),
        IMAGES,
    ),
    "there and back": (lambda x: nd.space_to_depth(nd.depth_to_space(x, 2), 2), np.copy, IMAGES),
    "slice_axis": (lambda x: nd.slice_axis(x, 1, 1, -1), lambda x: x[:, 1:-1], X),
    "slice_like": (lambda x: nd.slice_like(x, nd.ones((2, 3))), lambda x: x[:2, :3], X),
    "slice": (lambda x: nd.slice(x, (0, 1), (3, None), (2, 1)), lambda x: x[0:3:2, 1:], X),
    "slice backward": (
        lambda x: nd.slice(x, (None, 3), (None, 0), (-1, -2)),
        lambda x: x[::-1, 3:0:-2],
        X,
    ),
    "flip": (lambda x: nd.flip(x, 1), lambda x: x[:, ::-1], X),
    "flip all": (nd.flip, np.flip, CUBE),
    "roll": (lambda x: nd.roll(x, -5, 1), lambda x: np.roll(x, -5, 1), X),
    "roll flat": (lambda x: nd.roll(x, 2), lambda x: np.roll(x, 2), X),
    "tile": (lambda x: nd.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), X),
    "repeat": (lambda x: nd.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1), X),
    "repeat flat": (lambda x: nd.repeat(x, 2), lambda x: np.repeat(x, 2), X),
    "pad": (
        lambda x: nd.pad(x, "constant", (0, 1, 2, 0), 7),
        lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=7),
        X,
    ),
    "pad with the edge": (
        lambda x: nd.pad(x, "edge", (2, 1, 0, 3)),
        lambda x: np.pad(x, ((2, 1), (0, 3)), "edge"),
        X,
    ),
    "pad by reflection": (
        lambda x: nd.pad(x, "reflect", (2, 1, 0, 3)),
        lambda x: np.pad(x, ((2, 1), (0, 3)), "reflect"),
        X,
    ),
    "tril": (lambda x: nd.tril(x, 1), lambda x: np.tril(x, 1), CUBE),
    "triu": (lambda x: nd.triu(x, -1), lambda x: np.triu(x, -1), X),
    "diagonal": (lambda x: nd.diag(x, 1), lambda x: np.diag(x, 1), X),
    "diagonal below": (lambda x: nd.diag(x, -2), lambda x: np.diag(x, -2), X),
    "diagonal matrix": (lambda x: nd.diag(x, 1), lambda x: np.diag(x, 1), V),
    "diagonal matrix below": (lambda x: nd.diag(x, -2), lambda x: np.diag(x, -2), V),
    "broadcast_like": (
        lambda x: nd.broadcast_like(x, nd.ones((2, 4))),
        lambda x: x[None] + [[0], [0]],
        V,
    ),
    "split": (lambda x: nd.split(x, 2, 1)[1], lambda x: x[:, 2:], X),
    "stack": (lambda x: nd.stack(x, x * 2, axis=1), lambda x: np.stack([x, x * 2], 1), X),
    "gather_nd": (lambda x: nd.gather_nd(x, nd.array(AT)), lambda x: x[AT[0], AT[1]], X),
    "gather_nd of rows": (lambda x: nd.gather_nd(x, nd.array(AT[:1])), lambda x: x[AT[0]], X),
    "scatter_nd": (lambda x: nd.scatter_nd(x[:3], nd.array(AT), (3, 4)), scattered, V),
    "take_along_axis": (
        lambda x: nd.take_along_axis(x, nd.array(AT % 3, "int32"), 0),
        lambda x: np.take_along_axis(x, AT % 3, 0),
        X[:, :3],
    ),
    "embedding": (lambda x: nd.Embedding(AT[0], x, 3, 4), lambda x: x[AT[0]], X),
    "sequence_mask": (
        lambda x: nd.SequenceMask(x, [1, 3, 0, 2], True, -1.0),
        lambda x: np.where(np.arange(3)[:, None] < [1, 3, 0, 2], x, -1),
        X,
    ),
    "dot, transposed": (lambda x: nd.dot(x, x, transpose_b=True), lambda x: x @ x.T, X),
    "dot of a cube": (
        lambda x: nd.dot(x, nd.array(X, "float64"), transpose_b=True),
        lambda x: x @ X.T,
        CUBE,
    ),
    "batch_dot": (
        lambda x: nd.batch_dot(x, x, transpose_a=True),
        lambda x: x.swapaxes(1, 2) @ x,
        CUBE,
    ),
    "gemm2": (
        lambda x: nd.linalg_gemm2(x, x, False, True, 0.5),
        lambda x: x @ x.swapaxes(1, 2) / 2,
        CUBE,
    ),
    "einsum": (
        lambda x: nd.einsum("bij,kj->bki", x, nd.array(X, "float64")),
        lambda x: np.einsum("bij,kj->bki", x, X),
        CUBE,
    ),
    "einsum of one": (lambda x: nd.einsum("bij->j", x), lambda x: x.sum((0, 1)), CUBE),
    "einsum of three": (
        lambda x: nd.einsum("bij, kj, kj", x, nd.array(X, "float64"), nd.array(X, "float64")),
        lambda x: np.einsum("bij,kj,kj", x, X, X),
        CUBE,
    ),
    "trace": (lambda x: nd.einsum("ii", x[:, :3]), lambda x: np.trace(x[:, :3]), X),
    "einsum of a diagonal": (
        lambda x: nd.einsum("iji,j->ji", x[:2, :, :2], x[0, :, 0]),
        lambda x: np.einsum("iji,j->ji", x[:2, :, :2], x[0, :, 0]),
        CUBE,
    ),
    "einsum of any axes": (
        lambda x: nd.einsum("...i,...i->...", x, x[:, :1]),
        lambda x: np.einsum("...i,...i->...", x, x[:, :1]),
        CUBE,
    ),
    "einsum of some axes": (
        lambda x: nd.einsum("j...,jk", x, x[:, 0]),
        lambda x: np.einsum("j...,jk", x, x[:, 0]),
        CUBE,
    ),
}
ROWS = REDUCTIONS | MOVES


def weighted(y: Array) -> float:
    return float(np.sum(y * np.cos(np.arange(y.size).reshape(y.shape))))


@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name: str) -> None:
    function, formula, x = ROWS[name]
    leaf = nd.array(x, "float64")
    leaf.attach_grad()
    with autograd.record():
        y = function(leaf)
    expected = np.asarray(formula(x))
    y.backward(nd.array(np.cos(np.arange(expected.size).reshape(expected.shape)), "float64"))
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=1e-12, atol=1e-15)
    slope = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-6
        slope[at] = (weighted(formula(x + step)) - weighted(formula(x - step))) / 2e-6
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.asnumpy(), slope, rtol=1e-7, atol=1e-7)


def test_compiled_functions_agree() -> None:
    """All in one program, in f32."""
    nnc.configure(backend="compile")
    results = [function(nd.array(x)) for name, (function, _, x) in ROWS.items() if name not in F64]
    names = [name for name in ROWS if name not in F64]
    for name, given in zip(names, results, strict=True):
        _, formula, x = ROWS[name]
        np.testing.assert_allclose(given.asnumpy(), formula(x), rtol=1e-5, atol=1e-6, err_msg=name)


F64 = ("dot of a cube", "einsum", "einsum of three")
"""Rows with another operand, in f64."""


def test_order_of_ties_and_nan() -> None:
    """Equal elements keep their order, NaN is larger than every number."""
    x = nd.array([2.0, math.nan, 1.0, 2.0, -math.inf, math.nan, 1.0])
    for backend in ("interpret", "compile"):
        nnc.configure(backend=backend)
        assert nd.argsort(x).tolist() == [4, 2, 6, 0, 3, 1, 5]
        assert nd.argsort(x, is_ascend=False).tolist() == [1, 5, 0, 3, 2, 6, 4]
    assert nd.topk(nd.array([3, 1, 3, 2], "int64"), k=2).tolist() == [0, 2]
    assert nd.argsort(nd.array([[3, 1], [2, 5]], "uint8"), axis=0).tolist() == [[1, 0], [0, 1]]


def test_what_topk_gives() -> None:
    x = nd.array([[1, 3, 2], [6, 4, 5]])
    values, positions = nd.topk(x, k=2, ret_typ="both")
    assert values.tolist() == [[3, 2], [6, 5]]
    assert positions.tolist() == [[1, 2], [0, 2]]
    assert positions.dtype == np.int32
    assert nd.topk(x, axis=0, k=1, ret_typ="mask").tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises(OptionError, match="expected k of at most 3, given 4"):
        nd.topk(x, k=4)
    with pytest.raises(OptionError, match="topk: ret_typ: no 'values'"):
        nd.topk(x, ret_typ="values")


def test_argmin() -> None:
    assert nd.argmin(nd.array([2.0, 1.0, 1.0])).item() == 1
    assert nd.argmin(nd.array([2.0, math.nan, 1.0])).item() == 1
    smallest = np.iinfo(np.int32).min
    assert nd.argmin(nd.array([5, smallest, 7], "int32")).item() == 1
    assert nd.argmin(nd.array([[5, 1], [0, 7]], "uint8"), 1).tolist() == [1, 0]


def test_whether_any_or_all() -> None:
    x = nd.array([[0, 2], [3, 4]])
    assert nd.any(x, 0).tolist() == [True, True]
    assert nd.all(x, 1, True).tolist() == [[False], [True]]
    assert (nd.any(nd.zeros((0,))).item(), nd.all(nd.zeros((0,))).item()) == (False, True)


def test_logsumexp_of_infinities() -> None:
    x = nd.array([[-math.inf, -math.inf], [math.inf, 1], [1000, 1000]])
    np.testing.assert_allclose(nd.logsumexp(x, 1), [-math.inf, math.inf, 1000 + math.log(2)])


def test_creation() -> None:
    assert nd.eye(2, 3, 1, "int32").tolist() == [[0, 1, 0], [0, 0, 1]]
    assert nd.identity(2).tolist() == [[1, 0], [0, 1]]
    assert nd.full_like(nd.ones((2,), "int32"), 7).tolist() == [7, 7]
    np.testing.assert_allclose(nd.linspace(0, 1, 5), np.linspace(0, 1, 5))
    np.testing.assert_allclose(nd.linspace(0, 1, 4, False), [0, 0.25, 0.5, 0.75])


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nd.norm(X, 3), OptionError, "norm: expected ord 1, 2 or inf, given 3"),
    (lambda: nd.depth_to_space(IMAGES, 3), ShapeError, "4 channels cannot be divided"),
    (lambda: nd.space_to_depth(IMAGES, 3), ShapeError, "2 x 2 pixels cannot be divided"),
    (lambda: nd.space_to_depth(X, 2), ShapeError, "expected images"),
    (lambda: nd.slice_like(X, nd.ones((9, 9))), ShapeError, r"cannot be cut to \(9, 9\)"),
    (lambda: nd.pad(X, "edge", (1, 1)), ShapeError, "expected 2 widths for each of 2 axes"),
    (lambda: nd.pad(X, "wrap", (1, 1, 0, 0)), OptionError, "pad: mode: no 'wrap'"),
    (lambda: nd.pad(X, "reflect", (3, 0, 0, 0)), ShapeError, "axis 0, of size 3, has nothing"),
    (lambda: nd.tril(V), ShapeError, "tril: expected two axes or more"),
    (lambda: nd.diag(1.0), ShapeError, "diagonal: axis 0 of an array with 0 axes"),
    (
        lambda: nd.gather_nd(X, [[3], [0]]),
        IndexingError,
        "of axis 0 go from 0 to 2, given 3.* to 3",
    ),
    (lambda: nd.gather_nd(X, AT[:, :, None].repeat(2, 0)), ShapeError, "indices of 1 to 2 axes"),
    (lambda: nd.Embedding([0], nd.ones((3, 4)), 5, 4), ShapeError, r"weight of shape \(5, 4\)"),
    (lambda: nd.SequenceMask(X, [1], True), ShapeError, "expected 4 lengths"),
    (lambda: nd.SequenceMask(X, [1], True, axis=2), OptionError, "expected axis 0 or 1"),
    (lambda: nd.einsum("ij,jk->ik", X), OptionError, "the axes of each of 1 operands"),
    (lambda: nd.einsum("ij->k", X), OptionError, "no operand has an axis 'k'"),
    (lambda: nd.einsum("ij->ii", X), OptionError, "the result has an axis twice"),
    (lambda: nd.einsum("i.j", X), OptionError, r"letters, and perhaps '\.\.\.', for"),
    (lambda: nd.einsum("i->i", X), ShapeError, "'i' names 1 axes"),
    (lambda: nd.einsum("ij...k", X), ShapeError, r"'ij\.\.\.k' names 3 axes"),
    (lambda: nd.einsum("ii", X), ShapeError, "axis 'i' has size 3 and 4"),
    (
        lambda: nd.einsum("...,...", X, X[:, :3]),
        ShapeError,
        r"axes of '\.\.\.' have sizes 4 and 3, which cannot be broadcast",
    ),
    (lambda: nd.einsum("ij,ik->jk", X, CUBE[0, :2]), ShapeError, "axis 'i' has size 3 and 2"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod"])
def test_all_axes_but_the_given_ones(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    for axis, others in ((1, (0, 2)), ((0, -1), (1,)), ((0, 1, 2), ())):
        found = getattr(nd, name)(nd.array(x), axis=axis, exclude=True)
        np.testing.assert_allclose(found.asnumpy(), getattr(x, name)(axis=others), rtol=1e-5)
