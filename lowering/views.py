"""Ops of the graph that move no data once tensors are memory.

* `nn.reshape`, a contiguous `nn.slice` and `nn.after` look at their (first) operand's memory
* an operand of `nn.pad` or `nn.concat` that a kernel computes is written where it belongs in the
  larger buffer: it is a *part*
"""

from xdsl.ir import Operation, SSAValue, Use
from xdsl.traits import IsTerminator

from nnc.dialects.nn.base import shape_of
from nnc.dialects.nn.checkpoint import AfterOp
from nnc.dialects.nn.shape import ConcatOp, PadOp, ReshapeOp, SliceOp
from nnc.dialects.syntax import integers


def is_view(op: Operation) -> bool:
    """Whether the result is its operand's memory, seen otherwise."""
    return type(op) in (ReshapeOp, AfterOp) or (type(op) is SliceOp and is_contiguous(op))


def is_contiguous(op: SliceOp) -> bool:
    """Whether the slice is one piece of memory: single indices, then one range, then all."""
    source, sizes = shape_of(op.input), shape_of(op.output)
    if any(stride != 1 for stride in integers(op.strides)):
        return False
    cut = [axis for axis in range(len(sizes)) if sizes[axis] != source[axis]]
    return not cut or all(size == 1 for size in sizes[: cut[-1]])


def part_of(value: SSAValue) -> Use | None:
    """The operand of a pad or concat inside of whose result `value` can be written."""
    users = [use.operation for use in value.uses]
    if any(is_view(op) or op.regions or op.has_trait(IsTerminator) for op in users):
        return None
    return next((use for use in value.uses if holds_parts(use.operation)), None)


def holds_parts(op: Operation) -> bool:
    """Whether operands can be written into the op's result."""
    return type(op) in (PadOp, ConcatOp)
