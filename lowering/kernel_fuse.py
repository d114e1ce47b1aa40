"""`kernel-fuse`: gathers the ops of the program into `kernel.group`s.

Comes in: a graph. Goes out: the same graph where every op that computes stands in a group that
one kernel can run (`nnc.lowering.fusion_rules` says which can); views, scans and constants that
are results stay outside. Groups are convex: no value leaves one and comes back. No op is
evaluated twice but for those that cost nothing.

Groups start as single ops and are merged along the reads between them: first what follows a
contraction, then producers whose readers are all in one group, then producers that are read
elsewhere too, last siblings that read one tensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from nnc.dialects.nn.base import shape_of
from nnc.lowering.fusion_rules import (
    Read,
    Space,
    absorbs_copies,
    is_copied,
    merged,
    reads_of,
    space_of,
    stays_outside,
)
from nnc.lowering.grouping import write_groups
from nnc.lowering.program import Program, blocks


@dataclass(frozen=True)
class KernelFusePass(ModulePass):
    """Merges groups of up to `max-ops` ops."""

    name = "kernel-fuse"
    max_ops: int = 64

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for block in blocks(Program.of(op).block):
            groups = Groups(block, self.max_ops)
            groups.merge_all()
            write_groups(block, groups.members())


@dataclass(eq=False)
class Group:
    """Ops that will share a kernel; `space` is None for an op that stays outside of kernels."""

    ops: list[Operation]
    space: Space | None
    number: int
    """Where it began, in program order."""
    bits: int
    """One bit for each op."""
    below: int = 0
    """Bits of all groups that need a result of this one, directly or not."""


class Groups:
    """A partition of a block's ops, and which group needs which."""

    def __init__(self, block: Block, max_ops: int):
        self.block = block
        self.max_ops = max_ops
        self.ops = [op for op in block.ops if not is_copied(op) or needs_kernel(op)]
        self.of = {
            op: Group([op], None if stays_outside(op) else space_of(op), i, 1 << i)
            for i, op in enumerate(self.ops)
        }
        self.reads_of_results = {
            op: [read for r in op.results for read in reads_of(r) if read.reader in self.of]
            for op in self.ops
        }
        self.groups = dict.fromkeys(self.of.values())
        for group in reversed(self.groups):
            for reader in self.readers(group):
                group.below |= reader.below | reader.bits

    def members(self) -> list[list[Operation]]:
        """The ops of each group, in program order."""
        position = {op: i for i, op in enumerate(self.ops)}
        return [
            sorted(group.ops, key=position.__getitem__)
            for group in self.groups
            if group.space is not None
        ]

    def reads(self, group: Group) -> Iterator[tuple[Group, Read]]:
        """The reads of a group's results by other groups of this block."""
        for op in group.ops:
            for read in self.reads_of_results[op]:
                if (reader := self.of[read.reader]) is not group:
                    yield reader, read

    def readers(self, group: Group) -> list[Group]:
        """The groups that read a result of this one, in program order."""
        return sorted({reader for reader, _ in self.reads(group)}, key=lambda g: g.number)

    def merge_all(self) -> None:
        for op in reversed(self.ops):
            self.merge_epilogue(self.of[op])
        for _ in range(2):
            for op in reversed(self.ops):
                self.merge_only_reader(self.of[op])
            for op in reversed(self.ops):
                self.merge_first_reader(self.of[op])
        results = [result for op in self.ops for result in op.results]
        for value in (*self.block.args, *results):
            self.merge_siblings(value)

    def merge_epilogue(self, group: Group) -> None:
        """A contraction takes the ops that follow it, one by one, while its tiles are at hand."""
        if group.space is not None and group.space.kind in ("contraction", "window"):
            while (readers := self.readers(group)) and self.merge(group, readers[0]):
                pass

    def merge_only_reader(self, group: Group) -> None:
        readers = self.readers(group)
        if len(readers) == 1:
            self.merge(group, readers[0])

    def merge_first_reader(self, group: Group) -> None:
        for reader in self.readers(group):
            if self.merge(group, reader):
                return

    def merge_siblings(self, value: SSAValue) -> None:
        """Groups on one space that read a tensor of its full shape read it once."""
        shape = shape_of(value)
        groups = dict.fromkeys(self.of[r.reader] for r in reads_of(value) if r.reader in self.of)
        siblings = [g for g in groups if g.space is not None and g.space.full == shape]
        for a, b in combinations(siblings, 2):
            if a.space == b.space and a in self.groups and b in self.groups:
                self.merge(a, b)

    def merge(self, a: Group, b: Group) -> bool:
        """Makes `a` and `b` one group where rules, size and order allow."""
        if a is b or len(a.ops) + len(b.ops) > self.max_ops:
            return False
        if a.space is None or b.space is None:
            return False
        space = merged(a.space, b.space)
        if space is None or not self.fits(a, b, space) or not self.convex(a, b):
            return False
        self.unite(a, b, space)
        return True

    def fits(self, a: Group, b: Group, space: Space) -> bool:
        """Whether all that passes between the two can stay in a kernel."""
        between = [read for reader, read in self.reads(a) if reader is b]
        between += [read for reader, read in self.reads(b) if reader is a]
        return all(read.fits(space) for read in between)

    def convex(self, a: Group, b: Group) -> bool:
        """Whether no value would leave the union and come back."""
        return not any(
            reader.below & other.bits
            for group, other in ((a, b), (b, a))
            for reader in self.readers(group)
            if reader is not other
        )

    def unite(self, a: Group, b: Group, space: Space) -> None:
        """Makes `a` the union; whoever needs one of the two needs both from now on."""
        below, bits = (a.below | b.below) & ~a.bits & ~b.bits, a.bits | b.bits
        for one in (a, b):
            if below & ~one.below:
                for group in self.groups:
                    if group.below & one.bits:
                        group.below |= below | bits
        a.ops += b.ops
        a.space, a.bits, a.below = space, bits, below
        for op in b.ops:
            self.of[op] = a
        del self.groups[b]


def needs_kernel(op: Operation) -> bool:
    """Whether someone reads a copied op's result from memory."""
    return any(
        not is_copied(use.operation)
        and (stays_outside(use.operation) or not absorbs_copies(use.operation))
        for result in op.results
        for use in result.uses
    )
