"""Convolution of NCHW images with OIHW kernels, and its two adjoints.

* `nn.conv2d`                the images filtered
* `nn.conv2d_input_grad`     the adjoint in the images
* `nn.conv2d_weight_grad`    the adjoint in the kernels

Each is bilinear, and its gradients are the other two.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, TensorType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.interfaces import Access, Domain
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.contract import Contraction, same_elements
from nnc.dialects.nn.window import Window, access, check_image, check_windows, pair
from nnc.dialects.syntax import IntegerArray, Integers, array, integers

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """The shapes of a convolution and how its kernel slides."""

    image: Shape
    """(N, C, H, W)."""
    kernel: Shape
    """(O, C / groups, KH, KW)."""
    windows: tuple[Window, Window]
    groups: int

    @property
    def output(self) -> Shape:
        """(N, O, OH, OW)."""
        return (self.image[0], self.kernel[0], *(w.count for w in self.windows))

    @property
    def outputs_per_group(self) -> int:
        return self.kernel[0] // self.groups

    def check(self, name: str) -> None:
        """Raises unless the channels, groups and windows fit."""
        channels, per_group = self.image[1], self.kernel[1]
        if self.groups < 1 or channels != per_group * self.groups:
            raise VerifyException(
                f"{name}: the images have {channels} channels, the kernel takes {per_group} "
                f"in each of {self.groups} groups"
            )
        if self.kernel[0] % self.groups:
            raise VerifyException(
                f"{name}: {self.kernel[0]} output channels cannot be divided into "
                f"{self.groups} groups"
            )
        check_windows(name, self.windows)

    def image_channel(self, output_channel: AffineExpr, channel: AffineExpr) -> AffineExpr:
        """The image's channel, given the output channel and the channel within its group."""
        if self.groups == 1:
            return channel
        return _quotient(output_channel, self.outputs_per_group) * self.kernel[1] + channel

    def output_channel(self, image_channel: AffineExpr, output: AffineExpr) -> AffineExpr:
        """The output channel, given the image's channel and the output within its group."""
        if self.groups == 1:
            return output
        return _quotient(image_channel, self.kernel[1]) * self.outputs_per_group + output

    def kernel_channel(self, image_channel: AffineExpr) -> AffineExpr:
        """The kernel's channel: the image's channel within its group."""
        return image_channel if self.groups == 1 else image_channel % self.kernel[1]


def _quotient(expr: AffineExpr, divisor: int) -> AffineExpr:
    return expr if divisor == 1 else expr // divisor


_SIZED = "$lhs `,` $rhs ` ` `{` `size` `=` custom<Integers>($size) `,`"
_SETTINGS = (
    "`strides` `=` custom<Integers>($strides) `,` `low` `=` custom<Integers>($low) `,` "
    "`high` `=` custom<Integers>($high) `,` `dilations` `=` custom<Integers>($dilations) `,` "
    "`groups` `=` $groups `}` attr-dict `:` functional-type(operands, results)"
)


