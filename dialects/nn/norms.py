"""Normalization of rows: the one op of layer, group, instance and root-mean-square norms.

* `nn.normalize`        brings each row to mean 0 and mean square 1, or to the latter alone
* `nn.normalize_grad`   its gradient, from its results

A row is what lies along some axes. Scale and shift are elementwise ops of their own, which share
the kernel; groups of channels are axes after an `nn.reshape`.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import Float64Type, FloatAttr, TensorType, UnitAttr, f64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import operand_def, opt_prop_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Decomposes, Differentiable
from nnc.dialects.nn.base import GraphOp, element_of, float_type, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp, SubOp, mul
from nnc.dialects.nn.functions import RsqrtOp, scale
from nnc.dialects.nn.normalize import Axes, reduce, spread
from nnc.dialects.nn.shape import check_axis
from nnc.dialects.syntax import IntegerArray, Integers, array, integers


class RowNorm(GraphOp, Decomposes):
    """An op on rows along `axes`, which increase, and a value of each row."""

    axes = prop_def(IntegerArray)
    uncentered = opt_prop_def(UnitAttr)
    custom_directives = (Integers,)

    @classmethod
    def rates(cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]) -> Attribute:
        """The type of a value of each row of the first operand."""
        float_type(cls.name, operands[0])
        shape, axes = shape_of(operands[0]), integers(cast(IntegerArray, properties["axes"]))
        for axis in axes:
            check_axis(cls.name, axis, len(shape))
        if not axes or list(axes) != sorted(set(axes)):
            raise VerifyException(
                f"{cls.name}: axes = {list(axes)} must be one or more increasing axes"
            )
        if prod(shape[axis] for axis in axes) == 0:
            raise VerifyException(f"{cls.name}: a row of {operands[0]} has no elements to average")
        kept = [size for axis, size in enumerate(shape) if axis not in axes]
        return TensorType(element_of(operands[0]), kept)

    def row_axes(self) -> Axes:
        return integers(self.axes)

    @property
    def count(self) -> int:
        """How many elements a row has."""
        return prod(shape_of(self.operands[0])[axis] for axis in self.row_axes())


@op_definition
class NormalizeOp(RowNorm, Differentiable):
    """`(x - mean) * rate`, with `rate = 1 / sqrt(variance + epsilon)`, for each row.

    The variance is biased: divided by the number of elements. Where `uncentered`, the mean is not
    subtracted and the variance is the mean square.
    """

    name = "nn.normalize"
    input = operand_def(TensorType)
    epsilon = prop_def(FloatAttr[Float64Type])
    output = result_def(TensorType)
    rate = result_def(TensorType)
    assembly_format = (
        "$input ` ` `{` `axes` `=` custom<Integers>($axes) `,` `epsilon` `=` $epsilon "
        "(`,` `uncentered` $uncentered^)? `}` attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self, input: SSAValue, axes: Axes, epsilon: float = 1e-5, *, uncentered: bool = False
    ):
        properties = {
            "axes": array(axes),
            "epsilon": FloatAttr(epsilon, f64),
            "uncentered": UnitAttr() if uncentered else None,
        }
        self.initialize([input], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        return [operands[0], cls.rates(operands, properties)]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        x, axes = self.input, self.row_axes()
        if self.uncentered is None:
            x = insert(b, SubOp(x, spread(b, reduce(b, "mean", x, axes), x, axes)))
        variance = reduce(b, "mean", mul(b, x, x), axes)
        epsilon = constant(b, self.epsilon.value.data, variance)
        rate = insert(b, RsqrtOp(insert(b, AddOp(variance, epsilon))))
        return [mul(b, x, spread(b, rate, x, axes)), rate]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        of_output, of_rate = grads
        terms: list[SSAValue] = []
        if of_output is not None:
            uncentered = self.uncentered is not None
            op = NormalizeGradOp(self.output, self.rate, of_output, self.row_axes(), uncentered)
            terms.append(insert(b, op))
        if of_rate is not None:
            terms.append(self._of_rate(b, of_rate))
        return [terms[0] if len(terms) == 1 else insert(b, AddOp(*terms))]

    def _of_rate(self, b: Builder, g: SSAValue) -> SSAValue:
        """`-g * rate^2 * output / count`."""
        slope = scale(b, mul(b, g, mul(b, self.rate, self.rate)), -1 / self.count)
        return mul(b, self.output, spread(b, slope, self.output, self.row_axes()))


@op_definition
class NormalizeGradOp(RowNorm):
    """`rate * (g - mean(g) - output * mean(g * output))`; no `mean(g)` where `uncentered`."""

    name = "nn.normalize_grad"
    output = operand_def(TensorType)
    rate = operand_def(TensorType)
    grad = operand_def(TensorType)
    input_grad = result_def(TensorType)
    assembly_format = (
        "operands ` ` `{` `axes` `=` custom<Integers>($axes) (`,` `uncentered` $uncentered^)? `}` "
        "attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self, output: SSAValue, rate: SSAValue, grad: SSAValue, axes: Axes, uncentered: bool = False
    ):
        properties = {"axes": array(axes), "uncentered": UnitAttr() if uncentered else None}
        self.initialize([output, rate, grad], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        output, rate, grad = operands
        expected = cls.rates(operands, properties)
        if rate != expected:
            raise VerifyException(f"{cls.name}: rate is {rate}, expected {expected}")
        if grad != output:
            raise VerifyException(f"{cls.name}: grad is {grad}, expected {output}")
        return [output]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        h, g, axes = self.output, self.grad, self.row_axes()
        slope = reduce(b, "mean", mul(b, g, h), axes)
        rest = insert(b, SubOp(g, mul(b, h, spread(b, slope, h, axes))))
        if self.uncentered is None:
            rest = insert(b, SubOp(rest, spread(b, reduce(b, "mean", g, axes), h, axes)))
        return [mul(b, rest, spread(b, self.rate, h, axes))]
