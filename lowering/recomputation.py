"""Which values of a block of groups live long, and how they are computed again.

A value is computed again by the part of its group that leads to it from what is in memory, if
that part is pointwise: then it gives the same bits wherever it runs. Otherwise the whole group
runs again, as the kernel that it was.
"""

import heapq
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import accumulate
from math import prod

from xdsl.builder import Builder
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from nnc.dialects import kernel
from nnc.dialects.buffer import element_bytes
from nnc.dialects.interfaces import Structured
from nnc.dialects.nn.base import element_of, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.lowering.nn_decompose import decompose
from nnc.lowering.views import holds_parts, is_view

Kept = set[int]
"""Forward values that stay in memory, by their numbers."""

SMALL = 8
"""So many times smaller than the largest tensor of its group is a value that is always kept."""


class Forward:
    """The values of a block by number, when they live, and where the block turns."""

    def __init__(self, block: Block):
        self.ops = [op for op in block.ops if op is not block.last_op]
        self.position = {op: i for i, op in enumerate(self.ops)}
        self.values: list[SSAValue] = [result for op in self.ops for result in op.results]
        self.numbers = range(len(self.values))
        self.number = {value: i for i, value in enumerate(self.values)}
        self.made = [self.position[op] for op in self.ops for _ in op.results]
        self.uses: list[list[int]] = [[] for _ in self.values]
        for i, op in enumerate(self.ops):
            if not passes_on(op):
                for source in sources(op.operands):
                    self.uses[self.number[source]].append(i)
        last = block.last_op
        returned = set(sources(last.operands)) if last is not None else set[SSAValue]()
        self.size = [0 if v in returned or passes_on(v.owner) else size_of(v) for v in self.values]
        self.turn = self.find_turn()
        self.saved = [i for i in self.numbers if self.size[i] and self.crosses(i)]
        """The values that the backward part reads, in the order they are made."""
        self.always = {i for i, v in enumerate(self.values) if v in returned or is_small(v)}
        """Values that cost little memory, or none of the arena."""

    def find_turn(self) -> int:
        """The op after which most bytes wait for a use."""
        waiting = [0] * (len(self.ops) + 1)
        for i, uses in enumerate(self.uses):
            if uses:
                waiting[self.made[i]] += self.size[i]
                waiting[max(uses)] -= self.size[i]
        alive = list(accumulate(waiting))
        return alive.index(max(alive))

    def crosses(self, i: int) -> bool:
        """Whether value `i` is made before the turn and read after it."""
        return self.made[i] <= self.turn < max(self.uses[i], default=0)

    def crossing(self, cut: int) -> list[int]:
        """The values made up to a forward op and read by later ones."""
        return [
            i
            for i, uses in enumerate(self.uses)
            if self.size[i] and self.made[i] <= cut and any(cut < u <= self.turn for u in uses)
        ]

    def bytes_of(self, values: Iterable[int]) -> int:
        return sum(self.size[i] for i in values)

    def is_cheap(self, i: int) -> bool:
        """Whether value `i` follows from others that its group makes or reads, pointwise."""
        if i in self.always:
            return False
        value = self.values[i]
        op = value.owner
        if isinstance(op, kernel.GroupOp):
            found = piece(op, [value], [result for result in op.outputs if result is not value])
            if found is not None:
                found.erase()
            return found is not None
        return isinstance(op, Operation) and (passes_on(op) or holds_parts(op))


def recompute(block: Block, kept: Kept) -> None:
    """Makes the backward part read copies of forward values that are not kept."""
    forward = Forward(block)
    copies = Copies(forward, kept)
    for op in forward.ops[forward.turn + 1 :]:
        if not passes_on(op):
            copies.serve(op)


