"""The operations of layers on images (N, C, …) of 1, 2 or 3 spatial axes.

Convolution and pooling are ops of the `nn` dialect; resampling is a product with a matrix for
each axis, and other paddings than zeros are a gather.
"""

import math
from typing import Any

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn import convolution, elementwise, functions, pool, reduce, shape
from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.indexing import GatherOp, IotaOp
from nnc.dtypes import numpy_name
from nnc.errors import ShapeError
from nnc.operators.core import (
    Shape,
    add,
    along,
    cast,
    check_float,
    multiply,
    power_of,
    relu,
    rounded_product,
    to_last,
)
from nnc.recording.graph import operation

AXES = ("D", "H", "W")


def check_images(name: str, given: Shape, axes: int, channels: int = 0) -> None:
    """Raises unless the shape is that of images, with so many channels if they are known."""
    if len(given) == 2 + axes and channels in (0, given[1]):
        return
    wanted = ", ".join(("N", str(channels or "C"), *AXES[-axes:]))
    raise ShapeError(f"{name}: expected images ({wanted}), given shape {given}")


@operation
def convolve(b: Builder, x: SSAValue, weight: SSAValue, *rest: Any) -> SSAValue:
    """After the weight the bias if any, strides, padding, dilation, groups."""
    *bias, strides, padding, dilation, groups = rest
    kernel = shape_of(weight)
    axes = len(kernel) - 2
    check_images(f"Conv{axes}D", shape_of(x), axes, kernel[1] * groups)
    y = convolution.ConvOp(
        x, weight, strides=strides, low=padding, high=padding, dilations=dilation, groups=groups
    )
    return rounded_product(b, y, *bias)


@operation
def convolve_transposed(b: Builder, x: SSAValue, weight: SSAValue, *rest: Any) -> SSAValue:
    """The adjoint of a convolution; after the weight as there, with output_padding before dilation.

    `output_padding` more rows are made at the end, of the several sizes that a convolution with
    these strides takes to the size of `x`.
    """
    *bias, strides, padding, output_padding, dilation, groups = rest
    given, kernel = shape_of(x), shape_of(weight)
    name, axes = f"Conv{len(kernel) - 2}DTranspose", len(kernel) - 2
    check_images(name, given, axes, kernel[0])
    size = tuple(
        (count - 1) * stride - 2 * low + d * (taps - 1) + more + 1
        for count, stride, low, more, d, taps in zip(
            given[2:], strides, padding, output_padding, dilation, kernel[2:], strict=True
        )
    )
    if min(size) < 1:
        raise ShapeError(f"{name}: padding {padding} leaves images of size {size}, given {given}")
    y = convolution.ConvInputGradOp(
        x,
        weight,
        size=size,
        strides=strides,
        low=padding,
        high=padding,
        dilations=dilation,
        groups=groups,
    )
    return rounded_product(b, y, *bias)


def high_padding(size: int, kernel: int, stride: int, low: int) -> int:
    """The padding after an axis that `ceil_mode` needs for its last, partial window.

    As in PyTorch, a window that would start in that padding is left out.
    """
    count = math.ceil((size + 2 * low - kernel) / stride)
    if count * stride >= size + low:
        count -= 1
    return max(0, count * stride + kernel - size - low)


def high_paddings(x: SSAValue, size: Shape, strides: Shape, low: Shape, ceil_mode: bool) -> Shape:
    """The padding after each axis."""
    if not ceil_mode:
        return low
    return tuple(map(high_padding, shape_of(x)[2:], size, strides, low))


@operation
def max_pool(
    b: Builder, x: SSAValue, size: Shape, strides: Shape, padding: Shape, ceil_mode: bool
) -> SSAValue:
    high = high_paddings(x, size, strides, padding, ceil_mode)
    return b.insert(pool.MaxPoolOp(x, size, strides, padding, high)).output


@operation
def avg_pool(
    b: Builder,
    x: SSAValue,
    size: Shape,
    strides: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
) -> SSAValue:
    """What `ceil_mode` adds beyond the padding is never counted."""
    high = high_paddings(x, size, strides, padding, ceil_mode)
    more = tuple(max(0, after - low) for after, low in zip(high, padding, strict=True))
    if count_include_pad and any(more):
        sides = (0, 0, *padding)
        x = insert(b, shape.PadOp(x, sides, sides))
        padding, high, count_include_pad = (0,) * len(size), more, False
    y = pool.AvgPoolOp(x, size, strides, padding, high, count_include_pad=count_include_pad)
    return insert(b, y)


@operation
def sum_pool(
    b: Builder, x: SSAValue, size: Shape, strides: Shape, padding: Shape, ceil_mode: bool
) -> SSAValue:
    high = high_paddings(x, size, strides, padding, ceil_mode)
    mean = insert(b, pool.AvgPoolOp(x, size, strides, padding, high))
    return multiply.emit(b, mean, constant(b, math.prod(size), mean))


