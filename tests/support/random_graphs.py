"""Random programs of the graph dialect: which ops they are made of, and what they return."""

from collections.abc import Sequence
from math import prod

import hypothesis.strategies as st
import random_elements as elements
import random_layers as layers
from random_graph import REALS, TINY, Draw, Graph, Halves, Kinds, Scale
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue

from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.shape import ReshapeOp

KINDS: Kinds = {
    True: [
        elements.arithmetic, elements.scaled, elements.smooth, elements.bounded, elements.guarded,
        elements.with_constant, elements.jump, elements.choice, elements.select,
        elements.broadcast, elements.rows, elements.rows, elements.largest, elements.move,
        elements.move, elements.gather, elements.scatter, elements.labelled, elements.order,
        elements.randomized, elements.cast, *4 * [layers.product], *3 * [layers.convolution],
        *2 * [layers.attention], layers.pool, layers.norm, layers.scan, layers.loop, layers.branch,
        layers.checkpoint,
    ],
    False: [
        elements.move, elements.cast, elements.cast, elements.choice, elements.whole,
        elements.select, elements.largest, elements.counted, elements.gather, elements.one_hot,
    ],
}  # fmt: skip
"""What is done with real numbers, and with integers, masks and numbers of half precision."""

ROUGH = (elements.cast, elements.choice, elements.largest, elements.order, layers.pool)
SMOOTH: Kinds = {real: [kind for kind in KINDS[real] if kind not in ROUGH] for real in KINDS}
"""Those that have a slope at each value that is drawn, tied ones among them."""


class Drawn:
    """A program that was drawn; hypothesis shows its text."""

    def __init__(self, module: ModuleOp):
        self.module = module

    def __repr__(self) -> str:
        return f"\n{self.module}\n"


@st.composite
def graphs(
    draw: Draw,
    halves: Halves = Halves.SOME,
    scale: Scale = TINY,
    steps: int = 12,
    kinds: Kinds = KINDS,
) -> Drawn:
    """A program whose results are the values nobody reads, and some that somebody does.

    Without halves, the first result is one that can be differentiated: what gradients of half
    precision are rounded to jumps.
    """
    sizes = draw(st.lists(st.sampled_from(scale.sizes), min_size=1, max_size=3))
    shape = st.lists(st.sampled_from(sizes), max_size=3).map(tuple)
    small = shape.filter(lambda sizes: prod(sizes) <= scale.largest)
    shapes = draw(st.lists(small, min_size=1, max_size=3))
    types: list[Attribute] = [TensorType(f32, shape) for shape in shapes]
    types.append(TensorType(i32, (draw(st.sampled_from(sizes)),)))
    block = Block(arg_types=types)
    graph = Graph(draw, block, kinds, halves, scale)
    graph.steps(steps)
    made = [v for v in graph.values if v.owner is not block]
    wanted = [v for v in made if not v.uses or draw(st.integers(0, 4)) == 4]
    if halves is Halves.NOTHING:
        wanted.insert(0, graph.reals()[0])
    results = [insert(graph.b, ReshapeOp(v, shape_of(v))) for v in wanted or [block.args[0]]]
    return Drawn(program(block, results))


def program(block: Block, results: Sequence[SSAValue]) -> ModuleOp:
    """The module whose `main` is the block; its real arguments are parameters."""
    block.add_op(ReturnOp(*results))
    function = FuncOp("main", (block.arg_types, [r.type for r in results]), Region(block))
    roles = ["parameter" if element_of(v) in REALS else "input" for v in block.args]
    described = [
        DictionaryAttr({"nnc.name": StringAttr(f"argument{i}"), "nnc.role": StringAttr(role)})
        for i, role in enumerate(roles)
    ]
    function.properties["arg_attrs"] = ArrayAttr(described)
    module = ModuleOp([function])
    module.verify()
    return module
