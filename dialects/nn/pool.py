"""Pooling over NCHW images.

* `nn.max_pool`        the largest element under each window, and where it is
* `nn.avg_pool`        the mean under each window
* `nn.avg_pool_grad`   its adjoint
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, UnitAttr, i32
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.interfaces import (
    Access,
    Cotangents,
    Differentiable,
    Domain,
    Reduction,
    Structured,
)
from nnc.dialects.nn.base import GraphOp, ScalarIndex, element_of, insert, shape_of
from nnc.dialects.nn.indexing import ScatterAddOp
from nnc.dialects.nn.shape import ReshapeOp
from nnc.dialects.nn.window import Window, access, check_image, check_windows, pair
from nnc.dialects.syntax import IntegerArray, Integers, array, integers

Windows = tuple[Window, Window]

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
        """How the window slides over images of shape (N, C, H, W), checked."""
        check_image(cls.name, "the images", image)
        keys = ("kernel", "strides", "low", "high")
        axes = zip(image[2:], *(pair(cls.name, key, properties) for key in keys), strict=True)
        rows, columns = (Window(*axis) for axis in axes)
        check_windows(cls.name, (rows, columns))
        for window in (rows, columns):
            last = (window.count - 1) * window.stride - window.low
            if window.low >= window.kernel or last >= window.size:
                raise VerifyException(
                    f"{cls.name}: a window lies in the padding alone; kernel {window.kernel}, "
                    f"padding {window.low}, {window.high}"
                )
        return rows, columns

    @staticmethod
    def settings(
        kernel: Sequence[int], strides: Sequence[int], low: Sequence[int], high: Sequence[int]
    ) -> dict[str, Attribute | None]:
        """The properties of the window."""
        return {
            "kernel": array(kernel),
            "strides": array(strides),
            "low": array(low),
            "high": array(high),
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


@irdl_op_definition
class MaxPoolOp(Pool):
    """The maximum under each window, and the flat position `h * W + w` of the first one.

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
        low: Sequence[int] = (0, 0),
        high: Sequence[int] = (0, 0),
    ):
        self.initialize([input], self.settings(kernel, strides, low, high))

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        shape = cls.pooled(shape_of(operands[0]), properties)
        return [TensorType(element_of(operands[0]), shape), TensorType(i32, shape)]

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        if g is None:
            return [None]
        n, c, h, w = shape_of(self.input)
        outputs = shape_of(g)[2] * shape_of(g)[3]
        updates = insert(b, ReshapeOp(g, (n, c, outputs)))
        indices = insert(b, ReshapeOp(self.indices, (n, c, outputs)))
        plane = insert(b, ScatterAddOp(updates, indices, h * w, batch_dims=2))
        return [insert(b, ReshapeOp(plane, (n, c, h, w)))]


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
        low: Sequence[int] = (0, 0),
        high: Sequence[int] = (0, 0),
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
        rows, columns = self.windows
        area = scalars.constant(b, rows.kernel * columns.kernel, combined[0])
        return [scalars.div(b, combined[0], area)]

    def per_count(
        self, b: Builder, x: SSAValue, positions: Sequence[SSAValue]
    ) -> Sequence[SSAValue]:
        """The term `x` of the window at an output position."""
        if self.count_include_pad:
            return [x]
        rows, columns = (
            _covered(b, window, position)
            for window, position in zip(self.windows, positions, strict=True)
        )
        count = scalars.mul(b, rows, columns)
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


@irdl_op_definition
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
        n, c, h, w, kh, kw = (AffineExpr.dimension(d) for d in range(6))
        rows, columns = self.windows
        return [access(6, (n, c), (rows.input(h, kh), columns.input(w, kw)))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        positions = () if self.count_include_pad else (index(2), index(3))
        return self.per_count(b, arguments[0], positions)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        include = self.count_include_pad is not None
        size = shape_of(self.input)[2:]
        return [insert(b, AvgPoolGradOp(g, *self.geometry, count_include_pad=include, size=size))]


@irdl_op_definition
class AvgPoolGradOp(AveragePool):
    """The adjoint of `nn.avg_pool` at its output's cotangent; `size` is the images' H and W."""

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
        check_image(cls.name, "the cotangent", grad)
        image = (*grad[:2], *pair(cls.name, "size", properties))
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
        n, c, h, w, kh, kw = (AffineExpr.dimension(d) for d in range(6))
        rows, columns = self.windows
        return [access(6, (n, c), (rows.output(h, kh), columns.output(w, kw)))]

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        positions: list[SSAValue] = []
        if not self.count_include_pad:
            for axis, window in enumerate(self.windows):
                scaled = scalars.sub(b, index(2 + axis), index(4 + axis))
                scaled = scalars.add(b, scaled, scalars.constant(b, window.low, scaled))
                stride = scalars.constant(b, window.stride, scaled)
                positions.append(scalars.div(b, scaled, stride))
        return self.per_count(b, arguments[0], positions)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        include = self.count_include_pad is not None
        return [insert(b, AvgPoolOp(g, *self.geometry, count_include_pad=include))]
