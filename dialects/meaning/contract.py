"""The meaning of contractions: a sum over the taps of the kernel, each a matrix product."""

from collections.abc import Iterator

import numpy as np
from xdsl.interpreter import InterpreterFunctions, register_impls

from nnc.dialects.meaning.formulas import Array, meaning
from nnc.dialects.nn import contract, convolution
from nnc.dialects.nn.convolution import Geometry


def matmul(op: contract.MatmulOp, x: Array, y: Array) -> Array:
    return np.matmul(
        np.swapaxes(x, -1, -2) if op.transpose_lhs else x,
        np.swapaxes(y, -1, -2) if op.transpose_rhs else y,
    )


def packed_matmul(op: contract.PackedMatmulOp, x: Array, panels: Array) -> Array:
    matrix = np.concatenate(list(panels), axis=1)
    return np.matmul(x, matrix[:, : op.output.type.get_shape()[1]])


def taps(g: Geometry, images: Array) -> Iterator[tuple[int, int, Array]]:
    """For each position of the kernel, the padded images' elements under it, channels grouped."""
    rows, columns = g.windows
    n, c = g.image[:2]
    grouped = images.reshape(n, g.groups, c // g.groups, *images.shape[2:])
    for kh in range(rows.kernel):
        for kw in range(columns.kernel):
            h, w = kh * rows.dilation, kw * columns.dilation
            yield (
                kh,
                kw,
                grouped[
                    ...,
                    h : h + (rows.count - 1) * rows.stride + 1 : rows.stride,
                    w : w + (columns.count - 1) * columns.stride + 1 : columns.stride,
                ],
            )


def padded(g: Geometry, images: Array) -> Array:
    return np.pad(images, ((0, 0), (0, 0), *((w.low, w.high) for w in g.windows)))


def by_group(g: Geometry, kernel: Array) -> Array:
    """(group, output, channel, KH, KW)."""
    return kernel.reshape(g.groups, g.outputs_per_group, *g.kernel[1:])


def grouped_outputs(g: Geometry, y: Array) -> Array:
    """(N, group, output, OH, OW)."""
    return y.reshape(y.shape[0], g.groups, g.outputs_per_group, *y.shape[2:])


def conv2d(op: convolution.Conv2DOp, x: Array, kernel: Array) -> Array:
    g = op.geometry
    weights = by_group(g, kernel)
    products = (
        np.einsum("ngchw,goc->ngohw", tap, weights[..., kh, kw], optimize=True)
        for kh, kw, tap in taps(g, padded(g, x))
    )
    return sum(products, np.zeros((), x.dtype)).reshape(g.output)


def conv2d_input_grad(op: convolution.Conv2DInputGradOp, dy: Array, kernel: Array) -> Array:
    g = op.geometry
    outputs, weights = grouped_outputs(g, dy), by_group(g, kernel)
    images = padded(g, np.zeros(g.image, dy.dtype))
    for kh, kw, tap in taps(g, images):
        tap += np.einsum("ngohw,goc->ngchw", outputs, weights[..., kh, kw], optimize=True)
    rows, columns = g.windows
    return images[:, :, rows.low :, columns.low :][:, :, : rows.size, : columns.size]


def conv2d_weight_grad(op: convolution.Conv2DWeightGradOp, x: Array, dy: Array) -> Array:
    g = op.geometry
    outputs = grouped_outputs(g, dy)
    weights = by_group(g, np.zeros(g.kernel, x.dtype))
    for kh, kw, tap in taps(g, padded(g, x)):
        weights[..., kh, kw] = np.einsum("ngohw,ngchw->goc", outputs, tap, optimize=True)
    return weights.reshape(g.kernel)


@register_impls
class ContractFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    matmul = meaning(contract.MatmulOp, matmul)
    packed_matmul = meaning(contract.PackedMatmulOp, packed_matmul)
    conv2d = meaning(convolution.Conv2DOp, conv2d)
    conv2d_input_grad = meaning(convolution.Conv2DInputGradOp, conv2d_input_grad)
    conv2d_weight_grad = meaning(convolution.Conv2DWeightGradOp, conv2d_weight_grad)
