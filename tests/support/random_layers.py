"""Random layers: products, convolutions, pooling, norms, attention, and ops with bodies."""

from functools import partial
from math import prod

from random_elements import Make
from random_graph import (
    DEPTH,
    HALVES,
    REALS,
    Body,
    Graph,
    Halves,
    Shape,
    rank_of,
)
from xdsl.dialects.builtin import TensorType, bf16, i32
from xdsl.ir import Block, SSAValue

from nnc.dialects.nn.attention import AttentionOp
from nnc.dialects.nn.base import element_of, shape_of, tensor_type
from nnc.dialects.nn.batch_norm import BatchNormOp
from nnc.dialects.nn.checkpoint import CheckpointOp
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvInputGradOp, ConvOp
from nnc.dialects.nn.elementwise import PREDICATES, AddOp, CastOp, CompareOp, MulOp
from nnc.dialects.nn.functions import TanhOp
from nnc.dialects.nn.norms import NormalizeOp
from nnc.dialects.nn.pool import AvgPoolOp, MaxPoolOp
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.shape import ReshapeOp
from nnc.dialects.nn.structure import YieldOp

WORK = 20
"""Terms of a contraction at most, in multiples of the largest value."""


def factors(graph: Graph, x: SSAValue, shape: Shape) -> tuple[SSAValue, SSAValue]:
    """x and an exact value, perhaps both of half precision, or rounded to it."""
    if graph.halves is Halves.PRODUCTS:
        x = graph.like(x, exact=True)
    y = graph.like(x, shape, exact=True)
    if graph.halves is Halves.PRODUCTS:
        return rounded(graph, x), rounded(graph, y)
    if graph.halves is Halves.NOTHING or x not in graph.exact or not graph.coin():
        return x, y
    half = graph.choose(HALVES)
    return graph.add(CastOp(x, half), exact=True), graph.add(CastOp(y, half), exact=True)


def rounded(graph: Graph, x: SSAValue) -> SSAValue:
    """The nearest numbers of bf16, which f16 has, too."""
    return graph.add(CastOp(graph.add(CastOp(x, bf16), exact=True), element_of(x)), exact=True)


def product(graph: Graph, x: SSAValue) -> None:
    if rank_of(x) < 2:
        x = graph.add(ReshapeOp(x, (1, prod(shape_of(x)))), exact=True)
    *batch, rows, columns = shape_of(x)
    lhs, rhs = graph.coin(), graph.coin()
    kept, depth = (columns, rows) if lhs else (rows, columns)
    wanted = graph.size()
    if graph.fits(*batch, kept, wanted) and graph.fits(*batch, kept, wanted, depth, times=WORK):
        shape = (*batch, wanted, depth) if rhs else (*batch, depth, wanted)
        one, other = factors(graph, x, shape)
        graph.add(MatmulOp(one, other, transpose_lhs=lhs, transpose_rhs=rhs))


def image(graph: Graph, x: SSAValue) -> SSAValue:
    """x as images of 1, 2 or 3 spatial axes; of more, the first become the batch."""
    sizes = shape_of(x)
    if len(sizes) > 5:
        return graph.add(ReshapeOp(x, (prod(sizes[:-4]), *sizes[-4:])), exact=True)
    rank = graph.integer(max(3, len(sizes)), 5)
    if rank == len(sizes):
        return x
    ahead = graph.integer(0, min(2, rank - len(sizes)))
    seen = (*(1,) * ahead, *sizes, *(1,) * (rank - len(sizes) - ahead))
    return graph.add(ReshapeOp(x, seen), exact=True)


