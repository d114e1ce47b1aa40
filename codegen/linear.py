"""Index arithmetic as sums of products, folded and printed: `384 * i + k + 1`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
    AffineSet,
)


@dataclass(frozen=True)
class Linear:
    """`constant + Σ coefficient * name`; names are C variables or atoms such as `(t % 2)`."""

    constant: int = 0
    terms: Mapping[str, int] = field(default_factory=dict[str, int])

    @staticmethod
    def variable(name: str) -> "Linear":
        return Linear(0, {name: 1})

    def __add__(self, other: "Linear") -> "Linear":
        terms = dict(self.terms)
        for name, coefficient in other.terms.items():
            terms[name] = terms.get(name, 0) + coefficient
        kept = {name: c for name, c in terms.items() if c != 0}
        return Linear(self.constant + other.constant, kept)

    def __mul__(self, factor: int) -> "Linear":
        if factor == 0:
            return Linear()
        return Linear(self.constant * factor, {n: c * factor for n, c in self.terms.items()})

    @property
    def nonnegative(self) -> bool:
        """Whether it cannot be negative, given that variables (loop counters) are not."""
        return self.constant >= 0 and all(c >= 0 for c in self.terms.values())

    @property
    def single(self) -> bool:
        """Whether it prints as one atom, which needs no parentheses."""
        if not self.terms:
            return self.constant >= 0
        return self.constant == 0 and list(self.terms.values()) == [1]

    def __str__(self) -> str:
        text = ""
        for name, coefficient in self.terms.items():
            product = name if abs(coefficient) == 1 else f"{abs(coefficient)} * {name}"
            text = _append(text, product, coefficient < 0)
        if self.constant or not text:
            text = _append(text, str(abs(self.constant)), self.constant < 0)
        return text

    @property
    def atom(self) -> str:
        return str(self) if self.single else f"({self})"


def _append(text: str, summand: str, negative: bool) -> str:
    if not text:
        return f"-{summand}" if negative else summand
    return f"{text} {'-' if negative else '+'} {summand}"


def evaluate(expr: AffineExpr, values: Sequence[Linear]) -> Linear:
    """The expression with `values` for its dimensions."""
    match expr:
        case AffineDimExpr():
            return values[expr.position]
        case AffineConstantExpr():
            return Linear(expr.value)
        case AffineBinaryOpExpr():
            return _binary(expr.kind, evaluate(expr.lhs, values), evaluate(expr.rhs, values))
        case _:
            raise ValueError(f"a subscript has no symbols: {expr}")


def _binary(kind: AffineBinaryOpKind, left: Linear, right: Linear) -> Linear:
    match kind:
        case AffineBinaryOpKind.Add:
            return left + right
        case AffineBinaryOpKind.Mul:
            return right * left.constant if not left.terms else left * right.constant
        case AffineBinaryOpKind.FloorDiv:
            return _quotient(left, right.constant)
        case AffineBinaryOpKind.CeilDiv:
            return _quotient(left + Linear(right.constant - 1), right.constant)
        case AffineBinaryOpKind.Mod:
            return _remainder(left, right.constant)


def _quotient(value: Linear, divisor: int) -> Linear:
    if not value.terms:
        return Linear(value.constant // divisor)
    if divisor == 1:
        return value
    if value.nonnegative:
        return Linear.variable(f"({value.atom} / {divisor})")
    below = (value * -1 + Linear(divisor - 1)).atom
    return Linear.variable(f"({value} >= 0 ? {value.atom} / {divisor} : -({below} / {divisor}))")


def _remainder(value: Linear, divisor: int) -> Linear:
    if not value.terms:
        return Linear(value.constant % divisor)
    if divisor == 1:
        return Linear()
    if value.nonnegative:
        return Linear.variable(f"({value.atom} % {divisor})")
    return Linear.variable(f"(({value.atom} % {divisor} + {divisor}) % {divisor})")


def address(map: AffineMap, values: Sequence[Linear], strides: Sequence[int]) -> Linear:
    """The element offset of a subscript: `Σ stride * expression`."""
    offset = Linear()
    for expr, stride in zip(map.results, strides, strict=True):
        offset += evaluate(expr, values) * stride
    return offset


def condition(guard: AffineSet, values: Sequence[Linear]) -> str:
    """The guard as a C condition: `i >= 1 && i + r <= 28`."""
    parts = [
        _constraint(evaluate(c.lhs, values), evaluate(c.rhs, values), c.kind.value)
        for c in guard.constraints
    ]
    return " && ".join(parts) if parts else "1"


def _constraint(left: Linear, right: Linear, relation: str) -> str:
    """`left relation right` with every term on the side where its coefficient is positive."""
    difference = left + right * -1
    positive = {n: c for n, c in difference.terms.items() if c > 0}
    negative = {n: -c for n, c in difference.terms.items() if c < 0}
    if not positive:
        flipped = {">=": "<=", "<=": ">=", "==": "=="}[relation]
        return f"{Linear(0, negative)} {flipped} {difference.constant}"
    return f"{Linear(0, positive)} {relation} {Linear(-difference.constant, negative)}"
