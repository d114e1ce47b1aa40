"""The operations of layers, losses and optimizers, written in the `nn` and `optim` dialects."""

import math
from collections.abc import Sequence
from typing import Any

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, i1
from xdsl.ir import SSAValue

from nnc.checks import axis_of
from nnc.dialects.nn import batch_norm as norm
from nnc.dialects.nn import contract, normalize, random, shape
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import ConstantOp, constant
from nnc.dialects.nn.elementwise import CompareOp, MulOp, cast
from nnc.dialects.optim.rules import RULES, Given, Rule
from nnc.errors import LabelError, ShapeError
from nnc.operators.core import (
    Shape,
    abs_,
    add,
    along,
    check_float,
    expand,
    in_f32,
    log,
    multiply,
    negative,
    pick,
    reduce_,
    reshape,
    rounded_product,
    rsqrt,
    subtract,
    to_last,
)
from nnc.operators.elementwise import softplus
from nnc.recording.graph import Operation, choosing, operation


@operation
def dense(b: Builder, x: SSAValue, weight: SSAValue, *rest: Any) -> SSAValue:
    """`x weight^T + bias`; operands after the weight are the bias if any, and `flatten`."""
    *bias, flatten = rest
    given = shape_of(x)
    if len(given) < 2:
        raise ShapeError(f"Dense: expected a batch, shape (N, …), given shape {given}")
    rows = (given[0], math.prod(given[1:])) if flatten else (math.prod(given[:-1]), given[-1])
    units, width = shape_of(weight)
    if rows[1] != width:
        raise ShapeError(
            f"Dense: the weight {shape_of(weight)} takes {width} inputs, given {rows[1]} "
            f"(shape {given})"
        )
    if rows != given:
        x = reshape.emit(b, x, rows)
    y = rounded_product(b, contract.MatmulOp(x, weight, transpose_rhs=True), *bias)
    return y if flatten else reshape.emit(b, y, (*given[:-1], units))


@operation
def dropout(
    b: Builder, x: SSAValue, key: SSAValue, counter: SSAValue, rate: float, axes: Shape
) -> SSAValue:
    """Along `axes` one draw serves all elements."""
    check_float("Dropout", x)
    if not axes:
        return insert(b, random.DropoutOp(x, key, counter, rate))
    sizes = tuple(1 if a in axes else size for a, size in enumerate(shape_of(x)))
    ones = reshape.emit(b, constant(b, 1.0, x), shape_of(x))
    ones = insert(b, shape.SliceOp(ones, [0] * len(sizes), sizes))
    mask = insert(b, random.DropoutOp(ones, key, counter, rate))
    return multiply.emit(b, x, mask)


@operation
def softmax(b: Builder, x: SSAValue, axis: int) -> SSAValue:
    check_float("softmax", x)
    return insert(b, normalize.SoftmaxOp(x, one_axis("softmax", x, axis)))


@operation
def log_softmax(b: Builder, x: SSAValue, axis: int) -> SSAValue:
    check_float("log_softmax", x)
    return insert(b, normalize.LogSoftmaxOp(x, one_axis("log_softmax", x, axis)))


def one_axis(name: str, x: SSAValue, axis: int) -> int:
    return axis_of(name, axis, len(shape_of(x)))


@choosing("SoftmaxCrossEntropyLoss: labels", LabelError)
def cross_entropy(
    b: Builder, x: SSAValue, labels: SSAValue, axis: int, from_logits: bool
) -> SSAValue:
    """`-log_softmax(x)[label]` along the axis, which disappears."""
    check_float("SoftmaxCrossEntropyLoss", x)
    if from_logits:
        return negative.emit(b, pick.emit(b, x, labels, axis))
    last = to_last(b, x, one_axis("SoftmaxCrossEntropyLoss", x, axis))
    return b.insert(normalize.CrossEntropyOp(last, labels)).nll


@operation
def soft_cross_entropy(
    b: Builder, x: SSAValue, labels: SSAValue, axis: int, from_logits: bool
) -> SSAValue:
    """`-sum(labels * log_softmax(x))` along the axis, which is kept with size 1."""
    if not from_logits:
        x = log_softmax.emit(b, x, axis)
    return negative.emit(b, reduce_.emit(b, multiply.emit(b, x, labels), "sum", axis, True))


