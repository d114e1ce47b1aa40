"""Schedules: at which update the rate changes, and to what."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnc import optimizer
from nnc.errors import OptionError
from nnc.lr_scheduler import (
    CosineScheduler,
    FactorScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def rates(schedule: LRScheduler, *updates: int) -> list[float]:
    return [schedule(update) for update in updates]


def test_factor() -> None:
    schedule = FactorScheduler(10, 0.5, 0.3, base_lr=1.0)
    assert rates(schedule, 0, 1, 10, 11, 20, 21, 31) == [1, 1, 1, 0.5, 0.5, 0.3, 0.3]
    assert schedule(1) == 1


def test_factors_at_given_updates() -> None:
    schedule = MultiFactorScheduler([5, 8], 0.5, base_lr=1.0)
    assert rates(schedule, 5, 6, 8, 9, 100) == [1, 0.5, 0.5, 0.25, 0.25]


def test_polynomial() -> None:
    schedule = PolyScheduler(10, base_lr=1.1, final_lr=0.1)
    np.testing.assert_allclose(rates(schedule, 0, 5, 10, 20), [1.1, 0.35, 0.1, 0.1])


def test_cosine() -> None:
    schedule = CosineScheduler(10, base_lr=1.0, final_lr=0.5)
    np.testing.assert_allclose(rates(schedule, 0, 5, 10, 20), [1.0, 0.75, 0.5, 0.5])


def test_warm_up() -> None:
    """Linear, and the descent takes what is left of the updates."""
    schedule = PolyScheduler(14, 1.0, 1, warmup_steps=4, warmup_begin_lr=0.2)
    np.testing.assert_allclose(rates(schedule, 0, 1, 3, 4, 9), [0.2, 0.4, 0.8, 1.0, 0.5])
    constant = FactorScheduler(9, warmup_steps=4, warmup_begin_lr=0.002, warmup_mode="constant")
    assert rates(constant, 1, 3, 4) == [0.002, 0.002, 0.01]


def test_an_optimizer_has_its_rate_from_the_schedule() -> None:
    rule = optimizer.create("adam", lr_scheduler=FactorScheduler(1, 0.5, base_lr=0.4))
    seen: list[float] = []
    for _ in range(3):
        rule.num_update += 1
        seen.append(rule.learning_rate)
    np.testing.assert_allclose(seen, [0.4, 0.2, 0.1])


ERRORS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (FactorScheduler, (0,), {}, "FactorScheduler: step: expected an integer of at least 1"),
    (FactorScheduler, (3, 1.5), {}, "factor: expected a number at most 1 and above 0"),
    (MultiFactorScheduler, ([5, 5],), {}, r"expected steps that increase, given \[5, 5\]"),
    (CosineScheduler, (3,), {"warmup_steps": 3}, "max_update: expected an integer of at least 4"),
    (PolyScheduler, (3,), {"warmup_begin_lr": 1}, "warmup_begin_lr: expected a number at least 0"),
    (PolyScheduler, (3,), {"warmup_mode": "cubic"}, "warmup_mode: no 'cubic'"),
]


@pytest.mark.parametrize(("kind", "args", "options", "message"), ERRORS)
def test_errors(
    kind: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        kind(*args, **options)


def test_a_schedule_of_ones_own() -> None:
    class Root(LRScheduler):
        def __call__(self, num_update: int) -> float:
            return self.base_lr / num_update**0.5

    assert rates(Root(0.4), 1, 4, 16) == [0.4, 0.2, 0.1]
    with pytest.raises(OptionError, match=r"LRScheduler must define decayed\(\) or __call__\(\)"):
        LRScheduler()(1)
