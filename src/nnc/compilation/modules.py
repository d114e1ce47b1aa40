"""From a structure to a module of level 1: the program `main`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    FileLineColLoc,
    IntAttr,
    LocationAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    UnknownLoc,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects.nn.base import insert
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reverse import NotDifferentiableError, differentiable_ops, pull_back
from nnc.dialects.nn.shape import TransposeOp
from nnc.dialects.syntax import array
from nnc.errors import GradientError
from nnc.lowering.program import Program, Result, identifier, place
from nnc.operators import core as ops
from nnc.recording.graph import (
    Graph,
    LeafSpec,
    NodeSpec,
    Scalar,
    Site,
    Structure,
    Value,
    line_of,
    type_of,
)

Line = tuple[str, int]
"""A line of the user's program: the file as seen from the working directory, and its number."""


class Names(NamedTuple):
    """What people call the arguments and results, and the lines that nodes come from."""

    leaves: tuple[str, ...]
    results: tuple[str, ...]
    lines: tuple[Line | None, ...]
    labels: tuple[str | None, ...]
    """What people call the results of nodes."""


def names_of(graph: Graph) -> Names:
    """The names in a graph, made unique."""
    counts: dict[str, int] = {}

    def unique(name: str) -> str:
        counts[name] = counts.get(name, 0) + 1
        return name if counts[name] == 1 else unique(f"{name}_{counts[name]}")

    leaves = tuple(unique(name_of(leaf)) for leaf in graph.leaves)
    results = tuple(unique("output") for _ in graph.structure.results)
    lines = {site: shown(site) for site in {n.site for n in graph.nodes}}
    labels = tuple(n.label for n in graph.nodes)
    return Names(leaves, results, tuple(lines[n.site] for n in graph.nodes), labels)


def shown(site: Site | None) -> Line | None:
    """The user's line."""
    if site is None:
        return None
    file, line = line_of(site)
    path = Path(file)
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else path.name, line


def name_of(leaf: Value) -> str:
    """What people call a leaf."""
    if isinstance(leaf, Scalar):
        return leaf.name
    return "input" if leaf.variable is None else leaf.variable.name


def module_of(structure: Structure, names: Names) -> ModuleOp:
    """An argument for each leaf, the ops of each node, a result for each root."""
    return _ModuleBuilder(structure, names).build()


