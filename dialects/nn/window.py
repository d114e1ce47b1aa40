"""How a kernel slides over an image, one spatial axis at a time.

Shared by convolution and pooling: output sizes, and where input, output and kernel positions meet,
as affine expressions with the guards that padding and strides make necessary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.ir import Attribute
from xdsl.ir.affine import (
    AffineConstraintExpr,
    AffineConstraintKind,
    AffineExpr,
    AffineMap,
    AffineSet,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.interfaces import Access
from nnc.dialects.syntax import IntegerArray, integers

Constraints = list[AffineConstraintExpr]
Position = tuple[AffineExpr, Constraints]


@dataclass(frozen=True)
class Window:
    """One spatial axis: `input = output * stride + kernel * dilation - low`."""

    size: int
    """Of the input, without padding."""
    kernel: int
    stride: int
    low: int
    high: int
    dilation: int = 1

    @property
    def count(self) -> int:
        """The number of output positions; 0 or less where the kernel does not fit."""
        extent = (self.kernel - 1) * self.dilation + 1
        return (self.size + self.low + self.high - extent) // self.stride + 1

    def input(self, output: AffineExpr, kernel: AffineExpr) -> Position:
        """The input position that an output position reads through a kernel position."""
        position = output * self.stride + kernel * self.dilation - self.low
        last = (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation - self.low
        return position, _within(position, -self.low, last, self.size)

    def output(self, input: AffineExpr, kernel: AffineExpr) -> Position:
        """The output position that reads an input position through a kernel position."""
        scaled = input - kernel * self.dilation + self.low
        first = self.low - (self.kernel - 1) * self.dilation
        last = self.size - 1 + self.low
        guards = _within(scaled, first, last, (self.count - 1) * self.stride + 1)
        if self.stride == 1:
            return scaled, guards
        guards.append(_constraint(AffineConstraintKind.eq, scaled % self.stride))
        return scaled // self.stride, guards


def _constraint(kind: AffineConstraintKind, expr: AffineExpr) -> AffineConstraintExpr:
    return AffineConstraintExpr(kind, expr, AffineExpr.constant(0), canonicalize=False)


def _within(expr: AffineExpr, first: int, last: int, size: int) -> Constraints:
    """The constraints of `0 <= expr < size`, given that `first <= expr <= last`."""
    below = [_constraint(AffineConstraintKind.ge, expr)] if first < 0 else []
    above = [_constraint(AffineConstraintKind.le, expr - (size - 1))] if last >= size else []
    return below + above


def access(
    rank: int, leading: Sequence[AffineExpr], positions: Sequence[Position], fill: float = 0.0
) -> Access:
    """Reads `[leading…, positions…]` of a point of `rank` coordinates, where the guards hold."""
    map = AffineMap(rank, 0, (*leading, *(expr for expr, _ in positions)))
    guards = tuple(guard for _, constraints in positions for guard in constraints)
    return Access(map, AffineSet(rank, 0, guards) if guards else None, fill)


AXES = ("depth", "height", "width")
"""The names of the spatial axes, of which images of fewer have the last."""


def per_axis(
    name: str, key: str, properties: Mapping[str, Attribute], count: int
) -> tuple[int, ...]:
    """The integers of a property, one per spatial axis."""
    values = integers(cast(IntegerArray, properties[key]))
    if len(values) != count:
        raise VerifyException(
            f"{name}: {key} must be {count} integers, one per spatial axis, given {list(values)}"
        )
    return values


def spatial_axes(name: str, what: str, shape: Sequence[int]) -> int:
    """How many spatial axes a batch of images has; raises unless they are 1 to 3."""
    if not 1 <= len(shape) - 2 <= len(AXES):
        raise VerifyException(
            f"{name}: {what} must have 3 to 5 dimensions, of which 1 to 3 are spatial, given "
            f"shape ({', '.join(map(str, shape))})"
        )
    return len(shape) - 2


def check_windows(name: str, windows: Sequence[Window]) -> None:
    """Raises unless every axis has a legal geometry and at least one output position."""
    for axis, window in zip(AXES[-len(windows) :], windows, strict=True):
        if (
            min(window.kernel, window.stride, window.dilation) < 1
            or min(window.low, window.high) < 0
        ):
            raise VerifyException(
                f"{name}: along the {axis}, kernel {window.kernel}, stride {window.stride} and "
                f"dilation {window.dilation} must be positive and padding {window.low}, "
                f"{window.high} not negative"
            )
        if window.count < 1:
            raise VerifyException(
                f"{name}: along the {axis}, a kernel of {window.kernel} (dilation "
                f"{window.dilation}) does not fit into {window.size} padded by {window.low} and "
                f"{window.high}"
            )
