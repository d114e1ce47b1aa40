"""`nn.cond` runs one of two bodies, chosen when the program runs."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, i1
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    operand_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.rewriter import InsertPoint
from xdsl.traits import IsolatedFromAbove, Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.structure import (
    YieldOp,
    check_end,
    check_types,
    end_of,
    name_like,
    parse_bindings,
    print_bindings,
    pull_back_body,
)

PREDICATE = TensorType(i1, [])


@op_definition
class CondOp(IRDLOperation, Differentiable):
    """`then(captured…)` if the predicate is true, else `otherwise(captured…)`.

    Only the chosen body runs, where the host program can branch (see `nn-flatten`).
    """

    name = "nn.cond"
    predicate = operand_def(TensorType)
    captured = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)
    then = region_def("single_block")
    otherwise = region_def("single_block")
    traits = traits_def(Pure(), IsolatedFromAbove())

    def __init__(
        self, predicate: SSAValue, captured: Sequence[SSAValue], then: Block, otherwise: Block
    ):
        """Both bodies take the captured values, and yield the results."""
        last = then.last_op
        super().__init__(
            operands=[predicate, captured],
            result_types=[[] if last is None else last.operand_types],
            regions=[Region(then), Region(otherwise)],
        )

    @property
    def bodies(self) -> tuple[Block, Block]:
        """What runs if the predicate is true, and if not."""
        return self.then.block, self.otherwise.block

    def verify_(self) -> None:
        if self.predicate.type != PREDICATE:
            raise VerifyException(
                f"nn.cond: the predicate is {self.predicate.type}, expected {PREDICATE}"
            )
        for which, body in zip(("first", "second"), self.bodies, strict=True):
            check_types(
                f"nn.cond: its {which} body takes", body.arg_types, tuple(self.captured.types)
            )
            check_end(self.name, body)
            check_types(
                f"nn.cond: its {which} body yields",
                end_of(body).operand_types,
                tuple(self.outputs.types),
            )

    def print(self, printer: Printer) -> None:
        then, otherwise = self.bodies
        printer.print_string(" ")
        printer.print_ssa_value(self.predicate)
        print_bindings(printer, "captures", then.args, self.captured)
        printer.print_string(" ")
        printer.print_region(self.then, print_entry_block_args=False)
        printer.print_string(" else ")
        if otherwise.args:
            printer.print_string("(")
            printer.print_list(otherwise.args, printer.print_ssa_value)
            printer.print_string(") ")
        printer.print_region(self.otherwise, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "CondOp":
        predicate = parser.resolve_operand(parser.parse_unresolved_operand(), PREDICATE)
        bindings = parse_bindings(parser, "captures")
        types = [operand.type for _, operand in bindings]
        then = parser.parse_region(
            [a.resolve(t) for (a, _), t in zip(bindings, types, strict=True)]
        )
        parser.parse_keyword("else")
        otherwise = parser.parse_region(_parse_arguments(parser, types))
        captured = [operand for _, operand in bindings]
        return cls(predicate, captured, then.detach_block(0), otherwise.detach_block(0))

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        """The same choice of two bodies: the forward ops of each again, then their gradients."""
        wrt = [i for i, need in enumerate(needed[1:]) if need]
        given = [grad for grad in grads if grad is not None]
        bodies = [_backward(self, body, grads, wrt, given) for body in self.bodies]
        backward = b.insert(CondOp(self.predicate, [*self.captured, *given], *bodies))
        found = dict(zip(wrt, backward.outputs, strict=True))
        return [None, *(found.get(i) for i in range(len(self.captured)))]


def _backward(
    op: CondOp,
    forward: Block,
    grads: Cotangents,
    wrt: Sequence[int],
    given: Sequence[SSAValue],
) -> Block:
    """The body that gives the cotangents of the captured values `wrt`."""
    count = len(forward.args)
    body = Block(arg_types=[*forward.arg_types, *(g.type for g in given)])
    name_like(body.args[:count], forward.args)
    b = at(Builder(InsertPoint.at_end(body)), op)
    seeds = iter(body.args[count:])
    passed = [None if grad is None else next(seeds) for grad in grads]
    by = [body.args[i] for i in wrt]
    found = pull_back_body(forward, body.args[:count], passed, by, b)
    b.insert(YieldOp([g or constant(b, 0.0, value) for g, value in zip(found, by, strict=True)]))
    return body


def _parse_arguments(parser: Parser, types: Sequence[Attribute]) -> list[Parser.Argument]:
    """The names of the second body's arguments, in parentheses."""
    if not types:
        return []
    names = parser.parse_comma_separated_list(
        parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False)
    )
    if len(names) != len(types):
        parser.raise_error(f"nn.cond: expected {len(types)} names for the captured values")
    return [name.resolve(type) for name, type in zip(names, types, strict=True)]