class Convolution(Contraction):
    """One of image, kernel and output is the result; the other two are operands.

    `low` and `high` are the zeros before and after each spatial axis.
    """

    strides = prop_def(IntegerArray)
    low = prop_def(IntegerArray)
    high = prop_def(IntegerArray)
    dilations = prop_def(IntegerArray)
    groups = prop_def(IntegerAttr[I64])
    custom_directives: ClassVar = (Integers,)

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        *,
        strides: Sequence[int] = (1, 1),
        low: Sequence[int] = (0, 0),
        high: Sequence[int] = (0, 0),
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
        size: Sequence[int] | None = None,
    ):
        self.initialize(
            [lhs, rhs],
            {
                "size": None if size is None else array(size),
                "strides": array(strides),
                "low": array(low),
                "high": array(high),
                "dilations": array(dilations),
                "groups": IntegerAttr(groups, i64),
            },
        )

    @classmethod
    @abstractmethod
    def shapes(cls, lhs: Shape, rhs: Shape, size: Shape, groups: int) -> tuple[Shape, Shape]:
        """The shapes of image and kernel, from the operands' and the result's spatial size."""

    @classmethod
    def geometry_of(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Geometry:
        """The geometry, checked for consistency."""
        same_elements(cls.name, operands)
        lhs, rhs = map(shape_of, operands)
        check_image(cls.name, "lhs", lhs)
        check_image(cls.name, "rhs", rhs)
        per_axis = [pair(cls.name, key, properties) for key in ("strides", "low", "high")]
        dilations = pair(cls.name, "dilations", properties)
        groups = cast(IntegerAttr, properties["groups"]).value.data
        size = pair(cls.name, "size", properties) if "size" in properties else ()
        image, kernel = cls.shapes(lhs, rhs, size, groups)
        rows, columns = (
            Window(*axis) for axis in zip(image[2:], kernel[2:], *per_axis, dilations, strict=True)
        )
        geometry = Geometry(image, kernel, (rows, columns), groups)
        geometry.check(cls.name)
        return geometry

    @property
    def geometry(self) -> Geometry:
        return self.geometry_of(self.operand_types, self.properties)

    @classmethod
    @abstractmethod
    def result_shape(cls, geometry: Geometry, lhs: Shape, rhs: Shape) -> Shape:
        """The shape of the result; raises where the given output does not fit."""

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        geometry = cls.geometry_of(operands, properties)
        shape = cls.result_shape(geometry, *map(shape_of, operands))
        return [TensorType(element_of(operands[0]), shape)]

    def conv2d(self, b: Builder, image: SSAValue, kernel: SSAValue) -> SSAValue:
        """The convolution with this op's windows."""
        return self._related(b, Conv2DOp, image, kernel, None)

    def input_grad(self, b: Builder, grad: SSAValue, kernel: SSAValue) -> SSAValue:
        """The adjoint in the images."""
        return self._related(b, Conv2DInputGradOp, grad, kernel, self.geometry.image[2:])

    def weight_grad(self, b: Builder, image: SSAValue, grad: SSAValue) -> SSAValue:
        """The adjoint in the kernels."""
        return self._related(b, Conv2DWeightGradOp, image, grad, self.geometry.kernel[2:])

    def _related(
        self,
        b: Builder,
        kind: type["Convolution"],
        lhs: SSAValue,
        rhs: SSAValue,
        size: Sequence[int] | None,
    ) -> SSAValue:
        op = kind(
            lhs,
            rhs,
            strides=integers(self.strides),
            low=integers(self.low),
            high=integers(self.high),
            dilations=integers(self.dilations),
            groups=self.groups.value.data,
            size=size,
        )
        return insert(b, op)


def _check_output(name: str, given: Shape, expected: Shape) -> None:
    if given != expected:
        raise VerifyException(f"{name}: the output's cotangent is {given}, expected {expected}")


def _dimensions() -> list[AffineExpr]:
    return [AffineExpr.dimension(d) for d in range(7)]


@irdl_op_definition
class Conv2DOp(Convolution):
    """`y[n, o, h, w] = sum x[n, group(o) + c, h * s + kh * d - low, …] * kernel[o, c, kh, kw]`."""

    name = "nn.conv2d"
    assembly_format = f"$lhs `,` $rhs ` ` `{{` {_SETTINGS}"

    @classmethod
    def shapes(cls, lhs: Shape, rhs: Shape, size: Shape, groups: int) -> tuple[Shape, Shape]:
        return lhs, rhs

    @classmethod
    def result_shape(cls, geometry: Geometry, lhs: Shape, rhs: Shape) -> Shape:
        return geometry.output

    def domain(self) -> Domain:
        return Domain(self.geometry.output, self.geometry.kernel[1:])

    def accesses(self) -> Sequence[Access]:
        g = self.geometry
        n, o, h, w, c, kh, kw = _dimensions()
        rows, columns = g.windows
        image = access(7, (n, g.image_channel(o, c)), (rows.input(h, kh), columns.input(w, kw)))
        return [image, Access(AffineMap(7, 0, (o, c, kh, kw)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.input_grad(b, g, self.rhs)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.weight_grad(b, self.lhs, g)


@irdl_op_definition
class Conv2DInputGradOp(Convolution):
    """`dx = adjoint of x ↦ conv2d(x, kernel)` at `dy`; `size` is the images' height and width."""

    name = "nn.conv2d_input_grad"
    size = prop_def(IntegerArray)
    assembly_format = f"{_SIZED} {_SETTINGS}"

    @classmethod
    def shapes(cls, lhs: Shape, rhs: Shape, size: Shape, groups: int) -> tuple[Shape, Shape]:
        return (lhs[0], rhs[1] * groups, *size), rhs

    @classmethod
    def result_shape(cls, geometry: Geometry, lhs: Shape, rhs: Shape) -> Shape:
        _check_output(cls.name, lhs, geometry.output)
        return geometry.image

    def domain(self) -> Domain:
        g = self.geometry
        return Domain(g.image, (g.outputs_per_group, *g.kernel[2:]))

    def accesses(self) -> Sequence[Access]:
        g = self.geometry
        n, c, h, w, o, kh, kw = _dimensions()
        channel = g.output_channel(c, o)
        rows, columns = g.windows
        grad = access(7, (n, channel), (rows.output(h, kh), columns.output(w, kw)))
        return [grad, Access(AffineMap(7, 0, (channel, g.kernel_channel(c), kh, kw)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.conv2d(b, g, self.rhs)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.weight_grad(b, g, self.lhs)


@irdl_op_definition
class Conv2DWeightGradOp(Convolution):
    """`dk = adjoint of kernel ↦ conv2d(x, kernel)` at `dy`; `size` is the kernel's."""

    name = "nn.conv2d_weight_grad"
    size = prop_def(IntegerArray)
    assembly_format = f"{_SIZED} {_SETTINGS}"

    @classmethod
    def shapes(cls, lhs: Shape, rhs: Shape, size: Shape, groups: int) -> tuple[Shape, Shape]:
        return lhs, (rhs[1], lhs[1] // max(groups, 1), *size)

    @classmethod
    def result_shape(cls, geometry: Geometry, lhs: Shape, rhs: Shape) -> Shape:
        _check_output(cls.name, rhs, geometry.output)
        return geometry.kernel

    def domain(self) -> Domain:
        n, _, h, w = self.geometry.output
        return Domain(self.geometry.kernel, (n, h, w))

    def accesses(self) -> Sequence[Access]:
        g = self.geometry
        o, c, kh, kw, n, h, w = _dimensions()
        rows, columns = g.windows
        image = access(7, (n, g.image_channel(o, c)), (rows.input(h, kh), columns.input(w, kw)))
        return [image, Access(AffineMap(7, 0, (n, o, h, w)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.input_grad(b, self.rhs, g)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.conv2d(b, self.lhs, g)
