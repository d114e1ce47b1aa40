"""`ROWS`: every op of the graph level as a small program, with the bound of its error.

A row is what builds an op, its inputs, and the terms that its error is measured by: at most
4 ε Σ|terms|. Shapes are small and odd, so that all tails occur.
"""

from functools import partial
from typing import Any

import numpy as np
from op_row import (
    Array,
    Arrays,
    Row,
    Terms,
    arguments,
    attention_grad_terms,
    attention_terms,
    batch_norm_grad_terms,
    batch_norm_terms,
    cross_entropy,
    ftrl_update,
    linear,
    log_softmax,
    log_softmax_grad,
    norm_grad_terms,
    norm_terms,
    normal,
    of_input,
    one,
    positive,
    relative,
    same,
    scalar,
    softmax,
    softmax_grad,
    total,
    update,
    whole,
)
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, f32, i32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.nn import (
    attention,
    batch_norm,
    checkpoint,
    cond,
    constant,
    contract,
    convolution,
    elementwise,
    functions,
    indexing,
    normalize,
    norms,
    pool,
    random,
    reduce,
    rounding,
    scan,
    shape,
    structure,
    with_gradient,
)
from nnc.dialects.nn.base import Unary, element_of, insert, shape_of
from nnc.dialects.optim.adaptive import FtrlOp, RmspropCenteredOp
from nnc.dialects.optim.base import Update
from nnc.dialects.optim.dialect import Optim

UNARY: dict[type[Operation], tuple[Array, Terms]] = {
    functions.AbsOp: (normal(33), same),
    functions.SignOp: (normal(3, 17), same),
    functions.ReluOp: (normal(3, 17), same),
    functions.SqrtOp: (positive(33), relative(1)),
    functions.RsqrtOp: (positive(3, 17), relative(2)),
    functions.SinOp: (normal(33) * 10, relative(3)),
    functions.CosOp: (normal(3, 17) * 10, relative(3)),
    functions.AtanOp: (normal(33) * 3, relative(3)),
    functions.Expm1Op: (normal(3, 17) * 9, relative(2)),
    functions.Log1pOp: (positive(33) - np.float32(0.9), relative(2)),
    functions.ErfOp: (normal(33), relative(3)),
    functions.TanhOp: (normal(2, 3, 17), relative(3)),
    functions.SigmoidOp: (normal(3, 17) * 9, relative(4)),
    functions.SiluOp: (normal(33) * 9, relative(5)),
    functions.GeluOp: (normal(3, 17) * 2, of_input),
    rounding.FloorOp: (normal(33) * 9, same),
    rounding.RoundOp: (np.round(normal(3, 17) * 9) / 2, same),
    elementwise.NegOp: (normal(1), same),
    elementwise.ExpOp: (normal(3, 17) * 30, relative(1)),
    elementwise.LogOp: (positive(33), relative(1)),
}
BINARY: dict[type[Operation], tuple[Array, Array, Terms]] = {
    elementwise.AddOp: (normal(3, 17), normal(17, 3).T, total),
    elementwise.SubOp: (normal(33), normal(34)[1:], total),
    elementwise.MulOp: (normal(2, 3, 5), positive(2, 3, 5), relative(1)),
    elementwise.DivOp: (normal(3, 17), positive(3, 17), relative(1)),
    elementwise.PowOp: (positive(33), normal(34)[1:] * 9, relative(5)),
    elementwise.MaxOp: (normal(3, 17), normal(17, 3).T, same),
    elementwise.MinOp: (normal(33), normal(34)[1:], same),
    rounding.ModOp: (normal(3, 17) * 9, normal(17, 3).T, total),
}
CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8, 7), (5, 3, 3, 3), {}),
    ((1, 4, 9, 9), (17, 4, 3, 3), {"low": (1, 1), "high": (1, 1)}),
    ((2, 1, 11, 10), (6, 1, 5, 5), {"strides": (2, 2), "low": (2, 1), "high": (1, 2)}),
    ((1, 4, 8, 8), (6, 2, 3, 3), {"groups": 2, "dilations": (2, 2)}),
    ((2, 16, 5, 5), (33, 16, 1, 1), {}),
    ((1, 4, 9, 11), (33, 4, 3, 3), {"strides": (2, 2), "low": (1, 1), "high": (1, 1)}),
    ((1, 3, 8, 19), (4, 3, 1, 3), {"strides": (1, 3), "dilations": (1, 2)}),
    ((2, 6, 9, 10), (6, 1, 3, 3), {"groups": 6, "strides": (2, 2), "low": (1, 1), "high": (1, 1)}),
    ((2, 3, 37), (5, 3, 5), {"strides": (2,), "low": (3,), "high": (2,), "dilations": (2,)}),
    ((1, 2, 4, 5, 18), (3, 2, 3, 1, 3), {"low": (1, 0, 1), "high": (1, 0, 1)}),
]
MATMULS = [
    ((1, 1), (1, 1), {}),
    ((3, 5), (5, 17), {}),
    ((13, 20), (20, 70), {}),
    ((1, 33), (33, 65), {}),
    ((33, 3), (33, 17), {"transpose_lhs": True}),
    ((17, 33), (19, 33), {"transpose_rhs": True}),
    ((2, 7, 6), (2, 6, 9), {}),
]
PACKED = [
    # rows, depth, columns, lanes of a panel
    (1, 33, 64, 64),
    (65, 20, 100, 64),
    (7, 17, 10, 16),
    (3, 5, 7, 3),
    (33, 9, 130, 32),
]
WINDOWS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((8, 9), {"kernel": (2, 2), "strides": (2, 2)}),
    ((8, 9), {"kernel": (3, 3), "strides": (2, 2), "low": (1, 1), "high": (1, 1)}),
    ((19,), {"kernel": (4,), "strides": (3,), "low": (0,), "high": (2,)}),
    ((3, 4, 6), {"kernel": (2, 3, 2), "strides": (1, 1, 2), "low": (1, 0, 0), "high": (0, 2, 0),
                 "count_include_pad": False}),
]  # fmt: skip
SCALARS = {
    "lr": 0.1,
    "wd": 0.01,
    "rescale": 0.5,
    "correction1": 10.0,
    "correction2": 1000.0,
    "gradient_weight": 0.5,
    "mean_weight": 0.5,
}


