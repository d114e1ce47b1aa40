"""What this thread has recorded and not yet computed, and when it is computed.

`record` makes nodes. `flush` computes, in one program, the values of all arrays that are still
held, the new values of variables and the gradients that wait; nothing else is computed.
"""

import threading
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc.compilation.execution import Run, execute
from nnc.errors import TraceError
from nnc.recording.graph import Attributes, Operation, Site, Type, Value, collect, make_node
from nnc.recording.index_checks import checked_graph
from nnc.runtime.arguments import aligned_copy
from nnc.runtime.device import HOST, Place, Storage

if TYPE_CHECKING:
    from nnc.arrays.array import NDArray
    from nnc.compilation.variable import Variable
    from nnc.recording.slot import Slot

Watcher = Callable[[Operation, Sequence[Value], Sequence[Value]], None]

NODE_CAP = 2000
"""Nodes recorded before they are computed without being asked for."""


class Recorder(threading.local):
    """The state of one thread."""

    def __init__(self) -> None:
        self.recording = False
        self.training = False
        self.recordings = 0
        """How many `record()` this thread is in, paused or not."""
        self.tracing = ""
        """Whose body is recorded, if any."""
        self.lasting = ""
        """Who runs what is recorded again, with other inputs, if anybody."""
        self.unsure = False
        """Whether what is recorded may never run: a branch, or a loop of no steps."""
        self.trips = 1
        """How often what is recorded runs, for each time it is recorded."""
        self.nodes = 0
        self.handles: list[weakref.ref[NDArray]] = []
        """Arrays made since the last flush."""
        self.writes: dict[Variable, Value] = {}
        """Variables with a new value, and the value in their memory that it replaces."""
        self.slots: list[Slot] = []
        """Places of gradients that wait."""
        self.freed: list[Value] = []
        """Values of tapes that have been used."""
        self.observed = 0
        """How many monitors look at the step that runs."""
        self.watchers: list[Watcher] = []
        """Called with each operation that is recorded, outside of bodies of control flow."""


recorder = Recorder()


def record(
    operation: Operation,
    inputs: Sequence[Value],
    attributes: Attributes = (),
    *,
    types: tuple[Type, ...] | None = None,
    taped: bool | None = None,
    site: Site | None = None,
) -> list[Value]:
    """The results of an operation, not computed yet; errors in shapes and dtypes rise here."""
    if recorder.nodes >= NODE_CAP and not recorder.tracing:
        flush()
    taped = recorder.recording if taped is None else taped
    node = make_node(operation, tuple(inputs), attributes, taped, types, site)
    if operation.chooses is not None and not recorder.unsure:
        node.look_at_given()
    recorder.nodes += 1
    results = [Value(type, None, node, index) for index, type in enumerate(node.types)]
    if recorder.watchers and not recorder.tracing:
        for watch in recorder.watchers:
            watch(operation, inputs, results)
    return results


def flush(consumed: Collection["Slot"] = ()) -> list[Run]:
    """Compute everything that waits, in a program for each device.

    `consumed` gradients are kept only where they are held.
    """
    if recorder.tracing:
        raise TraceError(
            f"{recorder.tracing}: its body is recorded before its arrays have values, so "
            "asnumpy(), item(), bool() and print() cannot be used in it; choose with nnc.nd.where "
            "or nnc.nd.contrib.cond"
        )
    runs: list[Run] = []
    try:
        waits = waiting(consumed)
        for roots in by_device(waits):
            graph = checked_graph(list(roots.items()))
            with kept(roots.values()):
                runs.append(execute(graph))
                commit(roots, runs[-1].results)
        release(waits)
    except BaseException:
        abandon()
        raise
    forget()
    return runs


@contextmanager
def kept(values: Iterable[Value | None]) -> Generator[None]:
    """Values that are written over inside: while recording, a tape may still read them.

    These get a copy of their memory, but for those whose tape has been used.
    """
    if not recorder.recordings:
        yield
        return
    freed = {*map(id, recorder.freed)}
    copies = {v: copy_of(v) for v in values if v is not None and id(v) not in freed}
    yield
    for value, memory in copies.items():
        value.memory, value.variable = memory, None


def copy_of(value: Value) -> Storage:
    """A copy of the memory, on the same device."""
    memory, place = value.memory, value.type.device or HOST
    return aligned_copy(memory) if isinstance(memory, np.ndarray) else place.array(memory)


def abandon() -> None:
    """Give up what waits: variables have the values in their memory again."""
    for variable, base in recorder.writes.items():
        variable.undo(base)
    forget()


def waiting(consumed: Collection["Slot"]) -> dict[Value, Value | None]:
    """The values to compute, with the value each replaces in memory."""
    roots: dict[Value, Value | None] = {}
    for reference in recorder.handles:
        handle = reference()
        if handle is not None and (value := handle.current).memory is None:
            roots[value] = None
    for slot in recorder.slots:
        if slot.pending is not None and (slot not in consumed or slot.request == "add"):
            roots[slot.pending] = None
    for variable, base in recorder.writes.items():
        roots[variable.current] = base
    return roots


def by_device(roots: dict[Value, Value | None]) -> list[dict[Value, Value | None]]:
    """The values to compute on each device."""
    if len({value.type.device for value in roots}) < 2:
        return [roots] if roots else []
    found: dict[Place, dict[Value, Value | None]] = {}
    for value, base in roots.items():
        found.setdefault(value.type.device or HOST, {})[value] = base
    return list(found.values())


def commit(roots: dict[Value, Value | None], results: Sequence[Any]) -> None:
    """Give the values their memory."""
    for value, memory in zip(roots, results, strict=True):
        value.memory = memory
    for variable, base in list(recorder.writes.items()):
        if variable.current in roots:
            variable.overwritten(base)
            del recorder.writes[variable]


def release(values: Collection[Value]) -> None:
    """What is computed leaves the graph unless a tape still needs it.

    Tapes that have been used hold no arrays any more, nor does what comes after them, such as a
    running mean that a program keeps.
    """
    for value in recorder.freed:
        if value.node is not None and value.node.freed:
            value.node.inputs = ()
    for node in collect(values, through=True) if recorder.freed else ():
        before = (v.node for v in node.inputs if v.slot is None)  # A tape begins at its leaves.
        if any(each and (each.freed or each.used) for each in before):
            node.used, node.inputs = True, ()
    for value in values:
        if value.node is not None and (not value.node.leads or value.node.freed):
            value.node = None


def forget() -> None:
    """Forget what was recorded; arrays that are held can still be asked for."""
    for slot in recorder.slots:
        slot.drop_if_pending()
    recorder.nodes = 0
    recorder.handles = []
    recorder.writes = {}
    recorder.slots = []
    for value in recorder.freed:
        if value.memory is not None:
            value.node = None
    recorder.freed = []
