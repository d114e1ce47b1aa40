"""Loops, branches and checkpoints whose bodies become part of the program.

`foreach`, `while_loop` and `cond` are MXNet's `nd.contrib`; `checkpoint` is in `autograd`. Each
calls its functions once, to record what they do. Gradients flow to all arrays that they read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from xdsl.builder import Builder
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from nnc import checks
from nnc.arrays.array import NDArray
from nnc.dialects.nn.base import insert
from nnc.dialects.nn.checkpoint import CheckpointOp
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import CastOp
from nnc.dialects.nn.indexing import IotaOp
from nnc.dialects.nn.scan import ScanOp
from nnc.dtypes import FLOATS
from nnc.errors import OptionError, ShapeError
from nnc.operators import core as ops
from nnc.random import COUNTER
from nnc.recording.graph import (
    Check,
    Choice,
    Node,
    Scalar,
    Structure,
    Type,
    Value,
    operation,
    type_of,
)
from nnc.recording.index_checks import (
    choices_of,
    distinct,
    extremes_of,
    no_extremes_like,
    results_of,
)
from nnc.recording.recorder import record, recorder
from nnc.recording.tracing import Trace, Tree, arrays_of, emit_body, like, trace
from nnc.runtime.device import Device

Step = Callable[[list[NDArray], list[NDArray]], Any]
"""From the slices and states of a step to its outputs and the next states."""


@operation
def scan_(b: Builder, *given: Any) -> list[SSAValue]:
    """Operands are the states, the sequences and what is captured."""
    *operands, count, states, sequences, body = given
    rest = states + sequences
    op = ScanOp(
        count, operands[:states], operands[states:rest], operands[rest:], emit_body(b, body)
    )
    return list(b.insert(op).results)


@operation
def cond_(b: Builder, predicate: SSAValue, *given: Any) -> list[SSAValue]:
    *captured, then, otherwise = given
    bodies = emit_body(b, then), emit_body(b, otherwise)
    return list(b.insert(CondOp(predicate, captured, *bodies)).results)


@operation
def checkpoint_(b: Builder, *given: Any) -> list[SSAValue]:
    *captured, body = given
    return list(b.insert(CheckpointOp(captured, emit_body(b, body))).results)


@operation
def counters(b: Builder, first: SSAValue, count: int, apart: int) -> SSAValue:
    """`first + apart * t` for each step t."""
    steps = insert(b, CastOp(insert(b, IotaOp((count,), 0)), i64))
    return ops.add.emit(b, ops.multiply.emit(b, steps, constant(b, apart, steps)), first)


def foreach(
    body: Callable[[Any, Any], Any],
    data: Tree,
    init_states: Tree,
    name: str = "foreach",
) -> tuple[Tree, Tree]:
    """`output, states = body(data[t], states)` for each t; the outputs stacked, the last states.

    What does not depend on the states is faster outside: one product over all steps.
    """
    sequences = arrays_of(name, data)
    counts = {array.shape[:1] for array in sequences}
    if len(counts) != 1 or counts == {()}:
        shapes = ", ".join(str(array.shape) for array in sequences) or "nothing"
        raise ShapeError(f"{name}: expected data with one number of steps, given {shapes}")
    [[count]] = counts

    def step(slices: list[NDArray], states: list[NDArray]) -> Any:
        return body(like(data, iter(slices)), like(init_states, iter(states)))

    outputs, states = _loop(name, step, sequences, arrays_of(name, init_states), count)
    return outputs, like(init_states, iter(states))


def _loop(
    name: str, step: Step, sequences: list[NDArray], inits: list[NDArray], count: int
) -> tuple[Tree, list[NDArray]]:
    """The stacked outputs of the steps, in their form, and the last states."""
    whole = [array.current.type for array in sequences]
    slices = [type_of(type.shape[1:], type.dtype, type.device) for type in whole]
    types = [array.current.type for array in inits]

    def called(*arguments: NDArray) -> Tree:
        returned = step(list(arguments[len(inits) :]), list(arguments[: len(inits)]))
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise OptionError(f"{name}: its body must return two things: outputs and states")
        return returned

    made = trace(name, called, [*types, *slices], count)
    outputs, states = made.returned
    _check_states(name, types, [array.current.type for array in arrays_of(name, states)])
    if not count:
        return _no_steps(made, outputs, sequences, inits)
    values = _record_scan(made, sequences, inits, count)
    finals, stacked = values[: len(inits)], values[len(inits) :]
    return like(outputs, map(NDArray, stacked)), list(map(NDArray, finals))


def _no_steps(
    made: Trace, outputs: Tree, sequences: list[NDArray], inits: list[NDArray]
) -> tuple[Tree, list[NDArray]]:
    """No outputs, and the states as they begin. The gradient of all that a step reads is 0."""
    given = made.results[: len(made.results) - len(inits)]
    none = [_zeros((0, *value.type.shape), value.type.dtype) for value in given]
    read = [*sequences, *map(NDArray, made.captured)]
    empty = [array.reshape(-1)[:0] for array in read if array.dtype.name in FLOATS]

    def same(array: NDArray) -> NDArray:
        whole = [array.reshape(-1), *(part.astype(array.dtype, copy=False) for part in empty)]
        [joined] = record(ops.concat, [part.current for part in whole], (0,))
        return NDArray(joined).reshape(array.shape)

    return like(outputs, map(same, none)), list(map(same, inits))


def _fit(types: list[Type], others: list[Type]) -> bool:
    return len(types) == len(others) and all(map(Type.fits, types, others))


def _check_states(name: str, expected: list[Type], given: list[Type]) -> None:
    if not _fit(given, expected):
        raise ShapeError(
            f"{name}: the states begin as {expected}, and are {given} after a step; they must "
            "keep their shapes and dtypes"
        )


def _record_scan(
    made: Trace, sequences: list[NDArray], inits: list[NDArray], count: int
) -> list[Value]:
    """The loop of a traced step. Variables it writes are states, its random counters a sequence."""
    written = [write.old for write in made.writes]
    drawn = [v for v in made.captured if isinstance(v, Scalar) and v.name == COUNTER]
    steps = [record(counters, [c], (count, recorder.trips))[0] for c in drawn]
    captured = [v for v in made.captured if v not in written and v not in drawn]
    states, slices = made.arguments[: len(inits)], made.arguments[len(inits) :]
    first = len(made.results) - len(inits)
    outputs, finals = made.results[:first], made.results[first:]
    given = dict(zip(slices, (array.current for array in sequences), strict=True))
    chosen = Chosen([made], given | {value: value for value in captured})
    body = chosen.body(
        0,
        [*states, *written, *slices, *drawn, *captured],
        [*finals, *(write.new for write in made.writes), *outputs],
    )
    operands = [
        *(array.current for array in inits), *written,
        *(array.current for array in sequences), *steps, *captured,
    ]  # fmt: skip
    sizes = len(inits) + len(written), len(sequences) + len(drawn)
    values = chosen.seen_in(record(scan_, operands, (count, *sizes, body)))
    _write(made, values[len(inits) : sizes[0]])
    return [*values[: len(inits)], *values[sizes[0] :]]


class Chosen:
    """The labels and indices that the bodies of a node use, to be looked at from outside.

    `given` has the values around a body which its arguments are, or are slices of. Of all other
    indices a body gives the extremes, as results behind its own; further bodies give those of none.
    """

    def __init__(self, bodies: Sequence[Trace], given: Mapping[Value, Value]):
        self.bodies = bodies
        self.given: list[tuple[Value, Check]] = []
        self.computed: list[Check] = []
        self.nodes: list[list[Node]] = [[] for _ in bodies]
        """What gives the extremes, for each body."""
        for which, made in enumerate(bodies):
            for choice in distinct(choices_of(made.nodes, among={*made.nodes})):
                if choice.lows in given:
                    self.given.append((given[choice.lows], choice.check))
                elif not isinstance(choice.lows.type.device, Device):  # Nobody waits for one.
                    self._give(choice, which)

    def _give(self, choice: Choice, which: int) -> None:
        self.computed.append(choice.check)
        found = extremes_of(choice)
        for i, nodes in enumerate(self.nodes):
            nodes.append(found if i == which else no_extremes_like(found))

    def body(self, which: int, arguments: Sequence[Value], results: Sequence[Value]) -> Structure:
        """`Trace.body` of one of them, with the extremes."""
        made, nodes = self.bodies[which], self.nodes[which]
        found = [value for node in nodes for value in results_of(node)]
        whole = made._replace(nodes=[*made.nodes, *nodes])
        return whole.body(arguments, [*results, *found])

    def seen_in(self, values: list[Value]) -> list[Value]:
        """The results that are the bodies' own; the node that makes `values` knows its indices."""
        own = len(values) - 2 * len(self.computed)
        node = values[0].node if values else None
        if node is not None:
            computed = ((own + 2 * i, check) for i, check in enumerate(self.computed))
            node.inside = (*self.given, *computed)
            if not recorder.unsure:
                node.look_at_given()
        return values[:own]


