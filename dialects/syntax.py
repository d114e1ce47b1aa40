"""Short forms shared by the dialects' syntax: `[0, 1]` for a list of integers."""

from collections.abc import Sequence
from typing import TypeAlias, cast

from xdsl.dialects.builtin import DenseArrayBase, IntegerType, i64
from xdsl.irdl import IRDLOperation
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
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


def array(values: Sequence[int]) -> IntegerArray:
    """An array property."""
    return DenseArrayBase.from_list(i64, list(values))


def integers(values: IntegerArray | None) -> tuple[int, ...]:
    """The integers of an array property, `()` where it is absent."""
    return () if values is None else tuple(values.get_values())
