"""The meaning of contractions: a sum over the taps of the kernel, each a matrix product."""

import math
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


def taps(g: Geometry, images: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each position of the kernel, the padded images' elements under it, channels grouped."""
    n, c = g.image[:2]
    grouped = images.reshape(n, g.groups, c // g.groups, *images.shape[2:])
    for tap in np.ndindex(*g.kernel[2:]):
        starts = [k * w.dilation for k, w in zip(tap, g.windows, strict=True)]
        under = [
            slice(start, start + (w.count - 1) * w.stride + 1, w.stride)
            for start, w in zip(starts, g.windows, strict=True)
        ]
        yield tap, grouped[(..., *under)]


def padded(g: Geometry, images: Array) -> Array:
    return np.pad(images, ((0, 0), (0, 0), *((w.low, w.high) for w in g.windows)))


def by_group(g: Geometry, kernel: Array) -> Array:
    """(group, output, channel, KH, …)."""
    return kernel.reshape(g.groups, g.outputs_per_group, *g.kernel[1:])


def grouped_outputs(g: Geometry, y: Array) -> Array:
    """(N, group, output, OH, …)."""
    return y.reshape(y.shape[0], g.groups, g.outputs_per_group, *y.shape[2:])


def conv(op: convolution.ConvOp, x: Array, kernel: Array) -> Array:
    g = op.geometry
    weights = by_group(g, kernel)
    products = (
        np.einsum("ngc...,goc->ngo...", under, weights[(..., *tap)], optimize=True)
        for tap, under in taps(g, padded(g, x))
    )
    return sum(products, np.zeros((), x.dtype)).reshape(g.output)


def conv_input_grad(op: convolution.ConvInputGradOp, dy: Array, kernel: Array) -> Array:
    g = op.geometry
    outputs, weights = grouped_outputs(g, dy), by_group(g, kernel)
    images = padded(g, np.zeros(g.image, np.result_type(dy, kernel)))
    for tap, under in taps(g, images):
        under += np.einsum("ngo...,goc->ngc...", outputs, weights[(..., *tap)], optimize=True)
    return images[(..., *(slice(w.low, w.low + w.size) for w in g.windows))]


def conv_weight_grad(op: convolution.ConvWeightGradOp, x: Array, dy: Array) -> Array:
    g = op.geometry
    places = math.prod(g.output[2:])
    flat = grouped_outputs(g, dy).reshape(-1, g.groups, g.outputs_per_group, places)
    weights = by_group(g, np.zeros(g.kernel, np.result_type(x, dy)))
    for tap, under in taps(g, padded(g, x)):
        columns = under.reshape(*under.shape[:3], places)
        weights[(..., *tap)] = np.einsum("ngop,ngcp->goc", flat, columns, optimize=True)
    return weights.reshape(g.kernel)


@register_impls
class ContractFunctions(InterpreterFunctions):
    """One numpy formula per op."""

    matmul = meaning(contract.MatmulOp, matmul)
    packed_matmul = meaning(contract.PackedMatmulOp, packed_matmul)
    conv = meaning(convolution.ConvOp, conv)
    conv_input_grad = meaning(convolution.ConvInputGradOp, conv_input_grad)
    conv_weight_grad = meaning(convolution.ConvWeightGradOp, conv_weight_grad)
