"""`arith` with masks: the ops that xDSL defines on scalars only, here on vectors too.

A comparison of vectors is a mask `vector<…xi1>`, a select may take one, and conversions keep the
shape. Names, properties and syntax are MLIR's. Import `arith` from here, not from xDSL: the other
ops are xDSL's own, and `Arith` is the whole dialect.
"""

from abc import ABC
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from xdsl.dialects import arith as upstream
from xdsl.dialects.arith import (
    CMPF_COMPARISON_OPERATIONS,
    CMPI_COMPARISON_OPERATIONS,
    AddfOp,
    AddiOp,
    AddUIExtendedOp,
    AndIOp,
    BitcastOp,
    CeilDivSIOp,
    CeilDivUIOp,
    ConstantOp,
    DivfOp,
    DivSIOp,
    DivUIOp,
    ExtFOp,
    FloorDivSIOp,
    IndexCastOp,
    MaximumfOp,
    MaxnumfOp,
    MaxSIOp,
    MaxUIOp,
    MinimumfOp,
    MinnumfOp,
    MinSIOp,
    MinUIOp,
    MulfOp,
    MuliOp,
    MulSIExtendedOp,
    MulUIExtendedOp,
    NegfOp,
    OrIOp,
    RemSIOp,
    RemUIOp,
    ShLIOp,
    ShRSIOp,
    ShRUIOp,
    SubfOp,
    SubiOp,
    TruncFOp,
    XOrIOp,
)
from xdsl.dialects.builtin import (
    AnyFloatConstr,
    IndexType,
    IntegerAttr,
    IntegerType,
    VectorType,
    container_of,
    i1,
    i64,
)
from xdsl.ir import Attribute, Dialect, Operation, SSAValue
from xdsl.irdl import (
    AnyAttr,
    VarConstraint,
    base,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import FlatOp, op_definition

MASK = container_of(i1)
INTEGER = container_of(base(IntegerType))
FLOAT = container_of(AnyFloatConstr)


def vector(element: Attribute, shape: Sequence[int]) -> VectorType[Attribute]:
    """A vector type; equal ones are mostly one object, since they are costly to make."""
    return _vector(element, tuple(shape))


@lru_cache(maxsize=1024)
def _vector(element: Attribute, shape: tuple[int, ...]) -> VectorType[Attribute]:
    return VectorType(element, shape)


def with_element(type: Attribute, element: Attribute) -> Attribute:
    """`type` with another element type, keeping the vector shape."""
    return vector(element, type.get_shape()) if isinstance(type, VectorType) else element


def verify_shapes(op: Operation, values: Sequence[SSAValue]) -> None:
    """Raises unless the values are all scalars, or vectors of one shape."""
    shapes = {v.type.get_shape() if isinstance(v.type, VectorType) else None for v in values}
    if len(shapes) > 1:
        types = ", ".join(str(v.type) for v in values)
        raise VerifyException(
            f"{op.name}: expected scalars, or vectors of one shape, given {types}"
        )


class Comparison(FlatOp, ABC):
    """`lhs predicate rhs`, in each lane."""

    PREDICATES: ClassVar[tuple[str, ...]]
    T: ClassVar = VarConstraint("T", FLOAT | INTEGER | base(IndexType))
    predicate = prop_def(IntegerAttr)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(MASK)
    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, predicate: str):
        number = IntegerAttr(self.PREDICATES.index(predicate), i64)
        super().__init__([lhs, rhs], [with_element(lhs.type, i1)], {"predicate": number})

    def verify_(self) -> None:
        verify_shapes(self, [self.lhs, self.result])

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.PREDICATES[self.predicate.value.data]}, ")
        printer.print_operand(self.lhs)
        printer.print_string(", ")
        printer.print_operand(self.rhs)
        printer.print_string(" : ")
        printer.print_attribute(self.lhs.type)

    @classmethod
    def parse(cls, parser: Parser) -> "Comparison":
        predicate = parser.parse_identifier()
        if predicate not in cls.PREDICATES:
            parser.raise_error(f"expected one of {', '.join(cls.PREDICATES)}, given {predicate}")
        parser.parse_punctuation(",")
        lhs = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        rhs = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        type = parser.parse_type()
        return cls(parser.resolve_operand(lhs, type), parser.resolve_operand(rhs, type), predicate)


@op_definition
class CmpfOp(Comparison):
    """Compares floating-point numbers."""

    name = "arith.cmpf"
    PREDICATES: ClassVar = tuple(CMPF_COMPARISON_OPERATIONS)


@op_definition
class CmpiOp(Comparison):
    """Compares integers."""

    name = "arith.cmpi"
    PREDICATES: ClassVar = tuple(CMPI_COMPARISON_OPERATIONS)


