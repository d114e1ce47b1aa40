"""What `arith` and `math` mean on scalars and vectors: wrap-around, rounding, NaN."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from interpreted import floats, value

from nnc.dialects.meaning.scalar import fma


def test_fma_rounds_once() -> None:
    random = np.random.default_rng(1)
    x, y = random.standard_normal((2, 3000)).astype(np.float32)
    z = (-x * y * (1 + random.integers(-3, 3, 3000) * 2.0**-24)).astype(np.float32)
    for a, b, c, fused in zip(x, y, z, fma(x, y, z), strict=True):
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        near = [fused, np.nextafter(fused, np.float32(-9)), np.nextafter(fused, np.float32(9))]
        errors = [abs(Fraction(float(value)) - exact) for value in near]
        assert errors[0] == min(errors)


INTEGERS = np.array([0, 1, -1, 7, -7, 2**31 - 1, -(2**31)], np.int32)


WRAPPING: dict[str, Callable[[int, int], int]] = {
    "addi": lambda x, y: x + y,
    "subi": lambda x, y: x - y,
    "muli": lambda x, y: x * y,
    "divsi": lambda x, y: int(Fraction(x, y)),
    "remsi": lambda x, y: x - y * int(Fraction(x, y)),
    "divui": lambda x, y: (x % 2**32) // (y % 2**32),
    "remui": lambda x, y: (x % 2**32) % (y % 2**32),
    "floordivsi": lambda x, y: x // y,
    "ceildivsi": lambda x, y: -(-x // y),
    "minsi": min,
    "maxsi": max,
    "minui": lambda x, y: min(x, y, key=lambda v: v % 2**32),
    "maxui": lambda x, y: max(x, y, key=lambda v: v % 2**32),
    "andi": lambda x, y: x & y,
    "ori": lambda x, y: x | y,
    "xori": lambda x, y: x ^ y,
    "shli": lambda x, y: x << y,
    "shrsi": lambda x, y: x >> y,
    "shrui": lambda x, y: (x % 2**32) >> y,
}


@pytest.mark.parametrize("op", WRAPPING)
def test_integers_wrap_around(op: str) -> None:
    others = [3] if op.startswith("sh") else [3, -3, 2**31 - 1]
    for other in others:
        wanted = [(WRAPPING[op](int(x), other) + 2**31) % 2**32 - 2**31 for x in INTEGERS]
        y = np.int32(other)
        text = f"%r = arith.{op} %0, %1"
        assert [int(value(f"{text} : i32 -> i32", x, y)) for x in INTEGERS] == wanted
        ys = np.full_like(INTEGERS, other)
        assert value(f"{text} : vector<7xi32> -> vector<7xi32>", INTEGERS, ys).tolist() == wanted


def test_both_halves_of_a_product() -> None:
    for x, y in [(2**31 - 1, 5), (-1, -1), (-(2**31), 7)]:
        operands = np.int32(x), np.int32(y)
        low, high = "%r, %h", "%l, %r"
        text = "{} = arith.mul{}i_extended %0, %1 : i32 -> i32"
        for sign, product in (("u", (x % 2**32) * (y % 2**32)), ("s", x * y)):
            wanted = product % 2**32, (product >> 32) % 2**32
            given = [int(value(text.format(half, sign), *operands)) % 2**32 for half in (low, high)]
            assert tuple(given) == wanted


CONVERSIONS = [
    ("extui", np.uint8(200), "ui8", "i32", 200),
    ("extsi", np.int8(-56), "i8", "i32", -56),
    ("extui", np.bool_(True), "i1", "i32", 1),
    ("extsi", np.bool_(True), "i1", "i32", -1),
    ("trunci", np.int64(2**33 + 5), "i64", "i32", 5),
    ("trunci", np.int32(3), "i32", "i1", True),
    ("sitofp", np.int32(-3), "i32", "f32", -3.0),
    ("uitofp", np.int32(-1), "i32", "f32", 2.0**32),
    ("uitofp", np.bool_(True), "i1", "f32", 1.0),
    ("fptosi", np.float32(-2.75), "f32", "i32", -2),
    ("bitcast", np.float32(1), "f32", "i32", 0x3F800000),
    ("bitcast", np.int32(0x40000000), "i32", "f32", 2.0),
    ("extf", np.float32(0.1), "f32", "f64", float(np.float32(0.1))),
    ("truncf", np.float64(0.1), "f64", "f32", np.float32(0.1)),
]


@pytest.mark.parametrize(("op", "operand", "source", "target", "expected"), CONVERSIONS)
def test_conversions(op: str, operand: Any, source: str, target: str, expected: Any) -> None:
    given = value(f"%r = arith.{op} %0 : {source} to {target} -> {target}", operand)
    assert given == expected


def test_comparisons_know_nan() -> None:
    x = np.array([1, 2, np.nan], np.float32)
    y = np.array([2, 2, 2], np.float32)
    for predicate, expected in {
        "false": [0, 0, 0],
        "oeq": [0, 1, 0],
        "olt": [1, 0, 0],
        "ole": [1, 1, 0],
        "one": [1, 0, 0],
        "ord": [1, 1, 0],
        "ueq": [0, 1, 1],
        "ult": [1, 0, 1],
        "une": [1, 0, 1],
        "uno": [0, 0, 1],
        "true": [1, 1, 1],
    }.items():
        text = f"%r = arith.cmpf {predicate}, %0, %1 : vector<3xf32> -> vector<3xi1>"
        assert value(text, x, y).tolist() == [bool(e) for e in expected], predicate


def test_unsigned_comparison_and_selection() -> None:
    text = """
    %m = arith.cmpi ult, %0, %1 : vector<2xi32>
    %r = arith.select %m, %0, %1 : vector<2xi1>, vector<2xi32> -> vector<2xi32>
    """
    x, y = np.array([-1, 3], np.int32), np.array([1, 4], np.int32)
    assert value(text, x, y).tolist() == [1, 3]


@pytest.mark.parametrize(("larger", "of_nan"), [("maximumf", np.nan), ("maxnumf", 1.0)])
def test_the_larger_with_and_without_nan(larger: str, of_nan: float) -> None:
    operands = np.float32(1), np.float32(np.nan)
    assert value(f"%r = arith.{larger} %0, %1 : f32 -> f32", *operands) == pytest.approx(
        of_nan, nan_ok=True
    )


def test_functions_are_rounded_once() -> None:
    x = floats(100)
    expected = np.exp(x.astype(np.float64)).astype(np.float32)
    assert np.array_equal(
        value("%r = math.exp %0 : vector<100xf32> -> vector<100xf32>", x), expected
    )
    x = np.abs(x)
    assert np.array_equal(
        value("%r = math.sqrt %0 : vector<100xf32> -> vector<100xf32>", x), np.sqrt(x)
    )
