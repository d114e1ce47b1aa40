"""`kernel-schedule`: runs each update as soon as it may run.

An update is a launch whose results only replace arguments. It moves up to where its operands are
known and every other reader of the arguments it replaces has run, so that gradients die early and
the update can still be written in place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from nnc.dialects import kernel
from nnc.lowering.program import Program
from nnc.lowering.views import is_view


@dataclass(frozen=True)
class KernelSchedulePass(ModulePass):
    """Moves updates up."""

    name = "kernel-schedule"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        replaced = {
            result.value: program.block.args[result.tied]
            for result in program.results()
            if result.tied is not None
        }
        for launch in [o for o in program.block.ops if is_update(o, replaced, program.end)]:
            move_up(launch, [replaced[r] for r in launch.results], program)


def is_update(op: Operation, replaced: Mapping[SSAValue, SSAValue], end: Operation) -> bool:
    """Whether the op is a launch whose results are only new values of arguments."""
    return isinstance(op, kernel.LaunchOp) and all(
        result in replaced and all(use.operation is end for use in result.uses)
        for result in op.results
    )


def move_up(update: Operation, arguments: list[SSAValue], program: Program) -> None:
    """Moves `update` to just after the last op that must precede it."""
    position = {op: i for i, op in enumerate(program.block.ops)}
    before = {o.owner for o in update.operands if isinstance(o.owner, Operation)}
    for argument in arguments:
        before |= set(readers(argument)) - {update, program.end}
    update.detach()
    if before:
        program.block.insert_op_after(update, max(before, key=position.__getitem__))
    else:
        program.block.insert_op_before(update, next(iter(program.block.ops)))


def readers(value: SSAValue) -> Iterator[Operation]:
    """The ops that read a tensor, or a view of it."""
    for use in value.uses:
        yield use.operation
        if is_view(use.operation):
            for result in use.operation.results:
                yield from readers(result)
