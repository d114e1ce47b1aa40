"""Writes the groups that `kernel-fuse` chose.

Each group gets its own copies of what costs nothing; then the groups are put in order, which makes
`nn.after` superfluous, and their ops moved into `kernel.group`s.
"""

import heapq
from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects import kernel
from nnc.dialects.nn.checkpoint import AfterOp
from nnc.lowering.fusion_rules import absorbs_copies, is_copied

Unit = list[Operation]
"""Ops that stay next to each other: a group, or one op outside of groups."""


def write_groups(block: Block, groups: Sequence[Unit]) -> None:
    """Puts each group of the block's ops into a `kernel.group`."""
    units = [copies_inserted(group) for group in groups]
    erase_unread_copies(block)
    reorder(block, units)
    erase_barriers(block)
    for unit in units:
        move_into_group(unit)


def copies_inserted(group: Unit) -> Unit:
    """The group with its own copies of the constants and broadcasts that it reads."""
    unit: Unit = []
    copies: dict[SSAValue, SSAValue] = {}
    inside = set(group)

    def copied(value: SSAValue, before: Operation) -> SSAValue:
        op = value.owner
        if not isinstance(op, Operation) or not is_copied(op) or op in inside:
            return value
        if value not in copies:
            clone = op.clone()
            clone.location = op.location
            clone.operands = [copied(operand, before) for operand in op.operands]
            Builder(InsertPoint.before(before)).insert(clone)
            clone.results[0].name_hint = value.name_hint
            unit.append(clone)
            copies[value] = clone.results[0]
        return copies[value]

    for op in group:
        if is_copied(op) or absorbs_copies(op):
            for index, operand in enumerate(op.operands):
                if (copy := copied(operand, op)) is not operand:
                    op.operands[index] = copy
        unit.append(op)
    return unit


def erase_unread_copies(block: Block) -> None:
    """Erases the originals of what every group has copied."""
    for op in reversed(list(block.ops)):
        if is_copied(op) and not any(result.uses for result in op.results):
            op.detach()
            op.erase()


def reorder(block: Block, units: Sequence[Unit]) -> None:
    """Makes the ops of each unit stand together."""
    last = block.last_op
    assert last is not None
    grouped = {op for unit in units for op in unit}
    rest = [[op] for op in block.ops if op not in grouped and op is not last]
    for unit in in_order(block, [*units, *rest]):
        for op in unit:
            op.detach()
        block.insert_ops_before(unit, last)


def in_order(block: Block, units: Sequence[Unit]) -> list[Unit]:
    """The units so that each follows what it reads, otherwise in program order."""
    position = {op: i for i, op in enumerate(block.ops)}
    unit_of = {op: i for i, unit in enumerate(units) for op in unit}
    readers: list[set[int]] = [set() for _ in units]
    for i, unit in enumerate(units):
        owners = {o.owner for op in unit for o in op.operands}
        producers = {unit_of[o] for o in owners if isinstance(o, Operation) and o in unit_of}
        for producer in producers - {i}:
            readers[producer].add(i)
    waiting = [0] * len(units)
    for reader in (reader for each in readers for reader in each):
        waiting[reader] += 1
    ready = [(position[unit[0]], i) for i, unit in enumerate(units) if not waiting[i]]
    heapq.heapify(ready)
    order: list[Unit] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(units[i])
        for reader in readers[i]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (position[units[reader][0]], reader))
    return order


def erase_barriers(block: Block) -> None:
    """Erases `nn.after`: from here on the order is that of the block."""
    for op in list(block.ops):
        if isinstance(op, AfterOp):
            Rewriter.replace_op(op, [], [op.input])


def move_into_group(unit: Unit) -> None:
    """Moves ops that stand together into a `kernel.group` in their place."""
    last = unit[-1]
    inside = set(unit)
    operands = dict.fromkeys(o for op in unit for o in op.operands if o.owner not in inside)
    results = [
        r for op in unit for r in op.results if any(u.operation not in inside for u in r.uses)
    ]
    body = Block(arg_types=[value.type for value in operands])
    group = kernel.GroupOp(list(operands), [r.type for r in results], Region(body))
    group.location = last.location
    Builder(InsertPoint.after(last)).insert(group)
    passed = dict(zip(operands, body.args, strict=True))
    for value, argument in passed.items():
        argument.name_hint = value.name_hint
    for op in unit:
        op.operands = [passed.get(operand, operand) for operand in op.operands]
    for value, result in zip(results, group.outputs, strict=True):
        result.name_hint = value.name_hint
        value.replace_uses_with_if(result, lambda use: use.operation not in inside)
    for op in unit:
        op.detach()
        body.add_op(op)
    body.add_op(kernel.ReturnOp(results))
