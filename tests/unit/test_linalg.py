"""Linear algebra of small matrices, beside numpy: values, and gradients by finite differences."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnc
from nnc import autograd, nd
from nnc.arrays.array import NDArray
from nnc.errors import ShapeError
from nnc.nd import linalg

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[NDArray], NDArray]
Formula = Callable[[Array], Any]

DRAW = np.random.default_rng(5)
A, B = DRAW.normal(size=(2, 3, 3)), DRAW.normal(size=(2, 3, 2))
SQUARE = A @ A.swapaxes(1, 2) + np.eye(3)
TURNED = np.array([[0.0, 2, 1], [1, 0, 3], [4, 1, 0]])
"""Its first pivot is 0 without an exchange of rows."""
LOWER, UPPER = np.tril(A), np.triu(A)
NB = nd.array(B, "float64")


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    before = nnc.configure(backend="interpret")
    yield
    nnc.configure(backend=before.backend)


def turned(x: Array) -> Array:
    return x.swapaxes(-1, -2)


ROWS: dict[str, tuple[Function, Formula, Array]] = {
    "det": (linalg.det, np.linalg.det, A),
    "det of an exchange": (linalg.det, np.linalg.det, TURNED),
    "extractdiag": (lambda x: linalg.extractdiag(x, 1), lambda x: x.diagonal(1, 1, 2), A),
    "extracttrian": (
        linalg.extracttrian,
        lambda x: x[:, [0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2]],
        A,
    ),
    "extracttrian above": (
        lambda x: linalg.extracttrian(x, 1),
        lambda x: x[:, [0, 0, 1], [1, 2, 2]],
        A,
    ),
    "gelqf, Q": (
        lambda x: linalg.gelqf(x)[0],
        lambda x: turned(np.linalg.qr(turned(x))[0]),
        turned(B),
    ),
    "gelqf, L": (
        lambda x: linalg.gelqf(x)[1],
        lambda x: turned(np.linalg.qr(turned(x))[1]),
        A,
    ),
    "gemm": (
        lambda x: linalg.gemm(x, NB, NB, True, alpha=2, beta=-1),
        lambda x: 2 * turned(x) @ B - B,
        A,
    ),
    "gemm2": (lambda x: linalg.gemm2(x, x, False, True, 2), lambda x: 2 * x @ turned(x), B),
    "inverse": (linalg.inverse, np.linalg.inv, A),
    "inverse of an exchange": (linalg.inv, np.linalg.inv, TURNED),
    "makediag": (
        lambda x: linalg.makediag(x, -1),
        lambda x: made_diagonal(x),
        A[:, 0],
    ),
    "maketrian": (
        lambda x: linalg.extracttrian(linalg.maketrian(x, -1), -1),
        np.copy,
        DRAW.normal(size=(2, 6)),
    ),
    "norm": (linalg.norm, np.linalg.norm, A[0]),
    "norm of columns": (
        lambda x: linalg.norm(x, 1, (1, 2)),
        lambda x: np.linalg.norm(x, 1, (1, 2)),
        A,
    ),
    "norm of rows": (
        lambda x: linalg.norm(x, np.inf, keepdims=True),
        lambda x: np.linalg.norm(x, np.inf).reshape(1, 1),
        B[0],
    ),
    "norm of vectors": (lambda x: linalg.norm(x, 1, 0), lambda x: np.linalg.norm(x, 1, 0), A),
    "potrf": (linalg.potrf, np.linalg.cholesky, SQUARE),
    "potrf, upper": (
        lambda x: linalg.potrf(x, lower=False),
        lambda x: turned(np.linalg.cholesky(x)),
        SQUARE,
    ),
    "potri": (
        lambda x: linalg.potri(nd.tril(x)),
        lambda x: np.linalg.inv(np.tril(x) @ turned(np.tril(x))),
        A,
    ),
    "potri, upper": (
        lambda x: linalg.potri(nd.triu(x), lower=False),
        lambda x: np.linalg.inv(turned(np.triu(x)) @ np.triu(x)),
        A,
    ),
    "slogdet": (lambda x: linalg.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1], A),
    "solve": (lambda x: linalg.solve(x, NB), lambda x: np.linalg.solve(x, B), A),
    "solve of a vector": (
        lambda x: linalg.solve(TURNED, x),
        lambda x: np.linalg.solve(TURNED, x),
        A[0, 0],
    ),
    "sumlogdiag": (
        linalg.sumlogdiag,
        lambda x: np.log(x.diagonal(0, 1, 2)).sum(-1),
        SQUARE,
    ),
    "syevd, U": (lambda x: linalg.syevd(x)[0], lambda x: eigenvectors(x), SQUARE),
    "syevd, l": (
        lambda x: linalg.syevd(x)[1],
        lambda x: np.linalg.eigvalsh((x + turned(x)) / 2),
        SQUARE,
    ),
    "syrk": (lambda x: linalg.syrk(x, True, 3), lambda x: 3 * turned(x) @ x, B),
    "trmm": (lambda x: linalg.trmm(x, NB), lambda x: np.tril(x) @ B, A),
    "trmm from the right": (
        lambda x: linalg.trmm(x, nd.swapaxes(NB, 1, 2), True, True, False, 2),
        lambda x: 2 * turned(B) @ turned(np.triu(x)),
        A,
    ),
    "trsm": (lambda x: linalg.trsm(x, NB), lambda x: np.linalg.solve(np.tril(x), B), A),
    "trsm, turned": (
        lambda x: linalg.trsm(x, NB, True, alpha=2),
        lambda x: np.linalg.solve(turned(np.tril(x)), 2 * B),
        A,
    ),
    "trsm, upper": (
        lambda x: linalg.trsm(x, NB, lower=False),
        lambda x: np.linalg.solve(np.triu(x), B),
        A,
    ),
    "trsm from the right": (
        lambda x: linalg.trsm(x, nd.swapaxes(NB, 1, 2), rightside=True),
        lambda x: turned(np.linalg.solve(turned(np.tril(x)), B)),
        A,
    ),
}


def made_diagonal(x: Array) -> Array:
    """The vectors below the main diagonal."""
    return np.array([np.diag(row, -1) for row in x])


def eigenvectors(x: Array) -> Array:
    """As rows, whose largest element is positive."""
    found = turned(np.linalg.eigh((x + turned(x)) / 2)[1])
    largest = np.abs(found).argmax(-1)[..., None]
    return found * np.sign(np.take_along_axis(found, largest, -1))


@pytest.mark.parametrize("name", ROWS)
def test_beside_numpy(name: str) -> None:
    function, formula, given = ROWS[name]
    x = nd.array(given, "float64")
    x.attach_grad()
    with autograd.record():
        y = function(x)
        weights = nd.array(DRAW.normal(size=y.shape), "float64")
        (y * weights).sum().backward()
    np.testing.assert_allclose(y.asnumpy(), formula(given), rtol=1e-9, atol=1e-9)
    direction, step = DRAW.normal(size=given.shape), 1e-6
    if name.startswith("potrf"):
        direction = np.tril(direction)  # numpy reads this triangle only, too.
    ahead, behind = (formula(given + sign * step * direction) for sign in (1, -1))
    slope = ((ahead - behind) / (2 * step) * weights.asnumpy()).sum()
    assert x.grad is not None
    np.testing.assert_allclose((x.grad.asnumpy() * direction).sum(), slope, rtol=1e-6)


def test_signs_and_names() -> None:
    sign, size = linalg.slogdet(nd.array(A, "float64"))
    np.testing.assert_allclose((sign * size.exp()).asnumpy(), np.linalg.det(A))
    assert linalg.potrf is linalg.cholesky


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.zeros((2, 2)), np.ones((4, 4)), [[0, 1], [1, 0]], [[5]]]
)
def test_eigenvalues_that_are_equal_or_0(matrix: Any) -> None:
    a = np.array(matrix, np.float64)
    vectors, values = (x.asnumpy() for x in linalg.syevd(nd.array(a, "float64")))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a), atol=1e-14)
    np.testing.assert_allclose(vectors.T @ np.diag(values) @ vectors, a, atol=1e-14)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(a)), atol=1e-14)


def test_factors_of_larger_matrices() -> None:
    a = DRAW.normal(size=(9, 12)).astype(np.float32)
    q, low = (x.asnumpy() for x in linalg.gelqf(nd.array(a)))
    np.testing.assert_allclose(low @ q, a, atol=1e-5)
    np.testing.assert_allclose(q @ q.T, np.eye(9), atol=1e-5)
    vectors, values = (x.asnumpy() for x in linalg.syevd(nd.array(a @ a.T)))
    np.testing.assert_allclose(vectors.T @ np.diag(values) @ vectors, a @ a.T, atol=1e-4)


def test_singular_matrices() -> None:
    """The determinant is 0, the inverse no number."""
    singular = nd.array([[[1, 2], [2, 4]], [[2, 0], [0, 2]]])
    assert linalg.det(singular).tolist() == [0, 4]
    inverse = linalg.inverse(singular).asnumpy()
    assert np.isnan(inverse[0]).all()
    np.testing.assert_array_equal(inverse[1], np.eye(2) / 2)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: linalg.det(nd.ones((2, 3))),
            "linalg.det: expected square matrices, given shape (2, 3)",
        ),
        (
            lambda: linalg.gelqf(nd.ones((3, 2))),
            "linalg.gelqf: expected no more rows than columns, given shape (3, 2)",
        ),
        (lambda: linalg.maketrian(nd.ones((5,))), "linalg.maketrian: 5 elements fill no triangle"),
    ],
)
def test_mistakes(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        mistake()
    assert str(caught.value) == message