def _write(made: Trace, values: Sequence[Value]) -> None:
    """Gives the variables that a body wrote their values after it."""
    for write, value in zip(made.writes, values, strict=True):
        write.variable.update(value)


def cond(
    pred: Any,
    then_func: Callable[..., Tree],
    else_func: Callable[..., Tree],
    inputs: Sequence[NDArray] = (),
    name: str = "cond",
) -> Tree:
    """`then_func(*inputs)` if the one element of `pred` is not 0, else `else_func(*inputs)`.

    Only one of them runs.
    """
    return _choose(name, pred, partial(then_func, *inputs), partial(else_func, *inputs))


def _choose(
    name: str, predicate: Any, then: Callable[[], Tree], otherwise: Callable[[], Tree]
) -> Tree:
    first, second = (trace(name, function, unsure=True) for function in (then, otherwise))
    types, others = ([v.type for v in made.results] for made in (first, second))
    if not _fit(types, others):
        raise ShapeError(f"{name}: the first function returns {types}, the second {others}")
    values = _record_cond(_predicate(name, predicate), first, second)
    return like(first.returned, map(NDArray, values))


def _predicate(name: str, pred: Any) -> Value:
    """A boolean of rank 0."""
    if not isinstance(pred, NDArray) or pred.size != 1:
        given = f"shape {pred.shape}" if isinstance(pred, NDArray) else type(pred).__name__
        raise ShapeError(f"{name}: the condition is an array of one element, given {given}")
    return pred.reshape(()).astype("bool").current