class _ModuleBuilder:
    def __init__(self, structure: Structure, names: Names):
        self.structure = structure
        self.names = names
        types = [stored_type(leaf) for leaf in structure.leaves]
        self.block = Block([func.ReturnOp()], arg_types=types)
        self.program = Program(func.FuncOp("main", (types, []), Region(self.block)))
        self.leaves: list[SSAValue] = []
        """The arguments in logical shape."""
        self.values: list[SSAValue] = []
        """The results of all nodes so far."""
        self.untaped: set[Operation] = set()
        """Ops that gradients do not flow through."""

    def build(self) -> ModuleOp:
        structure, names = self.structure, self.names
        described = map(leaf_attributes, structure.leaves, names.leaves)
        self.program.set_attributes(list(described))
        for argument, name in zip(self.block.args, names.leaves, strict=True):
            argument.name_hint = identifier(name) or identifier(f"layer{name}")
        self.leaves = list(map(self.leaf, structure.leaves, self.block.args))
        locations = {line: location_of(line) for line in set(names.lines)}
        for spec, line, label in zip(structure.nodes, names.lines, names.labels, strict=True):
            results = self.node(spec, locations[line])
            if label is not None:
                for result in results:
                    result.name_hint = identifier(label)
            self.values += results
        for op in self.block.ops:
            for result in op.results:
                result.name_hint = result.name_hint or op.name.partition(".")[2]
        results = zip(structure.results, names.results, strict=True)
        self.program.set_results(
            [
                Result(self.operand(number), name) if tied < 0 else self.replacement(number, tied)
                for (number, tied), name in results
            ]
        )
        return ModuleOp([self.program.function])

    def operand(self, number: int) -> SSAValue:
        """The value with this number: results count from 0, leaves are `~index`."""
        return self.values[number] if number >= 0 else self.leaves[~number]

    def leaf(self, spec: LeafSpec, argument: SSAValue) -> SSAValue:
        """The argument as the program sees it, given as it is stored."""
        if spec.layout is None:
            return argument
        b = Builder(InsertPoint.before(self.program.end))
        return insert(b, TransposeOp(argument, np.argsort(spec.layout).tolist()))

    def replacement(self, number: int, tied: int) -> Result:
        """The value as it is stored in the memory of a leaf."""
        value, layout = self.operand(number), self.structure.leaves[tied].layout
        if layout is not None:
            value = insert(self.program.builder(), TransposeOp(value, layout))
        return Result(value, tied=tied)

    def node(self, spec: NodeSpec, location: LocationAttr) -> Sequence[SSAValue]:
        """The results of one node, written before the program's return."""

        def describe(op: Operation) -> None:
            op.location = location
            if not spec.taped:
                self.untaped.add(op)

        b = Builder(InsertPoint.before(self.program.end), operation_insertion_handler=[describe])
        operands = [self.operand(number) for number in spec.inputs]
        if spec.operation is ops.gradient:
            return self.gradient(b, operands, *spec.attributes)
        emitted = spec.operation.emit(b, *operands, *spec.attributes)
        results = [emitted] if isinstance(emitted, SSAValue) else emitted
        for result in results:
            if result.name_hint is None:
                result.name_hint = spec.operation.name
        return results

    def gradient(
        self, b: Builder, operands: Sequence[SSAValue], heads: int, weighted: bool
    ) -> Sequence[SSAValue]:
        """The gradients of the heads' sum, or of their sum weighted by cotangents.

        Operands are the heads, their cotangents if `weighted`, and what is differentiated by.
        """
        first = heads * (1 + weighted)
        taped = [op for op in self.block.ops if op not in self.untaped][:-1]
        # Decomposing an op replaces its results; the return keeps hold of them.
        end = self.program.end
        end.operands = [*operands, *self.values]
        try:
            tape = differentiable_ops(taped, operands[first:])
        except NotDifferentiableError as error:
            raise GradientError(f"{error}{place(error.op)}") from None
        operands = end.operands[: len(operands)]
        self.values = list(end.operands[len(operands) :])
        end.operands = []
        seeds: dict[SSAValue, SSAValue] = {}
        for i, head in enumerate(operands[:heads]):
            seed = operands[heads + i] if weighted else constant(b, 1.0, head)
            seeds[head] = insert(b, AddOp(seeds[head], seed)) if head in seeds else seed
        wrt = operands[first:]
        found = pull_back(b, tape, seeds, wrt)
        return [
            constant(b, 0.0, value) if g is None else g for g, value in zip(found, wrt, strict=True)
        ]


def leaf_attributes(leaf: LeafSpec, name: str) -> dict[str, Attribute]:
    """The argument attributes of docs/design.md."""
    attributes: dict[str, Attribute] = {
        "nnc.name": StringAttr(name),
        "nnc.role": StringAttr(leaf.role),
    }
    if leaf.role in ("parameter", "state"):
        # Said even where it is the identity: other programs read the same memory.
        attributes["nnc.layout"] = array(leaf.layout or range(len(leaf.type.shape)))
    return attributes


def stored_type(leaf: LeafSpec) -> TensorType[Attribute]:
    """What lies in memory: dimension i is the logical dimension `layout[i]`."""
    if leaf.layout is None:
        return leaf.type.tensor()
    return type_of(tuple(leaf.type.shape[d] for d in leaf.layout), leaf.type.dtype).tensor()


def location_of(line: Line | None) -> LocationAttr:
    """A line as a location of the IR."""
    if line is None:
        return UnknownLoc()
    return FileLineColLoc(StringAttr(line[0]), IntAttr(line[1]), IntAttr(0))
