"""`dce`: ops whose results nobody reads, and which do nothing else, are dropped."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import is_trivially_dead


@dataclass(frozen=True)
class DcePass(ModulePass):
    """Drops dead ops."""

    name = "dce"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        erase_dead(op.body.block)


def erase_dead(block: Block) -> None:
    """Erases dead ops, readers first, since they may be all that keeps what they read."""
    for op in reversed(list(block.ops)):
        if is_trivially_dead(op):
            block.erase_op(op)
        else:
            for region in op.regions:
                for inner in region.blocks:
                    erase_dead(inner)
