"""`kernel-schedule`: runs each update as soon as it may run.

An update is a launch whose results only replace arguments. It moves up to where its operands are
known and every other reader of the arguments it replaces has run, so that gradients die early and
the update can still be written in place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import IsTerminator

from nnc.dialects import kernel
from nnc.lowering.program import Program
from nnc.lowering.views import is_view

Place = tuple[int, ...]
"""Where an op stands: what is moved behind it later extends its place by a smaller number."""


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
        places: dict[Operation, Place] = {op: (i,) for i, op in enumerate(program.block.ops)}
        updates = [op for op in places if is_update(op, replaced, program.end)]
        for number, launch in enumerate(updates, 1):
            last = last_needed(launch, [replaced[r] for r in launch.results], places)
            move_after(last, launch)
            places[launch] = (*places[last], -number) if last else (-number,)


def is_update(op: Operation, replaced: Mapping[SSAValue, SSAValue], end: Operation) -> bool:
    """Whether the op is a launch whose results are only new values of arguments."""
    return isinstance(op, kernel.LaunchOp) and all(
        result in replaced and all(use.operation is end for use in result.uses)
        for result in op.results
    )


def last_needed(
    update: Operation, arguments: Sequence[SSAValue], places: Mapping[Operation, Place]
) -> Operation | None:
    """The last op that must precede an update."""
    before = {o.owner for o in update.operands if isinstance(o.owner, Operation)}
    for argument in arguments:
        before.update(op for op in readers(argument) if not op.has_trait(IsTerminator))
    return max(before - {update}, key=places.__getitem__, default=None)


def move_after(last: Operation | None, op: Operation) -> None:
    """Moves an op to just after another one, or to the start of its block."""
    block = op.parent
    assert block is not None
    op.detach()
    if last is not None:
        block.insert_op_after(op, last)
    elif block.first_op is not None:
        block.insert_op_before(op, block.first_op)


def readers(value: SSAValue) -> Iterator[Operation]:
    """The ops that read a tensor, or a view of it."""
    for use in value.uses:
        yield use.operation
        if is_view(use.operation):
            for result in use.operation.results:
                yield from readers(result)