def unary_rows() -> list[Row]:
    return [Row(op, (x,), terms) for op, (x, terms) in UNARY.items()]


def binary_rows() -> list[Row]:
    return [
        Row(op, (np.ascontiguousarray(x), np.ascontiguousarray(y)), terms)
        for op, (x, y, terms) in BINARY.items()
    ]


def other_elementwise_rows() -> list[Row]:
    x, y, mask = normal(3, 17), normal(3, 17)[::-1].copy(), normal(3, 17) > 0
    values = constant.ConstantOp(1.5, TensorType(f32, [3, 17]))
    return [
        Row(partial(elementwise.CompareOp, "lt"), (x, y), same),
        Row(elementwise.SelectOp, (mask, x, y), same),
        Row(partial(elementwise.CastOp, element=i32), (x * 9,), same),
        Row(partial(elementwise.CastOp, element=f32), (whole(99, 33),), same),
        Row(rounding.ModOp, (whole(99, 33) - 50, whole(7, 33) - 3), same),
        Row(rounding.FloorDivOp, (whole(99, 33) - 50, whole(7, 33) - 3), same),
        Row(partial(elementwise.ClampOp, low=-0.5, high=0.75), (x,), same),
        Row(values.clone, (), same),
        Row(partial(indexing.IotaOp, (3, 17), 1), (), same),
    ]


def joined(x: SSAValue, y: SSAValue) -> Operation:
    return shape.ConcatOp([x, y], 1)


