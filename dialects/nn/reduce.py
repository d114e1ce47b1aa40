"""Reductions, and broadcasting, which is the adjoint of a sum.

* `nn.reduce sum|mean|prod|max|min`   over some axes, which disappear
* `nn.broadcast`                      new axes, or longer ones, with the same values along them
* `nn.argmax`                         where the first maximum along an axis is
* `nn.cumsum`                         running sums along an axis
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, StringAttr, TensorType, UnitAttr, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import (
    VarConstraint,
    base,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import (
    Access,
    Cotangents,
    Differentiable,
    Domain,
    Reduction,
    Structured,
)
from nnc.dialects.nn.base import (
    GraphOp,
    ScalarIndex,
    countable,
    element_of,
    float_type,
    insert,
    shape_of,
    tensor_of,
)
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import mul, where
from nnc.dialects.nn.products import product_cotangent
from nnc.dialects.nn.shape import ReshapeOp, TransposeOp, check_axis
from nnc.dialects.syntax import IntegerArray, Integers, Keyword, Shape, array, integers

COMBINED: dict[str, Reduction] = {
    "sum": "sum",
    "mean": "sum",
    "prod": "prod",
    "max": "max",
    "min": "min",
}
"""The kinds of `nn.reduce`, and how each combines values."""


def sum_over(b: Builder, x: SSAValue, axes: Sequence[int]) -> SSAValue:
    """The sum over some axes; `x` itself if there are none."""
    return insert(b, ReduceOp("sum", x, axes)) if axes else x


@op_definition
class BroadcastOp(GraphOp, Structured, Differentiable):
    """Axis `i` of `input` is axis `dimensions[i]` of the result, which may be longer if it is 1.

    Along all other axes of the result the values repeat. The dimensions increase.
    """

    name = "nn.broadcast"
    input = operand_def(TensorType)
    dimensions = prop_def(IntegerArray)
    shape = prop_def(IntegerArray)
    output = result_def(TensorType)
    custom_directives = (Integers, Shape)
    assembly_format = (
        "$input ` ` `{` `dimensions` `=` custom<Integers>($dimensions) `}` attr-dict "
        "`:` type($input) `->` custom<Shape>($shape, type($output))"
    )

    def __init__(self, input: SSAValue, shape: Sequence[int], dimensions: Sequence[int]):
        self.initialize([input], {"dimensions": array(dimensions), "shape": array(shape)})

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the result that the operand has."""
        return integers(self.dimensions)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        given = shape_of(operands[0])
        shape = integers(cast(IntegerArray, properties["shape"]))
        axes = integers(cast(IntegerArray, properties["dimensions"]))
        if len(axes) != len(given) or list(axes) != sorted(set(axes)):
            raise VerifyException(
                f"{cls.name}: dimensions = {list(axes)} must be {len(given)} increasing axes, "
                f"one for each of {operands[0]}"
            )
        for size, axis in zip(given, axes, strict=True):
            check_axis(cls.name, axis, len(shape))
            if size not in (1, shape[axis]):
                raise VerifyException(
                    f"{cls.name}: a size of {size} cannot become {shape[axis]}, axis {axis} of "
                    f"{list(shape)}; only 1 can grow"
                )
        return [tensor_of(element_of(operands[0]), shape)]

    @property
    def stretched(self) -> tuple[int, ...]:
        """The axes of the result that were of size 1 and have grown."""
        sizes = zip(self.axes, shape_of(self.input), strict=True)
        return tuple(axis for axis, size in sizes if size != shape_of(self.output)[axis])

    def domain(self) -> Domain:
        return Domain(shape_of(self.output))

    def accesses(self) -> Sequence[Access]:
        exprs = tuple(
            AffineExpr.constant(0) if axis in self.stretched else AffineExpr.dimension(axis)
            for axis in self.axes
        )
        return [Access(AffineMap(len(shape_of(self.output)), 0, exprs))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return arguments

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        if not needed[0]:
            return [None]
        kept = [axis for axis in self.axes if axis not in self.stretched]
        rank = len(shape_of(self.output))
        summed = sum_over(b, grads[0], [axis for axis in range(rank) if axis not in kept])
        if self.stretched:
            summed = insert(b, ReshapeOp(summed, shape_of(self.input)))
        return [summed]


@op_definition
class ReduceOp(GraphOp, Structured, Differentiable):
    """The sum, mean, product, maximum or minimum over some axes, which disappear.

    Of tied maxima and minima each has the gradient.
    """

    name = "nn.reduce"
    kind = prop_def(StringAttr)
    input = operand_def(TensorType)
    axes = prop_def(IntegerArray)
    output = result_def(TensorType)
    custom_directives = (Keyword, Integers)
    assembly_format = (
        "custom<Keyword>($kind) $input ` ` `{` `axes` `=` custom<Integers>($axes) `}` attr-dict "
        "`:` type($input) `->` type($output)"
    )

    def __init__(self, kind: str, input: SSAValue, axes: Sequence[int]):
        self.initialize([input], {"kind": StringAttr(kind), "axes": array(axes)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        kind = cast(StringAttr, properties["kind"]).data
        if kind not in COMBINED:
            raise VerifyException(
                f"{cls.name}: unknown kind '{kind}', expected one of {', '.join(COMBINED)}"
            )
        if kind == "mean":
            float_type(f"{cls.name} mean", operands[0])
        shape = shape_of(operands[0])
        axes = integers(cast(IntegerArray, properties["axes"]))
        for axis in axes:
            check_axis(cls.name, axis, len(shape))
        if len(set(axes)) != len(axes):
            raise VerifyException(f"{cls.name}: axes = {list(axes)} names an axis twice")
        kept = [size for axis, size in enumerate(shape) if axis not in axes]
        return [tensor_of(element_of(operands[0]), tuple(kept))]

    @property
    def kind_name(self) -> str:
        """sum, mean, prod, max or min."""
        return self.kind.data

    @property
    def reduced_axes(self) -> tuple[int, ...]:
        """The axes that disappear, in increasing order."""
        return tuple(sorted(integers(self.axes)))

    @property
    def kept_axes(self) -> tuple[int, ...]:
        """The axes of `input` that stay."""
        rank = len(shape_of(self.input))
        return tuple(axis for axis in range(rank) if axis not in self.reduced_axes)

    @property
    def count(self) -> int:
        """How many elements are combined into one."""
        return prod(self.domain().reduced)

    def domain(self) -> Domain:
        shape = shape_of(self.input)
        reduced = tuple(shape[axis] for axis in self.reduced_axes)
        return Domain(tuple(shape[axis] for axis in self.kept_axes), reduced)

    def accesses(self) -> Sequence[Access]:
        order = (*self.kept_axes, *self.reduced_axes)
        exprs = tuple(AffineExpr.dimension(order.index(axis)) for axis in range(len(order)))
        return [Access(AffineMap(len(order), 0, exprs))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return arguments

    def reductions(self) -> Sequence[Reduction]:
        return [COMBINED[self.kind_name]]

    def finalize(self, b: Builder, combined: Sequence[SSAValue]) -> Sequence[SSAValue]:
        if self.kind_name != "mean":
            return combined
        return [scalars.div(b, x, scalars.constant(b, self.count, x)) for x in combined]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        if not needed[0]:
            return [None]
        match self.kind_name:
            case "sum":
                return [self._spread(b, g)]
            case "mean":
                return [self._spread(b, mul(b, g, constant(b, 1 / self.count, g)))]
            case "prod":
                return [self._product(b, g)]
            case _:
                zero = constant(b, 0.0, self.input)
                extreme = self._spread(b, self.output)
                return [where(b, "eq", self.input, extreme, self._spread(b, g), zero)]

    def _spread(self, b: Builder, g: SSAValue) -> SSAValue:
        """The values of a result, each at all the elements it was made of."""
        return insert(b, BroadcastOp(g, shape_of(self.input), self.kept_axes))

    def _product(self, b: Builder, g: SSAValue) -> SSAValue:
        """`product_cotangent` with the reduced axes last, as one."""
        order = (*self.kept_axes, *self.reduced_axes)
        turned = insert(b, TransposeOp(self.input, order))
        rows = prod(self.domain().parallel)
        flat = insert(b, ReshapeOp(turned, (rows, self.count)))
        cotangent = product_cotangent(b, flat, insert(b, ReshapeOp(g, (rows, 1))))
        back = [order.index(axis) for axis in range(len(order))]
        return insert(b, TransposeOp(insert(b, ReshapeOp(cotangent, shape_of(turned))), back))


@op_definition
class ArgmaxOp(GraphOp):
    """The position of the first maximum along an axis, which disappears, as i32.

    NaN is larger than everything.
    """

    name = "nn.argmax"
    input = operand_def(TensorType)
    axis = prop_def(IntegerAttr[I64])
    output = result_def(TensorType)
    assembly_format = (
        "$input ` ` `{` `axis` `=` $axis `}` attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, axis: int):
        self.initialize([input], {"axis": IntegerAttr(axis, i64)})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape, axis = shape_of(operands[0]), cast(IntegerAttr, properties["axis"]).value.data
        check_axis(cls.name, axis, len(shape))
        if shape[axis] == 0:
            raise VerifyException(f"{cls.name}: axis {axis} of {operands[0]} has no elements")
        countable(cls.name, f"axis {axis} of {operands[0]}", shape[axis])
        return [tensor_of(i32, (*shape[:axis], *shape[axis + 1 :]))]


@op_definition
class CumsumOp(GraphOp, Differentiable):
    """`output[i] = sum of input[j] for j <= i` along an axis; for `j >= i` where `reverse`."""

    name = "nn.cumsum"
    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    axis = prop_def(IntegerAttr[I64])
    reverse = opt_prop_def(UnitAttr)
    output = result_def(TENSOR)
    assembly_format = (
        "$input ` ` `{` `axis` `=` $axis (`,` `reverse` $reverse^)? `}` attr-dict `:` type($input)"
    )

    def __init__(self, input: SSAValue, axis: int, *, reverse: bool = False):
        properties = {"axis": IntegerAttr(axis, i64), "reverse": UnitAttr() if reverse else None}
        self.initialize([input], properties)

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        axis = cast(IntegerAttr, properties["axis"]).value.data
        check_axis(cls.name, axis, len(shape_of(operands[0])))
        return [operands[0]]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        if not needed[0]:
            return [None]
        turned = CumsumOp(grads[0], self.axis.value.data, reverse=self.reverse is None)
        return [insert(b, turned)]
