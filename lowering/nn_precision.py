"""`nn-precision`: products of half precision, summed in f32.

In: contractions of f32. Out: each reads its operands through a cast to `type`, which fuses into
what makes them; the same value is cast once. Everything else stays f32: parameters and their
updates, sums, norms, losses. Gradients are contractions, too, so the pass comes after them.
"""

from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, bf16, f16, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects.nn.base import element_of
from nnc.dialects.nn.contract import Contraction
from nnc.dialects.nn.elementwise import cast
from nnc.dialects.nn.reverse import at
from nnc.lowering.program import Program, blocks

TYPES: dict[str, Attribute] = {"bf16": bf16, "f16": f16}


@dataclass(frozen=True)
class NnPrecisionPass(ModulePass):
    """Casts what contractions of f32 read."""

    name = "nn-precision"
    type: str = "bf16"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.type not in TYPES:
            raise PassFailedException(
                f"nn-precision: unknown type '{self.type}', expected one of {', '.join(TYPES)}"
            )
        for block in blocks(Program.of(op).block):
            known: dict[SSAValue, SSAValue] = {}
            for inner in block.ops:
                if isinstance(inner, Contraction) and element_of(inner.lhs) == f32:
                    narrow(inner, TYPES[self.type], known)


def narrow(op: Contraction, element: Attribute, known: dict[SSAValue, SSAValue]) -> None:
    """Reads casts of the operands instead; `known` are those of this block so far."""
    b = at(Builder(InsertPoint.before(op)), op)
    for index, operand in enumerate(op.operands):
        if operand not in known:
            known[operand] = cast(b, operand, element)
        op.operands[index] = known[operand]
