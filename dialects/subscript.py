"""The subscript `[6 * %i, %k + 1]`: an affine map applied to index values, in op syntax."""

from collections.abc import Sequence

from xdsl.dialects.builtin import AffineMapAttr, IndexType
from xdsl.ir import SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)
from xdsl.irdl import IRDLOperation
from xdsl.irdl.declarative_assembly_format import (
    AttributeVariable,
    CustomDirective,
    ParsingState,
    PrintingState,
    VariadicOperandVariable,
    irdl_custom_directive,
)
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer

index = IndexType()
_PRODUCTS = {
    kind.get_token(): kind
    for kind in (AffineBinaryOpKind.Mul, AffineBinaryOpKind.Mod, AffineBinaryOpKind.FloorDiv)
}


def print_subscript(printer: Printer, map: AffineMap, indices: Sequence[SSAValue]) -> None:
    """Prints `[e0, e1, ...]` with the index values in place of the map's dimensions."""
    printer.print_string("[")
    printer.print_list(map.results, lambda e: _print_expr(printer, e, indices))
    printer.print_string("]")


def _print_expr(
    printer: Printer, expr: AffineExpr, indices: Sequence[SSAValue], nested: bool = False
) -> None:
    match expr:
        case AffineDimExpr():
            printer.print_ssa_value(indices[expr.position])
        case AffineConstantExpr():
            printer.print_string(str(expr.value))
        case AffineBinaryOpExpr():
            opening, closing = "()" if nested else ("", "")
            printer.print_string(opening)
            _print_expr(printer, expr.lhs, indices, nested=True)
            printer.print_string(f" {expr.kind.get_token()} ")
            _print_expr(printer, expr.rhs, indices, nested=True)
            printer.print_string(closing)
        case _:
            raise ValueError(f"a subscript has no symbols: {expr}")


class _SubscriptParser:
    """Recursive descent over sums of products; each distinct index value is one dimension."""

    def __init__(self, parser: Parser):
        self.parser = parser
        self.operands: dict[tuple[str, int], UnresolvedOperand] = {}

    def parse(self) -> tuple[AffineMap, list[UnresolvedOperand]]:
        exprs = self.parser.parse_comma_separated_list(Parser.Delimiter.SQUARE, self.sum)
        return AffineMap(len(self.operands), 0, tuple(exprs)), list(self.operands.values())

    def sum(self) -> AffineExpr:
        total = self.product()
        while self.parser.parse_optional_punctuation("+"):
            total = total + self.product()
        return total

    def product(self) -> AffineExpr:
        left = self.primary()
        while (token := self.product_token()) is not None:
            left = AffineExpr.binary(_PRODUCTS[token], left, self.primary())
        return left

    def product_token(self) -> str | None:
        return self.parser.parse_optional_punctuation("*") or self.parser.parse_optional_keyword_in(
            ("mod", "floordiv")
        )

    def primary(self) -> AffineExpr:
        if self.parser.parse_optional_punctuation("("):
            inner = self.sum()
            self.parser.parse_punctuation(")")
            return inner
        operand = self.parser.parse_optional_unresolved_operand()
        if operand is None:
            return AffineExpr.constant(self.parser.parse_integer())
        key = (operand.operand_name, operand.index)
        self.operands.setdefault(key, operand)
        return AffineExpr.dimension(list(self.operands).index(key))


def parse_subscript(parser: Parser) -> tuple[AffineMap, list[SSAValue]]:
    """Parses what `print_subscript` prints."""
    map, operands = _SubscriptParser(parser).parse()
    return map, [parser.resolve_operand(operand, index) for operand in operands]


def compact(map: AffineMap, indices: Sequence[SSAValue]) -> tuple[AffineMap, list[SSAValue]]:
    """The same subscript with each used index value once, in order of first use."""
    used: dict[SSAValue, AffineExpr] = {}
    for expr in map.results:
        for part in expr.dfs():
            if isinstance(part, AffineDimExpr):
                used.setdefault(indices[part.position], AffineExpr.dimension(len(used)))
    dimensions = [used.get(value, AffineExpr.constant(0)) for value in indices]
    return map.replace_dims_and_symbols(dimensions, [], len(used), 0), list(used)


@irdl_custom_directive
class Subscript(CustomDirective):
    """`custom<Subscript>($indices, $map)` in an assembly format."""

    indices: VariadicOperandVariable
    map: AttributeVariable

    def parse(self, parser: Parser, state: ParsingState) -> None:
        map, operands = _SubscriptParser(parser).parse()
        self.map.set(state, AffineMapAttr(map))
        self.indices.set(state, operands)
        self.indices.set_types(state, [index] * len(operands))

    def print(self, printer: Printer, state: PrintingState, op: IRDLOperation) -> None:
        map = self.map.get(op)
        assert isinstance(map, AffineMapAttr)
        print_subscript(printer, map.data, self.indices.get(op))
        state.should_emit_space = True
        state.last_was_punctuation = False
