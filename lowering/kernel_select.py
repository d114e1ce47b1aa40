"""kernel-select: the algorithm of each kernel, with its tile sizes, from shape and target.

Writes the target's name on the module, for the printer, and on each kernel the attribute
`strategy`, which `kernel-to-loops` obeys:

* `contraction`  products through register tiles, with what follows as epilogue
* `sweeps`       everything elementwise, reductions over rows or columns, windows
* `attention`    products around a softmax, on blocks of queries
* `indexed`      gather, scatter, arg-max, cumulative sums, max-pooling: loops of their own
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from nnc.dialects import kernel
from nnc.dialects.target import Target, target_named
from nnc.lowering.strategies import attention, indexed
from nnc.lowering.strategies.contraction_choice import choose, contraction_of


def select(function: kernel.FuncOp, target: Target) -> kernel.StrategyAttr:
    """The strategy for one kernel."""
    ops = list(function.block.ops)
    if any(attention.has_loops(op) for op in ops):
        return attention.strategy(target)
    if any(indexed.has_loops(op) for op in ops):
        return kernel.StrategyAttr.of("indexed")
    op = contraction_of(ops)
    choice = choose(op, target) if op is not None else None
    return kernel.StrategyAttr.of("sweeps") if choice is None else choice.strategy()


@dataclass(frozen=True)
class KernelSelectPass(ModulePass):
    """Gives every kernel a strategy."""

    name = "kernel-select"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_named(self.target)
        op.attributes["nnc.target"] = StringAttr(target.name)
        for function in op.body.block.ops:
            if isinstance(function, kernel.FuncOp) and function.strategy is None:
                function.properties["strategy"] = select(function, target)
