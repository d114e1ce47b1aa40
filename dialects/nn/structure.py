"""Structure: what ops with a body share.

* `nn.yield`   ends a body
* `nn.detach`  its operand, through which no gradient flows

The ops themselves are `nn.scan` (scan.py), `nn.cond` (cond.py) and `nn.checkpoint`
(checkpoint.py). Bodies see nothing from around them: what they capture is bound to arguments.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.irdl import IRDLOperation, traits_def, var_operand_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents
from nnc.dialects.nn.base import Unary, insert
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reverse import differentiable_ops, pull_back

Binding = tuple[Parser.UnresolvedArgument, SSAValue]


@op_definition
class YieldOp(IRDLOperation):
    """Ends a body, giving its values."""

    name = "nn.yield"
    values = var_operand_def(TensorType)
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


@op_definition
class DetachOp(Unary):
    """`output = input`, a constant for gradients."""

    name = "nn.detach"

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return x

    def cotangent(self, b: Builder, g: SSAValue) -> None:
        return None


def end_of(body: Block) -> YieldOp:
    """The end of a body."""
    return cast(YieldOp, body.last_op)


def check_types(what: str, given: Sequence[Attribute], expected: Sequence[Attribute]) -> None:
    """Raises unless the types are the expected ones; `what` names the op and its part."""
    if tuple(given) != tuple(expected):
        raise VerifyException(
            f"{what} ({', '.join(map(str, given))}), expected ({', '.join(map(str, expected))})"
        )


def check_end(name: str, body: Block) -> None:
    """Raises unless the body ends with `nn.yield`."""
    if not isinstance(body.last_op, YieldOp):
        raise VerifyException(f"{name}: its body must end with nn.yield")


def print_bindings(
    printer: Printer, keyword: str, arguments: Sequence[SSAValue], operands: Sequence[SSAValue]
) -> None:
    """` captures (%a = %x : tensor<2xf32>)`; nothing where nothing is bound."""

    def pair(argument: SSAValue, operand: SSAValue) -> None:
        printer.print_ssa_value(argument)
        printer.print_string(" = ")
        printer.print_ssa_value(operand)
        printer.print_string(" : ")
        printer.print_attribute(operand.type)

    if operands:
        printer.print_string(f" {keyword} (")
        printer.print_list(list(zip(arguments, operands, strict=True)), lambda p: pair(*p))
        printer.print_string(")")


def parse_bindings(parser: Parser, keyword: str) -> list[Binding]:
    """The body's arguments and the operands bound to them."""

    def pair() -> Binding:
        argument = parser.parse_argument(expect_type=False)
        parser.parse_punctuation("=")
        operand = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        return argument, parser.resolve_operand(operand, parser.parse_type())

    if parser.parse_optional_keyword(keyword) is None:
        return []
    return parser.parse_comma_separated_list(parser.Delimiter.PAREN, pair)


def copy_body(body: Block, arguments: Sequence[SSAValue], b: Builder) -> list[Operation]:
    """Writes the body's ops again, on other arguments; the last is the copy of its end."""
    values: dict[SSAValue, SSAValue] = dict(zip(body.args, arguments, strict=True))
    copies: list[Operation] = []
    for op in body.ops:
        copies.append(b.insert(op.clone(values)))
        copies[-1].location = op.location
    return copies


def inline(body: Block, arguments: Sequence[SSAValue], b: Builder) -> Sequence[SSAValue]:
    """Writes the body's ops again without their end; returns its values."""
    *_, end = copy_body(body, arguments, b)
    values = tuple(end.operands)
    end.detach()
    end.erase()
    return values


def pull_back_body(
    body: Block,
    arguments: Sequence[SSAValue],
    grads: Cotangents,
    wrt: Sequence[SSAValue],
    b: Builder,
    known: Mapping[SSAValue, SSAValue] = MappingProxyType({}),
) -> Cotangents:
    """Writes the body's ops again and their gradients: cotangents of `wrt`, from those it yields.

    Values of the body that are `known` are read, and not computed again.
    """
    copies = copy_body(body, arguments, b)
    end = copies.pop()
    again = [
        (new, known[old])
        for op, copy in zip(body.ops, copies, strict=False)
        for old, new in zip(op.results, copy.results, strict=True)
        if old in known
    ]
    tape = differentiable_ops(copies, wrt)
    seeds: dict[SSAValue, SSAValue] = {}
    for value, grad in zip(end.operands, grads, strict=True):
        if grad is not None:
            seeds[value] = insert(b, AddOp(seeds[value], grad)) if value in seeds else grad
    end.detach()
    end.erase()
    found = pull_back(b, tape, seeds, wrt)
    for result, value in again:
        result.replace_all_uses_with(value)
    return found


def name_like(values: Sequence[SSAValue], like: Sequence[SSAValue], prefix: str = "") -> None:
    """Gives values the names of others."""
    for value, other in zip(values, like, strict=True):
        value.name_hint = other.name_hint and prefix + other.name_hint
