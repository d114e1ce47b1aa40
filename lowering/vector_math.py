"""f32 functions as polynomials, in `arith` and `math.fma`: one text for scalars and for vectors.

Each takes a builder and a value, and gives a value of the same type. The whole range is covered:
infinities, NaN, zeros and subnormal numbers too. The largest error, in units in the last place of
the exact result, stands at each function; tests measure it, with `math.fma` rounded once and twice.
"""

from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Operation, SSAValue

from nnc.dialects import arith, scalars

INFINITY = float("inf")
NAN = float("nan")

ROUNDER = 12582912.0
"""1.5 · 2^23: adding it rounds to an integer, which the low bits of the sum hold."""


@dataclass(frozen=True)
class Lanes:
    """A value with operators; numbers take its type."""

    b: Builder
    value: SSAValue

    def made(self, op: Operation) -> "Lanes":
        return Lanes(self.b, self.b.insert(op).results[0])

    def like(self, other: "Lanes | float") -> SSAValue:
        return other.value if isinstance(other, Lanes) else self.constant(other).value

    def constant(self, number: float) -> "Lanes":
        return Lanes(self.b, scalars.constant(self.b, number, self.value))

    def __add__(self, other: "Lanes | float") -> "Lanes":
        return Lanes(self.b, scalars.add(self.b, self.value, self.like(other)))

    def __sub__(self, other: "Lanes | float") -> "Lanes":
        return Lanes(self.b, scalars.sub(self.b, self.value, self.like(other)))

    def __mul__(self, other: "Lanes | float") -> "Lanes":
        return Lanes(self.b, scalars.mul(self.b, self.value, self.like(other)))

    def __truediv__(self, other: "Lanes | float") -> "Lanes":
        return Lanes(self.b, scalars.div(self.b, self.value, self.like(other)))

    def __and__(self, other: "Lanes | float") -> "Lanes":
        return self.made(arith.AndIOp(self.value, self.like(other)))

    def __or__(self, other: "Lanes") -> "Lanes":
        return self.made(arith.OrIOp(self.value, other.value))

    def __xor__(self, other: "Lanes") -> "Lanes":
        return self.made(arith.XOrIOp(self.value, other.value))

    def __lshift__(self, count: int) -> "Lanes":
        return self.made(arith.ShLIOp(self.value, self.like(count)))

    def __rshift__(self, count: int) -> "Lanes":
        return self.made(arith.ShRSIOp(self.value, self.like(count)))

    def fma(self, factor: "Lanes | float", addend: "Lanes | float") -> "Lanes":
        """`self * factor + addend`."""
        return self.made(math.FmaOp(self.value, self.like(factor), self.like(addend)))

    def at_least(self, low: float) -> "Lanes":
        """NaN stays NaN."""
        return Lanes(self.b, scalars.maximum(self.b, self.like(low), self.value))

    def at_most(self, high: float) -> "Lanes":
        """NaN stays NaN."""
        return Lanes(self.b, scalars.minimum(self.b, self.like(high), self.value))

    def magnitude(self) -> "Lanes":
        return self.made(math.AbsFOp(self.value))

    def floor(self) -> "Lanes":
        return self.made(math.FloorOp(self.value))

    def bits(self) -> "Lanes":
        type = scalars.with_element(self.value.type, i32)
        return self.made(arith.BitcastOp(self.value, type))

    def as_float(self) -> "Lanes":
        """The number whose bits these are."""
        type = scalars.with_element(self.value.type, f32)
        return self.made(arith.BitcastOp(self.value, type))

    def number(self) -> "Lanes":
        """This integer as a float."""
        return Lanes(self.b, scalars.convert(self.b, self.value, f32))

    def compare(self, predicate: str, other: "Lanes | float") -> "Lanes":
        return Lanes(self.b, scalars.compare(self.b, predicate, self.value, self.like(other)))

    def where(self, mask: "Lanes", otherwise: "Lanes | float") -> "Lanes":
        """This value where the mask holds."""
        other = self.like(otherwise)
        return Lanes(self.b, scalars.select(self.b, mask.value, self.value, other))

    def polynomial(self, *coefficients: float) -> "Lanes":
        """`Σ c[i] x^(n-1-i)`, by Horner's rule."""
        first, second, *others = coefficients
        total = self.fma(first, second)
        for coefficient in others:
            total = self.fma(total, coefficient)
        return total


