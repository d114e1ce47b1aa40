"""Labels and indices that a program computes: it returns their extremes, which are looked at then.

Variables are replaced only where all of them exist, so that a program that fails changes nothing.
Loops give the indices of all steps as a result. Branches are not looked into, since only one of
them runs, and programs of a device not waited for: there a label of no class costs NaN, and an
index means the nearest that exists.
"""

import math
from collections.abc import Sequence
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
from nnc.recording.graph import Check, Graph, Value, graph_of, make_node, operation
from nnc.runtime.device import HOST

Roots = Sequence[tuple[Value, Value | None]]


@operation
def extremes(b: Builder, *operands: Any) -> list[SSAValue]:
    """Whether all indices exist, and the smallest and largest of each operand.

    These are NaN where an index is no whole number. The sizes of the axes come last.
    """
    *arrays, sizes = operands
    exist, found = insert(b, ConstantOp(1, TensorType(i1, ()))), list[SSAValue]()
    for x, size in zip(arrays, sizes, strict=True):
        wide = f64 if is_float(element_of(x)) else i64
        x = ops.whole_or(b, math.nan, x) if wide is f64 else x
        low, high = (
            cast(b, ops.reduce_.emit(b, x, kind, None, False), wide) for kind in ("min", "max")
        )
        for predicate, value, bound in (("ge", low, 0), ("lt", high, size)):
            inside = insert(b, CompareOp(predicate, value, constant(b, bound, value)))
            exist = insert(b, MulOp(exist, inside))
        found += [low, high]
    return [exist, *found]


def checked_graph(roots: Roots) -> Graph:
    """`graph_of`, where the extremes of the indices that the program computes are results, too."""
    graph = graph_of(roots)
    choices = indices_in(graph)
    graph = graph._replace(choices=choices)
    checks = computed(choices)
    if not checks or graph.structure.device is not HOST:
        return graph
    sizes = tuple(check.size for check in checks.values())
    node = make_node(extremes, tuple(v for v, _ in checks), (sizes,), taped=False)
    exist, *found = (Value(type, None, node, i) for i, type in enumerate(node.types))
    kept = [(replacement(exist, value, base), base) for value, base in roots]
    checked = graph_of([*kept, *((value, None) for value in found)])
    return checked._replace(choices=choices, checks=tuple(checks.values()))


def indices_in(graph: Graph) -> list[tuple[Value, Check]]:
    """The values that are labels or indices, and what these have to be."""
    return [choice for node in graph.nodes for choice in node.choices()]


def computed(choices: Sequence[tuple[Value, Check]]) -> dict[tuple[Value, int], Check]:
    """The indices that a node makes, and how many places they count; each once."""
    checks: dict[tuple[Value, int], Check] = {}
    for indices, check in choices:
        if indices.node is not None and math.prod(indices.type.shape):
            checks.setdefault((indices, check.size), check)
    return checks


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
