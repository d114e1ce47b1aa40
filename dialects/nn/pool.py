"""Pooling over images (N, C, …) of 1, 2 or 3 spatial axes.

* `nn.max_pool`        the largest element under each window, and where it is
* `nn.avg_pool`        the mean under each window
* `nn.avg_pool_grad`   its adjoint
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, UnitAttr, i32
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr
from xdsl.irdl import (
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
from nnc.dialects.nn.base import GraphOp, ScalarIndex, countable, element_of, insert, shape_of
from nnc.dialects.nn.indexing import scatter_add
from nnc.dialects.nn.shape import ReshapeOp
from nnc.dialects.nn.window import Position, Window, access, check_windows, per_axis, spatial_axes
from nnc.dialects.syntax import IntegerArray, Integers, array, integers

Windows = tuple[Window, ...]
Meeting = Callable[[AffineExpr, AffineExpr], Position]
"""Where along an axis of the operand a position of the result and one of the window meet."""

_WINDOW = (
    "`kernel` `=` custom<Integers>($kernel) `,` `strides` `=` custom<Integers>($strides) `,` "
    "`low` `=` custom<Integers>($low) `,` `high` `=` custom<Integers>($high)"
)
_COUNT = "(`,` `count_include_pad` $count_include_pad^)?"
_END = "`}` attr-dict `:` functional-type(operands, results)"


class Pool(GraphOp, Differentiable):
    """An op with a window; `low` and `high` are the padding before and after each spatial axis."""

    input = operand_def(TensorType)
    kernel = prop_def(IntegerArray)
    strides = prop_def(IntegerArray)
    low = prop_def(IntegerArray)
    high = prop_def(IntegerArray)
    custom_directives: ClassVar = (Integers,)

    @classmethod
    def windows_of(cls, image: Sequence[int], properties: Mapping[str, Attribute]) -> Windows:
        """How the window slides over images of shape (N, C, …), checked."""
        count = spatial_axes(cls.name, "the images", image)
        keys = ("kernel", "strides", "low", "high")
        settings = (per_axis(cls.name, key, properties, count) for key in keys)
        windows = tuple(Window(*axis) for axis in zip(image[2:], *settings, strict=True))
        check_windows(cls.name, windows)
        for window in windows:
            last = (window.count - 1) * window.stride - window.low
            if window.low >= window.kernel or last >= window.size:
                raise VerifyException(
                    f"{cls.name}: a window lies in the padding alone; kernel {window.kernel}, "
                    f"padding {window.low}, {window.high}"
                )
        return windows

    @staticmethod
    def settings(
        kernel: Sequence[int], strides: Sequence[int], low: Sequence[int], high: Sequence[int]
    ) -> dict[str, Attribute | None]:
        """The properties of the window; without padding where none is given."""
        zeros = (0,) * len(kernel)
        return {
            "kernel": array(kernel),
            "strides": array(strides),
            "low": array(low or zeros),
            "high": array(high or zeros),
        }

    @property
    def windows(self) -> Windows:
        """How the window slides over the images."""
        return self.windows_of(shape_of(self.input), self.properties)

    @property
    def geometry(self) -> tuple[tuple[int, ...], ...]:
        """Kernel, strides, low, high."""
        return tuple(map(integers, (self.kernel, self.strides, self.low, self.high)))

    @classmethod
    def pooled(cls, image: Sequence[int], properties: Mapping[str, Attribute]) -> tuple[int, ...]:
        """The shape of the pooled images."""
        return (*image[:2], *(w.count for w in cls.windows_of(image, properties)))


@op_definition
class MaxPoolOp(Pool):
    """The maximum under each window, and the flat position (`h * W + w`) of the first one.

    Padding is never chosen; NaN is larger than everything.
    """

    name = "nn.max_pool"
    output = result_def(TensorType)
    indices = result_def(TensorType)
    assembly_format = f"$input ` ` `{{` {_WINDOW} {_END}"

    def __init__(
        self,
        input: SSAValue,
        kernel: Sequence[int],
        strides: Sequence[int],
        low: Sequence[int] = (),
        high: Sequence[int] = (),
    ):
        self.initialize([input], self.settings(kernel, strides, low, high))

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        given = shape_of(operands[0])
        shape = cls.pooled(given, properties)
        countable(cls.name, f"a channel of {operands[0]}", math.prod(given[2:]))
        return [TensorType(element_of(operands[0]), shape), TensorType(i32, shape)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        if g is None:
            return [None]
        planes, sizes = shape_of(self.input)[:2], shape_of(self.input)[2:]
        flat = (*planes, math.prod(shape_of(g)[2:]))
        updates = insert(b, ReshapeOp(g, flat))
        indices = insert(b, ReshapeOp(self.indices, flat))
        sums = scatter_add(b, updates, indices, math.prod(sizes), 2, 2)
        return [insert(b, ReshapeOp(sums, (*planes, *sizes)))]


class AveragePool(Pool, Structured):
    """A mean over windows or its adjoint.

    Each term is divided by the window's area, with `count_include_pad`, or else by the number of
    its elements that are not padding.
    """

    output = result_def(TensorType)
    count_include_pad = opt_prop_def(UnitAttr)

    def __init__(
        self,
        input: SSAValue,
        kernel: Sequence[int],
        strides: Sequence[int],
        low: Sequence[int] = (),
        high: Sequence[int] = (),
        *,
        count_include_pad: bool = True,
        size: Sequence[int] | None = None,
    ):
        settings = self.settings(kernel, strides, low, high)
        settings["count_include_pad"] = UnitAttr() if count_include_pad else None
        settings["size"] = None if size is None else array(size)
        self.initialize([input], settings)

    def uses_index(self) -> bool:
        return not self.count_include_pad

    def reductions(self) -> Sequence[Reduction]:
        return ("sum",)

    def finalize(self, b: Builder, combined: Sequence[SSAValue]) -> Sequence[SSAValue]:
        if not self.count_include_pad:
            return combined
        area = scalars.constant(b, math.prod(integers(self.kernel)), combined[0])
        return [scalars.div(b, combined[0], area)]

    def reads(
        self, positions: Sequence[Callable[[AffineExpr, AffineExpr], Position]]
    ) -> list[Access]:
        """The operand where each axis of the result and of the window meet."""
        axes = len(positions)
        n, c, *rest = (AffineExpr.dimension(d) for d in range(2 + 2 * axes))
        met = [at(*pair) for at, *pair in zip(positions, rest[:axes], rest[axes:], strict=True)]
        return [access(2 + 2 * axes, (n, c), met)]

    def per_count(
        self, b: Builder, x: SSAValue, positions: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        """The term `x` of the window at an output position."""
        if self.count_include_pad:
            return [x]
        sizes = (_covered(b, *axis) for axis in zip(self.windows, positions, strict=True))
        count = reduce(partial(scalars.mul, b), sizes)
        element = scalars.element_type(x.type)
        return [scalars.div(b, x, scalars.convert(b, count, element))]


def _covered(b: Builder, window: Window, position: SSAValue) -> SSAValue:
    """How many elements the window at an output position has within the image; at least 1."""
    stride = scalars.constant(b, window.stride, position)
    low = scalars.constant(b, window.low, position)
    start = scalars.sub(b, scalars.mul(b, position, stride), low)
    kernel = scalars.constant(b, window.kernel, position)
    end = scalars.minimum(
        b, scalars.add(b, start, kernel), scalars.constant(b, window.size, position)
    )
    first = scalars.maximum(b, start, scalars.constant(b, 0, position))
    return scalars.maximum(b, scalars.sub(b, end, first), scalars.constant(b, 1, position))


@op_definition
class AvgPoolOp(AveragePool):
    """The mean under each window."""

    name = "nn.avg_pool"
    assembly_format = f"$input ` ` `{{` {_WINDOW} {_COUNT} {_END}"

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = cls.pooled(shape_of(operands[0]), properties)
        return [TensorType(element_of(operands[0]), shape)]

    def domain(self) -> Domain:
        return Domain(shape_of(self.output), integers(self.kernel))

    def accesses(self) -> Sequence[Access]:
        return self.reads([w.input for w in self.windows])

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        axes = range(len(self.windows))
        positions = [] if self.count_include_pad else [index(2 + axis) for axis in axes]
        return self.per_count(b, arguments[0], positions)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        include = self.count_include_pad is not None
        size = shape_of(self.input)[2:]
        return [insert(b, AvgPoolGradOp(g, *self.geometry, count_include_pad=include, size=size))]


@op_definition
class AvgPoolGradOp(AveragePool):
    """The adjoint of `nn.avg_pool` at its output's cotangent; `size` is the images'."""

    name = "nn.avg_pool_grad"
    size = prop_def(IntegerArray)
    assembly_format = (
        f"$input ` ` `{{` `size` `=` custom<Integers>($size) `,` {_WINDOW} {_COUNT} {_END}"
    )

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        grad = shape_of(operands[0])
        axes = spatial_axes(cls.name, "the cotangent", grad)
        image = (*grad[:2], *per_axis(cls.name, "size", properties, axes))
        expected = cls.pooled(image, properties)
        if grad != expected:
            raise VerifyException(f"{cls.name}: the cotangent is {grad}, expected {expected}")
        return [TensorType(element_of(operands[0]), image)]

    @property
    def windows(self) -> Windows:
        return self.windows_of(shape_of(self.output), self.properties)

    def domain(self) -> Domain:
        return Domain(shape_of(self.output), integers(self.kernel))

    def accesses(self) -> Sequence[Access]:
        return self.reads([w.output for w in self.windows])

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        positions: list[SSAValue] = []
        if not self.count_include_pad:
            for axis, window in enumerate(self.windows):
                scaled = scalars.sub(b, index(2 + axis), index(2 + len(self.windows) + axis))
                scaled = scalars.add(b, scaled, scalars.constant(b, window.low, scaled))
                stride = scalars.constant(b, window.stride, scaled)
                positions.append(scalars.div(b, scaled, stride))
        return self.per_count(b, arguments[0], positions)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        include = self.count_include_pad is not None
        return [insert(b, AvgPoolOp(g, *self.geometry, count_include_pad=include))]