def shape_rows() -> list[Row]:
    x = normal(3, 5, 7)
    return [
        Row(partial(shape.ReshapeOp, shape=(15, 7)), (x,), same),
        Row(partial(shape.TransposeOp, permutation=(2, 0, 1)), (x,), same),
        Row(partial(shape.TransposeOp, permutation=(1, 0)), (normal(33, 17),), same),
        Row(partial(shape.SliceOp, starts=(1, 0, 2), limits=(3, 5, 7)), (x,), same),
        Row(partial(shape.SliceOp, starts=(0, 1), limits=(5, 17), strides=(2, 3)),
            (normal(5, 17),), same),
        Row(partial(shape.PadOp, low=(0, 1, 2), high=(1, 0, 3), value=2.0), (x,), same),
        Row(joined, (x, normal(3, 2, 7)), same),
        Row(partial(reduce.BroadcastOp, shape=(3, 17), dimensions=(1,)), (normal(17),), same),
        Row(partial(reduce.BroadcastOp, shape=(3, 17), dimensions=(0,)), (normal(3),), same),
        Row(partial(indexing.OneHotOp, size=5, element=f32), (whole(5, 7),), same),
        Row(partial(indexing.GatherOp, axis=0), (normal(9, 17), whole(9, 4)), same),
        Row(partial(indexing.GatherOp, axis=1, batch_dims=1), (normal(3, 9), whole(9, 3)), same),
        Row(partial(indexing.ScatterAddOp, size=4, axis=0), (normal(9, 17), whole(4, 9)), updates),
    ]  # fmt: skip


def updates(row: Row, results: Arrays) -> Arrays:
    """Many updates may come to one place."""
    return [np.full(results[0].shape, np.abs(row.inputs[0]).sum(axis=0))]


def reduce_rows() -> list[Row]:
    kinds = {"sum": linear, "mean": linear, "max": same, "min": same, "prod": relative(33)}
    axes = [((33,), (0,)), ((3, 17), (1,)), ((17, 3), (0,)), ((2, 3, 5, 7), (0, 2, 3))]
    rows = [
        Row(partial(reduce.ReduceOp, kind, axes=dims), (normal(*sizes),), terms)
        for kind, terms in kinds.items()
        for sizes, dims in (axes if kind == "sum" else axes[1:3])
    ]
    for sizes, dims in (((70000,), (0,)), ((3000, 5), (0,)), ((8, 3, 31, 31), (0, 2, 3))):
        rows.append(Row(partial(reduce.ReduceOp, "sum", axes=dims), (positive(*sizes),), linear))
    rows.append(Row(partial(reduce.ArgmaxOp, axis=1), (normal(5, 33),), same))
    rows.append(Row(partial(reduce.ArgmaxOp, axis=0), (normal(17, 3),), same))
    rows.append(Row(partial(reduce.CumsumOp, axis=1), (normal(3, 17),), linear))
    return [*rows, Row(partial(reduce.CumsumOp, axis=0, reverse=True), (normal(9, 3),), linear)]


