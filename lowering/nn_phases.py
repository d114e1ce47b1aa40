"""`nn-phases`: the images' gradient of a strided convolution, as convolutions of stride 1.

Along an axis of stride s, position `s * t + p` of the padded image meets only every s-th position
of the kernel, the p-th first. So for each of the s phases p

    dx[s * t + p - low] = sum_j dy[t - j] * kernel[p + s * j]

is a gradient of stride 1, which needs no guards and runs as a contraction. All phases get kernels
of one size, filled up with zeros, so that they share one kernel function; the results are
interleaved. An axis with a stride and a dilation is left as it is.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.convolution import ConvInputGradOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from nnc.dialects.nn.window import Window
from nnc.dialects.syntax import integers
from nnc.lowering.program import Program, blocks


@dataclass(frozen=True)
class NnPhasesPass(ModulePass):
    """Writes the images' gradients of strided convolutions with stride 1."""

    name = "nn-phases"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for block in blocks(Program.of(op).block):
            for gradient in [o for o in block.ops if isinstance(o, ConvInputGradOp)]:
                windows = gradient.geometry.windows
                strided = any(w.stride > 1 for w in windows)
                if strided and all(1 in (w.stride, w.dilation) for w in windows):
                    split(gradient)


@dataclass(frozen=True)
class Phases:
    """One axis, cut into phases."""

    window: Window

    @property
    def count(self) -> int:
        """How many phases meet the kernel at all."""
        return min(self.window.stride, self.window.kernel)

    @property
    def taps(self) -> int:
        """The size of each phase's kernel."""
        return math.ceil(self.window.kernel / self.window.stride)

    @property
    def size(self) -> int:
        """How many positions of the padded image a phase has, as far as windows reach."""
        reached = self.window.count + (self.taps - 1) * self.window.dilation
        return min(math.ceil((self.window.size + self.window.low) / self.window.stride), reached)

    @property
    def high(self) -> int:
        """The padding after the phase's image; there is none before it."""
        return self.window.count + (self.taps - 1) * self.window.dilation - self.size


def split(op: ConvInputGradOp) -> None:
    """Replaces the gradient by its phases."""
    b = at(Builder(InsertPoint.before(op)), op)
    axes = [Phases(window) for window in op.geometry.windows]
    results = [
        insert(
            b,
            ConvInputGradOp(
                op.lhs,
                kernel,
                size=[axis.size for axis in axes],
                high=[axis.high for axis in axes],
                dilations=integers(op.dilations),
                groups=op.groups.value.data,
            ),
        )
        for kernel in kernels(b, op.rhs, axes)
    ]
    Rewriter.replace_op(op, [], [cropped(b, interleaved(b, results, axes), axes)])


def kernels(b: Builder, kernel: SSAValue, axes: Sequence[Phases]) -> list[SSAValue]:
    """Each phase's kernel, in row-major order of the phases."""
    leading, sizes = shape_of(kernel)[:2], shape_of(kernel)[2:]
    more = [a.taps * a.count - size for a, size in zip(axes, sizes, strict=True)]
    if any(more):
        kernel = insert(b, PadOp(kernel, (0,) * len(sizes + leading), (0, 0, *more)))
    parts = [size for a in axes for size in (a.taps, a.count)]
    split = insert(b, ReshapeOp(kernel, (*leading, *parts)))
    end = 2 + 2 * len(axes)
    order = (*range(3, end, 2), 0, 1, *range(2, end, 2))
    moved = insert(b, TransposeOp(split, order))
    one = (*leading, *(a.taps for a in axes))
    count = math.prod(a.count for a in axes)
    stacked = insert(b, ReshapeOp(moved, (count, *one)))
    zeros = (0,) * len(one)
    slices = (SliceOp(stacked, (i, *zeros), (i + 1, *one)) for i in range(count))
    return [insert(b, ReshapeOp(insert(b, one_slice), one)) for one_slice in slices]


def interleaved(b: Builder, results: Sequence[SSAValue], axes: Sequence[Phases]) -> SSAValue:
    """The padded image whose position `s * t + p` is position t of phase p."""
    one = shape_of(results[0])
    joined = results[0] if len(results) == 1 else insert(b, ConcatOp(results, 0))
    count = len(axes)
    phases = insert(b, ReshapeOp(joined, (*(a.count for a in axes), *one)))
    missing = [a.window.stride - a.count for a in axes]
    if any(missing):
        zeros = (0,) * len(one)
        phases = insert(b, PadOp(phases, (0,) * count + zeros, (*missing, *zeros)))
    pairs = itertools.chain(*((count + 2 + axis, axis) for axis in range(count)))
    moved = insert(b, TransposeOp(phases, (count, count + 1, *pairs)))
    sizes = (a.size * a.window.stride for a in axes)
    return insert(b, ReshapeOp(moved, (*one[:2], *sizes)))


def cropped(b: Builder, padded: SSAValue, axes: Sequence[Phases]) -> SSAValue:
    """The image without its padding, with zeros where no window reaches."""
    leading, sizes = shape_of(padded)[:2], shape_of(padded)[2:]
    starts = [a.window.low for a in axes]
    stops = [
        min(size, low + a.window.size) for a, size, low in zip(axes, sizes, starts, strict=True)
    ]
    if any(starts) or tuple(stops) != sizes:
        padded = insert(b, SliceOp(padded, (0, 0, *starts), (*leading, *stops)))
    missing = [a.window.size - size for a, size in zip(axes, shape_of(padded)[2:], strict=True)]
    if any(missing):
        padded = insert(b, PadOp(padded, (0,) * (2 + len(axes)), (0, 0, *missing)))
    return padded
