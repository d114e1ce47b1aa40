"""loop-hoist: what does not change inside a loop is computed before it.

Moves pure ops, and loads from buffers that nothing in the kernel writes, out of loops whose index
and carried values they do not use. Loops mapped to threads or blocks keep theirs, since their body
becomes a function of its own. Guarded bodies (`loop.when`) keep their loads: what a guard
protects must not be read without it.
"""

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import is_side_effect_free

from nnc.dialects import buffer, kernel, loop, tile


def written_buffers(function: kernel.FuncOp) -> set[SSAValue]:
    """Buffers that the kernel may write, by store or by call, whatever the view."""
    written: set[SSAValue] = set()
    for op in function.walk():
        match op:
            case buffer.StoreOp() | tile.StoreOp():
                written.add(buffer.root(op.buffer))
            case kernel.CallOp():
                written.update(map(buffer.root, op.buffers))
            case _:
                pass
    return written


def _hoistable(op: Operation, written: set[SSAValue]) -> bool:
    if op.regions or not op.results:
        return False
    if isinstance(op, buffer.LoadOp | tile.LoadOp):
        return buffer.root(op.buffer) not in written
    return is_side_effect_free(op)


def _defined_inside(value: SSAValue, block: Block) -> bool:
    owner = value.owner
    if isinstance(value, BlockArgument):
        return value.block is block
    assert isinstance(owner, Operation)
    return owner.parent is block


def hoist(block: Block, written: set[SSAValue]) -> None:
    """Hoists out of every loop of a block, innermost first."""
    for op in list(block.ops):
        for region in op.regions:
            hoist(region.block, written)
        if isinstance(op, loop.ForOp) or (
            isinstance(op, loop.ParallelOp) and set(op.mapped_to) == {"sequential"}
        ):
            _hoist_out_of(op, op.body.block, written)


def _hoist_out_of(op: Operation, body: Block, written: set[SSAValue]) -> None:
    parent = op.parent
    assert parent is not None
    for inner in list(body.ops):
        invariant = not any(_defined_inside(operand, body) for operand in inner.operands)
        if invariant and _hoistable(inner, written):
            inner.detach()
            parent.insert_op_before(inner, op)


class LoopHoistPass(ModulePass):
    """Moves loop-invariant ops out of loops."""

    name = "loop-hoist"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.body.block.ops:
            if isinstance(function, kernel.FuncOp):
                hoist(function.block, written_buffers(function))
