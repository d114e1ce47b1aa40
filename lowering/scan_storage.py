"""Where the states of a scan are kept while it runs.

    in place     one state: a step writes the next one over it
    in turn      two: state t in half `t mod 2`
    all of them  count + 1: where the scan also gives the states of all steps, before or after

In the last case those results are views of the same memory, so that nothing is copied.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr

from nnc.dialects.nn.scan import ScanOp

ZERO = AffineExpr.constant(0)
STEP = AffineExpr.dimension(0)


@dataclass(frozen=True)
class Room:
    """Memory for `size` states. Positions depend on the step, which is dimension 0."""

    size: int
    now: AffineExpr
    """Where the state is that a step reads."""
    next: AffineExpr
    """Where it writes the next one."""
    first: int = 0
    last: int = 0
    views: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    """Results of the scan that are the states of all steps, and where those begin."""

    @property
    def is_in_place(self) -> bool:
        return self.size == 1


def room_of(op: ScanOp, state: int, in_place: bool, placed: Collection[SSAValue]) -> Room:
    """The room of state number `state`; results that are `placed` already have memory."""
    count, now, end = op.count.data, op.arguments[0][state], op.end.values
    stacked = [
        (value, result)
        for value, result in zip(end[len(op.inits) :], op.stacked, strict=True)
        if result not in placed
    ]
    before = [result for value, result in stacked if value is now]
    after = [result for value, result in stacked if value is end[state] and value is not now]
    if in_place and not before and not after:
        return Room(1, ZERO, ZERO)
    if not before and not after:
        return Room(2, STEP % 2, (STEP + 1) % 2, last=count % 2)
    if op.reverse is None:
        views = dict.fromkeys(before, 0) | dict.fromkeys(after, 1)
        return Room(count + 1, STEP, STEP + 1, 0, count, views)
    views = dict.fromkeys(before, 1) | dict.fromkeys(after, 0)
    return Room(count + 1, STEP * -1 + count, STEP * -1 + (count - 1), count, 0, views)
