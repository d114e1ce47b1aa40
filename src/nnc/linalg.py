"""Linear algebra on the last two axes, named as in MXNet and NumPy.

What factors, solves or inverts goes through the columns one after the other, in a loop of the
compiled program with gradients to all operands; it is for small matrices. There are no
singular values.
"""

import math
from typing import Any

import numpy as np

from nnc.array_functions.creation import eye
from nnc.array_functions.index import gathered, moveaxis, one_hot, positions, selected
from nnc.array_functions.product import linalg_gemm2
from nnc.array_functions.reduce import norm as vector_norm
from nnc.array_functions.shape import concat, diagonal, flip, swapaxes, tril, triu
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, as_array, promoted
from nnc.checks import integer, two_axes
from nnc.control_flow import foreach
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops
from nnc.own_gradient import Function
from nnc.recording.graph import type_of

gemm2 = linalg_gemm2

__all__ = ["gemm2"]


def square_matrix(name: str, a: Any) -> NDArray:
    """An array of floats whose last two axes have one size."""
    matrix = as_array(a).as_float()
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ShapeError(f"{name}: expected square matrices, given shape {matrix.shape}")
    return matrix


def gemm(
    a: Any,
    b: Any,
    c: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> NDArray:
    """`alpha a b + beta c`."""
    return gemm2(a, b, transpose_a, transpose_b, alpha) + as_array(c) * beta


def syrk(a: Any, transpose: bool = False, alpha: float = 1.0) -> NDArray:
    """`alpha a a^T`, or `alpha a^T a`."""
    return gemm2(a, a, transpose, not transpose, alpha)


def trmm(
    a: Any,
    b: Any,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> NDArray:
    """`alpha a b` of a triangular a, `alpha b a` with `rightside`."""
    half = tril(a) if lower else triu(a)
    pair = (b, half) if rightside else (half, b)
    return gemm2(*pair, transpose and not rightside, transpose and rightside, alpha)


def norm(x: Any, ord: float | None = None, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """NumPy's norm: of vectors along an axis, of a matrix over two; by default of all elements.

    With `ord` 1 or inf a matrix has the largest sum of absolute values in a column or a row.
    """
    data = as_array(x)
    over = axis if isinstance(axis, tuple | list) else (0, 1) if axis is None else ()
    if ord is None or len(over) != 2 or (axis is None and data.ndim != 2):
        return vector_norm(data, 2 if ord is None else ord, axis, keepdims)
    if ord not in (1, math.inf):
        raise OptionError(f"linalg.norm: expected ord None, 1 or inf of a matrix, given {ord!r}")
    rows, columns = two_axes("linalg.norm", over, data.ndim)
    summed, rest = (rows, columns) if ord == 1 else (columns, rows)
    largest = data.as_float().abs().sum(summed, True).max(rest, True)
    return largest if keepdims else largest.squeeze((rows, columns))


# Parts of matrices.


def extractdiag(a: Any, offset: int = 0) -> NDArray:
    """A diagonal."""
    return diagonal(a, offset, -2, -1)


def vectors(name: str, a: Any) -> NDArray:
    """An array of one axis or more."""
    data = as_array(a)
    if not data.ndim:
        raise ShapeError(f"{name}: expected a vector, or several, given shape {data.shape}")
    return data


def makediag(a: Any, offset: int = 0) -> NDArray:
    """The matrix with this diagonal, of 0 elsewhere."""
    data = vectors("linalg.makediag", a)
    size = data.shape[-1] + abs(integer("linalg.makediag: offset", offset))
    border = (0,) * (data.ndim - 1)
    before, behind = (*border, max(offset, 0)), (*border, max(-offset, 0))
    wide = data.apply(ops.pad, before, behind, 0.0).expand_dims(-2)
    sizes = (*data.shape[:-1], size, size)
    above = positions(sizes, data.ndim) - positions(sizes, data.ndim - 1)
    return selected(above == offset, wide.broadcast_to(sizes), 0)


def triangle(size: int, offset: int, lower: bool) -> np.ndarray[Any, Any]:
    """The positions in a flat matrix of the triangle up to a diagonal, or from it on."""
    below = lower if offset == 0 else offset < 0
    rows, columns = np.tril_indices(size, -abs(offset))
    return (rows * size + columns if below else columns * size + rows).astype(np.int32)


def extracttrian(a: Any, offset: int = 0, lower: bool = True) -> NDArray:
    """A triangle: the lower one row by row, the upper one column by column.

    It goes up to a diagonal below the main one, or from one above it on.
    """
    data = square_matrix("linalg.extracttrian", a)
    size = data.shape[-1]
    integer("linalg.extracttrian: offset", offset)
    flat = data.reshape((*data.shape[:-2], size * size))
    return gathered(flat, as_array(triangle(size, offset, lower)), data.ndim - 2)


def maketrian(a: Any, offset: int = 0, lower: bool = True) -> NDArray:
    """The matrix with this triangle, of 0 elsewhere."""
    data = vectors("linalg.maketrian", a)
    count, above = data.shape[-1], abs(integer("linalg.maketrian: offset", offset))
    size = (math.isqrt(8 * count + 1) - 1) // 2 + above
    type_of((size, size), "int32")
    table = np.full(size * size, count, np.int32)
    places = triangle(size, offset, lower)
    if len(places) != count:
        raise ShapeError(f"linalg.maketrian: {count} elements fill no triangle")
    table[places] = np.arange(count)
    border = (0,) * (data.ndim - 1)
    padded = data.apply(ops.pad, (*border, 0), (*border, 1), 0.0)
    matrix = gathered(padded, as_array(table), data.ndim - 1)
    return matrix.reshape((*data.shape[:-1], size, size))


def sumlogdiag(a: Any) -> NDArray:
    """The sum of the logarithms of the diagonal."""
    return extractdiag(square_matrix("linalg.sumlogdiag", a)).log().sum(-1)


# Factors and solutions.


def potrf(a: Any, lower: bool = True) -> NDArray:
    """Cholesky's factor L of `a = L L^T`, or its transpose; reads the lower triangle."""
    matrix = square_matrix("linalg.potrf", a)
    units = eye(matrix.shape[-1], dtype=matrix.dtype)

    def column(given: list[NDArray], rest: NDArray) -> tuple[NDArray, NDArray]:
        unit, below = given
        raw = (rest * unit).sum(-1) * below
        factor = raw / (raw * unit).sum(-1, keepdims=True).sqrt()
        return factor, rest - factor.expand_dims(-1) * factor.expand_dims(-2)

    columns, _ = foreach(column, [units, triu(units * 0 + 1)], matrix)
    factor = moveaxis(columns, 0, -1)
    return factor if lower else swapaxes(factor, -1, -2)


def trsm(
    a: Any,
    b: Any,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> NDArray:
    """The x of `a x = alpha b` of a triangular a, of `x a = alpha b` with `rightside`."""
    half = square_matrix("linalg.trsm", tril(a) if lower else triu(a))
    if transpose != rightside:
        half, lower = swapaxes(half, -1, -2), not lower
    given = as_array(b).as_float() * alpha
    found = substituted(half, swapaxes(given, -1, -2) if rightside else given, lower)
    return swapaxes(found, -1, -2) if rightside else found


def substituted(half: NDArray, b: NDArray, lower: bool) -> NDArray:
    """The x of `half x = b`, a row at a time: from the first, or from the last."""
    units = eye(half.shape[-1], dtype=half.dtype)
    steps = [units, moveaxis(half, -1, 0)]

    def row(given: list[NDArray], rest: NDArray) -> tuple[NDArray, NDArray]:
        unit, column = given
        pivot = (column * unit).sum(-1, keepdims=True)
        found = (rest * unit.expand_dims(-1)).sum(-2) / pivot
        return found, rest - column.expand_dims(-1) * found.expand_dims(-2)

    rows, _ = foreach(row, steps if lower else [flip(x, 0) for x in steps], b)
    return moveaxis(rows if lower else flip(rows, 0), 0, -2)


def potri(a: Any, lower: bool = True) -> NDArray:
    """The inverse of `L L^T`, given Cholesky's factor."""
    factor = square_matrix("linalg.potri", a)
    units = factor * 0 + eye(factor.shape[-1], dtype=factor.dtype)
    return syrk(trsm(factor, units, transpose=not lower, lower=lower), transpose=True)


def gelqf(a: Any) -> tuple[NDArray, NDArray]:
    """Q and L of `a = L Q`, of no more rows than columns: Q's are orthonormal, L is triangular.

    By Householder's reflections, one for each row; signs are LAPACK's.
    """
    matrix = as_array(a).as_float()
    if matrix.ndim < 2 or matrix.shape[-2] > matrix.shape[-1]:
        raise ShapeError(
            f"linalg.gelqf: expected no more rows than columns, given shape {matrix.shape}"
        )
    rows, columns = matrix.shape[-2:]
    turns = (matrix * 0).sum(-2, keepdims=True) + eye(columns, dtype=matrix.dtype)
    units = eye(rows, rows + columns, dtype=matrix.dtype)
    corners = eye(rows, columns, dtype=matrix.dtype)

    def reflect(given: list[NDArray], whole: NDArray) -> tuple[NDArray, NDArray]:
        unit, corner, right = given
        row = (whole * unit.expand_dims(-1)).sum(-2) * right
        first, squares = (row * corner).sum(-1, keepdims=True), (row * row).sum(-1, keepdims=True)
        done = (row * row * (1 - corner)).sum(-1, keepdims=True) == 0
        length = selected(done, squares * 0 + 1, squares).sqrt()
        sign = selected(first < 0, first * 0 - 1, 1)
        normal = row + sign * length * corner
        factor = selected(done, first * 0, 2 / (normal * normal).sum(-1, keepdims=True))
        along = (whole * normal.expand_dims(-2)).sum(-1, keepdims=True)
        return first, whole - along * (factor * normal).expand_dims(-2)

    steps = [units, corners, triu(corners * 0 + 1)]
    _, whole = foreach(reflect, steps, concat(matrix, turns, dim=matrix.ndim - 2))
    left = whole[(..., slice(None, rows))]
    return swapaxes(left[(..., slice(rows, None), slice(None))], -1, -2), tril(
        left[(..., slice(None, rows), slice(None))]
    )


class Eigen(Function):
    """Eigenvectors and eigenvalues; the gradient takes equal eigenvalues as never mixed."""

    def forward(self, a: NDArray) -> list[NDArray]:
        vectors, values = rotated(a)
        order = values.argsort(-1)
        places = one_hot(order, a.shape[-1], dtype=a.dtype)
        values = (places * values.expand_dims(-2)).sum(-1)
        vectors = gemm2(places, vectors)
        largest = one_hot(vectors.abs().argmax(-1), a.shape[-1], dtype=a.dtype)
        signs = (vectors * largest).sum(-1, keepdims=True).apply(ops.sign)
        self.save_for_backward(vectors * signs, values)
        return [*self.saved_tensors]

    def backward(self, vectors: NDArray, values: NDArray) -> NDArray:
        own, levels = self.saved_tensors
        apart = levels.expand_dims(-2) - levels.expand_dims(-1)
        mixed = gemm2(own, vectors, transpose_b=True)
        mixed = selected(apart == 0, mixed * 0, mixed / selected(apart == 0, apart * 0 + 1, apart))
        inner = mixed + makediag(values)
        grad = gemm2(gemm2(own, inner, transpose_a=True), own)
        return (grad + swapaxes(grad, -1, -2)) / 2


SWEEPS = 10
"""Each makes what is not on the diagonal so much smaller that a few would do."""


def rotated(a: NDArray) -> tuple[NDArray, NDArray]:
    """Eigenvectors as rows, and eigenvalues, by Jacobi's rotations of disjoint pairs at once."""
    size = a.shape[-1]
    units, rounds = eye(size, dtype=a.dtype), np.tile(tournament(size), (SWEEPS, 1))
    partners = as_array(np.eye(size)[rounds].astype(a.dtype))
    orders = as_array(np.sign(rounds - np.arange(size)).astype(a.dtype))

    def rotate(given: list[NDArray], whole: list[NDArray]) -> tuple[NDArray, list[NDArray]]:
        (partner, order), (matrix, turns) = given, whole
        levels = (matrix * units).sum(-1)
        others = (levels.expand_dims(-2) * partner).sum(-1)
        between = (matrix * partner).sum(-1) * 2 * order * order
        flat = between == 0
        ratio = (others - levels) / selected(flat, between * 0 + 1, between)
        sign = selected(ratio == 0, ratio * 0 + order, ratio.apply(ops.sign))
        tangent = sign / (ratio.abs() + (ratio * ratio + 1).sqrt())
        tangent = selected(flat, between * 0, tangent)
        cosine = 1 / (tangent * tangent + 1).sqrt()
        turn = cosine.expand_dims(-1) * units + (tangent * cosine).expand_dims(-1) * partner
        matrix = gemm2(gemm2(turn, matrix, transpose_a=True), turn)
        matrix = (matrix + swapaxes(matrix, -1, -2)) / 2  # Both of a pair must turn alike.
        return levels, [matrix, gemm2(turn, turns, transpose_a=True)]

    _, [matrix, turns] = foreach(rotate, [partners, orders], [a, a * 0 + units])
    return turns, (matrix * units).sum(-1)


def tournament(size: int) -> np.ndarray[Any, Any]:
    """Whom each plays in each round, until everybody has met everybody; oneself is a pause."""
    even = size + size % 2
    circle, rounds = [*range(even)], np.empty((max(even - 1, 1), even), np.int64)
    for played in rounds:
        for one, other in zip(circle, reversed(circle), strict=True):
            played[one] = other
        circle.insert(1, circle.pop())
    if size < even:
        rounds = np.where(rounds == size, np.arange(even), rounds)[:, :size]
    return rounds


def syevd(a: Any) -> tuple[NDArray, NDArray]:
    """U and the ascending eigenvalues l of a symmetric `a = U^T diag(l) U`.

    Rows of U are eigenvectors, in which the largest element is positive.
    """
    matrix = square_matrix("linalg.syevd", a)
    vectors, values = Eigen()((matrix + swapaxes(matrix, -1, -2)) / 2)
    return vectors, values


def eliminated(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """The pivots with their signs, and the x of `a x = b`, NaN if there is none.

    Gauss and Jordan's way: the row with the largest element of a column goes up, and the column
    becomes 0 in all other rows.
    """
    a, b = map(NDArray, promoted(a, b))
    size = a.shape[-1]
    whole = concat(a, b, dim=a.ndim - 1)
    units = eye(size, dtype=a.dtype)
    wide = eye(size, whole.shape[-1], dtype=a.dtype)

    def column(given: list[NDArray], rest: NDArray) -> tuple[NDArray, NDArray]:
        unit, place, below = given
        sizes = (rest * place).sum(-1).abs() * below + (below - 1)
        best = one_hot(sizes.argmax(-1), size, dtype=a.dtype)
        here = (rest * unit.expand_dims(-1)).sum(-2)
        row = (rest * best.expand_dims(-1)).sum(-2)
        pivot = (row * place).sum(-1, keepdims=True)
        scaled = row / selected(pivot == 0, pivot * 0 + 1, pivot)
        rest = rest + (unit - best).expand_dims(-1) * (row - here).expand_dims(-2)
        left = (rest * place).sum(-1) - unit
        sign = (best * unit).sum(-1, keepdims=True) * 2 - 1
        return (pivot * sign).squeeze(-1), rest - left.expand_dims(-1) * scaled.expand_dims(-2)

    pivots, rest = foreach(column, [units, wide, triu(units * 0 + 1)], whole)
    singular = (pivots == 0).sum(0) > 0
    solution = rest[(..., slice(size, None))]
    failed = selected(singular, pivots.sum(0) * 0 + math.nan, 0)
    return pivots, solution + failed.expand_dims(-1).expand_dims(-1)


def inverse(a: Any) -> NDArray:
    """The inverse; NaN of a singular matrix."""
    matrix = square_matrix("linalg.inverse", a)
    return eliminated(matrix, matrix * 0 + eye(matrix.shape[-1], dtype=matrix.dtype))[1]


def solve(a: Any, b: Any) -> NDArray:
    """The x of `a x = b`, of a vector b or the columns of a matrix."""
    matrix, given = square_matrix("linalg.solve", a), as_array(b).as_float()
    if given.ndim == 1:
        return eliminated(matrix, given.reshape(-1, 1))[1].squeeze(-1)
    return eliminated(matrix, given)[1]


def det(a: Any) -> NDArray:
    """The determinant."""
    matrix = square_matrix("linalg.det", a)
    return eliminated(matrix, matrix[(..., slice(0, 1))])[0].prod(0)


def slogdet(a: Any) -> tuple[NDArray, NDArray]:
    """The sign of the determinant, and the logarithm of its size."""
    matrix = square_matrix("linalg.slogdet", a)
    pivots = eliminated(matrix, matrix[(..., slice(0, 1))])[0]
    return pivots.apply(ops.sign).prod(0), pivots.abs().log().sum(0)


cholesky = potrf
inv = inverse
