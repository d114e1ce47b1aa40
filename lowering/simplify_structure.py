"""Rules for ops that have done their work once gradients are written, and for `nn.after`.

checkpoint              its body
detach x                x
with_gradient of x      x
after of a constant, or of x once an argument or constant is there      x
after of x once a view of t is there        after of x once t is there
after of a transpose                        the transpose of what comes after
"""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.ir import Block, Operation, SSAValue

from nnc.dialects.nn.base import insert
from nnc.dialects.nn.checkpoint import AfterOp, CheckpointOp
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.nn.shape import ReshapeOp, SliceOp, TransposeOp
from nnc.dialects.nn.structure import DetachOp, inline
from nnc.dialects.nn.with_gradient import WithGradientOp
from nnc.dialects.syntax import integers

STRUCTURE = (CheckpointOp, DetachOp, WithGradientOp, AfterOp)
"""What `fold_structure` looks at."""


def fold_structure(b: Builder, op: Operation) -> Sequence[SSAValue] | None:
    """What stands for the op's results."""
    match op:
        case CheckpointOp():
            return inline(op.body.block, op.captured, b)
        case DetachOp():
            return [op.input]
        case WithGradientOp():
            return op.values
        case AfterOp():
            return fold_after(b, op)
        case _:
            return None


def fold_after(b: Builder, op: AfterOp) -> Sequence[SSAValue] | None:
    token, source = op.token.owner, op.input.owner
    if isinstance(source, ConstantOp) or isinstance(token, Block | ConstantOp):
        return [op.input]
    if isinstance(token, ReshapeOp | BroadcastOp | SliceOp | TransposeOp):
        return [insert(b, AfterOp(op.input, token.input))]
    if isinstance(source, TransposeOp):
        later = insert(b, AfterOp(source.input, op.token))
        return [insert(b, TransposeOp(later, integers(source.permutation)))]
    return None