def _record_cond(predicate: Value, then: Trace, otherwise: Trace) -> list[Value]:
    """The choice of two traced functions. Variables that either writes are results of both."""
    variables = {w.variable: w.old for made in (then, otherwise) for w in made.writes}
    captured = list(dict.fromkeys([*then.captured, *otherwise.captured, *variables.values()]))
    chosen = Chosen([then, otherwise], given={})  # What one of them is given may be wrong.

    def body(which: int) -> Structure:
        made = chosen.bodies[which]
        new = {write.variable: write.new for write in made.writes}
        written = [new.get(variable, old) for variable, old in variables.items()]
        return chosen.body(which, captured, [*made.results, *written])

    values = chosen.seen_in(record(cond_, [predicate, *captured], (body(0), body(1))))
    count = len(then.results)
    for variable, value in zip(variables, values[count:], strict=True):
        variable.update(value)
    return values[:count]


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., Any],
    loop_vars: Tree,
    max_iterations: int | None = None,
    name: str = "while_loop",
) -> tuple[Tree, Tree]:
    """`output, loop_vars = func(*loop_vars)` while `cond(*loop_vars)`; outputs, last variables.

    The outputs of all `max_iterations` steps are stacked; those of steps that did not run are 0.
    """
    if max_iterations is None:
        raise OptionError(f"{name}: max_iterations is the number of steps that the program allows")
    most = checks.count(f"{name}: max_iterations", max_iterations, 0)
    inits = arrays_of(name, loop_vars)
    if not inits:
        raise OptionError(f"{name}: expected at least one loop variable")
    types = [array.current.type for array in inits]
    begin = NDArray(_predicate(name, cond(*inits)))

    def step(slices: list[NDArray], states: list[NDArray]) -> Any:
        active, *variables = states
        form: list[Tree] = []

        def advance() -> Tree:
            outputs, new = func(*variables)
            form.append(outputs)
            following = arrays_of(name, new)
            go_on = NDArray(_predicate(name, cond(*following)))
            _check_states(name, types, [array.current.type for array in following])
            return [arrays_of(name, outputs), go_on, following]

        def stay() -> Tree:
            nothing = [_zeros(a.shape, a.dtype.name) for a in arrays_of(name, form[0])]
            return [nothing, active, variables]

        outputs, go_on, following = _choose(name, active, advance, stay)
        return like(form[0], iter(outputs)), [go_on, *following]

    outputs, [_, *finals] = _loop(name, step, [], [begin, *inits], most)
    return outputs, like(loop_vars, iter(finals))


def _zeros(shape: tuple[int, ...], dtype: str) -> NDArray:
    return NDArray(record(ops.full, [], (shape, 0, dtype))[0])


def checkpoint(function: Callable[..., Tree], *args: Any) -> Tree:
    """`function(*args)`, keeping what it reads only: gradients compute the rest again.

    The function may be a block. Random draws are the same in both, and running statistics change
    once.
    """
    if not recorder.recording:
        return function(*args)
    made = trace("checkpoint", lambda: function(*args))
    chosen = Chosen([made], {value: value for value in made.captured})
    results = [*made.results, *(write.new for write in made.writes)]
    body = chosen.body(0, made.captured, results)
    values = chosen.seen_in(record(checkpoint_, made.captured, (body,)))
    _write(made, values[len(made.results) :])
    return like(made.returned, map(NDArray, values))
