"""Random ops on elements, rows, indices and moves."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from math import prod

import hypothesis.strategies as st
from random_graph import (
    ELEMENTS,
    HALVES,
    INTEGERS,
    REALS,
    Graph,
    Halves,
    Shape,
    rank_of,
)
from xdsl.dialects.builtin import TensorType, f32, f64, i1, i32, i64
from xdsl.ir import Operation, SSAValue

from nnc.dialects.nn import elementwise, functions, rounding
from nnc.dialects.nn.base import Binary, Unary, element_of, shape_of, tensor_type
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.indexing import GatherOp, IotaOp, OneHotOp, ScatterAddOp
from nnc.dialects.nn.normalize import CrossEntropyOp, LogSoftmaxOp, SoftmaxOp
from nnc.dialects.nn.norms import NormalizeOp
from nnc.dialects.nn.random import DropoutOp, UniformOp
from nnc.dialects.nn.reduce import ArgmaxOp, BroadcastOp, CumsumOp, ReduceOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp

Make = Callable[[], Operation]

SMOOTH: tuple[type[Unary], ...] = (
    functions.TanhOp, functions.SigmoidOp, functions.GeluOp, functions.SiluOp, functions.ErfOp,
    functions.AtanOp, elementwise.NegOp,
)  # fmt: skip
OF_POSITIVE: tuple[type[Unary], ...] = (
    functions.SqrtOp, functions.RsqrtOp, functions.Log1pOp, elementwise.LogOp,
)  # fmt: skip
OF_SMALL: tuple[type[Unary], ...] = (
    elementwise.ExpOp, functions.Expm1Op, functions.SinOp, functions.CosOp,
)  # fmt: skip
JUMPS: tuple[type[Unary], ...] = (
    functions.ReluOp, functions.AbsOp, functions.SignOp, rounding.FloorOp, rounding.RoundOp,
)  # fmt: skip
ARITHMETIC: tuple[type[Binary], ...] = (elementwise.AddOp, elementwise.SubOp)
CHOICES: tuple[type[Binary], ...] = (elementwise.MaxOp, elementwise.MinOp)
WHOLE: tuple[type[Binary], ...] = (*ARITHMETIC, *CHOICES, rounding.ModOp, rounding.FloorDivOp)
COUNTS = (1, 2, 3, 5)
NUMBERS = (0.0, 1.0, -1.5, 2.0)


def smooth(graph: Graph, x: SSAValue) -> None:
    graph.add(graph.choose(SMOOTH)(x))


def bounded(graph: Graph, x: SSAValue) -> None:
    """A function of `tanh(x)`."""
    graph.add(graph.choose(OF_SMALL)(graph.add(functions.TanhOp(x))))


def positive(graph: Graph, x: SSAValue) -> SSAValue:
    """`1 + x * x`, of an exact x, or of `tanh(x)`."""
    small = x if x in graph.exact else graph.add(functions.TanhOp(x))
    square = graph.add(elementwise.MulOp(small, small))
    return graph.add(elementwise.AddOp(square, graph.add(ConstantOp(1.0, tensor_type(x)))))


def guarded(graph: Graph, x: SSAValue) -> None:
    """A function of `1 + x * x`, something divided by it, or its power."""
    base, y = positive(graph, x), graph.like(x)
    kinds: list[Make] = [partial(kind, base) for kind in OF_POSITIVE]
    kinds += [partial(elementwise.DivOp, y, base)]
    kinds += [lambda: elementwise.PowOp(base, graph.add(functions.TanhOp(y)))]
    graph.add(graph.choose(kinds)())


def arithmetic(graph: Graph, x: SSAValue) -> None:
    graph.add(graph.choose(ARITHMETIC)(x, graph.like(x)))


def scaled(graph: Graph, x: SSAValue) -> None:
    """Times an exact value: products of products would grow until rounding is all there is."""
    graph.add(elementwise.MulOp(x, graph.like(x, exact=True)))


def with_constant(graph: Graph, x: SSAValue) -> None:
    number = graph.add(ConstantOp(graph.choose(NUMBERS), tensor_type(x)), exact=True)
    operands = [x, number] if graph.coin() else [number, x]
    graph.add(graph.choose([*ARITHMETIC, elementwise.MulOp])(*operands))


def jump(graph: Graph, x: SSAValue) -> None:
    if x in graph.exact:
        clamp = partial(elementwise.ClampOp, low=-0.5, high=graph.choose([0.5, 1.25]))
        graph.add(graph.choose([*JUMPS, clamp])(x), exact=True)


def choice(graph: Graph, x: SSAValue) -> None:
    if x in graph.exact:
        graph.add(graph.choose(CHOICES)(x, graph.like(x, exact=True)), exact=True)


def whole(graph: Graph, x: SSAValue) -> None:
    """Arithmetic of integers."""
    if element_of(x) in INTEGERS:
        graph.add(graph.choose(WHOLE)(x, graph.like(x)), exact=True)


def select(graph: Graph, x: SSAValue) -> None:
    """`mask ? x : y`, with a mask of exact values."""
    low, high = graph.like(x, exact=True), graph.like(x, exact=True)
    predicate = graph.choose(elementwise.PREDICATES)
    mask = graph.add(elementwise.CompareOp(predicate, low, high), exact=True)
    graph.add(elementwise.SelectOp(mask, x, graph.like(x)), exact=True)


def cast(graph: Graph, x: SSAValue) -> None:
    """To another type, from which an exact value takes the way back some time."""
    element = graph.choose(ELEMENTS)
    wide = element in REALS and element_of(x) in REALS
    if (x in graph.exact or wide) and (graph.halves is Halves.SOME or element not in HALVES):
        graph.add(elementwise.CastOp(x, element), exact=True)


def broadcast(graph: Graph, x: SSAValue) -> None:
    """Something smaller, for all of x."""
    sizes = shape_of(x)
    found: list[tuple[Shape, Shape]] = [
        (axes, [1 if axis == long else sizes[axis] for axis in axes])
        for count in range(len(sizes) + 1)
        for axes in combinations(range(len(sizes)), count)
        for long in ({*axes} | {-1})
    ]
    axes, shape = graph.choose(found)
    value = graph.like(x, shape)
    repeated = graph.add(BroadcastOp(value, sizes, axes), exact=True)
    graph.add(elementwise.MulOp(x, repeated))


def rows(graph: Graph, x: SSAValue) -> None:
    """Reductions, and composite ops along an axis."""
    if not rank_of(x):
        return
    axis, axes = graph.integer(0, rank_of(x) - 1), graph.some(rank_of(x))
    kinds: list[Make] = [
        partial(ReduceOp, "sum", x, axes),
        partial(ReduceOp, "mean", x, axes),
        partial(SoftmaxOp, x, axis),
        partial(LogSoftmaxOp, x, axis),
        partial(CumsumOp, x, axis, reverse=graph.coin()),
        partial(NormalizeOp, x, axes, uncentered=graph.coin()),
    ]
    graph.add(graph.choose(kinds)())


def largest(graph: Graph, x: SSAValue) -> None:
    """What is largest along axes, and where."""
    if rank_of(x) and x in graph.exact and element_of(x) != i1:
        axis, axes = graph.integer(0, rank_of(x) - 1), graph.some(rank_of(x))
        extremes = [partial(ReduceOp, kind, x, axes) for kind in ("max", "min")]
        graph.add(graph.choose([*extremes, partial(ArgmaxOp, x, axis)])(), exact=True)


def counted(graph: Graph, x: SSAValue) -> None:
    """Sums of integers."""
    if rank_of(x) and element_of(x) in (i32, i64):
        axis, axes = graph.integer(0, rank_of(x) - 1), graph.some(rank_of(x))
        kinds: list[Make] = [partial(ReduceOp, "sum", x, axes), partial(CumsumOp, x, axis)]
        graph.add(graph.choose(kinds)(), exact=True)


def move(graph: Graph, x: SSAValue) -> None:
    sizes, total = shape_of(x), prod(shape_of(x))
    if not sizes:
        return
    starts = [graph.integer(0, size - 1) for size in sizes]
    limits = [graph.integer(start + 1, size) for start, size in zip(starts, sizes, strict=True)]
    ends = [[graph.integer(0, 1) for _ in sizes] for _ in range(2)]
    order = graph.draw(st.permutations(range(len(sizes))))
    axis = graph.integer(0, len(sizes) - 1)
    kinds: list[Make] = [
        partial(TransposeOp, x, order),
        partial(SliceOp, x, starts, limits, [graph.integer(1, 2) for _ in sizes]),
        partial(ReshapeOp, x, graph.choose([(total,), (1, total), (total, 1)])),
    ]
    if graph.fits(4, total):
        kinds += [partial(PadOp, x, *ends, graph.choose([0.0, 1.0]))]
        kinds += [lambda: ConcatOp([x, graph.like(x)], axis)]
    graph.add(graph.choose(kinds)(), exact=True)


def gather(graph: Graph, x: SSAValue) -> None:
    """Reads at the positions that an index holds: an embedding's rows, or elements of rows."""
    if not rank_of(x):
        return
    sizes = shape_of(x)
    axis = graph.integer(0, len(sizes) - 1)
    batches = graph.integer(0, axis)
    taken = graph.draw(st.lists(st.sampled_from(COUNTS), max_size=2))
    if graph.fits(*sizes[:axis], *taken, *sizes[axis + 1 :]):
        index = index_of(graph, (*sizes[:batches], *taken))
        graph.add(GatherOp(x, index, axis, batches), exact=True)


