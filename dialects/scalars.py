"""Short constructors for `arith` and `math` ops on scalars and, equally, on vectors of them.

`Structured.scalar` methods are written with these, so that one text serves scalar code and
register tiles: constants take the type of the value they meet.
"""

from xdsl.builder import Builder
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    VectorType,
    i1,
)
from xdsl.ir import Attribute, SSAValue


def element_type(type: Attribute) -> Attribute:
    """The type of one lane."""
    return type.element_type if isinstance(type, VectorType) else type


def with_element(type: Attribute, element: Attribute) -> Attribute:
    """`type` with another element type, keeping the vector shape."""
    return VectorType(element, type.get_shape()) if isinstance(type, VectorType) else element


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


def mask_type(like: Attribute) -> Attribute:
    """The type of a comparison of values of type `like`."""
    return with_element(like, i1)
