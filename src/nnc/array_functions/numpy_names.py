"""More of NumPy's functions, each made of others; arguments and results as in NumPy."""

import math
from collections.abc import Sequence
from typing import Any

from nnc.array_functions import elementwise as elements
from nnc.array_functions import reduce as reductions
from nnc.array_functions.index import moveaxis, selected
from nnc.array_functions.product import dot
from nnc.array_functions.shape import diagonal
from nnc.array_functions.wrapping import binary
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, as_array
from nnc.checks import axis_of, chosen, count, matrix, number
from nnc.dtypes import FLOATS
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops

maximum, minimum = binary(ops.maximum), binary(ops.minimum)


# Of each element.


def add_n(*arrays: Any) -> NDArray:
    """The sum of several arrays of one shape."""
    first, *rest = map(as_array, arrays)
    for one in rest:
        first = first + one
    return first


def rcbrt(x: Any) -> NDArray:
    """`1 / cbrt(x)`."""
    return 1 / elements.cbrt(x)


def stop_gradient(x: Any) -> NDArray:
    """The same values, cut off from the gradient."""
    return as_array(x).detach()


def hypot(x: Any, y: Any) -> NDArray:
    """`sqrt(x² + y²)`."""
    return (as_array(x).as_float().square() + as_array(y).as_float().square()).sqrt()


def arctan2(y: Any, x: Any) -> NDArray:
    """The angle of the point (x, y), from -pi to pi."""
    up, right = as_array(y).as_float(), as_array(x).as_float()
    steep = right == 0
    angle = elements.arctan(up / selected(right != 0, right, 1))
    turn = selected(up < 0, up * 0 - math.pi, math.pi)
    turned = selected(right < 0, angle + turn, angle)
    return selected(steep, up.apply(ops.sign) * (math.pi / 2), turned)


def logaddexp(x: Any, y: Any) -> NDArray:
    """`log(exp(x) + exp(y))`, without overflow."""
    a, b = as_array(x).as_float(), as_array(y).as_float()
    return maximum(a, b) + elements.log1p((-(a - b).abs()).exp())


def heaviside(x: Any, y: Any) -> NDArray:
    """0 below 0, 1 above, `y` at 0."""
    data = as_array(x).as_float()
    return selected(data != 0, (data > 0).astype(data.dtype), y)


def copysign(x: Any, y: Any) -> NDArray:
    """The size of `x` with the sign of `y`, where 0 counts as positive."""
    size = as_array(x).as_float().abs()
    return selected(as_array(y) + size * 0 < 0, -size, size)


def erfinv(x: Any) -> NDArray:
    """The inverse of erf: Giles's polynomials, then two of Newton's steps."""
    data = as_array(x).as_float()
    w = -elements.log1p(-data.square())
    near = _polynomial(NEAR, w - 2.5)
    far = _polynomial(FAR, w.sqrt() - 3)
    found = selected(w < 5, near, far) * data
    for _ in range(2):
        slope = (-found.square()).exp() * (2 / math.sqrt(math.pi))
        found = found - (found.apply(ops.erf) - data) / slope
    edge = data.apply(ops.sign) * math.inf
    return selected(data.abs() < 1, found, selected(data.abs() == 1, edge, math.nan))


def _polynomial(coefficients: Sequence[float], x: NDArray) -> NDArray:
    """Horner's scheme, the highest power first."""
    total = x * 0 + coefficients[0]
    for each in coefficients[1:]:
        total = total * x + each
    return total


NEAR = (
    2.81022636e-8,
    3.43273939e-7,
    -3.5233877e-6,
    -4.39150654e-6,
    2.1858087e-4,
    -1.25372503e-3,
    -4.17768164e-3,
    2.46640727e-1,
    1.50140941,
)
FAR = (
    -2.00214257e-4,
    1.00950558e-4,
    1.34934322e-3,
    -3.67342844e-3,
    5.73950773e-3,
    -7.6224613e-3,
    9.43887047e-3,
    1.00167406,
    2.83297682,
)
"""Of Giles's approximation, in terms of `-log(1 - x²)`."""


def gammaln(x: Any) -> NDArray:
    """`log |gamma(x)|`, by Lanczos's approximation; below 1/2 by reflection."""
    data = as_array(x).as_float()
    low = data < 0.5
    found = _lanczos(selected(low, 1 - data, data))
    reflected = math.log(math.pi) - _sine_of_pi(data).abs().log() - found
    return selected(low, reflected, found)