LOG2_E = 1.44269504088896341
LN2 = 0.693147180559945309
LN2_HIGH = 0.693359375
"""Few bits, so that its product with an exponent is exact."""
LN2_LOW = -2.12194440e-4
EXPONENT = 23
SIGN = -(2**31)
ONE = 0x3F800000
"""The bits of 1.0: an exponent added to them is a power of two."""


def exp(b: Builder, value: SSAValue) -> SSAValue:
    """`e^x`: 1 ulp. With n = round(x / ln 2), 2^n times a polynomial of x - n ln 2."""
    rounded, r = _exp_reduction(Lanes(b, value).at_least(-105.0).at_most(89.0))
    return _scaled(_exp_tail(r) + 1.0, rounded).value


def _exp_reduction(x: Lanes) -> tuple[Lanes, Lanes]:
    """n = round(x / ln 2) in the low bits of a float, and x - n ln 2."""
    rounded = x.fma(LOG2_E, ROUNDER)
    n = rounded - ROUNDER
    return rounded, n.fma(-LN2_LOW, n.fma(-LN2_HIGH, x))


def _exp_tail(r: Lanes) -> Lanes:
    """`e^r - 1` for |r| <= ln(2) / 2."""
    tail = r.polynomial(
        1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
        5.0000001201e-1,
    )  # fmt: skip
    return tail.fma(r * r, r)


def _scaled(x: Lanes, rounded: Lanes) -> Lanes:
    """`x · 2^n` for the n in the low bits of `rounded`, in two steps: either one is a number."""
    n = rounded.bits()
    half = n >> 1
    return x * _power_of_two(half) * _power_of_two(n - half)


def _power_of_two(n: Lanes) -> Lanes:
    return ((n << EXPONENT) + ONE).as_float()


SQRT_HALF = 0x3F3504F3
"""The bits of sqrt(1/2)."""
MANTISSA = 0x007FFFFF
SMALLEST_NORMAL = 1.17549435e-38


def _split(x: Lanes) -> tuple[Lanes, Lanes]:
    """A positive number as m · 2^e, with m in [sqrt(1/2), sqrt(2)) and e as float."""
    tiny = x.compare("lt", SMALLEST_NORMAL)
    bits = (x * 2.0**EXPONENT).where(tiny, x).bits() - SQRT_HALF
    e = (bits >> EXPONENT).number()
    e = (e - EXPONENT).where(tiny, e)
    return ((bits & MANTISSA) + SQRT_HALF).as_float(), e


