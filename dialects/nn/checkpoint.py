"""Ops of the trade between memory and time.

* `nn.checkpoint`  runs its body, and once more where gradients need what it computed
* `nn.after`       its operand, not before another value is there
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    operand_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, Pure

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import GraphOp, insert
from nnc.dialects.nn.structure import (
    check_end,
    check_types,
    end_of,
    parse_bindings,
    print_bindings,
    pull_back_body,
)


@op_definition
class AfterOp(GraphOp, Differentiable):
    """`output = input`, for readers that must not run before `token` is there.

    What reads it is another value than what reads the input: it is not merged with it, nor moved
    to an earlier place. It costs nothing.
    """

    name = "nn.after"
    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    token = operand_def(TensorType)
    output = result_def(TENSOR)
    assembly_format = "$input `,` $token attr-dict `:` type($input) `,` type($token)"

    def __init__(self, input: SSAValue, token: SSAValue):
        self.initialize([input, token])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        return [operands[0]]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        return [grads[0] if needed[0] else None, None]


@op_definition
class CheckpointOp(IRDLOperation, Differentiable):
    """`body(captured…)`; its gradient keeps the captured values only, and runs the body again.

    `nn-canonicalize` puts the body in its place, so gradients have to come before that.
    """

    name = "nn.checkpoint"
    captured = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)
    body = region_def("single_block")
    traits = traits_def(Pure(), IsolatedFromAbove())

    def __init__(self, captured: Sequence[SSAValue], body: Block):
        """The body takes the captured values."""
        last = body.last_op
        super().__init__(
            operands=[captured],
            result_types=[[] if last is None else last.operand_types],
            regions=[Region(body)],
        )

    def verify_(self) -> None:
        body = self.body.block
        check_types("nn.checkpoint: its body takes", body.arg_types, tuple(self.captured.types))
        check_end(self.name, body)
        yielded = end_of(body).operand_types
        check_types("nn.checkpoint: its body yields", yielded, tuple(self.outputs.types))

    def print(self, printer: Printer) -> None:
        print_bindings(printer, "captures", self.body.block.args, self.captured)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "CheckpointOp":
        bindings = parse_bindings(parser, "captures")
        region = parser.parse_region([a.resolve(operand.type) for a, operand in bindings])
        return cls([operand for _, operand in bindings], region.detach_block(0))

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        token = next(grad for grad in grads if grad is not None)
        again = [insert(b, AfterOp(value, token)) for value in self.captured]
        wrt = [value for value, need in zip(again, needed, strict=True) if need]
        found = iter(pull_back_body(self.body.block, again, grads, wrt, b))
        return [next(found) if need else None for need in needed]