def gamma(x: Any) -> NDArray:
    """The gamma function: `(x - 1)!` of a whole number."""
    data = as_array(x).as_float()
    low = data < 0.5
    found = _lanczos(selected(low, 1 - data, data)).exp()
    return selected(low, math.pi / (_sine_of_pi(data) * found), found)


def _sine_of_pi(x: NDArray) -> NDArray:
    """`sin(pi x)`, exact at whole numbers."""
    rest = x - elements.floor(x / 2) * 2
    turned = selected(rest > 1, 1 - rest, rest)
    folded = selected(turned.abs() > 0.5, turned.apply(ops.sign) - turned, turned)
    return (folded * math.pi).apply(ops.sin)


def _lanczos(x: NDArray) -> NDArray:
    """`log(gamma(x))` for x of at least 1/2."""
    total = x * 0 + LANCZOS[0]
    for i, each in enumerate(LANCZOS[1:]):
        total = total + each / (x + i)
    base = x + 6.5
    return (x - 0.5) * base.log() - base + total.log() + 0.5 * math.log(2 * math.pi)


LANCZOS = (
    0.99999999999980993,
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
)
"""For g = 7."""


def nan_to_num(x: Any, nan: float = 0.0) -> NDArray:
    """Numbers as they are, NaN replaced; infinities stay."""
    data = as_array(x)
    return (
        selected(elements.logical_not(elements.isnan(data)), data, nan) if is_float(data) else data
    )


def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8) -> NDArray:
    """Whether `|x - y|` is at most `atol + rtol |y|`; equal infinities are close."""
    a, b = as_array(x).as_float(), as_array(y).as_float()
    near = (a - b).abs() <= b.abs() * rtol + atol
    return elements.logical_or(elements.logical_and(near, elements.isfinite(b)), a == b)


def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8) -> NDArray:
    """Whether all elements are close."""
    return reductions.all(isclose(x, y, rtol, atol))


def array_equal(x: Any, y: Any) -> bool:
    """Whether shapes and elements are the same."""
    a, b = as_array(x), as_array(y)
    return a.shape == b.shape and bool(reductions.all(a == b))


def is_float(x: NDArray) -> bool:
    return x.dtype.name in FLOATS


# Along axes.


def diff(x: Any, n: int = 1, axis: int = -1) -> NDArray:
    """The n-th differences of neighbours."""
    data = moveaxis(x, axis, 0)
    for _ in range(count("diff: n", n, 0)):
        data = data[1:] - data[:-1]
    return moveaxis(data, 0, axis)


def average(x: Any, axis: Axis = None, weights: Any = None) -> NDArray:
    """The mean, weighted if weights are given: one for each element, or each place of one axis."""
    data = as_array(x).as_float()
    if weights is None:
        return data.mean(axis)
    given = as_array(weights).as_float()
    if given.ndim == 1 and data.ndim > 1 and isinstance(axis, int):
        given = moveaxis(given.reshape((-1, *[1] * (data.ndim - 1))), 0, axis)
    wide = given.broadcast_to(data.shape)
    return (data * wide).sum(axis) / wide.sum(axis)


def ptp(x: Any, axis: Axis = None) -> NDArray:
    """The largest less the smallest."""
    data = as_array(x)
    return data.max(axis) - data.min(axis)


def count_nonzero(x: Any, axis: Axis = None) -> NDArray:
    """How many elements are not 0."""
    return (as_array(x) != 0).sum(axis)


def quantile(x: Any, q: float, axis: int | None = None) -> NDArray:
    """Where a share `q` of the elements is below, between two of them linearly."""
    share = number("quantile: q", q, least=0, most=1)
    data = as_array(x).as_float()
    ordered = moveaxis(reductions.sort(data, axis), axis, 0) if axis is not None else None
    rows = reductions.sort(data.reshape(-1)) if ordered is None else ordered
    place = share * (len(rows) - 1)
    low = math.floor(place)
    return rows[low] + (rows[min(low + 1, len(rows) - 1)] - rows[low]) * (place - low)


def percentile(x: Any, q: float, axis: int | None = None) -> NDArray:
    """`quantile` of a share in percent."""
    return quantile(x, number("percentile: q", q, least=0, most=100) / 100, axis)


def median(x: Any, axis: int | None = None) -> NDArray:
    """The middle element in order, or the mean of the two in the middle."""
    return quantile(x, 0.5, axis)


