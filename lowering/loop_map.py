"""loop-map: which loops run on several threads.

CPU: the outermost parallel loop of a kernel, where the kernel's work is worth a fork (0.5 us).
CUDA: every outermost parallel loop; its points are the grid's threads.
A loop that uses what another loop before it computed stays where it is.
The decision depends on shapes only, never on how many threads there are.
"""

from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects import math
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, VectorType
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from nnc.dialects import kernel, loop, tile
from nnc.dialects.target import Target, target_named

FORK = 16_000
"""Scalar operations that take as long as waking the other threads pays for."""

WEIGHTS: dict[type[Operation], int] = {
    tile.LoadOp: 0,
    tile.FillOp: 0,
    tile.BroadcastOp: 0,
    math.ExpOp: 16,
    math.LogOp: 16,
    math.TanhOp: 16,
}
"""What an op costs where it is not 1 for each lane."""


def work(block: Block, functions: dict[str, kernel.FuncOp]) -> int:
    """Scalar operations of a body, roughly: lanes count, loops multiply."""
    return sum(_work_of(op, functions) for op in block.ops)


def _work_of(op: Operation, functions: dict[str, kernel.FuncOp]) -> int:
    if not op.regions and not isinstance(op, kernel.CallOp):
        weight = WEIGHTS.get(type(op), 1)
        return weight and weight * _lanes(op)
    match op:
        case loop.ForOp():
            return op.count.data * work(op.body.block, functions)
        case loop.ParallelOp():
            return prod(op.sizes) * work(op.body.block, functions)
        case kernel.CallOp():
            return work(functions[op.callee.string_value()].block, functions)
        case _:
            return sum(work(region.block, functions) for region in op.regions)


def _lanes(op: Operation) -> int:
    values = (*op.results, *op.operands)
    types = [v.type for v in values if isinstance(v.type, VectorType)]
    return max((prod(t.get_shape()) for t in types), default=1)


def captures_loop(op: loop.ParallelOp) -> bool:
    """Whether it uses what a loop before it computed: each thread would have to run that again."""
    pending = [value.owner for inner in op.walk() for value in inner.operands]
    seen: set[Operation | Block] = set()
    while pending:
        owner = pending.pop()
        if not isinstance(owner, Operation) or owner.parent is not op.parent or owner in seen:
            continue
        if owner.regions:
            return True
        seen.add(owner)
        pending += [value.owner for value in owner.operands]
    return False


def _map(op: loop.ParallelOp, first: str) -> None:
    names = [first, *(["sequential"] * (len(op.sizes) - 1))]
    op.properties["mapping"] = ArrayAttr(map(StringAttr, names))


@dataclass(frozen=True)
class LoopMapPass(ModulePass):
    """Maps the outermost parallel loops of kernels to threads."""

    name = "loop-map"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_named(self.target)
        functions = {f.sym_name.data: f for f in op.body.block.ops if isinstance(f, kernel.FuncOp)}
        for function in functions.values():
            if not function.private:
                self._map_kernel(function, functions, target)

    def _map_kernel(
        self, function: kernel.FuncOp, functions: dict[str, kernel.FuncOp], target: Target
    ) -> None:
        for inner in function.block.ops:
            if isinstance(inner, loop.ParallelOp) and self._worth(inner, functions, target):
                _map(inner, "threads")

    def _worth(
        self, op: loop.ParallelOp, functions: dict[str, kernel.FuncOp], target: Target
    ) -> bool:
        if captures_loop(op):
            return False
        if target.language == "cuda":
            return True
        return target.threads and op.sizes[0] > 1 and _work_of(op, functions) >= FORK
