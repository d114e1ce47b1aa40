"""`verify-inplace`: a kernel that writes over what it reads reads each element before.

Checked on the loops of every kernel with inouts, for each load and store of one: runs of the loops
around both touch different elements, and within one run the load comes first or touches other
elements. What cannot be shown is an error: donation must be refused for it.
"""

from dataclasses import dataclass
from itertools import product
from math import gcd

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from nnc.dialects import kernel, loop
from nnc.dialects.buffer import root
from nnc.lowering.program import place
from nnc.lowering.touches import Kernels, Subscript, Touch, count_of, touches


@dataclass(frozen=True)
class VerifyInplacePass(ModulePass):
    """Checks every kernel's inouts."""

    name = "verify-inplace"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = list(op.body.block.ops)
        kernels = {f.sym_name.data: f for f in functions if isinstance(f, kernel.FuncOp)}
        for function in functions:
            if not isinstance(function, kernel.FuncOp):
                for launch in function.walk():
                    if isinstance(launch, kernel.LaunchOp):
                        verify_distinct(launch)
            elif not function.private:
                verify(function, kernels)


def verify(function: kernel.FuncOp, kernels: Kernels) -> None:
    """Raises unless every element of an inout is read before it is written."""
    inouts = {a for a in function.block.args if function.access(a.index) == "inout"}
    found = list(touches(function.block, inouts, kernels)) if inouts else []
    loads = [touch for touch in found if not touch.writes]
    stores = [touch for touch in found if touch.writes]
    for load, store in product(loads, stores):
        argument = root(load.buffer)
        reason = conflict(load, store) if argument is root(store.buffer) else None
        if reason is not None:
            name = argument.name_hint or "an inout"
            raise PassFailedException(
                f"verify-inplace: kernel @{function.sym_name.data}: %{name} is read by "
                f"{load.op.name}{place(load.op)} and written by {store.op.name}"
                f"{place(store.op)}, {reason}; it must not be donated"
            )


def verify_distinct(launch: kernel.LaunchOp) -> None:
    """Raises when a buffer is written and also passed as another argument."""
    written = [*launch.outs, *launch.inouts]
    for value in written:
        if list(launch.operands).count(value) > 1:
            raise PassFailedException(
                f"verify-inplace: {launch.name} {launch.callee}{place(launch)} is passed "
                f"%{value.name_hint or 'a buffer'} twice and writes it"
            )


def conflict(load: Touch, store: Touch) -> str | None:
    """Why the load may read what the store has written; None if it cannot."""
    if load.subscripts is None or store.subscripts is None:
        return "at subscripts that are not linear"
    if load.buffer is not store.buffer:
        return "through views that differ"
    common = common_counters(load, store)
    for counter in common:
        if count_of(counter) > 1 and not separates(counter, common, load, store):
            return "and runs of a loop around both may touch the same element"
    if before(load, store) or apart(load, store, common):
        return None
    return "which comes first"


def common_counters(load: Touch, store: Touch) -> list[SSAValue]:
    """The counters of the loops around both."""
    shared: list[SSAValue] = []
    for a, b in zip(load.path, store.path, strict=False):
        if a.op is not b.op:
            break
        if isinstance(a.op, loop.ForOp):
            shared.append(a.op.induction_variable)
        elif isinstance(a.op, loop.ParallelOp):
            shared += a.op.body.block.args
    return shared


def before(load: Touch, store: Touch) -> bool:
    """Whether the load comes first in each run of the loops around both."""
    for a, b in zip(load.path, store.path, strict=False):
        if a.op is not b.op:
            return a.position < b.position
    return False


def separates(counter: SSAValue, common: list[SSAValue], load: Touch, store: Touch) -> bool:
    """Whether in some dimension different values of the counter mean different elements."""
    assert load.subscripts is not None
    assert store.subscripts is not None
    return any(
        digits_apart(counter, common, a, b)
        for a, b in zip(load.subscripts, store.subscripts, strict=True)
    )


def digits_apart(
    counter: SSAValue, common: list[SSAValue], load: Subscript, store: Subscript
) -> bool:
    """Whether the counter is a digit of the subscript: it moves further than all below it."""
    step = load.terms.get(counter, 0)
    if step <= 0 or step != store.terms.get(counter, 0):
        return False
    larger = {c: load.terms[c] for c in common if load.terms.get(c, 0) > step}
    if any(store.terms.get(c, 0) != coefficient for c, coefficient in larger.items()):
        return False
    ranges = [span(one, {counter, *larger}) for one in (load, store)]
    below = max(high for _, high in ranges) - min(low for low, _ in ranges)
    modulus = gcd(*larger.values())
    reach = step * (count_of(counter) - 1) + below
    return below < step and (not larger or reach < modulus)


def span(subscript: Subscript, without: set[SSAValue]) -> tuple[int, int]:
    """The least and greatest index touched while the counters in `without` stand still at 0."""
    moves = [
        coefficient * (count_of(counter) - 1)
        for counter, coefficient in subscript.terms.items()
        if counter not in without
    ]
    low = subscript.constant + sum(move for move in moves if move < 0)
    high = subscript.constant + sum(move for move in moves if move > 0) + subscript.width - 1
    return low, high


def apart(load: Touch, store: Touch, common: list[SSAValue]) -> bool:
    """Whether in one run of the loops around both the touched boxes do not meet."""
    assert load.subscripts is not None
    assert store.subscripts is not None
    for a, b in zip(load.subscripts, store.subscripts, strict=True):
        if all(a.terms.get(c, 0) == b.terms.get(c, 0) for c in common):
            (low, high), (first, last) = span(a, set(common)), span(b, set(common))
            if high < first or last < low:
                return True
    return False
