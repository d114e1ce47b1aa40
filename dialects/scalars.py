"""Short constructors for `arith` and `math` ops on scalars and, equally, on vectors of them.

`Structured.scalar` methods are written with these, so that one text serves scalar code and
register tiles: constants take the type of the value they meet.

Narrow elements are for memory only: f16 and bf16 are computed in f32, i8 and ui8 in i32. `HELD`
says so, `extended` stands after each load, `stored` before each store, and whatever takes an
element type makes a value of the type it is held in.
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
    Signedness,
    VectorType,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i32,
)
from xdsl.ir import Attribute, Operation, SSAValue

from nnc.dialects import arith
from nnc.dialects.arith import with_element as with_element

_EXTENSIONS = (arith.ExtFOp, arith.ExtSIOp, arith.ExtUIOp)
_Conversion: TypeAlias = arith.Conversion | arith.TruncFOp | arith.ExtFOp

ui8 = IntegerType(8, Signedness.UNSIGNED)
"""Bytes. Of integers only these have a sign in their type; all others are signed."""

HELD: dict[Attribute, Attribute] = {f16: f32, bf16: f32, i8: i32, ui8: i32}
"""What values of a narrow element type are between load and store."""


def held(type: Attribute) -> Attribute:
    """The type that values of an element or vector type are computed in."""
    element = element_type(type)
    return with_element(type, HELD.get(element, element))


def is_half(element: Attribute) -> bool:
    """Whether numbers of this type are computed in f32."""
    return element in (f16, bf16)


def is_unsigned(element: Attribute) -> bool:
    return isinstance(element, IntegerType) and element.signedness.data == Signedness.UNSIGNED


def integer_range(element: IntegerType) -> tuple[int, int]:
    """The smallest and the largest number; i1 holds 0 and 1."""
    bits = element.width.data
    if bits == 1 or is_unsigned(element):
        return 0, (1 << bits) - 1
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def element_type(type: Attribute) -> Attribute:
    """The type of one lane."""
    return type.element_type if isinstance(type, VectorType) else type


def is_float(type: Attribute) -> bool:
    return isinstance(element_type(type), AnyFloat)


def is_mask(value: SSAValue) -> bool:
    return element_type(value.type) == i1


def constant(b: Builder, value: float, like: SSAValue | Attribute) -> SSAValue:
    """`value` in the type of `like`, or in what that is held in, in every lane."""
    return literal(b, value, held(like.type if isinstance(like, SSAValue) else like))


def literal(b: Builder, value: float, type: Attribute) -> SSAValue:
    """`value` in exactly this type, in every lane."""
    element = element_type(type)
    if isinstance(element, AnyFloat):
        attribute: Attribute = FloatAttr(float(value), element)
    else:
        assert isinstance(element, IntegerType)
        attribute = IntegerAttr(int(value), element)
    if isinstance(type, VectorType):
        attribute = DenseIntOrFPElementsAttr.from_list(type, [attribute.value.data])
    op = arith.ConstantOp.create(result_types=[type], properties={"value": attribute})
    return b.insert(op).result


def _op(b: Builder, kind: type[Operation], *operands: SSAValue) -> SSAValue:
    """The result of an op of xDSL, of its first operand's type.

    `create` gives it the properties it has if nothing is said, in a third of the time that its
    constructor takes.
    """
    op = kind.create(operands=operands, result_types=[operands[0].type])
    return b.insert(op).results[0]


def add(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x + y`; of masks, whether one holds, as in numpy."""
    if is_mask(x):
        return _op(b, arith.OrIOp, x, y)
    return _op(b, arith.AddfOp if is_float(x.type) else arith.AddiOp, x, y)


