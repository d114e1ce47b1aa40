"""Products and convolutions at the sizes where tiles have tails, and their epilogues."""

from functools import partial
from typing import Any

import numpy as np
from batch import Build, Case, broadcast, normal
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Block, Operation, SSAValue

from nnc.dialects.nn import elementwise, functions
from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvInputGradOp, ConvOp, ConvWeightGradOp
from nnc.dialects.nn.shape import TransposeOp
from nnc.dialects.optim.momentum import MomentumOp

SIZES = (1, 3, 7, 16, 17, 33, 64, 65, 100)


# Products: each size for m, n and k, with many others, the transposes in turn.


def product(m: int, n: int, k: int, lhs: bool, rhs: bool) -> Case:
    x = normal(*((k, m) if lhs else (m, k)))
    y = normal(*((n, k) if rhs else (k, n)), seed=1)
    build = partial(MatmulOp, transpose_lhs=lhs, transpose_rhs=rhs)
    return Case(f"matmul {m}x{n}x{k}{' tl' * lhs}{' tr' * rhs}", build, (x, y))


def products() -> list[Case]:
    count = len(SIZES)
    return [
        product(m, n, SIZES[(i + 2 * j) % count], lhs=bool(i & 1), rhs=bool((i + j) & 2))
        for i, m in enumerate(SIZES)
        for j, n in enumerate(SIZES)
        if (i + j) % 2 == 0
    ]


def batched_products() -> list[Case]:
    return [
        Case("matmul batches", MatmulOp, (normal(3, 7, 17), normal(3, 17, 33))),
        Case("matmul batches tr", partial(MatmulOp, transpose_rhs=True),
             (normal(2, 3, 7, 17), normal(2, 3, 33, 17))),
        Case("matmul batches tl", partial(MatmulOp, transpose_lhs=True),
             (normal(3, 17, 1), normal(3, 17, 65))),
    ]  # fmt: skip


# Epilogues.


def dense_relu(b: Builder, x: SSAValue, w: SSAValue, bias: SSAValue) -> SSAValue:
    z = insert(b, MatmulOp(x, w))
    return insert(b, functions.ReluOp(insert(b, elementwise.AddOp(z, broadcast(b, bias, z, 1)))))


def row_bias(b: Builder, x: SSAValue, w: SSAValue, bias: SSAValue) -> SSAValue:
    z = insert(b, MatmulOp(x, w, transpose_rhs=True))
    return insert(b, elementwise.SubOp(z, broadcast(b, bias, z, 0)))


def residual(b: Builder, x: SSAValue, w: SSAValue, r: SSAValue) -> SSAValue:
    return insert(b, elementwise.AddOp(r, insert(b, MatmulOp(x, w))))


def transposed_residual(b: Builder, x: SSAValue, w: SSAValue, r: SSAValue) -> SSAValue:
    turned = insert(b, TransposeOp(r, (1, 0)))
    return insert(b, elementwise.AddOp(turned, insert(b, MatmulOp(x, w))))


def masked(b: Builder, x: SSAValue, w: SSAValue, mask: SSAValue, r: SSAValue) -> SSAValue:
    product = insert(b, MatmulOp(x, w))
    return insert(b, elementwise.SelectOp(mask, product, r))


def row_mask(dimension: int) -> Build:
    """A mask that is the same for a whole row or column, used as a mask and as a number."""

    def build(b: Builder, x: SSAValue, w: SSAValue, mask: SSAValue, r: SSAValue) -> SSAValue:
        product = insert(b, MatmulOp(x, w))
        wide = broadcast(b, mask, product, dimension)
        chosen = insert(b, elementwise.SelectOp(wide, product, r))
        return insert(b, elementwise.AddOp(chosen, insert(b, elementwise.CastOp(wide, f32))))

    return build


def relu_gradient(b: Builder, g: SSAValue, w: SSAValue, y: SSAValue) -> SSAValue:
    product = insert(b, MatmulOp(g, w, transpose_rhs=True))
    zero = insert(b, elementwise.SubOp(y, y))
    mask = insert(b, elementwise.CompareOp("gt", y, zero))
    return insert(b, elementwise.SelectOp(mask, product, zero))