class Copies:
    """The copies of forward ops in the backward part."""

    def __init__(self, forward: Forward, kept: Kept):
        self.forward = forward
        self.kept = kept
        self.copies: dict[SSAValue, SSAValue] = {}

    def is_there(self, value: SSAValue) -> bool:
        """Whether the value is in memory when the backward part begins, or made by it."""
        op = value.owner
        if isinstance(op, Block) or self.forward.position[op] > self.forward.turn:
            return True
        if passes_on(op):
            return all(map(self.is_there, op.operands))
        return self.forward.number[value] in self.kept

    def serve(self, op: Operation) -> None:
        """Gives an op of the backward part what it reads."""
        missing = [o for o in op.operands if not self.is_there(o)]
        if missing:
            self.copy(missing, Builder(InsertPoint.before(op)))
            op.operands = [self.copies.get(operand, operand) for operand in op.operands]

    def copy(self, values: Sequence[SSAValue], b: Builder) -> None:
        """Computes forward values again, from what is in memory: what they need first."""
        wanted: dict[int, list[SSAValue]] = {}
        pending: list[int] = []
        made: list[tuple[Operation, Sequence[SSAValue]]] = []

        def want(missing: Iterable[SSAValue]) -> None:
            for value in missing:
                if not self.is_there(value) and value not in self.copies:
                    position = self.forward.made[self.forward.number[value]]
                    if position not in wanted:
                        heapq.heappush(pending, -position)
                    listed = wanted.setdefault(position, [])
                    if value not in listed:
                        listed.append(value)

        want(values)
        while pending:
            position = -heapq.heappop(pending)
            copy = self.again(self.forward.ops[position], wanted[position])
            made += copy
            for op, _ in copy:
                want(op.operands)
        for op, results in reversed(made):
            op.operands = [self.copies.get(operand, operand) for operand in op.operands]
            b.insert(op)
            pairs = zip(results, op.results, strict=True)
            self.copies.update((old, new) for old, new in pairs if not self.is_there(old))

    def again(
        self, op: Operation, wanted: Sequence[SSAValue]
    ) -> list[tuple[Operation, Sequence[SSAValue]]]:
        """Ops that make the wanted results of `op`, each with the results it makes."""
        if isinstance(op, kernel.GroupOp):
            known = [r for r in op.outputs if r not in wanted and self.is_there(r)]
            pieces = [(piece(op, part, known), part) for part in by_shape(wanted)]
            found = [(p, part) for p, part in pieces if p is not None]
            if len(found) == len(pieces):
                return list(found)
            for group, _ in found:
                group.erase()
        copy = op.clone()
        copy.location = op.location
        return [(copy, op.results)]


def by_shape(values: Sequence[SSAValue]) -> list[list[SSAValue]]:
    """The values in lists of one shape each."""
    shapes = dict.fromkeys(map(shape_of, values))
    return [[value for value in values if shape_of(value) == shape] for shape in shapes]


def piece(
    group: kernel.GroupOp, wanted: Sequence[SSAValue], known: Sequence[SSAValue]
) -> kernel.GroupOp | None:
    """The part of a group that leads to `wanted` from its inputs and `known` results of it.

    None where that is more than pointwise ops.
    """
    clone = group.clone()
    body = clone.body.block
    decompose(body)
    last = body.last_op
    assert isinstance(last, kernel.ReturnOp)
    inner = dict[SSAValue, SSAValue](zip(group.outputs, last.values, strict=True))
    outside = dict[SSAValue, SSAValue](zip(body.args, group.inputs, strict=True))
    outside |= {inner[result]: result for result in known}
    results = [inner[value] for value in wanted]
    found = None
    if not outside.keys() & results:
        needed = leading_to(results, outside)
        if all(isinstance(op, Structured) and not op.domain().reduced for op in needed):
            found = group_of(needed, outside, results, group)
    clone.erase()
    return found


def leading_to(values: Sequence[SSAValue], known: Container[SSAValue]) -> list[Operation]:
    """The ops that make `values` from those known, in order."""
    needed: dict[Operation, None] = {}
    pending = list(values)
    while pending:
        op = pending.pop().owner
        assert isinstance(op, Operation)
        if op not in needed:
            needed[op] = None
            pending += [operand for operand in op.operands if operand not in known]
    block = values[0].owner.parent
    assert isinstance(block, Block)
    return [op for op in block.ops if op in needed]


def group_of(
    ops: Sequence[Operation],
    outside: dict[SSAValue, SSAValue],
    results: Sequence[SSAValue],
    like: kernel.GroupOp,
) -> kernel.GroupOp:
    """A group of copies of `ops`; what they read is `outside` of it something else."""
    read = dict.fromkeys(o for op in ops for o in op.operands if o in outside)
    inputs = {value: outside[value] for value in read}
    body = Block(arg_types=[value.type for value in inputs])
    values: dict[SSAValue, SSAValue] = dict(zip(inputs, body.args, strict=True))
    for argument, value in zip(body.args, inputs.values(), strict=True):
        argument.name_hint = value.name_hint
    for op in ops:
        copy = op.clone(values)
        copy.location = op.location
        body.add_op(copy)
    body.add_op(kernel.ReturnOp([values[result] for result in results]))
    types = [result.type for result in results]
    group = kernel.GroupOp(list(inputs.values()), types, Region(body))
    group.location = like.location
    return group


def passes_on(op: Operation | Block) -> bool:
    """Whether the op's result needs no memory of its own: it is its operand's, or a constant."""
    return isinstance(op, Operation) and (is_view(op) or isinstance(op, ConstantOp))


def sources(values: Iterable[SSAValue]) -> Iterator[SSAValue]:
    """The values in memory behind some, looking through what passes them on."""
    for value in values:
        if isinstance(value.owner, Operation):
            if passes_on(value.owner):
                yield from sources(value.owner.operands)
            else:
                yield value


def size_of(value: SSAValue) -> int:
    """The bytes of a tensor."""
    return prod(shape_of(value)) * element_bytes(element_of(value))


def is_small(value: SSAValue) -> bool:
    """Whether the value is a by-product: statistics, or sums."""
    op = value.owner
    assert isinstance(op, Operation)
    return SMALL * size_of(value) <= max(map(size_of, (*op.operands, *op.results)))
