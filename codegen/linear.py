"""Index arithmetic as sums of products, folded and printed: `384 * i + k + 1`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineConstraintExpr,
    AffineConstraintKind,
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


Facts = Sequence[Linear]
"""What is known not to be negative, by the guards around."""


def evaluate(expr: AffineExpr, values: Sequence[Linear], facts: Facts = ()) -> Linear:
    """The expression with `values` for its dimensions."""
    match expr:
        case AffineDimExpr():
            return values[expr.position]
        case AffineConstantExpr():
            return Linear(expr.value)
        case AffineBinaryOpExpr():
            left = evaluate(expr.lhs, values, facts)
            right = evaluate(expr.rhs, values, facts)
            return _binary(expr.kind, left, right, facts)
        case _:
            raise ValueError(f"a subscript has no symbols: {expr}")


def _binary(kind: AffineBinaryOpKind, left: Linear, right: Linear, facts: Facts) -> Linear:
    match kind:
        case AffineBinaryOpKind.Add:
            return left + right
        case AffineBinaryOpKind.Mul:
            return right * left.constant if not left.terms else left * right.constant
        case AffineBinaryOpKind.FloorDiv:
            return _quotient(left, right.constant, facts)
        case AffineBinaryOpKind.CeilDiv:
            return _quotient(left + Linear(right.constant - 1), right.constant, facts)
        case AffineBinaryOpKind.Mod:
            return _remainder(left, right.constant, facts)


def _quotient(value: Linear, divisor: int, facts: Facts) -> Linear:
    """`⌊value / divisor⌋`; what the divisor divides is taken out."""
    whole = {n: c // divisor for n, c in value.terms.items() if c % divisor == 0}
    rest = Linear(value.constant, {n: c for n, c in value.terms.items() if n not in whole})
    if not rest.terms:
        return Linear(value.constant // divisor, whole)
    if not _nonnegative(value, facts):
        below = (value * -1 + Linear(divisor - 1)).atom
        text = f"({value} >= 0 ? {value.atom} / {divisor} : -({below} / {divisor}))"
        return Linear.variable(text)
    if not _nonnegative(rest, facts):
        return Linear.variable(f"({value.atom} / {divisor})")
    return Linear(0, whole) + Linear.variable(f"({rest.atom} / {divisor})")


def _remainder(value: Linear, divisor: int, facts: Facts) -> Linear:
    """`value mod divisor`, not negative; multiples of the divisor are left out."""
    rest = Linear(value.constant, {n: c for n, c in value.terms.items() if c % divisor})
    if not rest.terms:
        return Linear(value.constant % divisor)
    for candidate in (rest, value):
        if _nonnegative(candidate, facts):
            return Linear.variable(f"({candidate.atom} % {divisor})")
    return Linear.variable(f"(({rest.atom} % {divisor} + {divisor}) % {divisor})")


def _nonnegative(value: Linear, facts: Facts) -> bool:
    return value.nonnegative or any((value + fact * -1).nonnegative for fact in facts)


def address(
    map: AffineMap, values: Sequence[Linear], strides: Sequence[int], facts: Facts = ()
) -> Linear:
    """The element offset of a subscript: `Σ stride * expression`."""
    offset = Linear()
    for expr, stride in zip(map.results, strides, strict=True):
        offset += evaluate(expr, values, facts) * stride
    return offset


def implied(guard: AffineSet, values: Sequence[Linear]) -> list[Linear]:
    """What is not negative where the guard holds."""
    found: list[Linear] = []
    for constraint in guard.constraints:
        difference = evaluate(constraint.lhs, values) + evaluate(constraint.rhs, values) * -1
        if constraint.kind is not AffineConstraintKind.le:
            found.append(difference)
        if constraint.kind is not AffineConstraintKind.ge:
            found.append(difference * -1)
    return found


def condition(guard: AffineSet, values: Sequence[Linear], facts: Facts) -> str:
    """The guard as a C condition: `i >= 1 && i + r <= 28`."""
    parts = [
        _divisible(c, values)
        or _constraint(evaluate(c.lhs, values, facts), evaluate(c.rhs, values, facts), c.kind.value)
        for c in guard.constraints
    ]
    return " && ".join(parts) if parts else "1"


def _divisible(constraint: AffineConstraintExpr, values: Sequence[Linear]) -> str:
    """`(i - j) % 2 == 0`, which C has right for negative numbers too; empty if it is not that."""
    left, right = constraint.lhs, constraint.rhs
    match left, right:
        case (
            AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mod, rhs=AffineConstantExpr() as divisor),
            AffineConstantExpr(value=0),
        ) if constraint.kind is AffineConstraintKind.eq:
            return f"{evaluate(left.lhs, values).atom} % {divisor.value} == 0"
        case _:
            return ""


def _constraint(left: Linear, right: Linear, relation: str) -> str:
    """`left relation right` with every term on the side where its coefficient is positive."""
    difference = left + right * -1
    positive = {n: c for n, c in difference.terms.items() if c > 0}
    negative = {n: -c for n, c in difference.terms.items() if c < 0}
    if not positive:
        flipped = {">=": "<=", "<=": ">=", "==": "=="}[relation]
        return f"{Linear(0, negative)} {flipped} {difference.constant}"
    return f"{Linear(0, positive)} {relation} {Linear(-difference.constant, negative)}"
