"""Questions about affine maps that choose and write a kernel's loops."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)


@dataclass(frozen=True)
class Linear:
    """`constant + sum of coefficients[d] * d`."""

    coefficients: tuple[int, ...]
    constant: int

    def shifted(self, index: Sequence[AffineExpr]) -> AffineExpr:
        """The expression at `index`, without the constant."""
        total: AffineExpr = AffineExpr.constant(0)
        for coefficient, part in zip(self.coefficients, index, strict=True):
            if coefficient:
                total = total + part * coefficient
        return total


def linear(expr: AffineExpr, dimensions: int) -> Linear | None:
    """The coefficients of an expression, or None where it divides."""
    match expr:
        case AffineConstantExpr():
            return Linear((0,) * dimensions, expr.value)
        case AffineDimExpr():
            return Linear(tuple(int(d == expr.position) for d in range(dimensions)), 0)
        case AffineBinaryOpExpr():
            lhs, rhs = linear(expr.lhs, dimensions), linear(expr.rhs, dimensions)
            return None if lhs is None or rhs is None else _combined(expr.kind, lhs, rhs)
        case _:
            return None


def _combined(kind: AffineBinaryOpKind, lhs: Linear, rhs: Linear) -> Linear | None:
    if kind is AffineBinaryOpKind.Add:
        pairs = zip(lhs.coefficients, rhs.coefficients, strict=True)
        return Linear(tuple(a + b for a, b in pairs), lhs.constant + rhs.constant)
    if kind is not AffineBinaryOpKind.Mul:
        return None
    if any(lhs.coefficients):
        lhs, rhs = rhs, lhs
    if any(lhs.coefficients):
        return None
    factor = lhs.constant
    return Linear(tuple(factor * c for c in rhs.coefficients), factor * rhs.constant)


def linear_map(map: AffineMap) -> tuple[Linear, ...] | None:
    """One `Linear` per result of the map, or None where one of them divides."""
    parts = [linear(result, map.num_dims) for result in map.results]
    kept = tuple(part for part in parts if part is not None)
    return kept if len(kept) == len(parts) else None


@dataclass(frozen=True)
class Panels:
    """Columns `d` stored as panels: subscripts `d floordiv width` and `d mod width`."""

    dimension: int
    width: int


def panels_of(map: AffineMap) -> Panels | None:
    """The panels that a map reads, if there are any."""
    for result in map.results:
        match result:
            case AffineBinaryOpExpr(
                kind=AffineBinaryOpKind.Mod, lhs=AffineDimExpr() as d, rhs=AffineConstantExpr() as c
            ) if d // c in map.results:
                return Panels(d.position, c.value)
            case _:
                pass
    return None


def in_panel(map: AffineMap) -> AffineMap:
    """The map inside one panel: which one is constant there, and lanes move with the dimension."""
    panels = panels_of(map)
    if panels is None:
        return map
    d = AffineExpr.dimension(panels.dimension)
    inside = {d // panels.width: AffineExpr.constant(0), d % panels.width: d}
    return AffineMap(map.num_dims, 0, tuple(inside.get(r, r) for r in map.results))


def memory_coefficients(map: AffineMap, strides: Sequence[int]) -> tuple[int, ...] | None:
    """How far in memory one step along each dimension goes, or None where that varies."""
    parts = linear_map(map)
    if parts is None:
        return None
    return tuple(
        sum(s * p.coefficients[d] for s, p in zip(strides, parts, strict=True))
        for d in range(map.num_dims)
    )
