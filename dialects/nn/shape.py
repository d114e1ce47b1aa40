"""Ops that move elements without changing them.

* `nn.reshape`     the same elements in the same order: a view
* `nn.transpose`   the axes in another order
* `nn.slice`       every stride-th element of a box
* `nn.pad`         a border of one value
* `nn.concat`      tensors one after the other along an axis
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, Float64Type, FloatAttr, IntegerAttr, TensorType, f64, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import (
    AffineConstraintExpr,
    AffineConstraintKind,
    AffineExpr,
    AffineMap,
    AffineSet,
)
from xdsl.irdl import operand_def, prop_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Access, Cotangents, Differentiable, Domain, Structured
from nnc.dialects.nn.base import GraphOp, ScalarIndex, element_of, insert, shape_of, tensor_of
from nnc.dialects.syntax import IntegerArray, Integers, Number, Shape, array, integers


class Move(GraphOp, Structured, Differentiable):
    """Each element of the result is one element of the operand."""

    input = operand_def(TensorType)
    output = result_def(TensorType)

    def domain(self) -> Domain:
        return Domain(shape_of(self.output))

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return arguments


def per_axis(
    name: str, shape: Sequence[int], properties: Mapping[str, Attribute], *keys: str
) -> list[tuple[int, ...]]:
    """The array properties `keys`, each with one integer for each axis."""
    values = [integers(cast(IntegerArray, properties[key])) for key in keys]
    for key, value in zip(keys, values, strict=True):
        if len(value) != len(shape):
            raise VerifyException(
                f"{name}: {key} = {list(value)} must have {len(shape)} integers, one for each axis"
            )
    return values


def check_axis(name: str, axis: int, rank: int) -> None:
    """Raises unless there is such an axis."""
    if not 0 <= axis < rank:
        raise VerifyException(f"{name}: axis {axis} is not an axis of a tensor of rank {rank}")


def slice_axis(b: Builder, x: SSAValue, axis: int, start: int, limit: int) -> SSAValue:
    """`x` from `start` to before `limit` along one axis."""
    starts, limits = [0] * len(shape_of(x)), list(shape_of(x))
    starts[axis], limits[axis] = start, limit
    return insert(b, SliceOp(x, starts, limits))


@op_definition
class ReshapeOp(GraphOp, Differentiable):
    """The elements of `input`, in row-major order, in another shape."""

    name = "nn.reshape"
    input = operand_def(TensorType)
    shape = prop_def(IntegerArray)
    output = result_def(TensorType)
    custom_directives = (Shape,)
    assembly_format = "$input attr-dict `:` type($input) `->` custom<Shape>($shape, type($output))"

    def __init__(self, input: SSAValue, shape: Sequence[int]):
        self.initialize([input], {"shape": array(shape)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = integers(cast(IntegerArray, properties["shape"]))
        given = shape_of(operands[0])
        if prod(shape) != prod(given):
            raise VerifyException(
                f"{cls.name}: {operands[0]} has {prod(given)} elements, "
                f"the shape {list(shape)} has {prod(shape)}"
            )
        return [tensor_of(element_of(operands[0]), shape)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [insert(b, ReshapeOp(grads[0], shape_of(self.input))) if needed[0] else None]


@op_definition
class TransposeOp(Move):
    """Axis `i` of the result is axis `permutation[i]` of `input`."""

    name = "nn.transpose"
    permutation = prop_def(IntegerArray)
    custom_directives = (Integers,)
    assembly_format = (
        "$input ` ` `{` `permutation` `=` custom<Integers>($permutation) `}` attr-dict "
        "`:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, permutation: Sequence[int]):
        self.initialize([input], {"permutation": array(permutation)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = shape_of(operands[0])
        permutation = integers(cast(IntegerArray, properties["permutation"]))
        if sorted(permutation) != list(range(len(shape))):
            raise VerifyException(
                f"{cls.name}: {list(permutation)} is no permutation of the axes of {operands[0]}"
            )
        return [tensor_of(element_of(operands[0]), tuple(shape[axis] for axis in permutation))]

    @property
    def inverse(self) -> tuple[int, ...]:
        """Which axis of the result each axis of `input` is."""
        permutation = integers(self.permutation)
        return tuple(permutation.index(axis) for axis in range(len(permutation)))

    def accesses(self) -> Sequence[Access]:
        exprs = tuple(AffineExpr.dimension(axis) for axis in self.inverse)
        return [Access(AffineMap(len(exprs), 0, exprs))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [insert(b, TransposeOp(grads[0], self.inverse)) if needed[0] else None]


@op_definition
class SliceOp(Move):
    """`output[i] = input[starts + i * strides]`, along each axis up to before `limits`."""

    name = "nn.slice"
    starts = prop_def(IntegerArray)
    limits = prop_def(IntegerArray)
    strides = prop_def(IntegerArray)
    custom_directives = (Integers,)
    assembly_format = (
        "$input ` ` `{` `starts` `=` custom<Integers>($starts) `,` "
        "`limits` `=` custom<Integers>($limits) `,` `strides` `=` custom<Integers>($strides) `}` "
        "attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        starts: Sequence[int],
        limits: Sequence[int],
        strides: Sequence[int] | None = None,
    ):
        steps = [1] * len(starts) if strides is None else strides
        properties = {"starts": array(starts), "limits": array(limits), "strides": array(steps)}
        self.initialize([input], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = shape_of(operands[0])
        starts, limits, strides = per_axis(
            cls.name, shape, properties, "starts", "limits", "strides"
        )
        for axis, (start, limit, stride) in enumerate(zip(starts, limits, strides, strict=True)):
            if not (0 <= start <= limit <= shape[axis] and stride > 0):
                raise VerifyException(
                    f"{cls.name}: along axis {axis}, of size {shape[axis]}, expected "
                    f"0 <= start <= limit <= {shape[axis]} and a positive stride, "
                    f"given start {start}, limit {limit}, stride {stride}"
                )
        sizes = [-(-(n - s) // step) for s, n, step in zip(starts, limits, strides, strict=True)]
        return [tensor_of(element_of(operands[0]), tuple(sizes))]

    def accesses(self) -> Sequence[Access]:
        exprs = [
            AffineExpr.dimension(axis) * stride + start
            for axis, (start, stride) in enumerate(
                zip(integers(self.starts), integers(self.strides), strict=True)
            )
        ]
        return [Access(AffineMap(len(exprs), 0, tuple(exprs)))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        if not needed[0]:
            return [None]
        for axis, stride in enumerate(integers(self.strides)):
            g = spread(b, g, axis, stride)
        starts = integers(self.starts)
        ends = [s + n for s, n in zip(starts, shape_of(g), strict=True)]
        high = [size - end for size, end in zip(shape_of(self.input), ends, strict=True)]
        return [insert(b, PadOp(g, starts, high))]


def spread(b: Builder, x: SSAValue, axis: int, stride: int) -> SSAValue:
    """`x` with `stride - 1` zeros between neighbours along an axis."""
    shape = shape_of(x)
    if stride == 1 or shape[axis] < 2:
        return x
    column = insert(b, ReshapeOp(x, (*shape[: axis + 1], 1, *shape[axis + 1 :])))
    none = [0] * (len(shape) + 1)
    gaps = [*none[: axis + 1], stride - 1, *none[axis + 2 :]]
    wide = insert(b, PadOp(column, none, gaps))
    count = shape[axis] * stride
    flat = insert(b, ReshapeOp(wide, (*shape[:axis], count, *shape[axis + 1 :])))
    return slice_axis(b, flat, axis, 0, count - stride + 1)


@op_definition
class PadOp(Move):
    """`input` with `low` elements of `value` before and `high` after it along each axis."""

    name = "nn.pad"
    low = prop_def(IntegerArray)
    high = prop_def(IntegerArray)
    value = prop_def(FloatAttr[Float64Type])
    custom_directives = (Integers, Number)
    assembly_format = (
        "$input ` ` `{` `low` `=` custom<Integers>($low) `,` `high` `=` custom<Integers>($high) "
        "`,` `value` `=` custom<Number>($value) `}` attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(
        self, input: SSAValue, low: Sequence[int], high: Sequence[int], value: float = 0.0
    ):
        properties = {"low": array(low), "high": array(high), "value": FloatAttr(value, f64)}
        self.initialize([input], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = shape_of(operands[0])
        low, high = per_axis(cls.name, shape, properties, "low", "high")
        if any(n < 0 for n in low + high):
            raise VerifyException(
                f"{cls.name}: low = {list(low)} and high = {list(high)} must not be negative; "
                "use nn.slice to cut"
            )
        sizes = [n + before + after for n, before, after in zip(shape, low, high, strict=True)]
        return [tensor_of(element_of(operands[0]), tuple(sizes))]

    @property
    def number(self) -> float:
        """The value of the border."""
        return self.value.value.data

    def accesses(self) -> Sequence[Access]:
        low, high, shape = integers(self.low), integers(self.high), shape_of(self.input)
        dims = [AffineExpr.dimension(axis) for axis in range(len(shape))]
        inside = [
            AffineConstraintExpr(AffineConstraintKind.ge, d, AffineExpr.constant(start))
            for d, start in zip(dims, low, strict=True)
            if start > 0
        ]
        inside += [
            AffineConstraintExpr(AffineConstraintKind.le, d, AffineExpr.constant(start + n - 1))
            for d, start, n, after in zip(dims, low, shape, high, strict=True)
            if after > 0
        ]
        map = AffineMap(len(dims), 0, tuple(d - n for d, n in zip(dims, low, strict=True)))
        guard = AffineSet(len(dims), 0, tuple(inside)) if inside else None
        return [Access(map, guard, self.number)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        starts = integers(self.low)
        limits = [s + n for s, n in zip(starts, shape_of(self.input), strict=True)]
        return [insert(b, SliceOp(grads[0], starts, limits)) if needed[0] else None]


@op_definition
class ConcatOp(GraphOp, Differentiable):
    """The operands one after the other along an axis."""

    name = "nn.concat"
    inputs = var_operand_def(TensorType)
    axis = prop_def(IntegerAttr[I64])
    output = result_def(TensorType)
    assembly_format = (
        "$inputs ` ` `{` `axis` `=` $axis `}` attr-dict `:` functional-type($inputs, $output)"
    )

    def __init__(self, inputs: Sequence[SSAValue], axis: int):
        self.initialize(inputs, {"axis": IntegerAttr(axis, i64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        if not operands:
            raise VerifyException(f"{cls.name}: expected at least one operand")
        axis = cast(IntegerAttr, properties["axis"]).value.data
        shapes = [list(shape_of(operand)) for operand in operands]
        check_axis(cls.name, axis, len(shapes[0]))
        rest = {
            (element_of(operand), len(shape), *shape[:axis], None, *shape[axis + 1 :])
            for operand, shape in zip(operands, shapes, strict=True)
        }
        if len(rest) != 1:
            raise VerifyException(
                f"{cls.name}: operands may differ in size along axis {axis} only, "
                f"given {', '.join(map(str, operands))}"
            )
        shapes[0][axis] = sum(shape[axis] for shape in shapes)
        return [tensor_of(element_of(operands[0]), tuple(shapes[0]))]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        axis, start = self.axis.value.data, 0
        cotangents: list[SSAValue | None] = []
        for operand, need in zip(self.inputs, needed, strict=True):
            limit = start + shape_of(operand)[axis]
            cotangents.append(slice_axis(b, grads[0], axis, start, limit) if need else None)
            start = limit
        return cotangents
