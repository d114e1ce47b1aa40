"""`cse`: ops that compute the same become one.

An op sees those before it in its block and in the blocks around it, up to a body that is isolated.
An op that reads memory is only merged with one of its own block, where nothing is written between
them. It stands in for xDSL's pass of this name, which takes four times as long: it hashes all
attributes of every op.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.traits import IsolatedFromAbove, MemoryEffectKind, NoMemoryEffect, only_has_effect
from xdsl.transforms.common_subexpression_elimination import (
    has_other_side_effecting_op_in_between,
)

Known = dict[object, tuple[Operation, ...]]
"""The different ops that have a key in common."""


@dataclass(frozen=True)
class CsePass(ModulePass):
    """Merges equal ops."""

    name = "cse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        merge_equal(op.body.block, {})


def merge_equal(block: Block, known: Known) -> None:
    """Merges the ops of a block with those known, to which it adds its own."""
    for op in block.ops:
        for region in op.regions:
            seen = {} if op.has_trait(IsolatedFromAbove) else known
            for inner in region.blocks:
                merge_equal(inner, dict(seen))
        pure = op.has_trait(NoMemoryEffect)
        if not op.results or not (pure or only_has_effect(op, MemoryEffectKind.READ)):
            continue
        # Ops on the same operands are few, and quickly compared.
        key = op.name, tuple(op.operands) or tuple(op.properties.items())
        equal = next((o for o in known.get(key, ()) if is_equal(o, op)), None)
        if equal is not None and (pure or reads_the_same(equal, op)):
            Rewriter.replace_op(op, [], equal.results)
        else:
            known[key] = (op, *known.get(key, ()))


def is_equal(a: Operation, b: Operation) -> bool:
    """Whether two ops of one name on the same operands have the same results."""
    return (
        a.properties == b.properties
        and a.attributes == b.attributes
        and a.result_types == b.result_types
        and all(map(Region.is_structurally_equivalent, a.regions, b.regions))
    )


def reads_the_same(a: Operation, b: Operation) -> bool:
    """Whether nothing that `b` reads is written after `a`, as far as that is easily seen."""
    return a.parent is b.parent and not has_other_side_effecting_op_in_between(a, b)