def sub(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return _op(b, arith.SubfOp if is_float(x.type) else arith.SubiOp, x, y)


def mul(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x * y`; of masks, whether both hold."""
    if is_mask(x):
        return _op(b, arith.AndIOp, x, y)
    return _op(b, arith.MulfOp if is_float(x.type) else arith.MuliOp, x, y)


def div(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return _op(b, arith.DivfOp if is_float(x.type) else arith.DivSIOp, x, y)


def fma(b: Builder, x: SSAValue, y: SSAValue, z: SSAValue) -> SSAValue:
    """`x * y + z`, rounded once where the target can."""
    return _op(b, math.FmaOp, x, y, z)


def neg(b: Builder, x: SSAValue) -> SSAValue:
    if is_float(x.type):
        return _op(b, arith.NegfOp, x)
    return sub(b, constant(b, 0, x), x)


def maximum(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """The larger; NaN where one of them is."""
    if is_mask(x):
        return add(b, x, y)
    return _op(b, arith.MaximumfOp if is_float(x.type) else arith.MaxSIOp, x, y)


def minimum(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """The smaller; NaN where one of them is."""
    if is_mask(x):
        return mul(b, x, y)
    return _op(b, arith.MinimumfOp if is_float(x.type) else arith.MinSIOp, x, y)


_FLOAT_PREDICATES = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_INTEGER_PREDICATES = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_MASK_PREDICATES = {"eq": "eq", "ne": "ne", "lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge"}


def compare(b: Builder, predicate: str, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x predicate y` as i1, for eq, ne, lt, le, gt, ge. Of NaN only ne is true."""
    if is_float(x.type):
        return b.insert(arith.CmpfOp(x, y, _FLOAT_PREDICATES[predicate])).result
    predicates = _MASK_PREDICATES if is_mask(x) else _INTEGER_PREDICATES
    return b.insert(arith.CmpiOp(x, y, predicates[predicate])).result


def select(b: Builder, mask: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
    """`mask ? x : y`."""
    return b.insert(arith.SelectOp(mask, x, y)).result


def sign(b: Builder, x: SSAValue) -> SSAValue:
    """-1, 0 or 1, and NaN of NaN."""
    zero, one, minus_one = (constant(b, value, x) for value in (0, 1, -1))
    negative, positive = compare(b, "lt", x, zero), compare(b, "gt", x, zero)
    return select(b, positive, one, select(b, negative, minus_one, x))


def all_of(b: Builder, masks: Sequence[SSAValue]) -> SSAValue:
    """Where all masks hold."""
    result, *rest = masks
    for mask in rest:
        result = _op(b, arith.AndIOp, result, mask)
    return result


def extended(b: Builder, x: SSAValue) -> SSAValue:
    """A value just loaded, as it is computed with."""
    return _converted(b, x, held(element_type(x.type)))


def stored(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """A value as it is stored: floats rounded to nearest even, the low bits of integers."""
    loaded = x.owner
    if isinstance(loaded, _EXTENSIONS) and element_type(loaded.operands[0].type) == element:
        return loaded.operands[0]
    return _converted(b, x, element)


def rounded(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """What would be loaded again if `x` were stored as `element`."""
    return extended(b, stored(b, x, element)) if element in HELD else x


def wrapped(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """A result of arithmetic on narrow integers, modulo 2^n; floats keep their precision."""
    return x if is_float(x.type) else rounded(b, x, element)


def convert(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """`x` as a number of another element type.

    Floats become integers towards zero, as near as the type allows, and NaN becomes 0; integers
    wrap around; to i1 it is `x != 0`.
    """
    source, target = element_type(x.type), held(element)
    if element == i1:
        return x if source == i1 else compare(b, "ne", x, constant(b, 0, x))
    if is_float(source) and isinstance(element, IntegerType):
        return _nearest_integer(b, x, element)
    if source == target or (is_float(source) and element in HELD):
        return rounded(b, x, element)
    return rounded(b, _converted(b, x, target), element)


def _nearest_integer(b: Builder, x: SSAValue, element: IntegerType) -> SSAValue:
    """A float towards zero; the nearest number where the type has none such, and 0 for NaN."""
    low, high = integer_range(element)
    type = with_element(x.type, held(element))
    lowest, beyond = constant(b, low, x), constant(b, high + 1, x)
    below, above = compare(b, "lt", x, lowest), compare(b, "ge", x, beyond)
    inside = all_of(b, [compare(b, "ge", x, lowest), compare(b, "lt", x, beyond)])
    whole = _converted(b, select(b, inside, x, constant(b, 0, x)), held(element))
    capped = select(b, above, constant(b, high, type), whole)
    return select(b, below, constant(b, low, type), capped)


def _converted(b: Builder, x: SSAValue, element: Attribute) -> SSAValue:
    """`x` by the op that leads to an element type; from f64 to bf16 by f32, as ml_dtypes."""
    source = element_type(x.type)
    if source == element:
        return x
    if (source, element) == (f64, bf16):
        return _converted(b, _converted(b, x, f32), element)
    op = _conversion(source, element)
    return b.insert(op(x, with_element(x.type, element))).results[0]


def _conversion(source: Attribute, target: Attribute) -> type[_Conversion]:
    """The op that converts between two element types."""
    unsigned = source == i1 or is_unsigned(source)
    match source, target:
        case (IntegerType(width=width), IntegerType()):
            if width.data > _width(target):
                return arith.TruncIOp
            return arith.ExtUIOp if unsigned else arith.ExtSIOp
        case (IntegerType(), _):
            return arith.UIToFPOp if unsigned else arith.SIToFPOp
        case (_, IntegerType()):
            return arith.FPToSIOp
        case _:
            return arith.TruncFOp if _width(source) > _width(target) else arith.ExtFOp


def _width(type: Attribute) -> int:
    assert isinstance(type, FixedBitwidthType)
    return type.bitwidth