def log(b: Builder, value: SSAValue) -> SSAValue:
    """`ln x`: 1 ulp. -inf of zeros, NaN of negative numbers."""
    x = Lanes(b, value)
    m, e = _split(x)
    f = m - 1.0
    square = f * f
    tail = f.polynomial(
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    low = e.fma(LN2_LOW, tail * (square * f))
    result = e.fma(LN2_HIGH, square.fma(-0.5, low) + f)
    result = result.where(x.compare("lt", INFINITY), x)
    result = result.constant(-INFINITY).where(x.compare("eq", 0.0), result)
    return result.constant(NAN).where(x.compare("lt", 0.0), result).value


def _exp_minus_one(x: Lanes) -> Lanes:
    """`e^x - 1` for -24 <= x <= 0, relatively as exact where x is small."""
    rounded, r = _exp_reduction(x)
    power = _power_of_two(rounded.bits())
    return power.fma(_exp_tail(r), power - 1.0)


def expm1(b: Builder, value: SSAValue) -> SSAValue:
    """`e^x - 1`: 2 ulp. Where 1 does not count, 2^n times a polynomial may need two steps."""
    x = Lanes(b, value).at_least(-24.0).at_most(89.0)
    rounded, r = _exp_reduction(x)
    tail, power = _exp_tail(r), _power_of_two(rounded.bits())
    large = _scaled(tail + 1.0, rounded)
    return large.where(x.compare("gt", 64.0), power.fma(tail, power - 1.0)).value


def log1p(b: Builder, value: SSAValue) -> SSAValue:
    """`ln(1 + x)`: 2 ulp. The logarithm of the rounded sum, and what rounding lost over the sum."""
    x = Lanes(b, value)
    total = x + 1.0
    large = x.compare("gt", 1.0)
    lost = (total.constant(1.0) - (total - x)).where(large, x - (total - 1.0))
    result = Lanes(b, log(b, total.value))
    usual = total.compare("gt", 0.0) & total.compare("lt", INFINITY)
    return (result + lost / total).where(usual, result).value


def tanh(b: Builder, value: SSAValue) -> SSAValue:
    """`tanh x`: 3 ulp. -t / (2 + t) with t = e^(-2|x|) - 1."""
    x = Lanes(b, value)
    t = _exp_minus_one((x.magnitude() * -2.0).at_least(-24.0))
    return _with_sign(t.magnitude() / (t + 2.0), x).value


def erf(b: Builder, value: SSAValue) -> SSAValue:
    """`erf x`: 3 ulp. 1 - e^(-|x| q(|x|)), where the polynomial q is fitted to -ln(erfc x) / x."""
    x = Lanes(b, value)
    magnitude = x.magnitude().at_most(4.0)
    q = magnitude.polynomial(
        -4.386795262689702e-5, 4.044031957164407e-4, -1.3184654526412487e-3,
        -1.1297535093035549e-4, 1.925615780055523e-2, -1.027921587228775e-1, -6.36619508266449e-1,
        -1.1283791065216064,
    )  # fmt: skip
    return _with_sign(_exp_minus_one(magnitude * q).magnitude(), x).value


def _with_sign(positive: Lanes, x: Lanes) -> Lanes:
    """An odd function's value, given it at |x|."""
    return (positive.bits() ^ (x.bits() & SIGN)).as_float()


TAN_PI_8, TAN_3_PI_8 = 0.414213562373095, 2.414213562373095


def atan(b: Builder, value: SSAValue) -> SSAValue:
    """`arctan x`: 3 ulp. π / 4 + arctan((x - 1) / (x + 1)), or far out π / 2 - arctan(1 / x)."""
    x = Lanes(b, value)
    t = x.magnitude()
    middle, high = t.compare("gt", TAN_PI_8), t.compare("gt", TAN_3_PI_8)
    minus_one = t.constant(-1.0)
    numerator = minus_one.where(high, (t - 1.0).where(middle, t))
    denominator = t.where(high, (t + 1.0).where(middle, 1.0))
    r = numerator / denominator
    square = r * r
    tail = square.polynomial(
        8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1
    )
    start = t.constant(1.57079632679489662).where(
        high, t.constant(0.785398163397448310).where(middle, 0.0)
    )
    return _with_sign(start + (tail * square).fma(r, r), x).value


PI_2 = (1.5703125, 4.837512969970703e-4, 7.549533620476723e-8, 2.563344151594519e-12)
"""π / 2 in parts of few bits, so that the products with a quotient up to 2^13 are exact."""


def sin(b: Builder, value: SSAValue) -> SSAValue:
    """`sin x`: 3 ulp for |x| up to 10^4; within [-1, 1] but without meaning far beyond."""
    return _circular(Lanes(b, value), 0)


def cos(b: Builder, value: SSAValue) -> SSAValue:
    """`cos x`: 3 ulp for |x| up to 10^4; within [-1, 1] but without meaning far beyond."""
    return _circular(Lanes(b, value), 1)


def _circular(x: Lanes, quarters: int) -> SSAValue:
    """`sin(x + quarters · π / 2)`: sine or cosine of what quarter turns leave, by quadrant."""
    rounded = x.fma(0.636619772367581343, ROUNDER)
    n = rounded - ROUNDER
    r = x
    for part in PI_2:
        r = n.fma(-part, r)
    r = r.at_least(-0.8).at_most(0.8)
    square = r * r
    sine = square.polynomial(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
    sine = (sine * square).fma(r, r)
    cosine = square.polynomial(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    cosine = (cosine * square).fma(square, square.fma(-0.5, 1.0))
    quadrant = rounded.bits() + quarters
    even = (quadrant & 1).compare("eq", 0)
    return (sine.where(even, cosine).bits() ^ ((quadrant & 2) << 30)).as_float().value


def power(b: Builder, base: SSAValue, exponent: SSAValue) -> SSAValue:
    """`x^y`: 5 ulp, with C's rules for zeros, infinities and negative bases.

    y log2(x), up to 150, is a sum of two floats: its absolute error is the relative one of x^y.
    """
    x, y = Lanes(b, base), Lanes(b, exponent)
    magnitude = x.magnitude()
    # Any larger exponent is an even number, and over- or underflows for any base but 1.
    bounded = y.at_least(-(2.0**32)).at_most(2.0**32)
    high, low = _log2(magnitude)
    y_high = _upper(bounded)
    product = high * y_high
    rest = (bounded - y_high).fma(high, bounded * low)
    result = _exp2(product, rest)
    grows = magnitude.compare("gt", 1.0) ^ y.compare("lt", 0.0)
    extreme = magnitude.constant(INFINITY).where(grows, 0.0)
    result = extreme.where(magnitude.compare("eq", 0.0), result)
    result = extreme.where(magnitude.compare("eq", INFINITY), result)
    result = _signed_power(x, bounded, result)
    result = result.where(x.compare("eq", x), x)
    result = result.where(y.compare("eq", y), y)
    one = result.constant(1.0)
    result = one.where(x.compare("eq", 1.0), result)
    return one.where(y.compare("eq", 0.0), result).value


def _signed_power(x: Lanes, y: Lanes, positive: Lanes) -> Lanes:
    """`x^y` given `|x|^y`: negative where x is and y is odd, NaN where y is no integer."""
    half = y * 0.5
    whole = y.floor().compare("eq", y)
    odd = whole & half.floor().compare("ne", half)
    sign = x.bits() & SIGN
    result = (positive.bits() ^ sign).as_float().where(odd, positive)
    real = whole | x.compare("ge", 0.0) | x.compare("eq", -INFINITY)
    return result.where(real, NAN)


def _upper(x: Lanes) -> Lanes:
    """The upper half of the digits: products of two such numbers are exact."""
    return (x.bits() & -4096).as_float()


LOG2_E_PARTS = (1.4423828125, 3.1222839e-4)
"""1 / ln 2 as an upper half and the rest."""


def _log2(x: Lanes) -> tuple[Lanes, Lanes]:
    """`log2 x` as an upper half and a rest: 2/ln 2 (s + s³/3 + s⁵/5 + …), s = (m - 1) / (m + 1)."""
    m, e = _split(x)
    difference, total = m - 1.0, m + 1.0
    s = difference / total
    s_high = _upper(s)
    total_high = _upper(total)
    total_low = m - (total_high - 1.0)
    s_low = (difference - s_high * total_high - s_high * total_low) / total
    square = s * s
    tail = square.polynomial(0.1853, 0.22222222, 0.28571429, 0.4, 0.66666667) * square * s
    # ln m = 2 s + tail; the upper half of 2 s holds what the tail cannot disturb.
    high = _upper(s_high + s_high + tail)
    low = tail - (high - s_high - s_high) + s_low + s_low
    first = high * LOG2_E_PARTS[0]
    second = high.fma(LOG2_E_PARTS[1], low * LOG2_E)
    sum = _upper(e + (first + second))
    return sum, second - (sum - e - first)


def _exp2(product: Lanes, rest: Lanes) -> Lanes:
    """`2^(product + rest)`, 0 or infinity where it leaves the range."""
    product = product.at_least(-200.0).at_most(200.0)
    rounded = product + ROUNDER
    fraction = product - (rounded - ROUNDER) + rest.at_least(-1.0).at_most(1.0)
    return _scaled(_exp_tail(fraction * LN2) + 1.0, rounded)