def convolution(graph: Graph, x: SSAValue) -> None:
    """Of channels in groups, which may be as many as there are channels; or transposed."""
    seen = image(graph, x)
    n, channels, *sizes = shape_of(seen)
    groups = graph.choose([g for g in range(1, channels + 1) if channels % g == 0])
    out = groups * graph.integer(1, 2)
    low, high = ([graph.integer(0, 2) for _ in sizes] for _ in range(2))
    strides, dilations = ([graph.integer(1, most) for _ in sizes] for most in (3, 2))
    settings = {"strides": strides, "low": low, "high": high, "dilations": dilations}
    axes = list(zip(sizes, strides, low, high, dilations, strict=True))
    if graph.coin():
        kernel = [graph.integer(1, min(3, (s + a + b - 1) // d + 1)) for s, _, a, b, d in axes]
        shape = (out, channels // groups, *kernel)
        padded = (s + a + b for s, _, a, b, _ in axes)
        if graph.fits(n, *sizes, *shape, times=WORK) and graph.fits(n, out, *padded, times=2):
            graph.add(ConvOp(*factors(graph, seen, shape), **settings, groups=groups))
        return
    kernel = [graph.integer(1 + (a + b + 1) // d, 3 + (a + b) // d) for _, _, a, b, d in axes]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = [
        (s - 1) * stride + extent - a - b
        for (s, stride, a, b, _), extent in zip(axes, extents, strict=True)
    ]
    shape = (channels, out // groups, *kernel)
    if (
        min(size) > 0
        and graph.fits(n, out, *size, times=2)
        and graph.fits(n, *size, *shape, times=WORK)
    ):
        operands = factors(graph, seen, shape)
        graph.add(ConvInputGradOp(*operands, **settings, groups=groups, size=size))


def pool(graph: Graph, x: SSAValue) -> None:
    seen = image(graph, x)
    sizes = shape_of(seen)[2:]
    kernel = [graph.integer(1, min(3, size)) for size in sizes]
    low, high = ([graph.integer(0, min(1, k - 1)) for k in kernel] for _ in range(2))
    window = kernel, [graph.integer(1, 3) for _ in sizes], low, high
    kinds: list[Make] = [partial(AvgPoolOp, seen, *window, count_include_pad=graph.coin())]
    if seen in graph.exact:
        kinds.append(partial(MaxPoolOp, seen, *window))
    op = graph.choose(kinds)()
    graph.add(op, exact=isinstance(op, MaxPoolOp))


def norm(graph: Graph, x: SSAValue) -> None:
    """Batch, group or instance normalization with a scale of each channel."""
    sizes = shape_of(x)
    if len(sizes) < 2:
        return
    gamma = graph.like(x, sizes[1:2], exact=True)
    if graph.coin():
        graph.add(BatchNormOp(x, gamma, graph.like(x, sizes[1:2])))
        return
    groups = graph.choose([g for g in range(1, sizes[1] + 1) if sizes[1] % g == 0])
    split = graph.add(ReshapeOp(x, (sizes[0], groups, sizes[1] // groups, *sizes[2:])))
    normal = graph.add(NormalizeOp(split, tuple(range(2, len(sizes) + 1)), uncentered=graph.coin()))
    merged = graph.add(ReshapeOp(normal, sizes))
    graph.add(MulOp(merged, graph.add(BroadcastOp(gamma, sizes, [1]), exact=True)))


def attention(graph: Graph, x: SSAValue) -> None:
    """Of queries x: over themselves or others, causal or not, perhaps with a mask."""
    if rank_of(x) < 2 or element_of(x) not in REALS:
        return
    *batch, queries, depth = shape_of(x)
    keys = graph.choose([queries, *graph.scale.sizes])
    width = graph.choose([depth, *graph.scale.sizes])
    if not graph.fits(*batch, queries, keys) or not graph.fits(
        *batch, keys, max(depth, width), times=WORK
    ):
        return
    key = graph.like(x, (*batch, keys, depth), exact=True)
    value = graph.like(x, (*batch, keys, width))
    shape = [graph.choose([1, size]) for size in (*batch, queries, keys)]
    mask = graph.like(x, shape, exact=True) if graph.coin() else None
    causal, scale = graph.coin(), graph.choose([1.0, depth**-0.5])
    graph.add(AttentionOp(x, key, value, mask, scale=scale, causal=causal))


def scan(graph: Graph, x: SSAValue) -> None:
    """Over the slices of x, with a state that stays below 1."""
    if not rank_of(x) or graph.depth == DEPTH:
        return
    count, *sizes = shape_of(x)
    piece = TensorType(element_of(x), sizes)
    init = graph.like(x, graph.choose([sizes, ()]))
    body = Body(graph, [init.type, piece])
    body.steps(3)
    state = body.add(TanhOp(body.value(tensor_type(init))))
    kept = [
        v for v in body.reals() if graph.fits(count, *shape_of(v)) and v.owner is not body.block
    ]
    body.b.insert(YieldOp([state, body.choose([*kept, state])]))
    graph.add(ScanOp(count, [init], [x], body.captured, body.block, reverse=graph.coin()))


def loop(graph: Graph, x: SSAValue) -> None:
    """While a count is below a limit, at most 3 times: `x = tanh(…)`."""
    if graph.depth == DEPTH:
        return
    number = TensorType(i32, ())
    limit, start = graph.value(number, exact=True), graph.value(number, exact=True)
    step = Body(graph, [number, x.type, number])
    count, state, bound = step.block.args
    below = step.add(CompareOp("lt", count, bound))
    advance = Body(step, [number, x.type])
    advance.steps(3)
    new = advance.add(TanhOp(advance.value(tensor_type(x))))
    one = advance.add(ConstantOp(1, number))
    more = advance.add(AddOp(advance.block.args[0], one))
    stay = Block(arg_types=advance.block.arg_types)
    advance.b.insert(YieldOp([more, new]))
    stay.add_op(YieldOp(stay.args[:2]))
    captured = [count, state, *advance.captured]
    chosen = step.b.insert(CondOp(below, captured, advance.block, stay)).results
    step.b.insert(YieldOp(chosen))
    graph.add(ScanOp(3, [start, x], [], [limit, *step.captured], step.block))


def branch(graph: Graph, x: SSAValue) -> None:
    """One body or the other, chosen by exact scalars."""
    if graph.depth == DEPTH:
        return
    low, high = (graph.like(x, (), exact=True) for _ in range(2))
    predicate = graph.add(CompareOp(graph.choose(PREDICATES), low, high), exact=True)
    then = Body(graph)
    otherwise = Body(graph, sibling=then)
    for body in (then, otherwise):
        body.value(tensor_type(x))
        body.steps(2)
        body.b.insert(YieldOp([body.value(tensor_type(x))]))
    graph.add(CondOp(predicate, then.captured, then.block, otherwise.block))


def checkpoint(graph: Graph, x: SSAValue) -> None:
    if graph.depth == DEPTH:
        return
    body = Body(graph)
    body.value(tensor_type(x))
    body.steps(4)
    made = [v for v in body.reals() if v.owner is not body.block]
    if made:
        body.b.insert(YieldOp([body.choose(made)]))
        graph.add(CheckpointOp(body.captured, body.block))
