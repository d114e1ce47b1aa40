"""Normalizations over rows, written in the `nn` dialect."""

import math

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.checks import axes_of
from nnc.dialects.nn import reduce
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.norms import NormalizeOp
from nnc.errors import ShapeError
from nnc.operators.core import (
    Axis,
    Shape,
    add,
    check_float,
    in_f32,
    multiply,
    reduce_,
    reshape,
    rsqrt,
    square,
)
from nnc.operators.layer import one_axis, swap_axes
from nnc.recording.graph import operation


def normalized(
    b: Builder, x: SSAValue, axes: Shape, epsilon: float, *, uncentered: bool = False
) -> SSAValue:
    return b.insert(NormalizeOp(x, axes, epsilon, uncentered=uncentered)).output


def check_affine(name: str, sizes: Shape, *given: SSAValue) -> None:
    """Raises unless gamma and beta have a number for each place that is scaled alike."""
    for value in given:
        if shape_of(value) != sizes:
            raise ShapeError(
                f"{name}: gamma and beta must have shape {sizes}, given shape {shape_of(value)}"
            )


def along(b: Builder, given: SSAValue, like: SSAValue, axes: Shape) -> SSAValue:
    """A scale or shift, which has `axes` only, for all elements."""
    return insert(b, reduce.BroadcastOp(given, shape_of(like), axes))


def sizes_along(x: SSAValue, axes: Shape) -> Shape:
    return tuple(shape_of(x)[axis] for axis in axes)


@operation
@in_f32
def layer_norm(
    b: Builder, x: SSAValue, gamma: SSAValue, beta: SSAValue, axis: Axis, epsilon: float
) -> SSAValue:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta` along an axis, or several."""
    check_float("LayerNorm", x)
    axes = axes_of("LayerNorm", axis, len(shape_of(x)))
    check_affine("LayerNorm", sizes_along(x, axes), gamma, beta)
    scaled = multiply.emit(b, normalized(b, x, axes, epsilon), along(b, gamma, x, axes))
    return add.emit(b, scaled, along(b, beta, x, axes))


@operation
@in_f32
def rms_norm(b: Builder, x: SSAValue, gamma: SSAValue, axis: Axis, epsilon: float) -> SSAValue:
    """`gamma * x / sqrt(mean(x^2) + epsilon)` along an axis, or several."""
    check_float("RMSNorm", x)
    axes = axes_of("RMSNorm", axis, len(shape_of(x)))
    check_affine("RMSNorm", sizes_along(x, axes), gamma)
    h = normalized(b, x, axes, epsilon, uncentered=True)
    return multiply.emit(b, h, along(b, gamma, x, axes))


def check_channels(name: str, x: SSAValue, expected: str) -> None:
    """Raises unless there are as many axes as expected, the last of them maybe several."""
    check_float(name, x)
    if len(shape_of(x)) < expected.count(","):
        raise ShapeError(f"{name}: expected an array of shape {expected}, given {shape_of(x)}")


@operation
@in_f32
def group_norm(
    b: Builder, x: SSAValue, gamma: SSAValue, beta: SSAValue, groups: int, epsilon: float
) -> SSAValue:
    """Each sample normalized over groups of channels, axis 1, and all axes behind.

    Gamma and beta have a number for each channel.
    """
    check_channels("GroupNorm", x, "(N, C, …)")
    samples, channels, *behind = given = shape_of(x)
    if groups < 1 or channels % groups:
        raise ShapeError(f"GroupNorm: {channels} channels cannot be divided into {groups} groups")
    check_affine("GroupNorm", (channels,), gamma, beta)
    inner = (groups, channels // groups)
    parts = reshape.emit(b, x, (samples, *inner, math.prod(behind)))
    scale, shift = (along(b, reshape.emit(b, v, inner), parts, (1, 2)) for v in (gamma, beta))
    h = normalized(b, parts, (2, 3), epsilon)
    return reshape.emit(b, add.emit(b, multiply.emit(b, h, scale), shift), given)


@operation
@in_f32
def instance_norm(
    b: Builder, x: SSAValue, gamma: SSAValue, beta: SSAValue, axis: int, epsilon: float
) -> SSAValue:
    """Each channel of each sample normalized: groups of one channel."""
    check_channels("InstanceNorm", x, "(N, C, L, …)")
    channels = one_axis("InstanceNorm", x, axis)
    turned = swap_axes(b, x, 1, channels)
    check_affine("InstanceNorm", shape_of(turned)[1:2], gamma, beta)
    y = group_norm.emit(b, turned, gamma, beta, shape_of(turned)[1], epsilon)
    return swap_axes(b, y, 1, channels)


@operation
@in_f32
def l2_normalization(b: Builder, x: SSAValue, axes: Shape, epsilon: float) -> SSAValue:
    """`x / sqrt(sum(x^2) + epsilon)`, the sum over some axes."""
    total = reduce_.emit(b, square.emit(b, x), "sum", axes, False)
    rate = rsqrt.emit(b, add.emit(b, total, constant(b, epsilon, total)))
    kept = tuple(axis for axis in range(len(shape_of(x))) if axis not in axes)
    return multiply.emit(b, x, along(b, rate, x, kept))
