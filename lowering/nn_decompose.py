"""nn-decompose: composite ops inside kernels become the smaller ops they stand for.

In: kernels whose bodies hold `nn` and `optim` ops. Out: every op of a kernel body is `Structured`,
or one that has a strategy of its own. Runs once per distinct kernel.
"""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from nnc.dialects import kernel
from nnc.dialects.interfaces import Decomposes, Structured
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.elementwise import cast
from nnc.dialects.scalars import is_half


def decomposed(b: Builder, op: Decomposes) -> Sequence[SSAValue]:
    """The results in smaller ops; half precision in f32, in which constants and sums fit."""
    if not any(is_half(element_of(v)) for v in (*op.operands, *op.results)):
        return op.decompose(b)
    wide = type(op).create(
        operands=[cast(b, v, f32) if is_half(element_of(v)) else v for v in op.operands],
        result_types=[
            TensorType(f32, shape_of(v)) if is_half(element_of(v)) else v.type for v in op.results
        ],
        properties=dict(op.properties),
    )
    values = [
        cast(b, value, element_of(result))
        for value, result in zip(wide.decompose(b), op.results, strict=True)
    ]
    wide.erase()
    return values


def decompose(block: Block) -> None:
    """Replaces the composite ops of a block, and those of their replacements."""
    pending = list(block.ops)
    while pending:
        op = pending.pop(0)
        if isinstance(op, Structured) or not isinstance(op, Decomposes):
            continue
        before = op.prev_op
        values = decomposed(Builder(InsertPoint.before(op)), op)
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
