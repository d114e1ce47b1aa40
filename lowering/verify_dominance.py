"""`verify-dominance`: every operand is defined before its use, in the same or an enclosing block.

xDSL's verifier does not look at the order of ops. An op with the trait `IsolatedFromAbove` may use
nothing from around it. Regions have one block each.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import FileLineColLoc, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import IsolatedFromAbove
from xdsl.utils.exceptions import DiagnosticException


class DominanceError(DiagnosticException):
    """A value that is used where it is not defined; the text names op and value."""


@dataclass(frozen=True)
class VerifyDominancePass(ModulePass):
    """Raises at the first use of a value that is not defined there."""

    name = "verify-dominance"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        _check_regions(op, set())


def _check_regions(op: Operation, visible: set[SSAValue]) -> None:
    if op.has_trait(IsolatedFromAbove):
        visible = set()
    for region in op.regions:
        for block in region.blocks:
            _check_block(block, visible)


def _check_block(block: Block, visible: set[SSAValue]) -> None:
    """Checks the ops of a block, given the values they see from around it."""
    defined = list[SSAValue](block.args)
    visible.update(block.args)
    for op in block.ops:
        for position, operand in enumerate(op.operands):
            if operand not in visible:
                raise DominanceError(_message(op, position, operand))
        _check_regions(op, visible)
        defined += op.results
        visible.update(op.results)
    visible.difference_update(defined)


def _message(op: Operation, position: int, operand: SSAValue) -> str:
    owner = operand.owner
    name = f"%{operand.name_hint}" if operand.name_hint else "a value"
    made = f"the result of {owner.name}" if isinstance(owner, Operation) else "a block argument"
    location = op.location
    line = (
        f", {location.filename.data}:{location.line.data}"
        if isinstance(location, FileLineColLoc)
        else ""
    )
    return (
        f"{op.name}{_function(op)}{line}: operand {position} ({name}, {made}) is not defined "
        "before it, in its block or one around it"
    )


def _function(op: Operation) -> str:
    """The named op that an op is in."""
    parent = op.parent_op()
    while parent is not None:
        name = parent.properties.get("sym_name")
        if isinstance(name, StringAttr):
            return f" in @{name.data}"
        parent = parent.parent_op()
    return ""