def contraction_rows() -> list[Row]:
    rows = [
        Row(partial(contract.MatmulOp, **options), (normal(*lhs), normal(*rhs)), linear)
        for lhs, rhs, options in MATMULS
    ]
    for m, k, n, lanes in PACKED:
        panels = normal(-(-n // lanes), k, lanes)
        rows.append(
            Row(partial(contract.PackedMatmulOp, columns=n), (normal(m, k), panels), linear)
        )
    for image, kernel, options in CONVOLUTIONS:
        forward = partial(convolution.ConvOp, **options)
        x, k = normal(*image), normal(*kernel)
        g = normal(*shape_of(forward(*arguments([x, k])).output))
        to_image = partial(convolution.ConvInputGradOp, size=image[2:], **options)
        to_kernel = partial(convolution.ConvWeightGradOp, size=kernel[2:], **options)
        rows.append(Row(forward, (x, k), linear))
        rows.append(Row(to_image, (g, k), linear))
        rows.append(Row(to_kernel, (x, g), linear))
    return rows


def pool_rows() -> list[Row]:
    rows: list[Row] = []
    for size, window in WINDOWS:
        image = normal(2, 3, *size)
        average = partial(pool.AvgPoolOp, **window)
        g = normal(*shape_of(average(*arguments([image])).output))
        sliding = {key: window[key] for key in window if key != "count_include_pad"}
        rows.append(Row(partial(pool.MaxPoolOp, **sliding), (image,), same))
        rows.append(Row(average, (image,), linear))
        rows.append(Row(partial(pool.AvgPoolGradOp, size=size, **window), (g,), linear))
    return rows


def normalization_rows() -> list[Row]:
    x, g, label = normal(5, 33), normal(5, 33)[::-1].copy(), whole(33, 5)
    probabilities = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    image, channels = normal(4, 3, 5, 5), normal(3)
    mean, variance = image.mean((0, 2, 3)), image.var((0, 2, 3))
    return [
        Row(partial(normalize.SoftmaxOp, axis=1), (x,), softmax),
        Row(partial(normalize.LogSoftmaxOp, axis=1), (x,), log_softmax),
        Row(partial(normalize.SoftmaxGradOp, axis=1), (probabilities, g), softmax_grad),
        Row(partial(normalize.LogSoftmaxGradOp, axis=1), (np.log(probabilities), g),
            log_softmax_grad),
        Row(normalize.CrossEntropyOp, (x, label), cross_entropy),
        Row(normalize.CrossEntropyGradOp, (probabilities, label, normal(5)), relative(4)),
        Row(batch_norm.BatchNormOp, (image, channels, channels), batch_norm_terms),
        Row(
            partial(batch_norm.BatchNormGradOp, epsilon=1e-5),
            (image, channels, mean, variance, normal(4, 3, 5, 5)[::-1].copy()),
            batch_norm_grad_terms,
        ),
        *row_norm_rows(),
    ]  # fmt: skip


def attention_rows() -> list[Row]:
    """Heads, other lengths of keys and values, masks, several blocks of queries."""
    hidden = np.where(normal(1, 1, 4, 6) > 0, 0, -np.inf).astype("f4")
    hidden[0, 0, 2] = -np.inf
    rows: list[Row] = []
    for (queries, keys), causal, masks in (
        ((5, 7), False, ()), ((9, 17), True, (normal(1, 3, 9, 17),)), ((3, 2), True, ()),
        ((130, 5), False, (normal(2, 1, 1, 5),)), ((4, 6), False, (hidden,)),
    ):  # fmt: skip
        q, k, v = normal(2, 3, queries, 8), normal(2, 3, keys, 8), normal(2, 3, keys, 4)
        attend = partial(attention.AttentionOp, scale=0.3, causal=causal)
        forward = Row(attend, (q, k, v, *masks), attention_terms)
        output, log_sum = forward.exact()
        grad = normal(2, 3, queries, 4)[::-1].copy()
        delta = (grad * output).sum(-1)
        given = (q, k, v, log_sum.astype("f4"), delta.astype("f4"), grad, *masks)
        back = partial(attention.AttentionGradOp, scale=0.3, causal=causal)
        rows += [forward, Row(back, given, attention_grad_terms)]
    return rows


def row_norm_rows() -> list[Row]:
    x, image = normal(5, 33), normal(2, 3, 5, 5)
    rows: list[Row] = []
    for uncentered in (False, True):
        h, g = normal(5, 33) * 2, normal(5, 33)[::-1].copy()
        rows += [
            Row(partial(norms.NormalizeOp, axes=(1,), uncentered=uncentered), (x,), norm_terms),
            Row(partial(norms.NormalizeGradOp, axes=(1,), uncentered=uncentered),
                (h, positive(5), g), norm_grad_terms),
        ]  # fmt: skip
    return [*rows, Row(partial(norms.NormalizeOp, axes=(2, 3)), (image,), norm_terms)]


def random_rows() -> list[Row]:
    key, counter, drawn = np.array(7, np.int32), np.array(3, np.int32), TensorType(f32, [3, 17])
    return [
        Row(partial(random.UniformOp, type=drawn), (key, counter), same),
        Row(partial(random.NormalOp, type=drawn), (key, counter), one),
        Row(partial(random.DropoutOp, rate=0.25), (normal(3, 17), key, counter), relative(2)),
    ]


def optimizer_rows() -> list[Row]:
    rows: list[Row] = []
    for op in Optim.operations:
        assert issubclass(op, Update)
        states = tuple(positive(5, 33) for _ in op.STATES)
        if op is RmspropCenteredOp:
            states = (states[0] + 2, *states[1:])
        settings = tuple(scalar(SCALARS[name]) for name in op.SCALARS)
        count = len(states)

        def build(g: SSAValue, w: SSAValue, *others: SSAValue, op: Any = op, n: int = count) -> Any:
            return op(g, w, others[:n], others[n:])

        inputs = (normal(5, 33), normal(5, 33)[::-1].copy(), *states, *settings)
        rows.append(Row(build, inputs, ftrl_update if op is FtrlOp else update))
    return rows


def scan_rows() -> list[Row]:
    def recurrence(h: SSAValue, xs: SSAValue, w: SSAValue) -> Operation:
        element = element_of(h)
        body = Block(arg_types=[h.type, TensorType(element, [3, 17]), w.type])
        b = Builder(InsertPoint.at_end(body))
        product = insert(b, contract.MatmulOp(body.args[0], body.args[2]))
        product = elementwise.cast(b, product, element)
        state = insert(b, functions.TanhOp(insert(b, elementwise.AddOp(product, body.args[1]))))
        b.insert(structure.YieldOp([state, state]))
        return scan.ScanOp(5, [h], [xs], [w], body)

    return [Row(recurrence, (normal(3, 17), normal(5, 3, 17), normal(17, 17) / 4), one)]


def body_of(kind: type[Unary], *captured: SSAValue) -> Block:
    """A body that ends with `f(x @ w)`, and with `w` as it is."""
    body = Block(arg_types=[value.type for value in captured])
    b, (x, w) = Builder(InsertPoint.at_end(body)), body.args
    y = insert(b, kind(insert(b, contract.MatmulOp(x, w))))
    b.insert(structure.YieldOp([y, w]))
    return body


def control_rows() -> list[Row]:
    def choose(p: SSAValue, *captured: SSAValue) -> Operation:
        bodies = body_of(functions.TanhOp, *captured), body_of(functions.SigmoidOp, *captured)
        return cond.CondOp(p, captured, *bodies)

    def run_again(*captured: SSAValue) -> Operation:
        return checkpoint.CheckpointOp(captured, body_of(functions.TanhOp, *captured))

    def own_gradient(x: SSAValue, w: SSAValue) -> Operation:
        body = Block(arg_types=[x.type, w.type])
        b = Builder(InsertPoint.at_end(body))
        b.insert(structure.YieldOp([insert(b, elementwise.MulOp(*body.args))]))
        return with_gradient.WithGradientOp([x], [x], [w], body)

    inputs = normal(3, 17), normal(17, 17) / 4
    return [
        *(Row(choose, (np.array(p), *inputs), one) for p in (False, True)),
        Row(run_again, inputs, one),
        Row(own_gradient, (normal(3, 5), normal(3, 5)), same),
        Row(checkpoint.AfterOp, (normal(3, 5), normal(2)), same),
        Row(structure.DetachOp, (normal(3, 5),), same),
    ]


ROWS = [
    *unary_rows(), *binary_rows(), *other_elementwise_rows(), *shape_rows(), *reduce_rows(),
    *contraction_rows(), *pool_rows(), *normalization_rows(), *random_rows(), *optimizer_rows(),
    *scan_rows(), *control_rows(), *attention_rows(),
]  # fmt: skip

LARGE_ROWS = [
    Row(functions.TanhOp, (normal(300, 301),), relative(3)),
    Row(contract.MatmulOp, (normal(201, 130), normal(130, 170)), linear),
    Row(partial(contract.MatmulOp, transpose_lhs=True), (normal(70, 301), normal(70, 65)), linear),
    Row(partial(convolution.ConvOp, low=(1, 1), high=(1, 1)),
        (normal(4, 8, 20, 20), normal(17, 8, 3, 3)), linear),
    Row(partial(convolution.ConvWeightGradOp, size=(4, 4)),
        (normal(4, 8, 23, 23), normal(4, 17, 20, 20)), linear),
    Row(partial(reduce.ReduceOp, "sum", axes=(1,)), (normal(400, 301),), linear),
    Row(partial(reduce.ReduceOp, "sum", axes=(0,)), (normal(301, 400),), linear),
    Row(partial(normalize.SoftmaxOp, axis=1), (normal(401, 200),), softmax),
    Row(partial(pool.MaxPoolOp, kernel=(2, 2), strides=(2, 2)), (normal(8, 16, 40, 40),), same),
    Row(batch_norm.BatchNormOp, (normal(8, 16, 31, 31), normal(16), normal(16)), batch_norm_terms),
    Row(partial(shape.TransposeOp, permutation=(1, 0)), (normal(300, 501),), same),
]  # fmt: skip
"""Rows of enough work for several threads."""
