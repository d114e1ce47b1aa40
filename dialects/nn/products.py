"""The gradient of a product over an axis, without dividing: no element need be nonzero.

The product is taken as a tree: `p0 = x`, and `p(k+1)` is the first half of `p(k)` times the second
half. Going back down, the cotangent of each half is that of the product times the other half.
"""

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.elementwise import mul
from nnc.dialects.nn.shape import ConcatOp, PadOp, slice_axis


def product_cotangent(b: Builder, x: SSAValue, g: SSAValue) -> SSAValue:
    """`g[i, 0]` times the product of all `x[i, k]` but `x[i, j]`, for x of shape [m, n]."""
    _, size = shape_of(x)
    padded = insert(b, PadOp(x, [0, 0], [0, (1 << (size - 1).bit_length()) - size], 1.0))
    halves: list[tuple[SSAValue, SSAValue]] = []
    level = padded
    while (count := shape_of(level)[1]) > 1:
        first = slice_axis(b, level, 1, 0, count // 2)
        second = slice_axis(b, level, 1, count // 2, count)
        halves.append((first, second))
        level = mul(b, first, second)
    for first, second in reversed(halves):
        g = insert(b, ConcatOp([mul(b, g, second), mul(b, g, first)], axis=1))
    return slice_axis(b, g, 1, 0, size)
