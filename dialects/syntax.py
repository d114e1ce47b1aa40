"""Short forms shared by the dialects' syntax.

* `custom<Integers>($property)`                  `[0, 1]`
* `custom<Keyword>($property)`                   `sum`, a string without quotes
* `custom<Number>($property)`                    `0.5` or `-inf`, of an f64 property
* `custom<Shape>($property, type($result))`      a result type that also says the property `shape`
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    Float64Type,
    FloatAttr,
    IntegerType,
    ShapedType,
    StringAttr,
    f64,
    i64,
)
from xdsl.irdl import IRDLOperation
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    TypeDirective,
    irdl_custom_directive,
)
from xdsl.parser import Parser
from xdsl.printer import Printer

IntegerArray: TypeAlias = DenseArrayBase[IntegerType]
"""The type of an array property: `prop_def(IntegerArray)`."""


@irdl_custom_directive
class Integers(CustomDirective):
    """`custom<Integers>($property)` in an assembly format: `[0, 1]`."""

    values: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        values = parser.parse_comma_separated_list(
            parser.Delimiter.SQUARE, lambda: parser.parse_integer(allow_boolean=False)
        )
        self.values.set(state, array(values))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        values = cast(IntegerArray, self.values.get(op))
        state.print_whitespace(printer)
        printer.print_string(f"[{', '.join(map(str, integers(values)))}]")

    def is_anchorable(self) -> bool:
        return True

    def is_optional_like(self) -> bool:
        return self.values.is_optional_like()

    def is_present(self, op: IRDLOperation) -> bool:
        return self.values.is_present(op)

    def set_empty(self, state: ParsingState) -> None:
        self.values.set_empty(state)


@irdl_custom_directive
class Keyword(CustomDirective):
    """`custom<Keyword>($property)` in an assembly format: a string without quotes."""

    word: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.word.set(state, StringAttr(parser.parse_identifier()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        state.print_whitespace(printer)
        printer.print_string(cast(StringAttr, self.word.get(op)).data)


@irdl_custom_directive
class Number(CustomDirective):
    """`custom<Number>($property)` in an assembly format: a floating-point number as f64."""

    value: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        self.value.set(state, FloatAttr(float(parse_number(parser)), f64))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        value = cast(FloatAttr[Float64Type], self.value.get(op))
        state.print_whitespace(printer)
        print_number(printer, value.value.data, f64)


def print_number(printer: Printer, value: float, type: AnyFloat) -> None:
    """`0.5`, `inf`, `-inf` or `nan`."""
    if math.isfinite(value):
        printer.print_float(value, type)
    else:
        printer.print_string(str(value))


def parse_number(parser: Parser) -> float | int:
    """A number as `print_number` prints it, or `true` or `false`."""
    sign = -1 if parser.parse_optional_punctuation("-") else 1
    for word in ("inf", "nan"):
        if parser.parse_optional_keyword(word):
            return sign * float(word)
    return sign * parser.parse_number(allow_boolean=True)


@irdl_custom_directive
class Shape(CustomDirective):
    """`custom<Shape>($shape, type($result))`: the type, from which the property follows."""

    shape: AttributeVariable
    type: TypeDirective

    def parse(self, parser: Parser, state: ParsingState) -> None:
        type = parser.parse_type()
        if not isinstance(type, ShapedType):
            parser.raise_error(f"expected a tensor type, given {type}")
        self.type.set(state, [type])
        self.shape.set(state, array(type.get_shape()))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        self.type.print(printer, state, op)


def array(values: Iterable[int]) -> IntegerArray:
    """An array property; equal ones are mostly one object, since they are costly to make."""
    return _array(tuple(values))


@lru_cache(maxsize=1024)
def _array(values: tuple[int, ...]) -> IntegerArray:
    return DenseArrayBase.from_list(i64, values)


def integers(values: IntegerArray | None) -> tuple[int, ...]:
    """The integers of an array property, `()` where it is absent."""
    return () if values is None else tuple(values.get_values())
