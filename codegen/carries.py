"""Which loop-carried values can be computed in place, in the variable that carries them."""

from xdsl.ir import Operation, SSAValue

from nnc.codegen.expressions import EXPRESSIONS
from nnc.dialects import loop, tile

REDUCTIONS = {
    "arith.addf": "sum",
    "arith.addi": "sum",
    "arith.mulf": "product",
    "arith.muli": "product",
    "arith.maximumf": "largest",
    "arith.maxsi": "largest",
    "arith.minimumf": "smallest",
    "arith.minsi": "smallest",
    "math.fma": "sum",
    "tile.outer": "sum",
}


def carried_name(value: SSAValue) -> str:
    """What a carried value is called, by the op that makes the next one."""
    owner = value.owner
    if isinstance(owner, loop.ForOp):
        end = owner.body.block.last_op
        assert end is not None
        return carried_name(end.operands[owner.outputs.index(value)])
    return REDUCTIONS.get(owner.name, "carried") if isinstance(owner, Operation) else "carried"


def coalesced(op: loop.ForOp) -> set[SSAValue]:
    """The yielded values that may overwrite their carried argument where they are computed.

    `%next = tile.outer %x, %w, %acc` becomes `acc_0_0 = fma(…, acc_0_0)`: nothing else may read
    the argument, and nothing but the yield the value.
    """
    block = op.body.block
    assert block.last_op is not None
    found: set[SSAValue] = set()
    for argument, value in zip(block.args[1:], block.last_op.operands, strict=True):
        owner = value.owner
        if not isinstance(owner, Operation) or owner.parent is not block:
            continue
        alone = len(list(value.uses)) == 1
        readers = {use.operation for use in argument.uses}
        if alone and readers <= {owner} and _in_place(owner, argument, value):
            found.add(value)
    return found


def _in_place(op: Operation, argument: SSAValue, value: SSAValue) -> bool:
    """Whether `op` reads a cell of the argument only to compute the same cell of the value."""
    match op:
        case loop.ForOp():
            places = [i for i, init in enumerate(op.inits) if init is argument]
            return len(places) == 1 and op.outputs[places[0]] is value
        case tile.OuterOp():
            return True
        case _:
            return op.name in EXPRESSIONS
