"""Short forms shared by the dialects' syntax.

* `custom<Integers>($property)`                  `[0, 1]`
* `custom<Keyword>($property)`                   `sum`, a string without quotes
* `custom<Shape>($property, type($result))`      a result type that also says the property `shape`
"""

from collections.abc import Sequence
from typing import TypeAlias, cast

from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerType,
    ShapedType,
    StringAttr,
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


def array(values: Sequence[int]) -> IntegerArray:
    """An array property."""
    return DenseArrayBase.from_list(i64, list(values))


def integers(values: IntegerArray | None) -> tuple[int, ...]:
    """The integers of an array property, `()` where it is absent."""
    return () if values is None else tuple(values.get_values())
