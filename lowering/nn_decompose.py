"""nn-decompose: composite ops inside kernels become the smaller ops they stand for.

In: kernels whose bodies hold `nn` and `optim` ops. Out: every op of a kernel body is `Structured`,
or one that has a strategy of its own. Runs once per distinct kernel.
"""

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from nnc.dialects import kernel
from nnc.dialects.interfaces import Decomposes, Structured


def decompose(block: Block) -> None:
    """Replaces the composite ops of a block, and those of their replacements."""
    pending = list(block.ops)
    while pending:
        op = pending.pop(0)
        if isinstance(op, Structured) or not isinstance(op, Decomposes):
            continue
        before = op.prev_op
        values = op.decompose(Builder(InsertPoint.before(op)))
        new = before.next_op if before is not None else block.first_op
        while new is not None and new is not op:
            new.location = op.location
            pending.append(new)
            new = new.next_op
        for old, value in zip(op.results, values, strict=True):
            old.replace_all_uses_with(value)
        op.detach()
        op.erase()


class NnDecomposePass(ModulePass):
    """Decomposes composite ops in kernel bodies."""

    name = "nn-decompose"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.body.block.ops:
            if isinstance(function, kernel.FuncOp):
                decompose(function.block)
