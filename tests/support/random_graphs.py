"""Random programs of the graph dialect, drawn by hypothesis and so shrunk by it.

Shapes are tiny, as every program is interpreted after each of two dozen passes. An op that jumps
(a comparison, relu) is given only values that no rounding can change: `exact` ones, which are
arguments, or moved, chosen and compared from such. So all that may differ is rounding.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any, TypeVar

import hypothesis.strategies as st
from xdsl.builder import Builder
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    f64,
    i1,
    i32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.nn import elementwise, functions, rounding
from nnc.dialects.nn.base import Binary, Unary, element_of, insert, shape_of
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.convolution import ConvOp
from nnc.dialects.nn.indexing import GatherOp, OneHotOp, ScatterAddOp
from nnc.dialects.nn.normalize import CrossEntropyOp, LogSoftmaxOp, SoftmaxOp
from nnc.dialects.nn.norms import NormalizeOp
from nnc.dialects.nn.pool import AvgPoolOp, MaxPoolOp
from nnc.dialects.nn.reduce import ArgmaxOp, BroadcastOp, CumsumOp, ReduceOp
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from nnc.dialects.nn.structure import YieldOp

Chosen = TypeVar("Chosen")
SIZES = (1, 2, 3, 5, 8, 17)
LARGEST = 96
"""Elements of a value at most."""
ATTEMPTS = 5

SMOOTH: tuple[type[Unary], ...] = (
    functions.TanhOp, functions.SigmoidOp, functions.GeluOp, functions.SiluOp, functions.ErfOp,
    functions.AtanOp, elementwise.NegOp,
)  # fmt: skip
JUMPS: tuple[type[Unary], ...] = (
    functions.ReluOp, functions.AbsOp, functions.SignOp, rounding.FloorOp, rounding.RoundOp,
)  # fmt: skip
ARITHMETIC: tuple[type[Binary], ...] = (elementwise.AddOp, elementwise.SubOp)
CHOICES: tuple[type[Binary], ...] = (elementwise.MaxOp, elementwise.MinOp)


class Drawn:
    """A program that was drawn; hypothesis shows its text."""

    def __init__(self, module: ModuleOp):
        self.module = module

    def __repr__(self) -> str:
        return f"\n{self.module}\n"


class Graph:
    """A program while it is drawn: `values` holds its tensors so far, `exact` some of them."""

    def __init__(self, draw: Callable[..., Any], b: Builder, arguments: Sequence[SSAValue]):
        self.draw = draw
        self.b = b
        self.values = list(arguments)
        self.exact = set(arguments)

    def choose(self, options: Sequence[Chosen]) -> Chosen:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def add(self, op: Operation, exact: bool = False) -> Sequence[SSAValue]:
        """Inserts an op and keeps its results."""
        results = self.b.insert(op).results
        self.values += results
        if exact and all(operand in self.exact for operand in op.operands):
            self.exact.update(results)
        return results

    def floats(self, fits: Callable[[SSAValue], bool] = lambda v: True) -> list[SSAValue]:
        """The fitting values of f32, the latest first: hypothesis shrinks to the front."""
        return [v for v in reversed(self.values) if element_of(v) == f32 and fits(v)]

    def like(self, x: SSAValue) -> SSAValue:
        return self.choose(self.floats(lambda v: v.type == x.type))

    def step(self) -> None:
        """Adds an op on one of the values; kinds are drawn until one fits its value."""
        count = len(self.values)
        for _ in range(ATTEMPTS):
            self.choose(KINDS)(self, self.choose(self.floats()))
            if len(self.values) > count:
                return


def smooth(graph: Graph, x: SSAValue) -> None:
    graph.add(graph.choose(SMOOTH)(x))


def arithmetic(graph: Graph, x: SSAValue) -> None:
    graph.add(graph.choose(ARITHMETIC)(x, graph.like(x)))


def scaled(graph: Graph, x: SSAValue) -> None:
    """Times an exact value: products of products would grow until rounding is all there is."""
    factors = graph.floats(lambda v: v.type == x.type and v in graph.exact)
    if factors:
        graph.add(elementwise.MulOp(x, graph.choose(factors)))


def jump(graph: Graph, x: SSAValue) -> None:
    if x in graph.exact:
        graph.add(graph.choose(JUMPS)(x), exact=True)


def choice(graph: Graph, x: SSAValue) -> None:
    y = graph.like(x)
    if {x, y} <= graph.exact:
        graph.add(graph.choose(CHOICES)(x, y), exact=True)


def select(graph: Graph, x: SSAValue) -> None:
    """`mask ? x : y`, with a mask of exact values."""
    bounds = graph.floats(lambda v: v.type == x.type and v in graph.exact)
    if bounds:
        predicate = graph.choose(elementwise.PREDICATES)
        low, high = graph.choose(bounds), graph.choose(bounds)
        (mask,) = graph.add(elementwise.CompareOp(predicate, low, high), exact=True)
        graph.add(elementwise.SelectOp(mask, x, graph.like(x)), exact=True)


def cast(graph: Graph, x: SSAValue) -> None:
    """To f64 and back."""
    (wide,) = graph.add(elementwise.CastOp(x, f64), exact=True)
    graph.add(elementwise.CastOp(wide, f32), exact=True)


def broadcast(graph: Graph, x: SSAValue) -> None:
    """Something smaller, for all of x."""
    sizes = shape_of(x)
    found = [
        (value, axes)
        for value in graph.floats(lambda v: len(shape_of(v)) < len(sizes))
        for axes in combinations(range(len(sizes)), len(shape_of(value)))
        if shape_of(value) == tuple(sizes[axis] for axis in axes)
    ]
    if found:
        value, axes = graph.choose(found)
        (repeated,) = graph.add(BroadcastOp(value, sizes, axes), exact=True)
        graph.add(elementwise.MulOp(x, repeated))


def product(graph: Graph, x: SSAValue) -> None:
    rank = len(shape_of(x))
    if rank < 2:
        return
    lhs, rhs = graph.coin(), graph.coin()
    batch, depth = shape_of(x)[:-2], shape_of(x)[-2 if lhs else -1]
    fitting = graph.floats(
        lambda v: (
            len(shape_of(v)) == rank
            and shape_of(v)[:-2] == batch
            and shape_of(v)[-1 if rhs else -2] == depth
        )
    )
    if fitting:
        graph.add(MatmulOp(x, graph.choose(fitting), transpose_lhs=lhs, transpose_rhs=rhs))


def rows(graph: Graph, x: SSAValue) -> None:
    """Reductions, and composite ops along an axis."""
    rank = len(shape_of(x))
    if not rank:
        return
    axis = graph.integer(0, rank - 1)
    axes = tuple(sorted(graph.draw(st.sets(st.integers(0, rank - 1), min_size=1))))
    kinds: list[Callable[[], Operation]] = [
        partial(ReduceOp, "sum", x, axes),
        partial(ReduceOp, "mean", x, axes),
        partial(SoftmaxOp, x, axis),
        partial(LogSoftmaxOp, x, axis),
        partial(CumsumOp, x, axis, reverse=graph.coin()),
        partial(NormalizeOp, x, axes, uncentered=graph.coin()),
    ]
    if x in graph.exact:
        kinds += [partial(ReduceOp, "max", x, axes), partial(ArgmaxOp, x, axis)]
    graph.add(graph.choose(kinds)())


def move(graph: Graph, x: SSAValue) -> None:
    sizes, total = shape_of(x), math.prod(shape_of(x))
    if not sizes:
        return
    starts = [graph.integer(0, size - 1) for size in sizes]
    limits = [graph.integer(start + 1, size) for start, size in zip(starts, sizes, strict=True)]
    ends = [[graph.integer(0, 1) for _ in sizes] for _ in range(2)]
    order = graph.draw(st.permutations(range(len(sizes))))
    axis = graph.integer(0, len(sizes) - 1)
    kinds: list[Callable[[], Operation]] = [
        partial(TransposeOp, x, order),
        partial(SliceOp, x, starts, limits, [graph.integer(1, 2) for _ in sizes]),
        partial(ReshapeOp, x, graph.choose([(total,), (1, total), (total, 1)])),
    ]
    if total <= LARGEST // 4:
        kinds += [partial(PadOp, x, *ends, graph.choose([0.0, 1.5]))]
        kinds += [partial(ConcatOp, [x, graph.like(x)], axis)]
    graph.add(graph.choose(kinds)(), exact=True)


def image(graph: Graph, x: SSAValue) -> None:
    """Convolution or pooling of what is seen as an image."""
    sizes = shape_of(x)
    if len(sizes) != 2 or max(sizes) > 8 or min(sizes) < 2:
        return
    (seen,) = graph.add(ReshapeOp(x, (1, 1, *sizes)), exact=True)
    low = [graph.integer(0, 1), graph.integer(0, 1)]
    strides = [graph.integer(1, 2), graph.integer(1, 2)]
    filters = graph.floats(lambda v: shape_of(v) == (2, 2))
    kinds: list[Callable[[], Operation]] = [partial(AvgPoolOp, seen, (2, 2), strides, low, low)]
    if filters:
        (kernel,) = graph.add(ReshapeOp(graph.choose(filters), (1, 1, 2, 2)), exact=True)
        kinds.append(partial(ConvOp, seen, kernel, strides=strides, low=low, high=low))
    if x in graph.exact:
        kinds.append(partial(MaxPoolOp, seen, (2, 2), strides, low, low))
    graph.add(graph.choose(kinds)())


def indexed(graph: Graph, x: SSAValue) -> None:
    """What reads or adds at the positions that an index holds."""
    indices = [v for v in graph.values if element_of(v) == i32 and len(shape_of(v)) == 1]
    if not indices or not shape_of(x):
        return
    index, axis = graph.choose(indices), graph.integer(0, len(shape_of(x)) - 1)
    count, sizes = shape_of(index)[0], list(shape_of(x))
    kinds: list[Callable[[], Operation]] = [partial(OneHotOp, index, 3, f32)]
    if count * math.prod(sizes) // sizes[axis] <= LARGEST:
        kinds.append(partial(GatherOp, x, index, axis))
    if sizes[axis] == count:
        kinds.append(partial(ScatterAddOp, x, index, 3, axis))
    if len(sizes) == 2 and sizes[0] == count:
        kinds.append(partial(CrossEntropyOp, x, index))
    graph.add(graph.choose(kinds)())


def scan(graph: Graph, x: SSAValue) -> None:
    """`state = tanh(state * slice + captured)`, over the slices of x."""
    sizes = shape_of(x)
    states = graph.floats(lambda v: shape_of(v) == sizes[1:]) if sizes else []
    if not states:
        return
    init, captured = graph.choose(states), graph.choose(states)
    body = Block(arg_types=[init.type, init.type, captured.type])
    state, piece, weight = body.args
    b = Builder(InsertPoint.at_end(body))
    moved = insert(b, elementwise.AddOp(insert(b, elementwise.MulOp(state, piece)), weight))
    new = insert(b, functions.TanhOp(moved))
    b.insert(YieldOp([new, insert(b, elementwise.SubOp(new, state))]))
    graph.add(ScanOp(sizes[0], [init], [x], [captured], body, reverse=graph.coin()))


def branch(graph: Graph, x: SSAValue) -> None:
    """`low < high ? tanh(x) : x - y`, for exact scalars."""
    bounds = graph.floats(lambda v: v in graph.exact and not shape_of(v))
    if not bounds:
        return
    low, high, y = graph.choose(bounds), graph.choose(bounds), graph.like(x)
    (predicate,) = graph.add(elementwise.CompareOp("lt", low, high), exact=True)
    then, otherwise = (Block(arg_types=[x.type, y.type]) for _ in range(2))
    for block, op in (
        (then, functions.TanhOp(then.args[0])),
        (otherwise, elementwise.SubOp(*otherwise.args)),
    ):
        b = Builder(InsertPoint.at_end(block))
        b.insert(YieldOp([insert(b, op)]))
    graph.add(CondOp(predicate, [x, y], then, otherwise))


Kind = Callable[[Graph, SSAValue], None]
KINDS: list[Kind] = [
    arithmetic, scaled, smooth, jump, choice, select, broadcast, product, rows, rows, move, move,
    image, indexed, scan, branch, cast,
]  # fmt: skip


@st.composite
def graphs(draw: Callable[..., Any], training: bool = False, steps: int = 12) -> Drawn:
    """A program whose results are the values nobody reads, and some that somebody does.

    For training, the first result is one that can be differentiated.
    """
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=3))
    shape = st.lists(st.sampled_from(sizes), max_size=3).map(tuple)
    small = shape.filter(lambda sizes: math.prod(sizes) <= LARGEST)
    shapes = draw(st.lists(small, min_size=1, max_size=4))
    types: list[Attribute] = [TensorType(f32, shape) for shape in [*shapes, shapes[0]]]
    types.append(TensorType(i32, (draw(st.sampled_from(sizes)),)))
    block = Block(arg_types=types)
    graph = Graph(draw, Builder(InsertPoint.at_end(block)), block.args)
    for _ in range(draw(st.integers(1, steps))):
        graph.step()
    made = [v for v in graph.values if v.owner is not block and element_of(v) != i1]
    wanted = [v for v in made if not v.uses or draw(st.integers(0, 4)) == 4]
    if training:
        wanted.insert(0, graph.floats()[0])
    results = [insert(graph.b, ReshapeOp(v, shape_of(v))) for v in wanted or [block.args[0]]]
    return Drawn(program(block, results))


def program(block: Block, results: Sequence[SSAValue]) -> ModuleOp:
    """The module whose `main` is the block; its float arguments are parameters."""
    block.add_op(ReturnOp(*results))
    function = FuncOp("main", (block.arg_types, [r.type for r in results]), Region(block))
    roles = ["parameter" if element_of(v) == f32 else "input" for v in block.args]
    described = [
        DictionaryAttr({"nnc.name": StringAttr(f"argument{i}"), "nnc.role": StringAttr(role)})
        for i, role in enumerate(roles)
    ]
    function.properties["arg_attrs"] = ArrayAttr(described)
    module = ModuleOp([function])
    module.verify()
    return module
