"""Bodies of control flow: functions recorded once, on arrays that have no values yet.

A body is a `Structure` of its own. What it reads of the arrays around it is captured and becomes an
argument; a variable that it writes (running statistics) has its old value as an argument and its
new one among the results.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from xdsl.builder import Builder
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.arrays.array import NDArray
from nnc.dialects.nn.base import insert
from nnc.dialects.nn.structure import DetachOp, YieldOp
from nnc.errors import GradientError, OptionError, TraceError
from nnc.operators import core as ops
from nnc.recording.graph import (
    LeafSpec,
    Node,
    NodeSpec,
    Operation,
    Structure,
    Type,
    Value,
    next_serial,
)
from nnc.recording.recorder import recorder

if TYPE_CHECKING:
    from nnc.compilation.variable import Variable

Tree = Any
"""Arrays in lists and tuples, or one array."""


def _unknown(b: Builder, *operands: Any) -> SSAValue:
    raise TraceError(
        "an array that was made inside the body of a loop, a branch or a checkpoint is used "
        "outside of it; return it from the body"
    )


unknown = Operation(_unknown, "argument")
"""What makes the arguments of a body; no program can."""


class Write(NamedTuple):
    """A variable that a body gives a new value."""

    variable: "Variable"
    old: Value
    new: Value


class Trace(NamedTuple):
    """What a function did when it was called once."""

    returned: Tree
    results: list[Value]
    """The arrays in `returned`."""
    writes: list[Write]
    arguments: list[Value]
    nodes: list[Node]
    captured: list[Value]
    """Values from around it, in the order they are met."""

    def body(self, arguments: Sequence[Value], results: Sequence[Value]) -> Structure:
        """The body as a structure that takes `arguments`, which hold all it captured."""
        numbers = {value: ~i for i, value in enumerate(arguments)}
        specs: list[NodeSpec] = []
        count = itertools.count()
        places = {(node, i): next(count) for node in self.nodes for i in range(len(node.types))}

        def number(value: Value) -> int:
            if value in numbers:
                return numbers[value]
            assert value.node is not None
            return places[value.node, value.index]

        for node in self.nodes:
            inputs = tuple(map(number, node.inputs))
            specs.append(NodeSpec(node.operation, node.attributes, inputs, node.taped))
        leaves = tuple(LeafSpec("input", value.type, None) for value in arguments)
        return Structure(leaves, tuple(specs), tuple((number(v), -1) for v in results))


def trace(
    name: str,
    function: Callable[..., Tree],
    types: Sequence[Type] = (),
    trips: int = 1,
    unsure: bool = False,
) -> Trace:
    """Calls `function` on arrays of these types; it stands for `trips` calls, or maybe for none."""
    first = next_serial()
    arguments = [Value(t, None, Node(unknown, (), (), (t,), True, None)) for t in types]
    with tracing(name, trips, unsure or not trips) as writes:
        returned = function(*map(NDArray, arguments))
        results = [array.current for array in arrays_of(name, returned)]
    roots = [*results, *(write.new for write in writes)]
    nodes, captured = nodes_between(roots, first, arguments)
    for node in nodes:
        if node.operation is ops.gradient:
            raise GradientError(
                f"{name}: backward() and grad() cannot be used inside its body; differentiate "
                "what it returns"
            )
    return Trace(returned, results, writes, arguments, nodes, captured)


@contextmanager
def tracing(name: str, trips: int = 1, unsure: bool = False) -> Generator[list[Write]]:
    """Records apart from the rest, and computes nothing.

    What the body wrote is listed when it ends, and taken back.
    """
    before = {variable: variable.current for variable in recorder.writes}
    kept = [*recorder.handles], recorder.nodes, {**recorder.writes}, [*recorder.slots]
    around = recorder.tracing, recorder.trips, recorder.unsure
    recorder.tracing, recorder.trips = name, recorder.trips * trips
    recorder.unsure = recorder.unsure or unsure
    writes: list[Write] = []
    try:
        yield writes
    finally:
        recorder.tracing, recorder.trips, recorder.unsure = around
        for variable, base in recorder.writes.items():
            old, new = before.get(variable, base), variable.current
            if new is not old:
                writes.append(Write(variable, old, new))
                variable.undo(old)
        recorder.handles, recorder.nodes, recorder.writes, recorder.slots = kept


def nodes_between(
    roots: Iterable[Value], first: int, arguments: Sequence[Value]
) -> tuple[list[Node], list[Value]]:
    """The nodes recorded since `first` that make `roots`, and what they read from around them."""
    own = {value.node for value in arguments}
    nodes: dict[Node, None] = {}
    captured: dict[Value, None] = {}
    pending = list(roots)
    while pending:
        value = pending.pop()
        node = value.node
        if node in own:
            continue
        if node is None or node.serial < first:
            captured[value] = None
        elif node not in nodes:
            nodes[node] = None
            pending.extend(node.inputs)
    return sorted(nodes, key=lambda node: node.serial), list(captured)


def emit_body(b: Builder, body: Structure) -> Block:
    """The body as a block, its ops where `b` says they come from.

    What was recorded under `autograd.pause()` inside a recording is cut off from gradients.
    """
    block = Block(arg_types=[leaf.type.tensor() for leaf in body.leaves])
    inside = Builder(
        InsertPoint.at_end(block), operation_insertion_handler=b.operation_insertion_handler
    )
    values: list[SSAValue] = []
    recorded = any(spec.taped for spec in body.nodes)

    def operand(number: int) -> SSAValue:
        return values[number] if number >= 0 else block.args[~number]

    for spec in body.nodes:
        emitted = spec.operation.emit(inside, *map(operand, spec.inputs), *spec.attributes)
        results = [emitted] if isinstance(emitted, SSAValue) else list(emitted)
        if recorded and not spec.taped:
            results = [insert(inside, DetachOp(result)) for result in results]
        for result in results:
            result.name_hint = result.name_hint or spec.operation.name
        values += results
    inside.insert(YieldOp([operand(number) for number, _ in body.results]))
    return block


def arrays_of(name: str, tree: Tree) -> list[NDArray]:
    """The arrays of a tree in order."""
    if isinstance(tree, NDArray):
        return [tree]
    if isinstance(tree, list | tuple):
        return [array for part in tree for array in arrays_of(name, part)]
    if tree is None:
        raise OptionError(f"{name}: expected arrays, or lists of arrays, given None; return them")
    raise OptionError(
        f"{name}: expected arrays, or lists of arrays, given {type(tree).__name__}; make an array "
        "of it with nnc.nd.array"
    )


def like(tree: Tree, arrays: Iterator[NDArray]) -> Tree:
    """The arrays in the form of a tree."""
    if isinstance(tree, NDArray):
        return next(arrays)
    return type(tree)([like(part, arrays) for part in tree])
