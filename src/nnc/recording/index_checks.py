"""Labels and indices that a program computes: it returns their extremes, which are looked at then.

Variables are replaced only where all of them exist, so that a program that fails changes nothing.
Bodies of loops and checkpoints give the extremes as results, and so do branches, of all indices
that they use; the branch that is not taken gives `no_extremes`. Programs of a device are not
waited for, and exported ones say what their inputs have to be only: there a label of no class
costs NaN, and an index means the nearest that exists.
"""

import math
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType, f64, i1, i64
from xdsl.ir import SSAValue

from nnc.dialects.nn.base import element_of, insert
from nnc.dialects.nn.constant import ConstantOp, constant
from nnc.dialects.nn.elementwise import CompareOp, MulOp, cast
from nnc.dialects.scalars import is_float
from nnc.operators import core as ops
from nnc.recording.graph import (
    Check,
    Choice,
    Graph,
    Node,
    Value,
    graph_of,
    make_node,
    operation,
    origin,
)
from nnc.runtime.device import HOST

Roots = Sequence[tuple[Value, Value | None]]


@operation
def extremes(b: Builder, lows: SSAValue, highs: SSAValue) -> list[SSAValue]:
    """The smallest and the largest element, NaN where one is no whole number."""
    found: list[SSAValue] = []
    for kind, x in ("min", lows), ("max", highs):
        wide = f64 if is_float(element_of(x)) else i64
        x = ops.whole_or(b, math.nan, x) if wide is f64 else x
        found.append(cast(b, ops.reduce_.emit(b, x, kind, None, False), wide))
    return found


@operation
def no_extremes(b: Builder, dtype: str) -> list[SSAValue]:
    """The extremes of no indices: each is beyond all others."""
    most = 2**63 - 1 if dtype == "int64" else math.inf
    return [ops.full.emit(b, (), bound, dtype) for bound in (most, -most)]


@operation
def all_exist(b: Builder, *operands: Any) -> SSAValue:
    """Whether all indices exist, given their extremes and, last, the sizes of the axes."""
    *found, sizes = operands
    exist: SSAValue = insert(b, ConstantOp(1, TensorType(i1, ())))
    for low, high, size in zip(found[::2], found[1::2], sizes, strict=True):
        for predicate, value, bound in (("ge", low, 0), ("lt", high, size)):
            inside = insert(b, CompareOp(predicate, value, constant(b, bound, value)))
            exist = insert(b, MulOp(exist, inside))
    return exist


def checked_graph(roots: Roots) -> Graph:
    """`graph_of`, where the extremes of the indices that the program computes are results, too."""
    graph = graph_of(roots)
    choices = choices_of(graph.nodes)
    graph = graph._replace(choices=choices)
    checks = distinct(choice for choice in choices if choice.lows.node is not None)
    if not checks or graph.structure.device is not HOST:
        return graph
    found = [value for choice in checks for value in results_of(extremes_of(choice))]
    sizes = tuple(choice.check.size for choice in checks)
    [exist] = results_of(make_node(all_exist, tuple(found), (sizes,), taped=False))
    kept = [(replacement(exist, value, base), base) for value, base in roots]
    checked = graph_of([*kept, *((value, None) for value in found)])
    return checked._replace(choices=choices, checks=tuple(choice.check for choice in checks))


def choices_of(nodes: Iterable[Node], among: Container[Node] | None = None) -> list[Choice]:
    """The labels and indices that nodes use, before `among` some of the nodes they were moved."""
    return [
        Choice(origin(lows, among), origin(highs, among), check)
        for node in nodes
        for lows, highs, check in node.choices()
    ]


def distinct(choices: Iterable[Choice]) -> list[Choice]:
    """Those that hold indices, each once for each size."""
    found: dict[tuple[Value, Value, int], Choice] = {}
    for choice in choices:
        if math.prod(choice.lows.type.shape):
            found.setdefault((choice.lows, choice.highs, choice.check.size), choice)
    return [*found.values()]


def extremes_of(choice: Choice) -> Node:
    return make_node(extremes, (choice.lows, choice.highs), (), taped=False)


def no_extremes_like(node: Node) -> Node:
    """Those of no indices, in the dtype of others."""
    return make_node(no_extremes, (), (node.types[0].dtype,), taped=False)


def results_of(node: Node) -> list[Value]:
    return [Value(type, None, node, i) for i, type in enumerate(node.types)]


def replacement(exist: Value, value: Value, base: Value | None) -> Value:
    """A new value of a variable, or the old one where an index does not exist."""
    if base is None:
        return value
    node = make_node(ops.where, (exist, value, base), (), taped=False)
    return Value(value.type, None, node)


def looked_at(checks: Sequence[Check], results: Sequence[Any]) -> Sequence[Any]:
    """The results without the extremes at their end; raises if these show an index to be wrong."""
    count = len(results) - 2 * len(checks)
    for check, first in zip(checks, range(count, len(results), 2), strict=True):
        check.raise_unless_inside(np.stack(results[first : first + 2]))
    return results[:count] if checks else results
