"""Elementwise ops: one scalar function of the same element of each operand.

Two operands have one shape and type; the frontend inserts `nn.broadcast`. Each class is the whole
op: formula, gradient and scalar meaning.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import VarConstraint, base, irdl_op_definition, operand_def, result_def

from nnc.dialects import scalars
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import Elementwise, ScalarIndex, insert, same_types


class Unary(Elementwise, Differentiable):
    """`output = f(input)`, one type."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$input attr-dict `:` type($input)"

    def __init__(self, input: SSAValue):
        self.initialize([input])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        return [operands[0]]

    @abstractmethod
    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        """`f(x)` for a scalar or vector."""

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [self.apply(b, arguments[0])]

    @abstractmethod
    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * f'(input)`."""

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [self.cotangent(b, grads[0])]


class Binary(Elementwise, Differentiable):
    """`output = f(lhs, rhs)`, one shape and type."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    lhs = operand_def(TENSOR)
    rhs = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($output)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        self.initialize([lhs, rhs])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_types(cls.name, operands)
        return [operands[0]]

    @abstractmethod
    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        """`f(x, y)` for scalars or vectors."""

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [self.apply(b, *arguments)]

    def left(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * df/dlhs`."""

    def right(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * df/drhs`."""

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        return [
            self.left(b, g) if needed[0] else None,
            self.right(b, g) if needed[1] else None,
        ]


@irdl_op_definition
class AddOp(Binary):
    """`lhs + rhs`."""

    name = "nn.add"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.add(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return g

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return g


@irdl_op_definition
class MulOp(Binary):
    """`lhs * rhs`."""

    name = "nn.mul"

    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        return scalars.mul(b, x, y)

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, MulOp(g, self.rhs))

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, MulOp(g, self.lhs))


@irdl_op_definition
class ExpOp(Unary):
    """`exp(input)`."""

    name = "nn.exp"

    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        return b.insert(math.ExpOp(x)).result

    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue:
        return insert(b, MulOp(g, self.output))
