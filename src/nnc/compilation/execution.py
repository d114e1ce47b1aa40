"""From a recorded graph to numbers: programs are made once for each structure, and kept.

A structure is compiled once; each set of variables it is used with binds it anew.
"""

import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnc import settings
from nnc.compilation.compiler import CompiledStructure, compile_structure
from nnc.compilation.modules import names_of
from nnc.compilation.preparation import Preparation
from nnc.recording.graph import Graph, Memory, Scalar, Structure, Value
from nnc.recording.index_checks import looked_at
from nnc.runtime.device import Storage
from nnc.settings import Settings

if TYPE_CHECKING:
    from nnc.compilation.variable import Variable

STRUCTURES = 256
"""Compiled structures kept; the one unused for longest goes first."""
BINDINGS = 16
"""Sets of variables kept for each structure."""
RECOMPILED_OFTEN = 24
"""Compilations of one computation for different shapes before a warning."""


HELD = ("parameter", "state")
"""Roles of arguments that are variables' memory, or derived from it."""


class Bound:
    """A program with its variables in place, and with what it derives from them."""

    def __init__(
        self, compiled: CompiledStructure, structure: Structure, variables: "Sequence[Variable]"
    ):
        self.program = program = compiled.program()
        self.lock = threading.Lock()
        arguments = program.artifact.arguments
        self.scalars: list[Memory] = [
            np.zeros((), a.dtype) for a in arguments if a.role == "scalar"
        ]
        held = [a.name for a in arguments if a.role in HELD]
        names = [a.name for a in arguments if a.role == "scalar"]
        # Derived values come after the variables.
        named = dict(zip(held, variables, strict=False))
        places = {name: variable.place for name, variable in named.items()}
        preparing = compiled.preparing_program()
        self.preparation = (
            None if preparing is None else Preparation(preparing, named, structure.device)
        )
        if self.preparation is not None:
            places |= self.preparation.places
        program.bind({**places, **dict(zip(names, self.scalars, strict=True))})
        self.writes = [v.writes for v in replaced(structure, variables)]
        self.layouts = [
            None if a.layout is None else tuple(np.argsort(a.layout))
            for a in arguments
            if a.role == "output"
        ]

    def run(self, inputs: Sequence[Storage | None]) -> Any:
        """What the program returns; the lock is held."""
        if self.preparation is not None:
            self.preparation.refresh()
        results = self.program(*inputs)
        for writes in self.writes:
            writes.count += 1
        return results

    def __call__(self, leaves: Sequence[Value]) -> list[Storage]:
        """The outputs, given the leaves of a graph of this structure."""
        inputs = [v.memory for v in leaves if v.variable is None and type(v) is not Scalar]
        with self.lock:
            numbers = [v.number for v in leaves if type(v) is Scalar]
            for scalar, number in zip(self.scalars, numbers, strict=True):
                scalar[()] = number
            results = self.run(inputs)
        if type(results) is not tuple:
            results = () if results is None else (results,)
        return [
            r if layout is None else r.transpose(layout)
            for r, layout in zip(results, self.layouts, strict=True)
        ]


def replaced(structure: Structure, variables: "Sequence[Variable]") -> "Iterator[Variable]":
    """The variables that the program gives a new value."""
    tied = {leaf for _, leaf in structure.results}
    leaves = [i for i, leaf in enumerate(structure.leaves) if leaf.role in HELD]
    return (v for i, v in zip(leaves, variables, strict=True) if i in tied)


class Run(NamedTuple):
    """What one flush computed, and with which program."""

    bound: Bound
    graph: Graph
    results: list[Storage | None]
    """For each result of the structure; None where it replaced a variable."""


class Entry(NamedTuple):
    """A compiled structure and its bindings, by the identities of their variables."""

    compiled: CompiledStructure
    bindings: "OrderedDict[tuple[int, ...], Bound]"


_entries: "OrderedDict[tuple[Structure, Settings], Entry]" = OrderedDict()
_compilations: dict[Any, int] = {}
_lock = threading.RLock()


def execute(graph: Graph) -> Run:
    """Compute the results of a graph."""
    bound = bind(graph)
    outputs = iter(bound(graph.leaves))
    results = [next(outputs) if tied < 0 else None for _, tied in graph.structure.results]
    return Run(bound, graph, [*looked_at(graph.checks, results)])


def bind(graph: Graph) -> Bound:
    """The program of a graph, on the graph's variables."""
    variables = [v.variable for v in graph.leaves if v.variable is not None]
    key = tuple(map(id, variables))
    with _lock:
        entry = entry_of(graph)
        bound = entry.bindings.get(key)
        if bound is None:
            bound = Bound(entry.compiled, graph.structure, variables)
            entry.bindings[key] = bound
            for variable in variables:
                weakref.finalize(variable, entry.bindings.pop, key, None).atexit = False
            if len(entry.bindings) > BINDINGS:
                entry.bindings.popitem(last=False)
        return bound


def entry_of(graph: Graph) -> Entry:
    """The compiled structure, kept or made."""
    structure = graph.structure
    key = structure, settings.current
    entry = _entries.get(key)
    if entry is None:
        warn_if_recompiled(structure)
        entry = Entry(
            compile_structure(structure, names_of(graph), settings.current), OrderedDict()
        )
        _entries[key] = entry
        if len(_entries) > STRUCTURES:
            _entries.popitem(last=False)
    else:
        _entries.move_to_end(key)
    return entry


def warn_if_recompiled(structure: Structure) -> None:
    """Say so when the same operations are compiled for ever new shapes."""
    key = without_shapes(structure)
    _compilations[key] = count = _compilations.get(key, 0) + 1
    if count == RECOMPILED_OFTEN:
        warnings.warn(
            f"the same computation was compiled {count} times for different shapes or constants; "
            "give batches one size (DataLoader's last_batch='discard' or 'rollover', or padding)",
            stacklevel=4,
        )


def without_shapes(structure: Structure) -> Any:
    """What two programs have in common that differ in shapes only."""
    nodes = tuple(
        (
            n.operation,
            n.inputs,
            tuple(a if isinstance(a, str | bool) else type(a) for a in n.attributes),
        )
        for n in structure.nodes
    )
    leaves = tuple((leaf.role, leaf.type.dtype, len(leaf.type.shape)) for leaf in structure.leaves)
    return leaves, nodes, structure.results


def bindings() -> list[Sequence[Bound]]:
    """For each compiled structure, its programs on variables that are alive."""
    return [list(entry.bindings.values()) for entry in _entries.values()]


def programs() -> list[CompiledStructure]:
    """The compiled programs, the one used last at the end."""
    return [entry.compiled for entry in _entries.values()]
