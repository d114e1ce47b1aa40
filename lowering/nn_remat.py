"""`nn-remat`: computes values again near their late uses, until the arena fits a budget.

Comes in: the groups of `kernel-fuse`, in their order. Goes out: the same groups with copies of some
of them before groups that read what they make; nothing changes without a budget, or where the
arena fits it. No pass after this one merges or moves groups, and the groups that were there stay
what they are, so that every sum keeps its order: the results are the same to the last bit.

Values that are kept for the backward part are alive together at the *turn*. What is cheap is
computed again first, from the earliest value on; where that is not enough, the forward part is cut
into segments at narrow places, and the first ones are computed again from what crosses their cuts.
How much is enough is found by bisection, and measured each time on the plan of memory that the
passes up to `bufferize` lead to.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from nnc.lowering.pass_specs import build_pipeline
from nnc.lowering.plan_memory import arena_size, live_ranges, plan
from nnc.lowering.program import Program
from nnc.lowering.recomputation import Forward, Kept, recompute

MIB = 1 << 20


class BudgetError(PassFailedException):
    """The budget is less than any plan that was found."""


@dataclass(frozen=True)
class NnRematPass(ModulePass):
    """`budget-mib` bounds the arena: what a call needs beyond its arguments."""

    name = "nn-remat"
    budget_mib: int | float | None = None
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.budget_mib is None:
            return
        if self.budget_mib <= 0:
            raise BudgetError(f"nn-remat: a budget is more than 0 MiB, given {self.budget_mib:g}")
        Search(op, self.budget_mib, self.target).run()


class Search:
    """Looks for what to keep."""

    def __init__(self, module: ModuleOp, budget_mib: float, target: str):
        self.module = module
        self.budget_mib = budget_mib
        self.passes = build_pipeline(
            f"kernel-outline,kernel-select{{target={target}}},kernel-schedule,bufferize"
        )
        self.least = self.arena(module.clone())

    def run(self) -> None:
        """Computes again as little as the budget allows."""
        if self.fits(self.least):
            return
        for count, kept in plans(Forward(Program.of(self.module).block)):
            if self.fits_with(kept(count)):
                steps = range(1, count)
                enough = bisect_left(steps, True, key=lambda n: self.fits_with(kept(n))) + 1
                recompute(Program.of(self.module).block, kept(enough))
                return
        raise BudgetError(
            f"nn-remat: a budget of {self.budget_mib:g} MiB cannot be met; the smallest found is "
            f"{ceil(self.least / MIB * 100) / 100} MiB"
        )

    def fits(self, size: int) -> bool:
        return size <= self.budget_mib * MIB

    def fits_with(self, kept: Kept) -> bool:
        """Whether the arena fits the budget with these values kept."""
        trial = self.module.clone()
        recompute(Program.of(trial).block, kept)
        size = self.arena(trial)
        self.least = min(self.least, size)
        return self.fits(size)

    def arena(self, module: ModuleOp) -> int:
        """The bytes of the arena; the module is used up."""
        for one in self.passes:
            one.apply(Context(), module)
        lives = live_ranges(Program.of(module), 64)
        return arena_size(lives, plan(lives))


def plans(forward: Forward) -> Iterator[tuple[int, Callable[[int], Kept]]]:
    """Ways to keep less: how many steps each has, and what is kept after so many."""
    saved = forward.saved
    cheap = [i for i in saved if forward.is_cheap(i)]
    costly = set(forward.numbers) - {i for i in forward.numbers if forward.is_cheap(i)}

    def without_cheap(n: int) -> Kept:
        return costly | set(saved) - set(cheap[:n])

    if cheap:
        yield len(cheap), without_cheap
    root = len(saved) ** 0.5
    for segments in sorted({round(root * factor) for factor in (0.5, 1, 2)} - {0, 1}):
        cuts = cuts_of(forward, segments)

        def without_segments(n: int, cuts: Sequence[int] = cuts) -> Kept:
            crossing = {i for cut in cuts[:n] for i in forward.crossing(cut)}
            later = {i for i in costly if forward.made[i] > cuts[n - 1]}
            return forward.always | crossing | later

        yield len(cuts), without_segments


def cuts_of(forward: Forward, segments: int) -> list[int]:
    """The narrowest places near to those that divide the saved bytes evenly."""
    made = [0] * (forward.turn + 1)
    for i in forward.saved:
        made[forward.made[i]] += forward.size[i]
    before = list(accumulate(made))
    widths = [forward.bytes_of(forward.crossing(cut)) for cut in range(forward.turn + 1)]
    found: set[int] = set()
    for k in range(1, segments):
        ends = ((k + side) * before[-1] / segments for side in (-0.5, 0.5))
        low, high = (bisect_left(before, end) for end in ends)
        found.add(min(range(low, max(high, low + 1)), key=widths.__getitem__))
    return sorted(found)
