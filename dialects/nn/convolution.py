"""Convolution of images (N, C, …) with kernels (O, C / groups, …), and its two adjoints.

* `nn.conv`                the images filtered
* `nn.conv_input_grad`     the adjoint in the images: the transposed convolution
* `nn.conv_weight_grad`    the adjoint in the kernels

Images have 1, 2 or 3 spatial axes. Each op is bilinear, and its gradients are the other two.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import I64, IntegerAttr, TensorType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import prop_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Access, Domain
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.contract import Contraction, same_elements, summed_in
from nnc.dialects.nn.window import Position, Window, access, check_windows, per_axis, spatial_axes
from nnc.dialects.syntax import IntegerArray, Integers, array, integers

Shape = tuple[int, ...]
Exprs = Sequence[AffineExpr]


@dataclass(frozen=True)
class Geometry:
    """The shapes of a convolution and how its kernel slides."""

    image: Shape
    """(N, C, D, H, W), of the spatial axes the last 1, 2 or 3."""
    kernel: Shape
    """(O, C / groups, KD, KH, KW), likewise."""
    windows: tuple[Window, ...]
    groups: int

    @property
    def output(self) -> Shape:
        """(N, O, OD, OH, OW), likewise."""
        return (self.image[0], self.kernel[0], *(w.count for w in self.windows))

    @property
    def outputs_per_group(self) -> int:
        return self.kernel[0] // self.groups

    @property
    def axes(self) -> int:
        """How many spatial axes there are."""
        return len(self.windows)

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

    @property
    def rank(self) -> int:
        """How many dimensions the domain of each op has."""
        return 3 + 2 * self.axes

    def inputs(self, outputs: Exprs, taps: Exprs) -> list[Position]:
        """Where the image is read for an output position through a kernel position."""
        axes = zip(self.windows, outputs, taps, strict=True)
        return [window.input(output, tap) for window, output, tap in axes]

    def outputs(self, inputs: Exprs, taps: Exprs) -> list[Position]:
        """Which output position reads an input position through a kernel position."""
        axes = zip(self.windows, inputs, taps, strict=True)
        return [window.output(input, tap) for window, input, tap in axes]

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
        if self.groups == 1:
            return image_channel
        per_group = self.kernel[1]
        return AffineExpr.constant(0) if per_group == 1 else image_channel % per_group


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
        strides: Sequence[int] = (),
        low: Sequence[int] = (),
        high: Sequence[int] = (),
        dilations: Sequence[int] = (),
        groups: int = 1,
        size: Sequence[int] | None = None,
    ):
        axes = len(shape_of(lhs)) - 2
        ones, zeros = (1,) * axes, (0,) * axes
        self.initialize(
            [lhs, rhs],
            {
                "size": None if size is None else array(size),
                "strides": array(strides or ones),
                "low": array(low or zeros),
                "high": array(high or zeros),
                "dilations": array(dilations or ones),
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
        axes = spatial_axes(cls.name, "lhs", lhs)
        if len(rhs) != len(lhs):
            raise VerifyException(
                f"{cls.name}: lhs and rhs must have as many dimensions, given {lhs} and {rhs}"
            )
        sliding = [
            per_axis(cls.name, key, properties, axes)
            for key in ("strides", "low", "high", "dilations")
        ]
        groups = cast(IntegerAttr, properties["groups"]).value.data
        size = per_axis(cls.name, "size", properties, axes) if "size" in properties else ()
        image, kernel = cls.shapes(lhs, rhs, size, groups)
        windows = (Window(*axis) for axis in zip(image[2:], kernel[2:], *sliding, strict=True))
        geometry = Geometry(image, kernel, tuple(windows), groups)
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
        return [TensorType(summed_in(operands[0]), shape)]

    def conv(self, b: Builder, image: SSAValue, kernel: SSAValue) -> SSAValue:
        """The convolution with this op's windows."""
        return self._related(b, ConvOp, image, kernel, None)

    def input_grad(self, b: Builder, grad: SSAValue, kernel: SSAValue) -> SSAValue:
        """The adjoint in the images."""
        return self._related(b, ConvInputGradOp, grad, kernel, self.geometry.image[2:])

    def weight_grad(self, b: Builder, image: SSAValue, grad: SSAValue) -> SSAValue:
        """The adjoint in the kernels."""
        return self._related(b, ConvWeightGradOp, image, grad, self.geometry.kernel[2:])

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


Point = tuple[AffineExpr, AffineExpr, Exprs, AffineExpr, Exprs]


def _split(axes: int) -> Point:
    """The dimensions of the domain: two, the spatial axes, one more, and spatial axes again."""
    first, second, *rest = (AffineExpr.dimension(d) for d in range(3 + 2 * axes))
    return first, second, rest[:axes], rest[axes], rest[axes + 1 :]


@op_definition
class ConvOp(Convolution):
    """`y[n, o, h, …] = sum x[n, group(o) + c, h * s + k * d - low, …] * kernel[o, c, k, …]`."""

    name = "nn.conv"
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
        n, o, at, c, taps = _split(g.axes)
        image = access(g.rank, (n, g.image_channel(o, c)), g.inputs(at, taps))
        return [image, Access(AffineMap(g.rank, 0, (o, c, *taps)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.input_grad(b, g, self.rhs)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.weight_grad(b, self.lhs, g)


@op_definition
class ConvInputGradOp(Convolution):
    """`dx = adjoint of x ↦ conv(x, kernel)` at `dy`; `size` is the images' spatial size."""

    name = "nn.conv_input_grad"
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
        n, c, at, o, taps = _split(g.axes)
        channel = g.output_channel(c, o)
        grad = access(g.rank, (n, channel), g.outputs(at, taps))
        return [grad, Access(AffineMap(g.rank, 0, (channel, g.kernel_channel(c), *taps)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.conv(b, g, self.rhs)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.weight_grad(b, g, self.lhs)


@op_definition
class ConvWeightGradOp(Convolution):
    """`dk = adjoint of kernel ↦ conv(x, kernel)` at `dy`; `size` is the kernel's."""

    name = "nn.conv_weight_grad"
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
        n, _, *at = self.geometry.output
        return Domain(self.geometry.kernel, (n, *at))

    def accesses(self) -> Sequence[Access]:
        g = self.geometry
        o, c, taps, n, at = _split(g.axes)
        image = access(g.rank, (n, g.image_channel(o, c)), g.inputs(at, taps))
        return [image, Access(AffineMap(g.rank, 0, (n, o, *at)))]

    def left(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.input_grad(b, self.rhs, g)

    def right(self, b: Builder, g: SSAValue) -> SSAValue:
        return self.conv(b, self.lhs, g)