@op_definition
class SelectOp(FlatOp):
    """`condition ? lhs : rhs`, in each lane."""

    name = "arith.select"
    T: ClassVar = VarConstraint("T", AnyAttr())
    condition = operand_def(MASK)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())

    def __init__(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue):
        super().__init__([condition, lhs, rhs], [lhs.type])

    def verify_(self) -> None:
        if isinstance(self.condition.type, VectorType):
            verify_shapes(self, [self.condition, self.lhs])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_operand)
        printer.print_string(" : ")
        if isinstance(self.condition.type, VectorType):
            printer.print_attribute(self.condition.type)
            printer.print_string(", ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> "SelectOp":
        operands = parser.parse_comma_separated_list(
            parser.Delimiter.NONE, parser.parse_unresolved_operand
        )
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        mask = types[0] if len(types) == 2 else i1
        return cls(*parser.resolve_operands(operands, [mask, types[-1], types[-1]], parser.pos))


class Conversion(FlatOp, ABC):
    """The same numbers in another element type."""

    input = operand_def(FLOAT | INTEGER)
    result = result_def(FLOAT | INTEGER)
    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `to` type($result)"

    def __init__(self, input: SSAValue, target: Attribute):
        super().__init__([input], [target])

    def verify_(self) -> None:
        verify_shapes(self, [self.input, self.result])


@op_definition
class SIToFPOp(Conversion):
    """A signed integer to a floating-point number."""

    name = "arith.sitofp"
    input = operand_def(INTEGER)
    result = result_def(FLOAT)


@op_definition
class UIToFPOp(Conversion):
    """An unsigned integer to a floating-point number."""

    name = "arith.uitofp"
    input = operand_def(INTEGER)
    result = result_def(FLOAT)


@op_definition
class FPToSIOp(Conversion):
    """A floating-point number to a signed integer, towards zero."""

    name = "arith.fptosi"
    input = operand_def(FLOAT)
    result = result_def(INTEGER)


@op_definition
class FPToUIOp(Conversion):
    """A floating-point number to an unsigned integer, towards zero."""

    name = "arith.fptoui"
    input = operand_def(FLOAT)
    result = result_def(INTEGER)


@op_definition
class ExtSIOp(Conversion):
    """A signed integer to a wider one."""

    name = "arith.extsi"
    input = operand_def(INTEGER)
    result = result_def(INTEGER)


@op_definition
class ExtUIOp(Conversion):
    """An unsigned integer to a wider one."""

    name = "arith.extui"
    input = operand_def(INTEGER)
    result = result_def(INTEGER)


@op_definition
class TruncIOp(Conversion):
    """The low bits of an integer."""

    name = "arith.trunci"
    input = operand_def(INTEGER)
    result = result_def(INTEGER)


_own: list[type[Operation]] = [
    CmpfOp, CmpiOp, SelectOp, SIToFPOp, UIToFPOp, FPToSIOp, FPToUIOp, ExtSIOp, ExtUIOp, TruncIOp,
]  # fmt: skip
_names = {op.name for op in _own}
Arith = Dialect(
    "arith",
    [op for op in upstream.Arith.operations if op.name not in _names] + _own,
    list(upstream.Arith.attributes),
    [upstream.ArithConstantMaterializationInterface()],
)
"""xDSL's dialect with the ops of this file in the place of its own."""

__all__ = [
    "AddUIExtendedOp",
    "AddfOp",
    "AddiOp",
    "AndIOp",
    "Arith",
    "BitcastOp",
    "CeilDivSIOp",
    "CeilDivUIOp",
    "CmpfOp",
    "CmpiOp",
    "Comparison",
    "ConstantOp",
    "Conversion",
    "DivSIOp",
    "DivUIOp",
    "DivfOp",
    "ExtFOp",
    "ExtSIOp",
    "ExtUIOp",
    "FPToSIOp",
    "FPToUIOp",
    "FloorDivSIOp",
    "IndexCastOp",
    "MaxSIOp",
    "MaxUIOp",
    "MaximumfOp",
    "MaxnumfOp",
    "MinSIOp",
    "MinUIOp",
    "MinimumfOp",
    "MinnumfOp",
    "MulSIExtendedOp",
    "MulUIExtendedOp",
    "MulfOp",
    "MuliOp",
    "NegfOp",
    "OrIOp",
    "RemSIOp",
    "RemUIOp",
    "SIToFPOp",
    "SelectOp",
    "ShLIOp",
    "ShRSIOp",
    "ShRUIOp",
    "SubfOp",
    "SubiOp",
    "TruncFOp",
    "TruncIOp",
    "UIToFPOp",
    "XOrIOp",
    "with_element",
]