def scatter(graph: Graph, x: SSAValue) -> None:
    """Adds at the positions that an index holds."""
    sizes = shape_of(x)
    axis = graph.integer(0, len(sizes))
    batches = graph.integer(0, axis)
    taken = sizes[axis : graph.integer(axis, len(sizes))]
    size = graph.choose(COUNTS)
    if graph.fits(*sizes[:axis], size, *sizes[axis + len(taken) :]):
        index = index_of(graph, (*sizes[:batches], *taken))
        graph.add(ScatterAddOp(x, index, size, axis, batches))


def index_of(graph: Graph, shape: Shape) -> SSAValue:
    """Some integers; those that are no positions mean the nearest."""
    return graph.value(TensorType(graph.choose([i32, i64]), shape))


def labelled(graph: Graph, x: SSAValue) -> None:
    """The loss of labels that are classes; of others it is NaN."""
    if rank_of(x):
        *batch, classes = shape_of(x)
        label = elementwise.ClampOp(index_of(graph, batch), 0, classes - 1)
        graph.add(CrossEntropyOp(x, graph.add(label, exact=True)))


def one_hot(graph: Graph, x: SSAValue) -> None:
    """Which class an integer is; the integers from 0 on."""
    if element_of(x) in (i32, i64):
        size, element = graph.choose(COUNTS), graph.choose([f32, f64, i32, i1])
        kinds: list[Make] = [partial(OneHotOp, x, size, element)] * graph.fits(*shape_of(x), size)
        if rank_of(x):
            kinds += [partial(IotaOp, shape_of(x), graph.integer(0, rank_of(x) - 1))]
        if kinds:
            graph.add(graph.choose(kinds)(), exact=True)


