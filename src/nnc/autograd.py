"""Recording for gradients: `record`, `backward`, `grad`.

`backward` computes nothing. It notes that gradients are wanted; they are computed together with
whatever needs them, in one program with the update where there is one.
"""

import operator
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import cast

from nnc.arrays.array import NDArray, arrays_in, the_array
from nnc.control_flow import checkpoint
from nnc.errors import GradientError, OptionError, ShapeError
from nnc.gradient_check import check_gradient
from nnc.operators import core as ops
from nnc.own_gradient import Function
from nnc.random import generator
from nnc.recording.graph import Node, Value, graph_of, line_of
from nnc.recording.recorder import record as record_node
from nnc.recording.recorder import recorder
from nnc.recording.slot import Slot

__all__ = [
    "Function",
    "backward",
    "check_gradient",
    "checkpoint",
    "get_symbol",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "train_mode",
]


class Scope:
    """Sets the recorder's flags; an exception takes back what was recorded inside."""

    def __init__(self, recording: bool | None, training: bool | None):
        self.recording = recording
        self.training = training

    def __enter__(self) -> None:
        self.before = recorder.recording, recorder.training
        self.writes = {v: (v.current, base) for v, base in recorder.writes.items()}
        self.counter = generator.counter
        recorder.recordings += bool(self.recording)
        if self.recording is not None:
            recorder.recording = self.recording
        if self.training is not None:
            recorder.training = self.training

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        recorder.recordings -= bool(self.recording)
        recorder.recording, recorder.training = self.before
        if kind is not None and self.recording:
            self.roll_back()

    def roll_back(self) -> None:
        """Variables written since the beginning have their old value again, and so has the seed."""
        for variable, base in recorder.writes.items():
            value, _ = self.writes.get(variable, (base, base))
            variable.undo(value)
        recorder.writes = {v: b for v, b in recorder.writes.items() if v in self.writes}
        generator.counter = self.counter


def record(train_mode: bool = True) -> Scope:
    """Record operations for `backward`; layers behave as in training unless told otherwise."""
    return Scope(True, train_mode)


def pause(train_mode: bool = False) -> Scope:
    """Do not record for gradients."""
    return Scope(False, train_mode)


def train_mode() -> Scope:
    """Layers behave as in training, recorded or not."""
    return Scope(None, True)


def predict_mode() -> Scope:
    """Layers behave as in inference, recorded or not."""
    return Scope(None, False)


def is_recording() -> bool:
    return recorder.recording


def is_training() -> bool:
    return recorder.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording; returns what it was."""
    recorder.recording, before = is_recording, recorder.recording
    return before


def set_training(train_mode: bool) -> bool:
    """Switch training mode; returns what it was."""
    recorder.training, before = train_mode, recorder.training
    return before


def mark_variables(
    variables: NDArray | Sequence[NDArray],
    gradients: NDArray | Sequence[NDArray],
    grad_reqs: str | Sequence[str] = "write",
) -> None:
    """Make arrays leaves whose gradients `backward` shows in the arrays `gradients`."""
    leaves, shown = arrays_in("mark_variables", variables), arrays_in("mark_variables", gradients)
    requests = [grad_reqs] * len(leaves) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(leaves) == len(shown) == len(requests):
        raise OptionError(
            f"mark_variables: expected a gradient and a grad_req for each of {len(leaves)} "
            f"variables, given {len(shown)} and {len(requests)}"
        )
    for leaf, gradient in zip(leaves, shown, strict=True):
        if not leaf.current.type.fits(gradient.current.type):
            raise ShapeError(
                f"mark_variables: a gradient is {gradient.current.type}, its variable "
                f"{leaf.current.type}"
            )
    for leaf, gradient, request in zip(leaves, shown, requests, strict=True):
        leaf.attach_grad(request)
        if request != "null":
            leaf.current.slot.show_in(gradient)


def get_symbol(x: NDArray) -> str:
    """What was recorded to compute an array: the text of its program, inputs first."""
    from nnc.compilation.modules import module_of, names_of

    graph = graph_of([(the_array("get_symbol", x).current, None)], through=True)
    return str(module_of(graph.structure, names_of(graph)))


def backward(
    heads: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Gradients of the sum of all elements of `heads`, into the leaves that led to them.

    `head_grads` weights the elements. What was recorded can be used once unless `retain_graph`.
    """
    sources, weights = head_values(heads, head_grads)
    leaves, tape = leaves_of(sources)
    if not leaves:
        raise GradientError(
            "backward: no array with a gradient leads to this one; call attach_grad(), or "
            "initialize the network's parameters, before recording"
        )
    found = gradients(sources, weights, leaves, False)
    sums: dict[Slot, Value] = {}
    for leaf, value in zip(leaves, found, strict=True):
        slot: Slot = leaf.slot
        before = sums.get(slot)
        if before is None and slot.request == "add":
            before = slot.get(leaf)
        sums[slot] = value if before is None else record_node(ops.add, [before, value])[0]
    for slot, value in sums.items():
        slot.set(value)
        slot.fresh = True
        recorder.slots.append(slot)
    if not retain_graph:
        free(tape, sources)