@operation
def lp_pool(
    b: Builder, x: SSAValue, size: Shape, strides: Shape, padding: Shape, ceil_mode: bool, p: float
) -> SSAValue:
    """`(sum |x|^p)^(1/p)` under each window."""
    powers = power_of.emit(b, insert(b, functions.AbsOp(x)), p)
    sums = sum_pool.emit(b, powers, size, strides, padding, ceil_mode)
    return power_of.emit(b, sums, 1 / p)


@operation
def pad_reflected(b: Builder, x: SSAValue, padding: Shape) -> SSAValue:
    """Each spatial axis continued by its mirror image, its ends not repeated."""
    for axis, count in enumerate(padding, start=2):
        size = shape_of(x)[axis]
        if count >= size:
            raise ShapeError(f"ReflectionPad2D: padding {count} of only {size} rows or columns")
        place = insert(b, IotaOp((size + 2 * count,), 0))
        # |place - count| mirrors at the start; size - 1 - |size - 1 - …| at the end.
        before = insert(b, functions.AbsOp(minus(b, place, constant(b, count, place))))
        last = constant(b, size - 1, place)
        after = insert(b, functions.AbsOp(minus(b, last, before)))
        x = insert(b, GatherOp(x, minus(b, last, after), axis))
    return x


def minus(b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
    return insert(b, elementwise.SubOp(x, y))


@operation
def repeat_pixels(b: Builder, x: SSAValue, scale: int) -> SSAValue:
    """Each element `scale` times along both spatial axes."""
    n, c, h, w = shape_of(x)
    repeated = insert(b, reduce.BroadcastOp(x, (n, c, h, scale, w, scale), (0, 1, 2, 4)))
    return insert(b, shape.ReshapeOp(repeated, (n, c, h * scale, w * scale)))


def resample(b: Builder, x: SSAValue, axis: int, weights: SSAValue) -> SSAValue:
    """The axis replaced by the product of a matrix (new size, old size) with it."""
    last = to_last(b, x, axis)
    *others, size = shape_of(last)
    rows = insert(b, shape.ReshapeOp(last, (math.prod(others), size)))
    product = insert(b, MatmulOp(rows, weights, transpose_rhs=True))
    moved = insert(b, shape.ReshapeOp(product, (*others, shape_of(weights)[0])))
    order = list(range(len(others)))
    order.insert(axis, len(others))
    return insert(b, shape.TransposeOp(moved, order))


def scaled_index(b: Builder, sizes: Shape, axis: int, factor: int, offset: int) -> SSAValue:
    """The index along an axis, times a factor, plus an offset, as i32."""
    place = insert(b, IotaOp(sizes, axis))
    scaled = multiply.emit(b, place, constant(b, factor, place))
    return add.emit(b, scaled, constant(b, offset, place))


@operation
def adaptive_avg_pool(b: Builder, x: SSAValue, sizes: Shape) -> SSAValue:
    """Means over n windows along each axis, the i-th from floor(i H / n) to ceil((i + 1) H / n)."""
    check_float("adaptive_avg_pooling2d", x)
    given = shape_of(x)[2:]
    if not any(old % new for old, new in zip(given, sizes, strict=True)):
        window = tuple(old // new for old, new in zip(given, sizes, strict=True))
        return insert(b, pool.AvgPoolOp(x, window, window))
    for axis, new in enumerate(sizes, start=2):
        old = shape_of(x)[axis]
        box = (new, old)
        # Element j is in window i where [j n, (j + 1) n) and [i H, (i + 1) H) overlap.
        start, end = scaled_index(b, box, 1, new, 0), scaled_index(b, box, 1, new, new)
        first, last = scaled_index(b, box, 0, old, 0), scaled_index(b, box, 0, old, old)
        low = insert(b, elementwise.MaxOp(start, first))
        high = insert(b, elementwise.MinOp(end, last))
        overlap = insert(b, elementwise.CompareOp("gt", high, low))
        inside = cast.emit(b, overlap, numpy_name(element_of(x)))
        count = insert(b, reduce.ReduceOp("sum", inside, (1,)))
        weights = insert(b, elementwise.DivOp(inside, along(b, count, 0, inside)))
        x = resample(b, x, axis, weights)
    return x


@operation
def resize_bilinear(b: Builder, x: SSAValue, sizes: Shape) -> SSAValue:
    """Linear interpolation along each axis; the first and last elements are kept."""
    check_float("bilinear_resize2d", x)
    for axis, new in enumerate(sizes, start=2):
        old = shape_of(x)[axis]
        dtype = numpy_name(element_of(x))
        place = cast.emit(b, insert(b, IotaOp((new, old), 0)), dtype)
        column = cast.emit(b, insert(b, IotaOp((new, old), 1)), dtype)
        step = constant(b, (old - 1) / max(new - 1, 1), place)
        away = insert(b, functions.AbsOp(minus(b, multiply.emit(b, place, step), column)))
        weights = relu.emit(b, minus(b, constant(b, 1.0, away), away))
        x = resample(b, x, axis, weights)
    return x
