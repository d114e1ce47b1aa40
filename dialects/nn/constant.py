"""`nn.constant`: a tensor known when the program is compiled."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    FloatAttr,
    IntegerAttr,
    TensorType,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import base, prop_def, result_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.nn.base import (
    Elementwise,
    ScalarIndex,
    Tensor,
    element_of,
    insert,
    linear_index,
    shape_of,
    tensor_type,
)
from nnc.dialects.syntax import IntegerArray, array, integers, parse_number, print_number

Scalar: TypeAlias = FloatAttr[AnyFloat] | IntegerAttr[Any]
Listed: TypeAlias = DenseIntOrFPElementsAttr[Any]

LISTED_LIMIT = 64
"""How many values a constant may list; more belong into an argument of the program."""


def number(value: float, element: Attribute) -> Scalar:
    """`value` as an attribute of an element type."""
    if isinstance(element, AnyFloat):
        # What it cannot hold is infinite, as in numpy.
        with np.errstate(over="ignore"):
            if isinstance(element, Float16Type):
                value = float(np.float16(value))
            elif isinstance(element, Float32Type) and np.isinf(np.float32(value)):
                value = math.copysign(math.inf, value)
        return FloatAttr(float(value), element)
    return IntegerAttr(int(value), cast(Any, element))


@op_definition
class ConstantOp(Elementwise):
    """One value in every element, or a list of at most 64 values."""

    name = "nn.constant"
    value = prop_def(base(FloatAttr) | base(IntegerAttr) | base(DenseIntOrFPElementsAttr))
    shape = prop_def(IntegerArray)
    output = result_def(TensorType)

    def __init__(self, value: float | Listed, type: Tensor):
        attribute = (
            value
            if isinstance(value, DenseIntOrFPElementsAttr)
            else number(value, type.element_type)
        )
        self.initialize([], {"value": attribute, "shape": array(type.get_shape())})

    @property
    def splat(self) -> float | int | None:
        """The value that every element has; None of a list."""
        return None if isinstance(self.value, DenseIntOrFPElementsAttr) else self.value.value.data

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        value = cast(Scalar | Listed, properties["value"])
        if not isinstance(value, DenseIntOrFPElementsAttr):
            return [TensorType(value.type, integers(cast(IntegerArray, properties["shape"])))]
        if len(value) > LISTED_LIMIT:
            raise VerifyException(
                f"{cls.name}: lists {len(value)} values, expected at most {LISTED_LIMIT}; "
                "make it an argument of the program"
            )
        return [TensorType(value.get_element_type(), value.get_shape())]

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        match self.value:
            case FloatAttr(value=value, type=type):
                print_number(printer, value.data, type)
            case IntegerAttr(value=value, type=type):
                printer.print_int(value.data, type)
            case _:
                printer.print_attribute(self.value)
                return
        printer.print_string(" : ")
        printer.print_attribute(self.output.type)

    @classmethod
    def parse(cls, parser: Parser) -> "ConstantOp":
        if parser.parse_optional_keyword("dense"):
            listed = parser.parse_dense_int_or_fp_elements_attr(None)
            return cls(listed, TensorType(listed.get_element_type(), listed.get_shape()))
        literal = parse_number(parser)
        parser.parse_punctuation(":")
        type = parser.parse_type()
        if not isinstance(type, TensorType):
            parser.raise_error(f"expected a tensor type, given {type}")
        return cls(literal, tensor_type(type))

    def uses_index(self) -> bool:
        return self.splat is None

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        element = element_of(self.output)
        if not isinstance(self.value, DenseIntOrFPElementsAttr):
            return [scalars.constant(b, self.value.value.data, element)]
        position = linear_index(b, shape_of(self.output), index)
        values = cast(tuple[float, ...], self.value.get_values())
        chosen = scalars.constant(b, values[0], scalars.with_element(position.type, element))
        for i, (before, value) in enumerate(pairwise(values), start=1):
            if value != before:
                reached = scalars.compare(b, "ge", position, scalars.constant(b, i, position))
                chosen = scalars.select(b, reached, scalars.constant(b, value, chosen), chosen)
        return [chosen]


def constant(b: Builder, value: float, like: SSAValue) -> SSAValue:
    """`value` in every element, in the type of `like`."""
    return insert(b, ConstantOp(value, tensor_type(like)))
