"""Updates: Gluon's formulas, step after step, and their scalar meaning."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.optim import (
    AdamOp,
    MomentumOp,
    NagOp,
    RmspropCenteredOp,
    RmspropOp,
    SgdOp,
    Update,
)

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[..., None]
Evaluate = Callable[..., list[Array]]
State = dict[str, float]

LR, WD, RESCALE = 0.1, 0.01, 0.5


def sgd(w: float, g: float, s: State, t: int) -> float:
    return w - LR * g


def momentum(w: float, g: float, s: State, t: int) -> float:
    s["momentum"] = 0.9 * s["momentum"] - LR * g
    return w + s["momentum"]


def nag(w: float, g: float, s: State, t: int) -> float:
    """PyTorch's form: the buffer without the rate, the gradient added once more."""
    buffer = 0.9 * -s["momentum"] / LR + g
    s["momentum"] = -LR * buffer
    return w - LR * (g + 0.9 * buffer)


def adam(w: float, g: float, s: State, t: int) -> float:
    """PyTorch's form: the corrections in the step size and under the root."""
    s["mean"] += (1 - 0.9) * (g - s["mean"])
    s["variance"] += (1 - 0.999) * (g * g - s["variance"])
    size = sqrt(s["variance"]) / sqrt(1 - 0.999**t) + 1e-8
    return w - LR / (1 - 0.9**t) * s["mean"] / size


def rmsprop(w: float, g: float, s: State, t: int) -> float:
    s["square"] += (1 - 0.9) * (g * g - s["square"])
    return w - LR * g / (sqrt(s["square"]) + 1e-8)


def centered(w: float, g: float, s: State, t: int) -> float:
    s["square"] += (1 - 0.9) * (g * g - s["square"])
    s["mean"] += (1 - 0.9) * (g - s["mean"])
    s["delta"] = 0.9 * s["delta"] - LR * g / sqrt(s["square"] - s["mean"] ** 2 + 1e-8)
    return w + s["delta"]


RULES: dict[type[Update], Callable[[float, float, State, int], float]] = {
    SgdOp: sgd,
    MomentumOp: momentum,
    NagOp: nag,
    AdamOp: adam,
    RmspropOp: rmsprop,
    RmspropCenteredOp: centered,
}


def run_time_scalars(rule: type[Update], t: int) -> list[Array]:
    corrections = {"correction1": 1 / (1 - 0.9**t), "correction2": 1 / (1 - 0.999**t)}
    values = {"lr": LR, "wd": WD, "rescale": RESCALE, **corrections}
    return [np.array(values[name]) for name in rule.SCALARS]


def building(rule: type[Update], clips: bool) -> Callable[..., Update]:
    tensors = 2 + len(rule.STATES)
    end = tensors + len(rule.SCALARS)

    def build(b: Builder, *v: SSAValue) -> Update:
        return rule(v[0], v[1], v[2:tensors], v[tensors:end], v[end] if clips else None)

    return build


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("clip", [None, 0.2])
def test_update(
    rule: type[Update], clip: float | None, evaluate: Evaluate, check_scalar: Check
) -> None:
    """Five steps from zero state, clip before weight decay."""
    generator = np.random.default_rng(0)
    build = building(rule, clip is not None)
    last = [] if clip is None else [np.array(clip)]
    w = generator.standard_normal((2, 3))
    values = [w, *(np.zeros_like(w) for _ in rule.STATES)]
    expected_w = w.copy()
    states = {at: dict.fromkeys(rule.STATES, 0.0) for at in np.ndindex(w.shape)}
    for t in range(1, 6):
        grad = generator.standard_normal(w.shape)
        operands = [grad, *values, *run_time_scalars(rule, t), *last]
        check_scalar(build, *operands)
        values = evaluate(build, *operands)
        for at, state in states.items():
            g = RESCALE * float(grad[at])
            g = g if clip is None else max(-clip, min(g, clip))
            old = float(expected_w[at])
            expected_w[at] = RULES[rule](old, g + WD * old, state, t)
        np.testing.assert_allclose(values[0], expected_w, rtol=1e-11)
        for name, array in zip(rule.STATES, values[1:], strict=True):
            kept = [states[at][name] for at in np.ndindex(w.shape)]
            np.testing.assert_allclose(array.reshape(-1), kept, rtol=1e-11, atol=1e-15)


def test_the_first_step_of_adam_has_the_size_of_the_rate(evaluate: Evaluate) -> None:
    zero, grad = np.zeros(3), np.array([1e-3, -5.0, 200.0])
    scalars = run_time_scalars(AdamOp, 1)
    w, *_ = evaluate(building(AdamOp, False), grad, zero, zero, zero, *scalars)
    np.testing.assert_allclose(w, -LR * np.sign(grad), rtol=1e-4)


def test_a_constant_that_is_not_given_has_gluons_default(evaluate: Evaluate) -> None:
    w = s = np.ones(1)
    scalars = run_time_scalars(MomentumOp, 1)

    def build(b: Builder, *v: SSAValue) -> MomentumOp:
        return MomentumOp(v[0], v[1], v[2:3], v[3:], momentum=0.5)

    results = evaluate(build, np.zeros(1), w, s, *scalars)
    default = evaluate(building(MomentumOp, False), np.zeros(1), w, s, *scalars)
    assert [results[1][0], default[1][0]] == pytest.approx([0.5 - LR * WD, 0.9 - LR * WD])