def order(graph: Graph, x: SSAValue) -> None:
    """The largest elements of the last axis in order, by counting those before each."""
    sizes = shape_of(x)
    if not sizes or x not in graph.exact or not graph.fits(*sizes, sizes[-1], times=3):
        return
    last, size = len(sizes) - 1, sizes[-1]
    wide = (*sizes, size)
    one = graph.add(BroadcastOp(x, wide, range(last + 1)), exact=True)
    other = graph.add(BroadcastOp(x, wide, [*range(last), last + 1]), exact=True)
    before = graph.add(elementwise.CompareOp("gt", other, one), exact=True)
    counts = graph.add(elementwise.CastOp(before, i32), exact=True)
    rank = graph.add(ReduceOp("sum", counts, (last + 1,)), exact=True)
    positions = graph.add(IotaOp(sizes, last), exact=True)
    found = graph.add(ScatterAddOp(positions, rank, size, last, last), exact=True)
    limits = [*sizes[:last], graph.integer(1, size)]
    best = graph.add(SliceOp(found, [0] * len(sizes), limits), exact=True)
    graph.add(GatherOp(x, best, last, last), exact=True)


def randomized(graph: Graph, x: SSAValue) -> None:
    """Draws of numbers."""
    key, counter = (graph.value(TensorType(i32, ())) for _ in range(2))
    rate = graph.choose([0.0, 0.25, 0.5])
    drawn = partial(UniformOp, key, counter, tensor_type(x))
    graph.add(graph.choose([partial(DropoutOp, x, key, counter, rate), drawn])())
