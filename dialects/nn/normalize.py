"""Composite ops over rows: they stay whole until they are in a kernel.

* `nn.softmax`, `nn.log_softmax`              along an axis
* `nn.softmax_grad`, `nn.log_softmax_grad`    their gradients, from their results
* `nn.cross_entropy`, `nn.cross_entropy_grad` loss of logits against class labels
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, TensorType, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import VarConstraint, base, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Decomposes, Differentiable
from nnc.dialects.nn.base import GraphOp, float_type, insert, same_types, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import (
    AddOp,
    CastOp,
    ClampOp,
    CompareOp,
    DivOp,
    ExpOp,
    LogOp,
    SelectOp,
    SubOp,
    mul,
)
from nnc.dialects.nn.indexing import IotaOp, check_indices
from nnc.dialects.nn.reduce import BroadcastOp, ReduceOp
from nnc.dialects.nn.shape import check_axis

Axes = tuple[int, ...]


def reduce(b: Builder, kind: str, x: SSAValue, axes: Axes) -> SSAValue:
    """The rows of `x` combined."""
    return insert(b, ReduceOp(kind, x, axes))


def spread(b: Builder, rows: SSAValue, like: SSAValue, axes: Axes) -> SSAValue:
    """A value of each row at all elements of the row."""
    shape = shape_of(like)
    kept = [d for d in range(len(shape)) if d not in axes]
    return insert(b, BroadcastOp(rows, shape, kept))


def shifted(b: Builder, x: SSAValue, axes: Axes) -> SSAValue:
    """`x` less its row's maximum, so that exponentials do not overflow."""
    return insert(b, SubOp(x, spread(b, reduce(b, "max", x, axes), x, axes)))


def divided(b: Builder, x: SSAValue, rows: SSAValue, axes: Axes) -> SSAValue:
    """`x` divided by a value of each row: one division for each row."""
    inverse = insert(b, DivOp(constant(b, 1.0, rows), rows))
    return mul(b, x, spread(b, inverse, x, axes))


class Rows(GraphOp, Decomposes):
    """An op along one axis of operands of one float type."""

    axis = prop_def(IntegerAttr[I64])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_types(cls.name, operands)
        float_type(cls.name, operands[0])
        axis = cast(IntegerAttr, properties["axis"]).value.data
        check_axis(cls.name, axis, len(shape_of(operands[0])))
        return [operands[0]]

    def row_axes(self) -> Axes:
        return (self.axis.value.data,)


class Normalization(Rows, Differentiable):
    """A function of a row."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$input ` ` `{` `axis` `=` $axis `}` attr-dict `:` type($input)"

    def __init__(self, input: SSAValue, axis: int):
        self.initialize([input], {"axis": IntegerAttr(axis, i64)})


class NormalizationGrad(Rows):
    """The cotangent of a normalization's input, from its result and the result's cotangent."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    result = operand_def(TENSOR)
    grad = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$result `,` $grad ` ` `{` `axis` `=` $axis `}` attr-dict `:` type($result)"

    def __init__(self, result: SSAValue, grad: SSAValue, axis: int):
        self.initialize([result, grad], {"axis": IntegerAttr(axis, i64)})