def moments(data: Any, axes: Axis = None, keepdims: bool = False) -> tuple[NDArray, NDArray]:
    """Mean and variance."""
    x = as_array(data).as_float()
    return x.mean(axes, keepdims), reductions.var(x, axes, keepdims)


def _without_nan(x: Any, other: float) -> NDArray:
    return nan_to_num(as_array(x).as_float(), other)


def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The sum of what is not NaN."""
    return _without_nan(x, 0).sum(axis, keepdims)


def nanprod(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The product of what is not NaN."""
    return _without_nan(x, 1).prod(axis, keepdims)


def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The largest of what is not NaN."""
    return _without_nan(x, -math.inf).max(axis, keepdims)


def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The smallest of what is not NaN."""
    return _without_nan(x, math.inf).min(axis, keepdims)


def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The mean of what is not NaN."""
    known = elements.logical_not(elements.isnan(as_array(x))).sum(axis, keepdims)
    return nansum(x, axis, keepdims) / known


def cov(x: Any, rowvar: bool = True, ddof: int = 1) -> NDArray:
    """Covariances of variables, which are rows, or columns; of `ddof` samples less."""
    data = as_array(x).as_float()
    rows = data if rowvar else data.T
    centred = rows - rows.mean(1, keepdims=True)
    return centred @ centred.T / (rows.shape[1] - ddof)


def corrcoef(x: Any, rowvar: bool = True) -> NDArray:
    """Correlations of variables, which are rows, or columns."""
    covariance = cov(x, rowvar)
    scale = diagonal(covariance).sqrt()
    return covariance / outer(scale, scale)


def searchsorted(a: Any, v: Any, side: str = "left") -> NDArray:
    """Where each `v` goes in the ordered vector `a`: before equals, or behind ("right")."""
    row, wanted = as_array(a), as_array(v).expand_dims(-1)
    chosen("searchsorted: side", side, ("left", "right"))
    return (row < wanted if side == "left" else row <= wanted).sum(-1)


# Products.


def outer(x: Any, y: Any) -> NDArray:
    """The product of each element of `x` with each of `y`."""
    return as_array(x).reshape(-1, 1) * as_array(y).reshape(1, -1)


def inner(x: Any, y: Any) -> NDArray:
    """The product over the last axes of both."""
    return tensordot(x, y, ([-1], [-1]))


def vdot(x: Any, y: Any) -> NDArray:
    """The sum of the products of all elements."""
    return dot(as_array(x).reshape(-1), as_array(y).reshape(-1))


def tensordot(x: Any, y: Any, axes: Any = 2) -> NDArray:
    """The product over axes of both: the last `axes` of `x` and the first of `y`, or two lists."""
    a, b = as_array(x), as_array(y)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise OptionError(f"tensordot: {axes} axes of shapes {a.shape} and {b.shape}")
        pairs = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        pairs = tuple([each] if isinstance(each, int) else list(each) for each in axes)
    left = [axis_of("tensordot", axis, a.ndim) for axis in pairs[0]]
    right = [axis_of("tensordot", axis, b.ndim) for axis in pairs[1]]
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape}")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    width = math.prod(a.shape[i] for i in left)
    sizes = tuple([a.shape[i] for i in rows] + [b.shape[i] for i in columns])
    wide = a.transpose(*rows, *left).reshape((-1, width) if a.size else (0, width))
    tall = b.transpose(*right, *columns).reshape((width, -1) if b.size else (width, 0))
    return (wide @ tall).reshape(sizes)


def kron(x: Any, y: Any) -> NDArray:
    """Each element of matrix `x` times the matrix `y`, as one matrix of blocks."""
    a, b = as_array(x), as_array(y)
    for one in (a, b):
        matrix("kron", one.shape)
    blocks = a.reshape(a.shape[0], 1, a.shape[1], 1) * b.reshape(1, b.shape[0], 1, b.shape[1])
    return blocks.reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])


def khatri_rao(*matrices: Any) -> NDArray:
    """The products of each row of one matrix with each of the others, column by column."""
    total, *rest = given = list(map(as_array, matrices))
    for one in given:
        matrix("khatri_rao", one.shape)
    for one in rest:
        total = (total.expand_dims(1) * one.expand_dims(0)).reshape(-1, total.shape[1])
    return total


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> NDArray:
    """The sum of a diagonal."""
    return diagonal(x, offset, axis1, axis2).sum(-1)
