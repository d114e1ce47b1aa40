"""More of NumPy's functions, each made of others; arguments and results as in NumPy."""

import math
from collections.abc import Sequence
from typing import Any

from nnc.array_functions import elementwise as elements
from nnc.array_functions import reduce as reductions
from nnc.array_functions.index import moveaxis, selected
from nnc.array_functions.joining import atleast_2d
from nnc.array_functions.product import dot
from nnc.array_functions.shape import diagonal, several
from nnc.array_functions.wrapping import binary
from nnc.arrays.arithmetic import Axis
from nnc.arrays.array import NDArray, as_array
from nnc.checks import chosen, count, is_count, listed_axes, matrix, number
from nnc.checks import elements as check_elements
from nnc.dtypes import FLOATS
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops
from nnc.operators import elementwise as formulas

maximum, minimum = binary(ops.maximum), binary(ops.minimum)


# Of each element.


def add_n(*arrays: Any) -> NDArray:
    """The sum of several arrays of one shape."""
    first, *rest = several("add_n", arrays)
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
    """`sqrt(x² + y²)`, without overflow."""
    a, b = as_array(x).as_float(), as_array(y).as_float()
    largest = maximum(a.abs(), b.abs()).detach()
    far = elements.logical_or(elements.isinf(a), elements.isinf(b))
    scale = selected(elements.logical_or(largest == 0, far), as_array(1, largest.dtype), largest)
    length = ((a / scale).square() + (b / scale).square()).sqrt() * scale
    return selected(far, as_array(math.inf, length.dtype), length)


def arctan2(y: Any, x: Any) -> NDArray:
    """The angle of the point (x, y), from -pi to pi."""
    up, right = as_array(y).as_float(), as_array(x).as_float()
    far = elements.logical_and(elements.isinf(up), elements.isinf(right))
    slope = up / selected(right != 0, right, 1)
    angle = elements.arctan(selected(far, up.apply(ops.sign) * right.apply(ops.sign), slope))
    turn = selected(_has_minus(up), as_array(-math.pi, angle.dtype), math.pi)
    turned = selected(_has_minus(right), angle + turn, angle)
    steep = elements.logical_and(right == 0, up != 0)
    return selected(steep, up.apply(ops.sign) * (math.pi / 2), turned)


def _has_minus(x: NDArray) -> NDArray:
    return x.apply(formulas.signbit)


def logaddexp(x: Any, y: Any) -> NDArray:
    """`log(exp(x) + exp(y))`, without overflow."""
    a, b = as_array(x).as_float(), as_array(y).as_float()
    # Equal ones have half of the gradient each.
    larger = selected(a == b, a / 2 + b / 2, maximum(a, b))
    # Infinities cannot be taken away.
    gap = selected(elements.isfinite(larger), a - b, 0).abs()
    return larger + elements.log1p((-gap).exp())


def heaviside(x: Any, y: Any) -> NDArray:
    """0 below 0, 1 above, `y` at 0."""
    data = as_array(x).as_float()
    step = selected(elements.isnan(data), data, (data > 0).astype(data.dtype))
    return selected(data != 0, step, y)


def copysign(x: Any, y: Any) -> NDArray:
    """The size of `x` with the sign of `y`."""
    size = as_array(x).as_float().abs()
    return selected(_has_minus(as_array(y).as_float()), -size, size)


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
    for _ in range(min(count("diff: n", n, 0), len(data))):
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
    check_elements("quantile", data.shape, axis)
    given = data.reshape(-1) if axis is None else moveaxis(data, axis, 0)
    rows = reductions.sort(given, 0)
    place = share * (len(rows) - 1)
    low = math.floor(place)
    found = rows[low]
    if place > low:
        found = found * (low + 1 - place) + rows[low + 1] * (place - low)
    return selected(elements.isnan(rows[-1]), rows[-1], found)


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


def _known(x: Any, found: NDArray, axis: Axis, keepdims: bool) -> NDArray:
    """What was found, NaN where all is NaN."""
    return selected(reductions.all(elements.isnan(x), axis, keepdims), found * math.nan, found)


def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The largest of what is not NaN."""
    return _known(x, _without_nan(x, -math.inf).max(axis, keepdims), axis, keepdims)


def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The smallest of what is not NaN."""
    return _known(x, _without_nan(x, math.inf).min(axis, keepdims), axis, keepdims)


