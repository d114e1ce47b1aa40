"""Where each tensor of a block is kept: the plan that `bufferize` carries out.

A *root* is a tensor with memory of its own; views and parts belong to another tensor's root. A
root gets the memory of the value it becomes when the block ends (an output, or the argument it
replaces), else that of an operand which dies in the launch that makes it, else a temporary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Block, Operation, SSAValue, Use

from nnc.dialects import kernel
from nnc.dialects.nn.cond import CondOp
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.scan import ScanOp
from nnc.dialects.nn.shape import ReshapeOp
from nnc.lowering.strategies.donation import Donor
from nnc.lowering.views import holds_parts, is_view, part_of


@dataclass(frozen=True)
class Target:
    """Memory for a value that the block returns."""

    memory: SSAValue
    replaces: SSAValue | None = None
    """The argument of the block that this memory holds until then."""


@dataclass
class Storage:
    """The plan for one block."""

    block: Block
    targets: Sequence[Target]
    donors: Mapping[str, Donor]
    """The kernels on tensors, by name."""
    home: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    """Roots written directly into the memory of a target, by the target's number."""
    reuse: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """Roots written over another root."""
    donated: dict[kernel.LaunchOp, dict[int, int]] = field(
        default_factory=dict[kernel.LaunchOp, dict[int, int]]
    )
    """For each launch, the operand that a result is written over."""

    roots: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def __post_init__(self) -> None:
        self.position = {op: i for i, op in enumerate(self.block.ops)}
        self.last_read: dict[SSAValue, int] = {}
        for op, i in self.position.items():
            for operand in op.operands:
                self.last_read[self.root(operand)] = i
        self.place_returned()
        self.place_over_dying()

    @property
    def returned(self) -> Sequence[SSAValue]:
        last = self.block.last_op
        assert last is not None
        return last.operands

    def part(self, value: SSAValue) -> Use | None:
        """The operand of a pad or concat that `value` is written into."""
        return part_of(value) if isinstance(value.owner, kernel.LaunchOp) else None

    def root(self, value: SSAValue) -> SSAValue:
        """The tensor whose memory holds `value`."""
        if value not in self.roots:
            self.roots[value] = self._find_root(value)
        return self.roots[value]

    def _find_root(self, value: SSAValue) -> SSAValue:
        if (part := self.part(value)) is not None:
            return self.root(part.operation.results[0])
        op = value.owner
        return self.root(op.operands[0]) if isinstance(op, Operation) and is_view(op) else value

    def place_returned(self) -> None:
        """Gives returned roots their target's memory where nobody needs that memory before."""
        for number, (value, target) in enumerate(zip(self.returned, self.targets, strict=True)):
            root = self.root(value)
            if root in self.home or unreshaped(value) is not root or not is_writable(root):
                continue
            if target.replaces is None or self.may_replace(root, target.replaces):
                self.home[root] = number

    def may_replace(self, root: SSAValue, argument: SSAValue) -> bool:
        """Whether `root` can be written over `argument`, which nobody reads later."""
        launch = root.owner
        if not isinstance(launch, kernel.LaunchOp):
            return False
        last = self.last_read.get(argument, -1)
        if last < self.position[launch]:
            return True
        return last == self.position[launch] and self.donate(launch, argument, root)

    def donate(self, launch: kernel.LaunchOp, old: SSAValue, new: SSAValue) -> bool:
        """Makes the launch write `new` over its operand `old` if the kernel can do that."""
        operands = [i for i, value in enumerate(launch.ins) if self.root(value) is old]
        result = launch.results.index(new)
        if len(operands) != 1 or unreshaped(launch.ins[operands[0]]) is not old:
            return False
        given = self.donated.setdefault(launch, {})
        if operands[0] in given.values():
            return False
        if not self.donors[launch.callee.string_value()].may_donate(operands[0], result):
            return False
        given[result] = operands[0]
        return True

    def place_over_dying(self) -> None:
        """Writes results over temporaries that die in the launch."""
        for launch, position in self.position.items():
            if not isinstance(launch, kernel.LaunchOp):
                continue
            for result in launch.outputs:
                if result in self.home or self.part(result) is not None:
                    continue
                for root in dict.fromkeys(map(self.root, launch.ins)):
                    dying = self.last_read[root] == position and self.is_temporary(root)
                    if dying and self.donate(launch, root, result):
                        self.reuse[result] = root
                        break

    def is_temporary(self, root: SSAValue) -> bool:
        return isinstance(root.owner, kernel.LaunchOp) and root not in self.home


def unreshaped(value: SSAValue) -> SSAValue:
    """The tensor that `value` is, up to its shape."""
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.input
    return value


def is_writable(root: SSAValue) -> bool:
    """Whether the root's owner can write to memory chosen for it."""
    op = root.owner
    if isinstance(op, ScanOp):
        return root in op.stacked
    return isinstance(op, kernel.LaunchOp | ConstantOp | CondOp) or (
        isinstance(op, Operation) and holds_parts(op)
    )