@operation
def logit_cross_entropy(b: Builder, x: SSAValue, z: SSAValue, *pos_weight: SSAValue) -> SSAValue:
    """`log(1 + exp(x)) - x z`; with a weight, `x - x z + w' log(1 + exp(-x))`.

    There w' is `1 + (pos_weight - 1) z`.
    """
    product = multiply.emit(b, x, z)
    if not pos_weight:
        return subtract.emit(b, softplus.emit(b, x, 1), product)
    one = constant(b, 1.0, x)
    more = multiply.emit(b, subtract.emit(b, expand(b, pos_weight[0], shape_of(x)), one), z)
    tail = multiply.emit(b, add.emit(b, one, more), softplus.emit(b, negative.emit(b, x), 1))
    return add.emit(b, subtract.emit(b, x, product), tail)


@operation
def binary_cross_entropy(b: Builder, p: SSAValue, z: SSAValue, *pos_weight: SSAValue) -> SSAValue:
    """`-(w z log(p + 1e-12) + (1 - z) log(1 - p + 1e-12))`."""
    tiny, one = constant(b, 1e-12, p), constant(b, 1.0, p)
    positive = multiply.emit(b, z, log.emit(b, add.emit(b, p, tiny)))
    if pos_weight:
        positive = multiply.emit(b, positive, pos_weight[0])
    rest = log.emit(b, add.emit(b, subtract.emit(b, one, p), tiny))
    negative_term = multiply.emit(b, subtract.emit(b, one, z), rest)
    return negative.emit(b, add.emit(b, positive, negative_term))


@operation
@in_f32
def batch_norm(
    b: Builder, x: SSAValue, gamma: SSAValue, beta: SSAValue, axis: int, epsilon: float
) -> list[SSAValue]:
    """The normalized array, and the batch's mean and biased variance along the axis."""
    swapped = swap_axes(b, x, 1, one_axis("BatchNorm", x, axis))
    op = b.insert(norm.BatchNormOp(swapped, gamma, beta, epsilon))
    y = swap_axes(b, op.output, 1, one_axis("BatchNorm", x, axis))
    return [y, op.mean, op.variance]


def swap_axes(b: Builder, x: SSAValue, first: int, second: int) -> SSAValue:
    order = list(range(len(shape_of(x))))
    order[first], order[second] = second, first
    return x if first == second else insert(b, shape.TransposeOp(x, order))


@operation
@in_f32
def batch_norm_inference(
    b: Builder,
    x: SSAValue,
    gamma: SSAValue,
    beta: SSAValue,
    mean: SSAValue,
    variance: SSAValue,
    axis: int,
    epsilon: float,
) -> SSAValue:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta` with given statistics."""
    axis = one_axis("BatchNorm", x, axis)
    deviation = rsqrt.emit(b, add.emit(b, variance, constant(b, epsilon, variance)))
    scale = multiply.emit(b, gamma, deviation)
    centred = subtract.emit(b, x, along(b, mean, axis, x))
    return add.emit(b, multiply.emit(b, centred, along(b, scale, axis, x)), along(b, beta, axis, x))


@operation
def blend(b: Builder, old: SSAValue, new: SSAValue, momentum: float) -> SSAValue:
    """`momentum * old + (1 - momentum) * new`."""
    kept = multiply.emit(b, old, constant(b, momentum, old))
    return add.emit(b, kept, multiply.emit(b, new, constant(b, 1 - momentum, new)))


@operation
def all_finite(b: Builder, *arrays: SSAValue) -> SSAValue:
    """Whether all elements of all arrays are numbers, as one bool."""
    result = insert(b, ConstantOp(1, TensorType(i1, ())))
    for x in filter(size_of, arrays):
        largest = reduce_.emit(b, abs_.emit(b, x), "max", None, False)
        finite = insert(b, CompareOp("lt", largest, constant(b, math.inf, largest)))
        result = insert(b, MulOp(result, finite))
    return result


def size_of(x: SSAValue) -> int:
    return math.prod(shape_of(x))


def update_by(name: str, rule: Rule) -> Operation:
    """Operands: gradient, parameter, states, scalars, and the bound if the gradient is clipped.

    A parameter of half precision is updated in f32, in which its states and the scalars are.
    """

    def emit(b: Builder, grad: SSAValue, param: SSAValue, *rest: Any) -> Sequence[SSAValue]:
        *others, clips, constants = rest
        clip = others.pop() if clips else None
        count = len(rule.states)
        wide_grad, wide = (cast(b, v, element_of(others[-1])) for v in (grad, param))
        given = Given(wide_grad, wide, others[:count], others[count:], clip)
        new, *states = rule.emit(b, given, dict(constants))
        return [cast(b, new, element_of(param)), *states]

    return Operation(emit, f"{name}_update")


UPDATES = {name: update_by(name, rule) for name, rule in RULES.items()}
"""The updates of a parameter, by the names of their rules."""
