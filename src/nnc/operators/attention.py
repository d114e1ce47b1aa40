"""Attention, written in the `nn` dialect."""

import math
from typing import Any

from xdsl.builder import Builder
from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from nnc.dialects.nn import elementwise
from nnc.dialects.nn.attention import AttentionOp
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.errors import ShapeError
from nnc.operators.core import Shape, check_float, expand, in_f32, reshape
from nnc.recording.graph import operation


@operation
@in_f32
def attention(b: Builder, query: SSAValue, key: SSAValue, value: SSAValue, *rest: Any) -> SSAValue:
    """`softmax(scale query key^T + mask) value`; after the arrays, the mask if any: scale, causal.

    Leading axes are broadcast against each other. Products of nothing are 0 at any scale.
    """
    *masks, scale, causal = rest
    check_float("attention", query)
    arrays = (query, key, value)
    if min(len(shape_of(x)) for x in arrays) < 2:
        given = ", ".join(str(shape_of(x)) for x in arrays)
        raise ShapeError(f"attention: expected arrays (…, length, size), given shapes {given}")
    batch = leading(*arrays)
    query, key, value = (expand(b, x, (*batch, *shape_of(x)[-2:])) for x in arrays)
    full = (*batch, shape_of(query)[-2], shape_of(key)[-2])
    scale = max(shape_of(query)[-1], 1) ** -0.5 if scale is None else scale
    added = [added_mask(b, mask, query, full) for mask in masks]
    op = AttentionOp(query, key, value, *added, scale=scale, causal=causal)
    return b.insert(op).output


def leading(*arrays: SSAValue) -> Shape:
    """The leading axes that arrays have in common."""
    longest = max((shape_of(x)[:-2] for x in arrays), key=len)
    padded = [(1,) * (len(longest) + 2 - len(shape_of(x))) + shape_of(x)[:-2] for x in arrays]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))


def added_mask(b: Builder, mask: SSAValue, query: SSAValue, full: Shape) -> SSAValue:
    """A mask as numbers to add, with an axis for each of the scores'; False hides a key."""
    given = shape_of(mask)
    if len(given) > len(full) or any(
        m not in (1, n) for m, n in zip(reversed(given), reversed(full), strict=False)
    ):
        raise ShapeError(
            f"attention: the mask has shape {given}, which cannot be broadcast to {full}: leading "
            "axes, queries, keys"
        )
    mask = reshape.emit(b, mask, (1,) * (len(full) - len(given)) + given)
    if element_of(mask) == i1:
        numbers = elementwise.cast(b, mask, element_of(query))
        zero, hidden = constant(b, 0.0, numbers), constant(b, -math.inf, numbers)
        return insert(b, elementwise.SelectOp(mask, zero, hidden))
    return elementwise.cast(b, mask, element_of(query))
