"""Gradients of one's own.

* `nn.with_gradient`  its values, whose gradient is that of a body instead of what made them
"""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Block, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, Pure

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.structure import (
    check_end,
    check_types,
    end_of,
    inline,
    parse_bindings,
    print_bindings,
)


@op_definition
class WithGradientOp(IRDLOperation, Differentiable):
    """`outputs = values`, with the cotangents of `inputs` `body(cotangents…, captured…)`.

    No gradient flows into the values. A value that the body captures is the output in the gradient,
    so that its own gradient is the body's, too. `nn-canonicalize` puts the values in its place.
    """

    name = "nn.with_gradient"
    values = var_operand_def(TensorType)
    inputs = var_operand_def(TensorType)
    captured = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)
    body = region_def("single_block")
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(Pure(), IsolatedFromAbove())

    def __init__(
        self,
        values: Sequence[SSAValue],
        inputs: Sequence[SSAValue],
        captured: Sequence[SSAValue],
        body: Block,
    ):
        """The body takes a cotangent for each value, and the captured values."""
        super().__init__(
            operands=[values, inputs, captured],
            result_types=[[value.type for value in values]],
            regions=[Region(body)],
        )

    def verify_(self) -> None:
        body = self.body.block
        bound = (*self.values.types, *self.captured.types)
        check_types("nn.with_gradient: its body takes", body.arg_types, bound)
        check_types("nn.with_gradient: its results are", self.outputs.types, self.values.types)
        check_end(self.name, body)
        yielded = end_of(body).operand_types
        check_types("nn.with_gradient: its body yields", yielded, tuple(self.inputs.types))

    def print(self, printer: Printer) -> None:
        arguments = self.body.block.args
        print_bindings(printer, "of", arguments[: len(self.values)], self.values)
        print_bindings(printer, "captures", arguments[len(self.values) :], self.captured)
        if self.inputs:
            printer.print_string(" wrt ")
            printer.print_list(self.inputs, printer.print_ssa_value)
            printer.print_string(" : ")
            printer.print_list(self.inputs.types, printer.print_attribute)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "WithGradientOp":
        values, captured = parse_bindings(parser, "of"), parse_bindings(parser, "captures")
        inputs: Sequence[SSAValue] = []
        if parser.parse_optional_keyword("wrt"):
            names = parser.parse_comma_separated_list(
                parser.Delimiter.NONE, parser.parse_unresolved_operand
            )
            parser.parse_punctuation(":")
            types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
            inputs = parser.resolve_operands(names, types, parser.pos)
        bound = [*values, *captured]
        region = parser.parse_region([a.resolve(operand.type) for a, operand in bound])
        operands = [operand for _, operand in bound]
        cut = len(values)
        return cls(operands[:cut], inputs, operands[cut:], region.detach_block(0))

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        cotangents = [
            constant(b, 0.0, value) if grad is None else grad
            for value, grad in zip(self.values, grads, strict=True)
        ]
        outputs = dict(zip(self.values, self.outputs, strict=True))
        captured = [outputs.get(value, value) for value in self.captured]
        found = inline(self.body.block, [*cotangents, *captured], b)
        first, last = len(self.values), len(self.values) + len(self.inputs)
        passed = zip(found, needed[first:last], strict=True)
        return [
            *[None] * first,
            *(grad if need else None for grad, need in passed),
            *[None] * len(self.captured),
        ]