@op_definition
class SoftmaxOp(Normalization):
    """`exp(x) / sum exp(x)`."""

    name = "nn.softmax"

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        axes = self.row_axes()
        powers = insert(b, ExpOp(shifted(b, self.input, axes)))
        return [divided(b, powers, reduce(b, "sum", powers, axes), axes)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [insert(b, SoftmaxGradOp(self.output, grads[0], self.axis.value.data))]


@op_definition
class SoftmaxGradOp(NormalizationGrad):
    """`y * (g - sum(g * y))`."""

    name = "nn.softmax_grad"

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        axes = self.row_axes()
        total = reduce(b, "sum", mul(b, self.grad, self.result), axes)
        centered = insert(b, SubOp(self.grad, spread(b, total, self.grad, axes)))
        return [mul(b, self.result, centered)]


@op_definition
class LogSoftmaxOp(Normalization):
    """`x - log(sum exp(x))`."""

    name = "nn.log_softmax"

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        axes = self.row_axes()
        z = shifted(b, self.input, axes)
        total = insert(b, LogOp(reduce(b, "sum", insert(b, ExpOp(z)), axes)))
        return [insert(b, SubOp(z, spread(b, total, z, axes)))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [insert(b, LogSoftmaxGradOp(self.output, grads[0], self.axis.value.data))]


@op_definition
class LogSoftmaxGradOp(NormalizationGrad):
    """`g - exp(y) * sum(g)`."""

    name = "nn.log_softmax_grad"

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        axes = self.row_axes()
        total = spread(b, reduce(b, "sum", self.grad, axes), self.grad, axes)
        return [insert(b, SubOp(self.grad, mul(b, insert(b, ExpOp(self.result)), total)))]


class Labelled(GraphOp, Decomposes):
    """An op on scores of classes, the last axis, and a label for each of their rows."""

    @classmethod
    def check(cls, scores: Attribute, label: Attribute) -> None:
        """Raises unless the label has the scores' shape without the classes."""
        float_type(cls.name, scores)
        check_indices(cls.name, label)
        shape = shape_of(scores)
        if not shape or shape_of(label) != shape[:-1]:
            raise VerifyException(
                f"{cls.name}: label must have the shape {list(shape[:-1])} of {scores} without "
                f"its last axis, the classes, given {label}"
            )
        check_indices(cls.name, label, shape[-1])

    def row_axes(self) -> Axes:
        return (len(shape_of(self.operands[0])) - 1,)

    def is_labelled(self, b: Builder) -> SSAValue:
        """Where the class is the label."""
        scores, label = self.operands[:2]
        wanted = insert(b, CastOp(label, i32))
        classes = insert(b, IotaOp(shape_of(scores), self.row_axes()[0]))
        return insert(b, CompareOp("eq", spread(b, wanted, scores, self.row_axes()), classes))

    def where_known(self, b: Builder, rows: SSAValue) -> SSAValue:
        """A value of each row, and NaN where the row's label is no class."""
        scores, label = self.operands[:2]
        nearest = insert(b, ClampOp(label, 0, max(shape_of(scores)[-1] - 1, 0)))
        known = insert(b, CompareOp("eq", nearest, label))
        return insert(b, SelectOp(known, rows, constant(b, math.nan, rows)))


@op_definition
class CrossEntropyOp(Labelled, Differentiable):
    """`nll = -log(probabilities[label])`, `probabilities = softmax(logits)`, over the last axis.

    Nothing is read at the label: a row whose label is no class gets NaN, and so does its gradient.
    """

    name = "nn.cross_entropy"
    logits = operand_def(TensorType)
    label = operand_def(TensorType)
    nll = result_def(TensorType)
    probabilities = result_def(TensorType)
    assembly_format = "$logits `,` $label attr-dict `:` functional-type(operands, results)"

    def __init__(self, logits: SSAValue, label: SSAValue):
        self.initialize([logits, label])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        logits, label = operands
        cls.check(logits, label)
        return [TensorType(cast(TensorType, logits).element_type, shape_of(label)), logits]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        axes = self.row_axes()
        z = shifted(b, self.logits, axes)
        powers = insert(b, ExpOp(z))
        total = reduce(b, "sum", powers, axes)
        chosen = insert(b, SelectOp(self.is_labelled(b), z, constant(b, 0.0, z)))
        nll = insert(b, SubOp(insert(b, LogOp(total)), reduce(b, "sum", chosen, axes)))
        return [self.where_known(b, nll), divided(b, powers, total, axes)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        p, (of_nll, of_p) = self.probabilities, grads
        if of_nll is None:
            assert of_p is not None
            return [insert(b, SoftmaxGradOp(p, of_p, self.row_axes()[0])), None]
        cotangent = insert(b, CrossEntropyGradOp(p, self.label, of_nll))
        if of_p is not None:
            more = insert(b, SoftmaxGradOp(p, of_p, self.row_axes()[0]))
            cotangent = insert(b, AddOp(cotangent, more))
        return [cotangent, None]


@op_definition
class CrossEntropyGradOp(Labelled):
    """`(probabilities - one_hot(label)) * grad`, the cotangent of the logits."""

    name = "nn.cross_entropy_grad"
    probabilities = operand_def(TensorType)
    label = operand_def(TensorType)
    grad = operand_def(TensorType)
    output = result_def(TensorType)
    assembly_format = (
        "$probabilities `,` $label `,` $grad attr-dict `:` functional-type(operands, results)"
    )

    def __init__(self, probabilities: SSAValue, label: SSAValue, grad: SSAValue):
        self.initialize([probabilities, label, grad])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        probabilities, label, grad = operands
        cls.check(probabilities, label)
        expected = TensorType(cast(TensorType, probabilities).element_type, shape_of(label))
        if grad != expected:
            raise VerifyException(f"{cls.name}: grad is {grad}, expected {expected}")
        return [probabilities]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        p = self.probabilities
        less = insert(b, SubOp(p, constant(b, 1.0, p)))
        difference = insert(b, SelectOp(self.is_labelled(b), less, p))
        grad = self.where_known(b, self.grad)
        return [mul(b, difference, spread(b, grad, p, self.row_axes()))]
