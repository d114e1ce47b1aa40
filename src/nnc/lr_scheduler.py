"""Learning rates that follow the number of the update, which counts from 1 at the first step.

An optimizer with a scheduler has its rate from there: the scheduler's `base_lr` counts, not the
optimizer's `learning_rate`, which would overwrite it in MXNet. Schedulers are pure functions:
asking for a rate changes nothing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

from nnc.checks import chosen, count, number
from nnc.errors import OptionError


class LRScheduler:
    """A rate that rises over `warmup_steps` and then follows `decayed`.

    A subclass implements `decayed`, or, as in MXNet, `__call__`. The rise is linear from
    `warmup_begin_lr` to `base_lr`; with the mode "constant" the rate stays at the begin until then.
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        name = type(self).__name__
        self.base_lr = number(f"{name}: base_lr", base_lr, least=0)
        self.warmup_steps = count(f"{name}: warmup_steps", warmup_steps, 0)
        self.warmup_begin_lr = number(
            f"{name}: warmup_begin_lr", warmup_begin_lr, least=0, most=self.base_lr
        )
        self.warmup_mode = chosen(f"{name}: warmup_mode", warmup_mode, ("linear", "constant"))

    def __call__(self, num_update: int) -> float:
        """The rate of an update."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        return self.decayed(num_update)

    def get_warmup_lr(self, num_update: int) -> float:
        """The rate of an update before the warm-up ends."""
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        share = num_update / self.warmup_steps
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * share

    def decayed(self, num_update: int) -> float:
        """The rate of an update after the warm-up."""
        raise OptionError(f"{type(self).__name__} must define decayed() or __call__()")


class FactorScheduler(LRScheduler):
    """The rate times `factor` after each `step` updates, but at least `stop_factor_lr`."""

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step = count("FactorScheduler: step", step)
        self.factor = number("FactorScheduler: factor", factor, above=0, most=1)
        self.stop_factor_lr = number("FactorScheduler: stop_factor_lr", stop_factor_lr, least=0)

    def decayed(self, num_update: int) -> float:
        times = max(num_update - 1, 0) // self.step
        return max(self.base_lr * self.factor**times, self.stop_factor_lr)


class MultiFactorScheduler(LRScheduler):
    """The rate times `factor` after each of the updates that `step` lists."""

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step = [count("MultiFactorScheduler: step", each) for each in step]
        if any(a >= b for a, b in pairwise(self.step)):
            raise OptionError(f"MultiFactorScheduler: expected steps that increase, given {step}")
        self.factor = number("MultiFactorScheduler: factor", factor, above=0, most=1)

    def decayed(self, num_update: int) -> float:
        return self.base_lr * self.factor ** sum(num_update > each for each in self.step)


class Descent(LRScheduler, ABC):
    """From `base_lr` down to `final_lr` at `max_update`, and flat from there."""

    def __init__(
        self,
        max_update: int,
        base_lr: float,
        final_lr: float,
        warmup_steps: int,
        warmup_begin_lr: float,
        warmup_mode: str,
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        name = type(self).__name__
        self.max_update = count(f"{name}: max_update", max_update, self.warmup_steps + 1)
        self.final_lr = number(f"{name}: final_lr", final_lr, least=0)

    def decayed(self, num_update: int) -> float:
        first, last = self.warmup_steps, self.max_update
        share = (min(num_update, last) - first) / (last - first)
        return self.final_lr + (self.base_lr - self.final_lr) * self.height(share)

    @abstractmethod
    def height(self, share: float) -> float:
        """From 1 to 0 for shares of the way from 0 to 1."""


class PolyScheduler(Descent):
    """`final_lr + (base_lr - final_lr) (1 - t)^pwr` for the share t of the way."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = number("PolyScheduler: pwr", pwr, least=0)

    def height(self, share: float) -> float:
        return (1 - share) ** self.power


class CosineScheduler(Descent):
    """`final_lr + (base_lr - final_lr) (1 + cos(π t)) / 2` for the share t of the way."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def height(self, share: float) -> float:
        return (1 + math.cos(math.pi * share)) / 2
