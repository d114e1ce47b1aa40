"""Batch normalization in training, over all axes but the channels, axis 1.

* `nn.batch_norm`        normalizes, and gives the statistics it used
* `nn.batch_norm_grad`   its gradient

With given statistics (inference) it is a composition of elementwise ops.
"""

from collections.abc import Mapping, Sequence
from math import prod

from xdsl.builder import Builder
from xdsl.dialects.builtin import Float64Type, FloatAttr, TensorType, f64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Decomposes, Differentiable
from nnc.dialects.nn.base import GraphOp, element_of, float_type, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp, SubOp, mul
from nnc.dialects.nn.functions import RsqrtOp, scale
from nnc.dialects.nn.normalize import Axes, reduce, spread


class BatchNormalization(GraphOp, Decomposes):
    """An op on a batch and values of each channel."""

    epsilon = prop_def(FloatAttr[Float64Type])

    @classmethod
    def check(cls, input: Attribute, *channels: Attribute) -> None:
        """Raises unless the others have one element for each channel."""
        float_type(cls.name, input)
        shape = shape_of(input)
        if len(shape) < 2:
            raise VerifyException(f"{cls.name}: axis 1 must be the channels, given {input}")
        if prod(size for axis, size in enumerate(shape) if axis != 1) == 0:
            raise VerifyException(f"{cls.name}: a channel of {input} has no elements to average")
        expected = TensorType(element_of(input), shape[1:2])
        for given in channels:
            if given != expected:
                raise VerifyException(
                    f"{cls.name}: expected {expected}, a value for each channel of {input}, "
                    f"given {given}"
                )

    def row_axes(self) -> Axes:
        return tuple(axis for axis in range(len(shape_of(self.operands[0]))) if axis != 1)

    @property
    def count(self) -> int:
        """How many elements a channel has."""
        return prod(shape_of(self.operands[0])[axis] for axis in self.row_axes())

    def inverse_deviation(self, b: Builder, variance: SSAValue) -> SSAValue:
        """`1 / sqrt(variance + epsilon)`."""
        epsilon = constant(b, self.epsilon.value.data, variance)
        return insert(b, RsqrtOp(insert(b, AddOp(variance, epsilon))))


@op_definition
class BatchNormOp(BatchNormalization, Differentiable):
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with the batch's mean and variance.

    The variance is biased: divided by the number of elements.
    """

    name = "nn.batch_norm"
    input = operand_def(TensorType)
    gamma = operand_def(TensorType)
    beta = operand_def(TensorType)
    output = result_def(TensorType)
    mean = result_def(TensorType)
    variance = result_def(TensorType)
    assembly_format = (
        "$input `,` $gamma `,` $beta ` ` `{` `epsilon` `=` $epsilon `}` attr-dict "
        "`:` functional-type(operands, results)"
    )

    def __init__(self, input: SSAValue, gamma: SSAValue, beta: SSAValue, epsilon: float = 1e-5):
        self.initialize([input, gamma, beta], {"epsilon": FloatAttr(epsilon, f64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        input, gamma, beta = operands
        cls.check(input, gamma, beta)
        return [input, gamma, gamma]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        x, axes = self.input, self.row_axes()
        mean = reduce(b, "mean", x, axes)
        centered = insert(b, SubOp(x, spread(b, mean, x, axes)))
        variance = reduce(b, "mean", mul(b, centered, centered), axes)
        factor = mul(b, self.gamma, self.inverse_deviation(b, variance))
        scaled = mul(b, centered, spread(b, factor, x, axes))
        return [insert(b, AddOp(scaled, spread(b, self.beta, x, axes))), mean, variance]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g, of_mean, of_variance = grads
        cotangents: list[SSAValue | None] = [None, None, None]
        if g is not None:
            epsilon = self.epsilon.value.data
            op = BatchNormGradOp(self.input, self.gamma, self.mean, self.variance, g, epsilon)
            found = b.insert(op).results
            cotangents = [r if need else None for r, need in zip(found, needed, strict=True)]
        if not needed[0]:
            return cotangents
        for more in self._of_statistics(b, of_mean, of_variance):
            dx = cotangents[0]
            cotangents[0] = more if dx is None else insert(b, AddOp(dx, more))
        return cotangents

    def _of_statistics(
        self, b: Builder, of_mean: SSAValue | None, of_variance: SSAValue | None
    ) -> Sequence[SSAValue]:
        """What the cotangents of mean and variance add to that of the input."""
        x, axes, share = self.input, self.row_axes(), 1 / self.count
        terms: list[SSAValue] = []
        if of_mean is not None:
            terms.append(spread(b, scale(b, of_mean, share), x, axes))
        if of_variance is not None:
            centered = insert(b, SubOp(x, spread(b, self.mean, x, axes)))
            terms.append(mul(b, centered, spread(b, scale(b, of_variance, 2 * share), x, axes)))
        return terms


@op_definition
class BatchNormGradOp(BatchNormalization):
    """The cotangents of input, gamma and beta, from that of the output.

    With `h = (x - mean) / deviation`: `dbeta = sum(g)`, `dgamma = sum(g * h)` and
    `dx = gamma / deviation * (g - (dbeta + h * dgamma) / count)`.
    """

    name = "nn.batch_norm_grad"
    input = operand_def(TensorType)
    gamma = operand_def(TensorType)
    mean = operand_def(TensorType)
    variance = operand_def(TensorType)
    grad = operand_def(TensorType)
    input_grad = result_def(TensorType)
    gamma_grad = result_def(TensorType)
    beta_grad = result_def(TensorType)
    assembly_format = (
        "operands ` ` `{` `epsilon` `=` $epsilon `}` attr-dict "
        "`:` functional-type(operands, results)"
    )

    def __init__(
        self,
        input: SSAValue,
        gamma: SSAValue,
        mean: SSAValue,
        variance: SSAValue,
        grad: SSAValue,
        epsilon: float,
    ):
        operands = [input, gamma, mean, variance, grad]
        self.initialize(operands, {"epsilon": FloatAttr(epsilon, f64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        input, gamma, mean, variance, grad = operands
        cls.check(input, gamma, mean, variance)
        if grad != input:
            raise VerifyException(f"{cls.name}: grad is {grad}, expected {input}")
        return [input, gamma, gamma]

    def decompose(self, b: Builder) -> Sequence[SSAValue]:
        x, g, axes = self.input, self.grad, self.row_axes()
        inverse = self.inverse_deviation(b, self.variance)
        centered = insert(b, SubOp(x, spread(b, self.mean, x, axes)))
        dbeta = reduce(b, "sum", g, axes)
        dgamma = mul(b, inverse, reduce(b, "sum", mul(b, g, centered), axes))
        slope = scale(b, mul(b, inverse, dgamma), 1 / self.count)
        explained = mul(b, centered, spread(b, slope, x, axes))
        explained = insert(b, AddOp(explained, spread(b, scale(b, dbeta, 1 / self.count), x, axes)))
        rest = insert(b, SubOp(g, explained))
        return [mul(b, rest, spread(b, mul(b, self.gamma, inverse), x, axes)), dgamma, dbeta]
