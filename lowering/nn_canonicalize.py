"""`nn-canonicalize`: ops that move, repeat or combine known data are folded away.

The rules are in `simplify_constants` (what is known when compiling), `simplify_moves` (views and
broadcasts), `simplify_transposes`, `simplify_sums` and `simplify_structure` (what only gradients
needed). Each looks at one op and gives values for its results, or None. Ops whose results nobody
reads are dropped.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.transforms.dead_code_elimination import is_trivially_dead

from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import TransposeOp
from nnc.lowering.program import Program, blocks
from nnc.lowering.simplify_constants import ARITHMETIC, KNOWN, NEUTRAL, fold_constant, fold_neutral
from nnc.lowering.simplify_moves import MOVES, fold_move
from nnc.lowering.simplify_structure import STRUCTURE, fold_structure
from nnc.lowering.simplify_sums import fold_sum
from nnc.lowering.simplify_transposes import (
    POINTWISE,
    fold_matmul,
    fold_transpose,
    transpose_later,
)

Rule = Callable[[Builder, Any], Sequence[SSAValue] | None]
RULES: tuple[tuple[Rule, tuple[type[Operation], ...]], ...] = (
    (fold_neutral, tuple(NEUTRAL)),
    (fold_constant, (*KNOWN, *ARITHMETIC)),
    (fold_move, MOVES),
    (fold_transpose, (TransposeOp,)),
    (fold_matmul, (MatmulOp,)),
    (transpose_later, POINTWISE),
    (fold_sum, (AddOp,)),
    (fold_structure, STRUCTURE),
)
"""Each rule, and the kinds of ops that it looks at."""


@cache
def rules_for(kind: type[Operation]) -> list[Rule]:
    """The rules that look at ops of a class."""
    return [rule for rule, kinds in RULES if issubclass(kind, kinds)]


class NnCanonicalizePass(ModulePass):
    """Applies the rules until none applies."""

    name = "nn-canonicalize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for block in blocks(Program.of(op).block):
            simplify(list(block.ops))


def simplify(ops: Sequence[Operation]) -> None:
    """Simplifies the ops in order, and again whatever a change may have made simpler."""
    pending = list(reversed(ops))
    while pending:
        op = pending.pop()
        if op.parent is None:
            continue
        if is_trivially_dead(op):
            pending += producers(op)
            op.detach()
            op.erase()
            continue
        rules = rules_for(type(op))
        if not rules:
            continue
        b = at(Builder(InsertPoint.before(op)), op)
        inserted: list[Operation] = []
        b.operation_insertion_handler.append(inserted.append)
        values = next((v for rule in rules if (v := rule(b, op)) is not None), None)
        if values is not None:
            users = [use.operation for result in op.results for use in result.uses]
            pending += [*producers(op), *users, *reversed(inserted)]
            for old, new in zip(op.results, values, strict=True):
                new.name_hint = new.name_hint or old.name_hint
            Rewriter.replace_op(op, [], values)


def producers(op: Operation) -> list[Operation]:
    """The ops whose results `op` reads."""
    return [o.owner for o in op.operands if isinstance(o.owner, Operation)]
