"""What users call operations, written in the `nn` dialect.

Each function emits ops and returns values. Shape errors that a person can make are found here, in
the person's words; the dialect's own checks stand behind them.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any
from typing import cast as cast_to

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects.builtin import AnyFloat, TensorType, f32, i32, i64
from xdsl.ir import SSAValue

from nnc.checks import axes_of, axis_of, elements
from nnc.dialects.nn import contract, elementwise, functions, indexing, random, reduce, shape
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import ConstantOp, constant
from nnc.dialects.nn.rounding import FloorOp
from nnc.dialects.scalars import is_float, is_half
from nnc.dtypes import FLOATS, element_type, numpy_name
from nnc.errors import DtypeError, ShapeError
from nnc.recording.graph import Emit, Operation, choosing, moving, operation

Shape = tuple[int, ...]
Axis = int | Shape | None


def in_f32(emit: Emit) -> Emit:
    """The operation on half precision computed in f32; only its first result is rounded back."""

    @functools.wraps(emit)
    def wide(b: Builder, x: SSAValue, *rest: Any) -> Any:
        element = element_of(x)
        if not is_half(element):
            return emit(b, x, *rest)
        operands = (elementwise.cast(b, v, f32) if is_half_array(v) else v for v in (x, *rest))
        results = emit(b, *operands)
        if isinstance(results, SSAValue):
            return elementwise.cast(b, results, element)
        first, *others = results
        return [elementwise.cast(b, first, element), *others]

    return wide


def is_half_array(operand: object) -> bool:
    return isinstance(operand, SSAValue) and is_half(element_of(operand))


def expand(b: Builder, x: SSAValue, to: Shape) -> SSAValue:
    """`x` broadcast to a shape by numpy's rules."""
    given = shape_of(x)
    if given == to:
        return x
    first = len(to) - len(given)
    fits = zip(given, to[max(first, 0) :], strict=False)
    if first < 0 or any(a not in (1, b) for a, b in fits):
        raise ShapeError(f"an array of shape {given} cannot be broadcast to shape {to}")
    return insert(b, reduce.BroadcastOp(x, to, range(first, len(to))))


def along(b: Builder, x: SSAValue, axis: int, like: SSAValue) -> SSAValue:
    """A vector repeated along all axes but `axis`."""
    return insert(b, reduce.BroadcastOp(x, shape_of(like), [axis]))


def common_shape(name: str, *arrays: SSAValue) -> Shape:
    """What arrays are broadcast to."""
    shapes = [shape_of(x) for x in arrays]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        given = " and ".join(map(str, shapes))
        raise ShapeError(f"{name}: shapes {given} cannot be broadcast together") from None