def momentum(b: Builder, x: SSAValue, g: SSAValue, *state: SSAValue) -> Operation:
    gradient = insert(b, MatmulOp(x, g, transpose_lhs=True))
    return b.insert(MomentumOp(gradient, state[0], state[1:2], state[2:]))


def two_results(b: Builder, x: SSAValue, w: SSAValue) -> list[SSAValue]:
    z = insert(b, MatmulOp(x, w))
    return [z, insert(b, functions.TanhOp(z))]


def biased_image(b: Builder, x: SSAValue, k: SSAValue, bias: SSAValue) -> SSAValue:
    z = insert(b, ConvOp(x, k))
    return insert(b, functions.ReluOp(insert(b, elementwise.AddOp(z, broadcast(b, bias, z, 1)))))


def epilogues() -> list[Case]:
    x, w, mask = normal(17, 9), normal(9, 35), normal(17, 35) > 0
    settings = tuple(np.array(s, np.float32) for s in (0.1, 0.01, 0.5))
    return [
        Case("dense relu", dense_relu, (x, w, normal(35))),
        Case("dense relu, one row", dense_relu, (normal(1, 9), w, normal(35))),
        Case("row bias", row_bias, (x, normal(35, 9), normal(17))),
        Case("residual", residual, (x, w, normal(17, 35))),
        Case("transposed residual", transposed_residual, (x, w, normal(35, 17))),
        Case("masked", masked, (x, w, mask, normal(17, 35))),
        Case("masked rows", row_mask(0), (x, w, mask[:, 0].copy(), normal(17, 35))),
        Case("masked columns", row_mask(1), (x, w, mask[0].copy(), normal(17, 35))),
        Case("relu gradient", relu_gradient, (x, normal(35, 9), normal(17, 35))),
        Case("momentum", momentum,
             (normal(6, 17), normal(6, 35), normal(17, 35), normal(17, 35, seed=1), *settings)),
        Case("two results", two_results, (x, w)),
        Case("image bias", biased_image, (normal(2, 3, 9, 8), normal(5, 3, 3, 3), normal(5))),
    ]  # fmt: skip


# Convolutions, each with its two adjoints.

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 9, 20), (17, 3, 3, 3), {}),
    "one channel": ((1, 1, 7, 7), (1, 1, 3, 3), {}),
    "padded": ((2, 4, 8, 9), (6, 4, 3, 3), {"low": (1, 1), "high": (1, 1)}),
    "padded unevenly": ((1, 3, 6, 7), (4, 3, 2, 3), {"low": (1, 0), "high": (0, 2)}),
    "strided": ((2, 3, 11, 13), (20, 3, 3, 3), {"strides": (2, 2)}),
    "strided and padded": (
        (1, 5, 10, 9), (7, 5, 3, 3), {"strides": (2, 3), "low": (1, 1), "high": (1, 1)},
    ),
    "dilated": ((2, 3, 11, 12), (4, 3, 3, 3), {"dilations": (2, 3)}),
    "dilated, strided and padded": (
        (1, 2, 12, 12), (3, 2, 3, 3),
        {"dilations": (2, 2), "strides": (2, 2), "low": (2, 1), "high": (1, 2)},
    ),
    "grouped": ((2, 6, 7, 8), (4, 3, 3, 3), {"groups": 2, "low": (1, 1), "high": (1, 1)}),
    "depthwise": ((2, 3, 9, 20), (3, 1, 3, 3), {"groups": 3}),
    "depthwise, strided": ((1, 6, 9, 9), (6, 1, 3, 3), {"groups": 6, "strides": (2, 2)}),
}  # fmt: skip


def convolutions() -> list[Case]:
    cases: list[Case] = []
    for name, (image, kernel, options) in CONVOLUTIONS.items():
        x, k = normal(*image), normal(*kernel)
        types = Block(arg_types=[TensorType(f32, image), TensorType(f32, kernel)]).args
        g = normal(*shape_of(ConvOp(*types, **options).output))
        to_image = partial(ConvInputGradOp, size=image[2:], **options)
        to_kernel = partial(ConvWeightGradOp, size=kernel[2:], **options)
        cases += [
            Case(f"conv {name}", partial(ConvOp, **options), (x, k)),
            Case(f"conv_input_grad {name}", to_image, (g, k)),
            Case(f"conv_weight_grad {name}", to_kernel, (x, g)),
        ]
    return cases