def grad(
    heads: NDArray | Sequence[NDArray],
    variables: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> list[NDArray] | NDArray:
    """The gradients of `heads` by `variables`, as new arrays.

    With `create_graph` they are recorded, and can be differentiated again.
    """
    sources, weights = head_values(heads, head_grads)
    single = isinstance(variables, NDArray)
    wrt = [v.current for v in ([variables] if single else variables)]
    keep = create_graph if retain_graph is None else retain_graph
    _, tape = leaves_of(sources)
    found = [NDArray(v) for v in gradients(sources, weights, wrt, create_graph)]
    if not keep:
        free(tape, sources)
    return found[0] if single else found


def gradients(
    heads: list[Value], weights: list[Value], wrt: list[Value], taped: bool
) -> list[Value]:
    """The recorded gradients of the heads by each of `wrt`."""
    return record_node(
        ops.gradient,
        [*heads, *weights, *wrt],
        (len(heads), bool(weights)),
        types=tuple(v.type for v in wrt),
        taped=taped,
    )


def head_values(
    heads: NDArray | Sequence[NDArray], head_grads: NDArray | Sequence[NDArray | None] | None
) -> tuple[list[Value], list[Value]]:
    """The recorded values of the heads, and their cotangents if there are any."""
    arrays = arrays_in("backward: heads", heads)
    given = [] if head_grads is None else as_list(head_grads)
    arrays_in("backward: head gradients", [g for g in given if g is not None])
    sources = [a.current for a in arrays]
    for source in sources:
        if source.slot is None and (source.node is None or not source.node.taped):
            raise GradientError(
                f"backward: the array of shape {source.type.shape} was not computed inside "
                "autograd.record(), or its recording was already used by backward()"
            )
    if not given:
        return sources, []
    if len(given) != len(sources):
        raise ShapeError(f"expected a head gradient for each of {len(sources)} heads")
    ones = [
        NDArray(record_node(ops.full, [], (v.type.shape, 1.0, v.type.dtype), types=(v.type,))[0])
        for v in sources
    ]
    weights: list[Value] = []
    for source, grad, one in zip(sources, given, ones, strict=True):
        weight = one.current if grad is None else alike(grad, source.type.shape).current
        weights.append(weight)
        if not source.type.fits(weight.type):
            raise ShapeError(f"head gradient: expected {source.type}, given {weight.type}")
    return sources, weights


def alike(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The array in this shape if only axes of size 1 make the difference."""
    sizes = ([size for size in given if size != 1] for given in (array.shape, shape))
    return array.reshape(shape) if operator.eq(*sizes) else array


def as_list(given: NDArray | Sequence[NDArray | None]) -> list[NDArray | None]:
    return list(given) if isinstance(given, tuple | list) else [cast(NDArray, given)]


def leaves_of(heads: Sequence[Value]) -> tuple[list[Value], list[Node]]:
    """The leaves that lead to `heads`, in the order they are met, and the tape between them."""
    leaves: dict[Value, None] = {}
    seen: dict[Node, None] = {}
    pending = list(heads)
    while pending:
        value = pending.pop()
        if value.slot is not None:
            leaves[value] = None
            continue
        node = value.node
        if node is None or not node.taped or node in seen:
            continue
        if node.freed or node.used:
            raise used_twice(node, heads)
        seen[node] = None
        pending.extend(node.inputs)
    return list(leaves), list(seen)


def free(tape: Iterable[Node], heads: Iterable[Value]) -> None:
    """The tape ends: no other gradient goes through it."""
    for node in tape:
        node.freed = True
        recorder.freed.extend(node.inputs)
    recorder.freed.extend(heads)


def used_twice(node: Node, heads: Sequence[Value]) -> GradientError:
    """What is wrong if the tape of `node` has ended, and what helps."""
    again = "call the first backward() with retain_graph=True to use it again"
    if any(head.node is node for head in heads):
        return GradientError(f"backward: this recording was already used; {again}")
    where = "" if node.site is None else " at {}:{}".format(*line_of(node.site))
    return GradientError(
        f"backward: the way to the parameters leads through what was computed{where} and an "
        f"earlier backward() has used; {again}, or, if it is a state that goes on to the next "
        "step, cut it off before that: state = [s.detach() for s in state], as detach() changes "
        "nothing but returns a new array"
    )