def binary(name: str, kind: type[Any]) -> Operation:
    """An operation on two arrays, broadcast against each other."""

    def emit(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        shape = common_shape(name, x, y)
        return insert(b, kind(expand(b, x, shape), expand(b, y, shape)))

    return Operation(emit, name)


def unary(name: str, kind: type[Any]) -> Operation:
    """An operation on each element."""

    def emit(b: Builder, x: SSAValue) -> SSAValue:
        return insert(b, kind(x))

    return Operation(emit, name)


add = binary("add", elementwise.AddOp)
subtract = binary("subtract", elementwise.SubOp)
multiply = binary("multiply", elementwise.MulOp)
divide = binary("divide", elementwise.DivOp)
power = binary("power", elementwise.PowOp)
maximum = binary("maximum", elementwise.MaxOp)
minimum = binary("minimum", elementwise.MinOp)

negative = unary("negative", elementwise.NegOp)
exp = unary("exp", elementwise.ExpOp)
log = unary("log", elementwise.LogOp)
abs_ = unary("abs", functions.AbsOp)
sign = unary("sign", functions.SignOp)
sqrt = unary("sqrt", functions.SqrtOp)
rsqrt = unary("rsqrt", functions.RsqrtOp)
sin = unary("sin", functions.SinOp)
cos = unary("cos", functions.CosOp)
erf = unary("erf", functions.ErfOp)
tanh = unary("tanh", functions.TanhOp)
sigmoid = unary("sigmoid", functions.SigmoidOp)
silu = unary("silu", functions.SiluOp)
gelu = unary("gelu", functions.GeluOp)
relu = unary("relu", functions.ReluOp)


def _unavailable(b: Builder, *operands: SSAValue) -> SSAValue:
    raise NotImplementedError


gradient = Operation(_unavailable, "gradient", differentiates=True)
"""Gradients of heads. `modules.py` writes it, with the ops that led to them."""


@operation
def square(b: Builder, x: SSAValue) -> SSAValue:
    return insert(b, elementwise.MulOp(x, x))


@operation
def half_square(b: Builder, x: SSAValue) -> SSAValue:
    """`x² / 2`."""
    return insert(b, elementwise.MulOp(square.emit(b, x), constant(b, 0.5, x)))


@operation
def power_of(b: Builder, x: SSAValue, exponent: float) -> SSAValue:
    """`x` to the power of a number that is known when the program is compiled."""
    if exponent == 2:
        return square.emit(b, x)
    if exponent == 0.5:
        return sqrt.emit(b, x)
    return insert(b, elementwise.PowOp(x, constant(b, exponent, x)))


@operation
def clip(b: Builder, x: SSAValue, low: float, high: float) -> SSAValue:
    return insert(b, elementwise.ClampOp(x, low, high))


@operation
def compare(b: Builder, x: SSAValue, y: SSAValue, predicate: str) -> SSAValue:
    shape = common_shape("compare", x, y)
    return insert(b, elementwise.CompareOp(predicate, expand(b, x, shape), expand(b, y, shape)))


@operation
def where(b: Builder, mask: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
    shape = common_shape("where", mask, x, y)
    chosen = cast.emit(b, mask, "bool")
    return insert(
        b,
        elementwise.SelectOp(expand(b, chosen, shape), expand(b, x, shape), expand(b, y, shape)),
    )


@moving
def cast(b: Builder, x: SSAValue, dtype: str) -> SSAValue:
    return elementwise.cast(b, x, element_type(dtype))


@moving
def copy(b: Builder, x: SSAValue) -> SSAValue:
    """The same values as a value of its own: gradients can be cut between the two."""
    return insert(b, shape.ReshapeOp(x, shape_of(x)))


@operation
def full(b: Builder, sizes: Shape, number: float, dtype: str) -> SSAValue:
    return insert(b, ConstantOp(number, TensorType(element_type(dtype), sizes)))


@moving
def reshape(b: Builder, x: SSAValue, sizes: Shape) -> SSAValue:
    return insert(b, shape.ReshapeOp(x, sizes))


@operation
def broadcast_to(b: Builder, x: SSAValue, sizes: Shape) -> SSAValue:
    return expand(b, x, sizes)


@moving
def transpose(b: Builder, x: SSAValue, axes: Shape) -> SSAValue:
    """The axes in the given order, reversed if none are given."""
    rank = len(shape_of(x))
    order = [axis_of("transpose", axis, rank) for axis in axes] or range(rank)[::-1]
    if sorted(order) != list(range(rank)):
        raise ShapeError(f"transpose: axes {axes} do not name each of {rank} axes once")
    return insert(b, shape.TransposeOp(x, order))


@operation
def index(b: Builder, x: SSAValue, items: Sequence[Any]) -> SSAValue:
    """A basic index: (start, stop, step) or a position for each axis, None for a new one."""
    boxes = [(i, i + 1, 1) if isinstance(i, int) else i for i in items if i is not None]
    sizes = shape_of(x)
    if boxes != [(0, size, 1) for size in sizes]:
        starts, limits, strides = zip(*boxes, strict=True)
        x = insert(b, shape.SliceOp(x, starts, limits, strides))
    lengths = iter([len(range(*box)) for box in boxes])
    kept: list[int] = []
    for item in items:
        if item is None:
            kept.append(1)
            continue
        length = next(lengths)
        if not isinstance(item, int):
            kept.append(length)
    return insert(b, shape.ReshapeOp(x, kept))


@operation
def concat(b: Builder, *operands: Any) -> SSAValue:
    """The arrays one after the other along the axis, which comes last."""
    *arrays, axis = operands
    return insert(b, shape.ConcatOp(arrays, axis_of("concat", axis, len(shape_of(arrays[0])))))


@operation
def pad(b: Builder, x: SSAValue, low: Shape, high: Shape, value: float) -> SSAValue:
    return insert(b, shape.PadOp(x, low, high, value))


@choosing("take: indices")
def take(b: Builder, x: SSAValue, indices: SSAValue, axis: int) -> SSAValue:
    return insert(b, indexing.GatherOp(x, indices, axis_of("take", axis, len(shape_of(x)))))


embedding = choosing("Embedding: indices")(take.emit)


@choosing("pick: indices")
def pick(b: Builder, x: SSAValue, indices: SSAValue, axis: int) -> SSAValue:
    """The element at `indices` along `axis`, which disappears."""
    rank = len(shape_of(x))
    x = to_last(b, x, axis_of("pick", axis, rank))
    sizes = shape_of(x)[:-1]
    column = insert(b, shape.ReshapeOp(indices, (*sizes, 1)))
    found = insert(b, indexing.GatherOp(x, column, rank - 1, batch_dims=rank - 1))
    return insert(b, shape.ReshapeOp(found, sizes))


def to_last(b: Builder, x: SSAValue, axis: int) -> SSAValue:
    """The axis moved to the end."""
    rank = len(shape_of(x))
    order = [a for a in range(rank) if a != axis % rank]
    if axis % rank == rank - 1:
        return x
    return insert(b, shape.TransposeOp(x, (*order, axis % rank)))


def whole_or(b: Builder, other: float, x: SSAValue) -> SSAValue:
    """Floats that are whole numbers, and `other` in the place of those that are not."""
    whole = insert(b, elementwise.CompareOp("eq", insert(b, FloorOp(x)), x))
    return insert(b, elementwise.SelectOp(whole, x, constant(b, other, x)))


@operation
def one_hot(b: Builder, indices: SSAValue, size: int, dtype: str) -> SSAValue:
    """A row for each index, of zeros where it is no position."""
    if is_float(element_of(indices)):
        indices = whole_or(b, -1, indices)
    if element_of(indices) != i64:
        indices = elementwise.cast(b, indices, i32)
    return insert(b, indexing.OneHotOp(indices, size, element_type(dtype)))


@operation
def arange(b: Builder, size: int) -> SSAValue:
    return insert(b, indexing.IotaOp((size,), 0))


@operation
def reduce_(
    b: Builder, x: SSAValue, kind: str, axis: Axis, keepdims: bool, exclude: bool = False
) -> SSAValue:
    """The sum, mean, product, maximum or minimum; sums and products of small integers are int32.

    Over the axes given, or with `exclude` over all others.
    """
    sizes = shape_of(x)
    axes = axes_of(kind, axis, len(sizes))
    if exclude:
        axes = tuple(a for a in range(len(sizes)) if a not in axes)
    if kind in ("mean", "max", "min"):
        elements(kind, sizes, axes if exclude else axis)
    if kind in ("sum", "prod") and numpy_name(element_of(x)) in ("bool", "uint8", "int8"):
        x = cast.emit(b, x, "int32")
    if axes:
        x = insert(b, reduce.ReduceOp(kind, x, axes))
    if keepdims:
        x = reshape.emit(b, x, [1 if a in axes else size for a, size in enumerate(sizes)])
    return x


@operation
def argmax(b: Builder, x: SSAValue, axis: int | None) -> SSAValue:
    elements("argmax", shape_of(x), axis)
    if axis is None:
        x, axis = reshape.emit(b, x, (math.prod(shape_of(x)),)), 0
    return insert(b, reduce.ArgmaxOp(x, axis_of("argmax", axis, len(shape_of(x)))))


@operation
def cumsum(b: Builder, x: SSAValue, axis: int) -> SSAValue:
    return insert(b, reduce.CumsumOp(x, axis_of("cumsum", axis, len(shape_of(x)))))


@operation
def matmul(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    """The matrix product of the last two axes; leading axes are broadcast."""
    left, right = shape_of(x), shape_of(y)
    if not left or not right or left[-1] != right[-min(len(right), 2)]:
        raise ShapeError(
            f"matmul: the last axis of {left} and the last but one of {right} must be equal"
        )
    if len(right) == 1:
        column = matmul.emit(b, x, reshape.emit(b, y, (*right, 1)))
        return reshape.emit(b, column, shape_of(column)[:-1])
    if len(left) == 1:
        row = matmul.emit(b, reshape.emit(b, x, (1, *left)), y)
        return reshape.emit(b, row, (*shape_of(row)[:-2], right[-1]))
    if len(right) == 2 and len(left) > 2:
        rows = reshape.emit(b, x, (math.prod(left[:-1]), left[-1]))
        product = rounded_product(b, contract.MatmulOp(rows, y))
        return reshape.emit(b, product, (*left[:-1], right[-1]))
    rank = max(len(left), len(right))
    batch = tuple(
        max(p, q)
        for p, q in zip(
            (1,) * (rank - len(left)) + left[:-2],
            (1,) * (rank - len(right)) + right[:-2],
            strict=True,
        )
    )
    x, y = expand(b, x, (*batch, *left[-2:])), expand(b, y, (*batch, *right[-2:]))
    return rounded_product(b, contract.MatmulOp(x, y))


def rounded_product(b: Builder, op: contract.Product, *bias: SSAValue) -> SSAValue:
    """A product, plus a bias along axis 1, as an array of its operands' dtype.

    Half precision is summed in f32 and rounded once.
    """
    y = insert(b, op)
    for given in bias:
        wide = elementwise.cast(b, given, element_of(y))
        y = insert(b, elementwise.AddOp(y, along(b, wide, 1, y)))
    return elementwise.cast(b, y, element_of(op.lhs))


def float_tensor(dtype: str, sizes: Shape) -> TensorType[AnyFloat]:
    return TensorType(cast_to(AnyFloat, element_type(dtype)), sizes)


@operation
def uniform(b: Builder, key: SSAValue, counter: SSAValue, sizes: Shape, dtype: str) -> SSAValue:
    return insert(b, random.UniformOp(key, counter, float_tensor(dtype, sizes)))


@operation
def normal(b: Builder, key: SSAValue, counter: SSAValue, sizes: Shape, dtype: str) -> SSAValue:
    return insert(b, random.NormalOp(key, counter, float_tensor(dtype, sizes)))


def check_float(name: str, x: SSAValue) -> None:
    """Raises unless the array holds floats."""
    dtype = numpy_name(element_of(x))
    if dtype not in FLOATS:
        raise DtypeError(f"{name}: expected floating-point numbers, given {dtype}; use .astype")
