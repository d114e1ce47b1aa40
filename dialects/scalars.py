"""Short constructors for `arith` and `math` ops on scalars and, equally, on vectors of them.

`Structured.scalar` methods are written with these, so that one text serves scalar code and
register tiles: constants take the type of the value they meet.
"""

from collections.abc import Sequence
from typing import TypeAlias

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseIntOrFPElementsAttr,
    FixedBitwidthType,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    VectorType,
    i1,
)
from xdsl.ir import Attribute, SSAValue

from nnc.dialects import arith
from nnc.dialects.arith import with_element as with_element

_Conversion: TypeAlias = arith.Conversion | arith.TruncFOp | arith.ExtFOp


def element_type(type: Attribute) -> Attribute:
    """The type of one lane."""
    return type.element_type if isinstance(type, VectorType) else type


def is_float(type: Attribute) -> bool:
    return isinstance(element_type(type), AnyFloat)


def constant(b: Builder, value: float, like: SSAValue | Attribute) -> SSAValue:
    """`value` in the type of `like`, in every lane."""
    type = like.type if isinstance(like, SSAValue) else like
    element = element_type(type)
    if isinstance(element, AnyFloat):
        attribute: Attribute = FloatAttr(float(value), element)
    else:
        assert isinstance(element, IntegerType)
        attribute = IntegerAttr(int(value), element)
    if isinstance(type, VectorType):
        attribute = DenseIntOrFPElementsAttr.from_list(type, [attribute.value.data])
    return b.insert(arith.ConstantOp(attribute, type)).result


def add(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    op = arith.AddfOp if is_float(x.type) else arith.AddiOp
    return b.insert(op(x, y)).result


def sub(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    op = arith.SubfOp if is_float(x.type) else arith.SubiOp
    return b.insert(op(x, y)).result


def mul(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    op = arith.MulfOp if is_float(x.type) else arith.MuliOp
    return b.insert(op(x, y)).result


def div(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    op = arith.DivfOp if is_float(x.type) else arith.DivSIOp
    return b.insert(op(x, y)).result


def fma(b: Builder, x: SSAValue, y: SSAValue, z: SSAValue) -> SSAValue:
    """`x * y + z`, rounded once where the target can."""
    return b.insert(math.FmaOp(x, y, z)).result


def neg(b: Builder, x: SSAValue) -> SSAValue:
    if is_float(x.type):
        return b.insert(arith.NegfOp(x)).result
    return sub(b, constant(b, 0, x), x)


def maximum(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """The larger; NaN where one of them is."""
    op = arith.MaximumfOp if is_float(x.type) else arith.MaxSIOp
    return b.insert(op(x, y)).result


def minimum(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """The smaller; NaN where one of them is."""
    op = arith.MinimumfOp if is_float(x.type) else arith.MinSIOp
    return b.insert(op(x, y)).result


_FLOAT_PREDICATES = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_INTEGER_PREDICATES = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


def compare(b: Builder, predicate: str, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x predicate y` as i1, for eq, ne, lt, le, gt, ge. Of NaN only ne is true."""
    if is_float(x.type):
        return b.insert(arith.CmpfOp(x, y, _FLOAT_PREDICATES[predicate])).result
    return b.insert(arith.CmpiOp(x, y, _INTEGER_PREDICATES[predicate])).result


def select(b: Builder, mask: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
    """`mask ? x : y`."""
    return b.insert(arith.SelectOp(mask, x, y)).result


def sign(b: Builder, x: SSAValue) -> SSAValue:
    """-1, 0 or 1, and NaN of NaN."""
    zero, one, minus_one = (constant(b, value, x) for value in (0, 1, -1))
    negative, positive = compare(b, "lt", x, zero), compare(b, "gt", x, zero)
    return select(b, positive, one, select(b, negative, minus_one, x))


def mask_type(like: Attribute) -> Attribute:
    """The type of a comparison of values of type `like`."""
    return with_element(like, i1)


def all_of(b: Builder, masks: Sequence[SSAValue]) -> SSAValue:
    """Where all masks hold."""
    result, *rest = masks
    for mask in rest:
        result = b.insert(arith.AndIOp(result, mask)).result
    return result


def convert(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """`x` in another element type; i1 and i8 hold 0 to 1 and 0 to 255."""
    source = element_type(x.type)
    if source == element:
        return x
    if element == i1:
        return compare(b, "ne", x, constant(b, 0, x))
    op = _conversion(source, element)
    return b.insert(op(x, with_element(x.type, element))).results[0]


def _conversion(source: Attribute, target: Attribute) -> type[_Conversion]:
    """The op that converts between two element types."""
    match source, target:
        case (IntegerType(width=width), IntegerType()):
            if width.data > _width(target):
                return arith.TruncIOp
            return arith.ExtUIOp if width.data <= 8 else arith.ExtSIOp
        case (IntegerType(width=width), _):
            return arith.UIToFPOp if width.data <= 8 else arith.SIToFPOp
        case (_, IntegerType(width=width)):
            return arith.FPToUIOp if width.data <= 8 else arith.FPToSIOp
        case _:
            return arith.TruncFOp if _width(source) > _width(target) else arith.ExtFOp


def _width(type: Attribute) -> int:
    assert isinstance(type, FixedBitwidthType)
    return type.bitwidth