def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> NDArray:
    """The mean of what is not NaN."""
    known = elements.logical_not(elements.isnan(as_array(x))).sum(axis, keepdims)
    return nansum(x, axis, keepdims) / known


def cov(x: Any, rowvar: bool = True, ddof: int = 1) -> NDArray:
    """Covariances of variables, which are rows, or columns; of `ddof` samples less."""
    data = as_array(x).as_float()
    rows = atleast_2d(data) if rowvar or data.ndim < 2 else data.T
    centred = rows - rows.mean(1, keepdims=True)
    scaled = centred @ centred.T / max(rows.shape[1] - number("cov: ddof", ddof), 0)
    return scaled if data.ndim > 1 else scaled.reshape(())


def corrcoef(x: Any, rowvar: bool = True) -> NDArray:
    """Correlations of variables, which are rows, or columns."""
    covariance = cov(x, rowvar)
    if not covariance.ndim:
        return covariance / covariance
    scale = diagonal(covariance).sqrt()
    return covariance / outer(scale, scale)


def searchsorted(a: Any, v: Any, side: str = "left") -> NDArray:
    """Where each `v` goes in the ordered vector `a`: before equals, or behind ("right")."""
    row, wanted = as_array(a), as_array(v).expand_dims(-1)
    if row.ndim != 1:
        raise ShapeError(f"searchsorted: expected a vector to search in, given shape {row.shape}")
    chosen("searchsorted: side", side, ("left", "right"))
    return (row < wanted if side == "left" else row <= wanted).sum(-1)


# Products.


def outer(x: Any, y: Any) -> NDArray:
    """The product of each element of `x` with each of `y`."""
    return as_array(x).reshape(-1, 1) * as_array(y).reshape(1, -1)


def inner(x: Any, y: Any) -> NDArray:
    """The product over the last axes of both; numbers multiply."""
    a, b = as_array(x), as_array(y)
    return tensordot(a, b, ([-1], [-1])) if min(a.ndim, b.ndim) else a * b


def vdot(x: Any, y: Any) -> NDArray:
    """The sum of the products of all elements."""
    return dot(as_array(x).reshape(-1), as_array(y).reshape(-1))


def tensordot(x: Any, y: Any, axes: Any = 2) -> NDArray:
    """The product over axes of both: the last `axes` of `x` and the first of `y`, or two lists."""
    a, b = as_array(x), as_array(y)
    pairs = axes
    if is_count(axes, 0):
        if axes > min(a.ndim, b.ndim):
            raise OptionError(f"tensordot: {axes} axes of shapes {a.shape} and {b.shape}")
        pairs = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    if not isinstance(pairs, list | tuple) or len(pairs) != 2:
        raise OptionError(f"tensordot: expected a number of axes, or axes of both, given {axes!r}")
    left, right = (listed_axes("tensordot", o, x.ndim) for o, x in zip(pairs, (a, b), strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape}")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    width = math.prod(a.shape[i] for i in left)
    before, behind = [a.shape[i] for i in rows], [b.shape[i] for i in columns]
    wide = a.transpose(*rows, *left).reshape((math.prod(before), width))
    tall = b.transpose(*right, *columns).reshape((width, math.prod(behind)))
    return (wide @ tall).reshape((*before, *behind))


def kron(x: Any, y: Any) -> NDArray:
    """Each element of `x` times the array `y`, as blocks of one array."""
    a, b = as_array(x), as_array(y)
    rank = max(a.ndim, b.ndim)
    outside, inside = ((1,) * (rank - one.ndim) + one.shape for one in (a, b))
    wide = a.reshape(tuple(part for size in outside for part in (size, 1)))
    blocks = wide * b.reshape(tuple(part for size in inside for part in (1, size)))
    return blocks.reshape(tuple(m * n for m, n in zip(outside, inside, strict=True)))


def khatri_rao(*matrices: Any) -> NDArray:
    """The products of each row of one matrix with each of the others, column by column."""
    total, *rest = given = several("khatri_rao", matrices)
    for one in given:
        matrix("khatri_rao", one.shape)
    for one in rest:
        total = (total.expand_dims(1) * one.expand_dims(0)).reshape(-1, total.shape[1])
    return total


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> NDArray:
    """The sum of a diagonal."""
    return diagonal(x, offset, axis1, axis2).sum(-1)
