"""`nn-flatten`: on targets whose host program cannot branch, `nn.cond` becomes selects.

Comes in: a graph. Goes out: where the host program is a list of launches (CUDA), the same graph
with both bodies of each `nn.cond` in its place, and the results chosen element by element. On
other targets nothing changes: there only the chosen body runs.

What the other body computes is thrown away, NaN and infinities too: gradients choose between
what was pulled back through each body, and never multiply a mask with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.elementwise import SelectOp
from nnc.dialects.nn.reduce import BroadcastOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.structure import inline
from nnc.dialects.target import target_named
from nnc.lowering.program import Program, blocks


@dataclass(frozen=True)
class NnFlattenPass(ModulePass):
    """Replaces every `nn.cond`, the innermost first."""

    name = "nn-flatten"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if target_named(self.target).language != "cuda":
            return
        for block in blocks(Program.of(op).block):
            for cond in [o for o in block.ops if isinstance(o, CondOp)]:
                b = at(Builder(InsertPoint.before(cond)), cond)
                Rewriter.replace_op(cond, [], selected(cond, b))


def selected(op: CondOp, b: Builder) -> Sequence[SSAValue]:
    """The results of both bodies, chosen between."""
    first, second = (inline(body, op.captured, b) for body in op.bodies)
    return [choice(b, op.predicate, x, y) for x, y in zip(first, second, strict=True)]


def choice(b: Builder, predicate: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
    """`x` if the predicate is true, else `y`."""
    mask = insert(b, BroadcastOp(predicate, shape_of(x), []))
    return insert(b, SelectOp(mask, x, y))
