"""Index arithmetic: printed forms, and that they mean what the affine maps mean."""

from itertools import product

import pytest
from xdsl.ir.affine import (
    AffineConstraintExpr,
    AffineConstraintKind,
    AffineExpr,
    AffineMap,
    AffineSet,
)

from nnc.codegen.linear import Linear, address, condition, evaluate, implied

ROW, COLUMN = AffineExpr.dimension(0), AffineExpr.dimension(1)
VALUES = [Linear.variable("i"), Linear.variable("j")]


def c_value(text: str, i: int, j: int) -> int:
    """The text as C computes it: `/` and `%` round towards zero."""
    names = {"i": Number(i), "j": Number(j)}
    if " ? " not in text:
        return int(eval(text, names))
    head, _, rest = text[1:-1].partition(" ? ")
    first, _, second = rest.partition(" : ")
    return int(eval(first if eval(head, names) else second, names))


class Number(int):
    """An int with C's division."""

    def __add__(self, other: int) -> "Number":
        return Number(int(self) + int(other))

    __radd__ = __add__

    def __sub__(self, other: int) -> "Number":
        return Number(int(self) - int(other))

    def __mul__(self, other: int) -> "Number":
        return Number(int(self) * int(other))

    __rmul__ = __mul__

    def __neg__(self) -> "Number":
        return Number(-int(self))

    def __truediv__(self, other: int) -> "Number":
        size = abs(int(self)) // abs(other)
        return Number(size if (self < 0) == (other < 0) else -size)

    def __mod__(self, other: int) -> "Number":
        return self - (self / other) * other


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (ROW * 6 + COLUMN + 1, "6 * i + j + 1"),
        (ROW * 6 - 6, "6 * i - 6"),
        (ROW - ROW, "0"),
        (ROW * 6 + COLUMN - ROW * 6, "j"),
        ((ROW * 6 + COLUMN) // 6, "i + (j / 6)"),
        ((ROW * 6 + COLUMN) % 6, "(j % 6)"),
        ((ROW + 1) % 2, "((i + 1) % 2)"),
        ((ROW * 4 + 8) // 4, "i + 2"),
    ],
)
def test_forms(expr: AffineExpr, text: str) -> None:
    assert str(evaluate(expr, VALUES)) == text


@pytest.mark.parametrize(
    "expr",
    [
        (ROW - COLUMN) // 3,
        (ROW - COLUMN) % 3,
        (ROW * 3 - COLUMN) // 3,
        (ROW * 3 - COLUMN) % 3,
        (ROW * 6 + COLUMN) // 4,
        (ROW * 6 + COLUMN) % 4,
        (ROW - 5).ceil_div(2),
    ],
)
def test_divisions_round_down(expr: AffineExpr) -> None:
    text = str(evaluate(expr, VALUES))
    for i, j in product(range(8), range(8)):
        assert c_value(text, i, j) == expr.eval([i, j], []), text


def test_a_subscript_is_one_offset() -> None:
    map = AffineMap(2, 0, (ROW - 1, COLUMN * 2))
    assert str(address(map, VALUES, [18, 1])) == "18 * i + 2 * j - 18"


def test_guards_read_plainly_and_make_divisions_plain() -> None:
    zero = AffineExpr.constant(0)
    guard = AffineSet(
        2,
        0,
        (
            AffineConstraintExpr(AffineConstraintKind.ge, ROW - COLUMN, zero),
            AffineConstraintExpr(AffineConstraintKind.le, ROW + COLUMN, AffineExpr.constant(27)),
            AffineConstraintExpr(AffineConstraintKind.eq, (ROW - COLUMN) % 2, zero),
        ),
    )
    assert condition(guard, VALUES, []) == "i >= j && i + j <= 27 && (i - j) % 2 == 0"
    facts = implied(guard, VALUES)
    assert str(evaluate((ROW - COLUMN) // 2, VALUES, facts)) == "((i - j) / 2)"
