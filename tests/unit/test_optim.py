"""Updates: Gluon's formulas, step after step, and their scalar meaning."""

from collections.abc import Callable, Mapping, Sequence
from math import copysign, inf, prod, sqrt
from typing import Any

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.optim.adam import (
    AdabeliefOp,
    AdamaxOp,
    AdamDirectionOp,
    AdamOp,
    AdamwOp,
    NadamOp,
)
from nnc.dialects.optim.adaptive import (
    AdadeltaOp,
    AdagradOp,
    FtmlOp,
    FtrlOp,
    RmspropCenteredOp,
    RmspropOp,
)
from nnc.dialects.optim.base import Update
from nnc.dialects.optim.dialect import Optim
from nnc.dialects.optim.momentum import MomentumOp, NagOp, SgdOp, SignumOp
from nnc.dialects.optim.rules import RULES, Given

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


def signum(w: float, g: float, s: State, t: int) -> float:
    """The sign of a mean of gradients, which the state is the negative of."""
    mean = -0.9 * s["momentum"] + (1 - 0.9) * g
    s["momentum"] = -mean
    return w - LR * mean / abs(mean)


def adamw(w: float, g: float, s: State, t: int) -> float:
    """PyTorch's form: first the decay, then Adam's step."""
    return adam(w * (1 - LR * WD), g, s, t)


def adabelief(w: float, g: float, s: State, t: int) -> float:
    s["mean"] += (1 - 0.9) * (g - s["mean"])
    s["variance"] = 0.999 * s["variance"] + 0.001 * (g - s["mean"]) ** 2 + 1e-6
    size = sqrt(s["variance"] / (1 - 0.999**t)) + 1e-6
    return w - LR * s["mean"] / (1 - 0.9**t) / size


def adam_direction(w: float, g: float, s: State, t: int) -> float:
    return (w - adamw(w, g, s, t)) / LR


def nadam(w: float, g: float, s: State, t: int) -> float:
    """PyTorch's form: one step for the gradient and one for its mean."""
    s["mean"] += (1 - 0.9) * (g - s["mean"])
    s["variance"] += (1 - 0.999) * (g * g - s["variance"])
    size = sqrt(s["variance"] / (1 - 0.999**t)) + 1e-8
    momenta = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in range(1, t + 2)]
    own = (1 - momenta[-2]) / (1 - prod(momenta[:-1])) * g
    return w - LR * (own + momenta[-1] / (1 - prod(momenta)) * s["mean"]) / size


def adamax(w: float, g: float, s: State, t: int) -> float:
    s["mean"] += (1 - 0.9) * (g - s["mean"])
    s["largest"] = max(0.999 * s["largest"], abs(g))
    return w - LR / (1 - 0.9**t) * s["mean"] / (s["largest"] + 1e-8)


def adagrad(w: float, g: float, s: State, t: int) -> float:
    s["square_sum"] += g * g
    return w - LR * g / (sqrt(s["square_sum"]) + 1e-6)


def adadelta(w: float, g: float, s: State, t: int) -> float:
    s["square"] += (1 - 0.9) * (g * g - s["square"])
    delta = sqrt(s["delta_square"] + 1e-6) / sqrt(s["square"] + 1e-6) * g
    s["delta_square"] += (1 - 0.9) * (delta * delta - s["delta_square"])
    return w - LR * delta


def ftrl(w: float, g: float, s: State, t: int) -> float:
    """The published form: a rate for each weight, and the regularizers outside."""
    old = LR / sqrt(s["square_sum"]) if s["square_sum"] else inf
    s["square_sum"] += g * g
    new = LR / sqrt(s["square_sum"])
    s["linear"] += g - (1 / new - 1 / old) * w
    if abs(s["linear"]) <= 0.01:
        return 0.0
    excess = s["linear"] - copysign(0.01, s["linear"])
    return -excess / (1 / LR + 1 / new + WD)


def ftml(w: float, g: float, s: State, t: int) -> float:
    s["variance"] += (1 - 0.999) * (g * g - s["variance"])
    scale = (1 - 0.6**t) / LR * (sqrt(s["variance"] / (1 - 0.999**t)) + 1e-8)
    sigma = scale - 0.6 * s["scale"]
    s["linear"] = 0.6 * s["linear"] + (1 - 0.6) * g - sigma * w
    s["scale"] = scale
    return -s["linear"] / scale


FORMULAS: dict[type[Update], Callable[[float, float, State, int], float]] = {
    SgdOp: sgd,
    MomentumOp: momentum,
    NagOp: nag,
    SignumOp: signum,
    AdamOp: adam,
    AdabeliefOp: adabelief,
    AdamwOp: adamw,
    AdamDirectionOp: adam_direction,
    NadamOp: nadam,
    AdamaxOp: adamax,
    RmspropOp: rmsprop,
    RmspropCenteredOp: centered,
    AdagradOp: adagrad,
    AdadeltaOp: adadelta,
    FtrlOp: ftrl,
    FtmlOp: ftml,
}
EPSILON: dict[type[Update], dict[str, float]] = {AdamwOp: {"epsilon": 1e-8}}
"""Constants that a formula has other values of."""


def test_every_update_is_tested() -> None:
    assert set(FORMULAS) == set(Optim.operations)


def run_time_scalars(names: Sequence[str], t: int, beta1: float = 0.9) -> list[Array]:
    momenta = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in range(1, t + 2)]
    values = {
        "lr": LR,
        "wd": WD,
        "rescale": RESCALE,
        "correction1": 1 / (1 - beta1**t),
        "correction2": 1 / (1 - 0.999**t),
        "gradient_weight": (1 - momenta[-2]) / (1 - prod(momenta[:-1])),
        "mean_weight": momenta[-1] / (1 - prod(momenta)),
    }
    return [np.array(values[name]) for name in names]


def building(rule: type[Update], clips: bool) -> Callable[..., Update]:
    tensors = 2 + len(rule.STATES)
    end = tensors + len(rule.SCALARS)

    def build(b: Builder, *v: SSAValue) -> Update:
        clip = v[end] if clips else None
        constants = EPSILON.get(rule, {})
        return rule(v[0], v[1], v[2:tensors], v[tensors:end], clip, **constants)

    return build


@pytest.mark.parametrize("rule", FORMULAS)
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
        beta1 = rule.CONSTANTS.get("beta1", 0.9)
        operands = [grad, *values, *run_time_scalars(rule.SCALARS, t, beta1), *last]
        check_scalar(build, *operands)
        values = evaluate(build, *operands)
        for at, state in states.items():
            g = RESCALE * float(grad[at])
            g = g if clip is None else max(-clip, min(g, clip))
            old = float(expected_w[at])
            g = g + WD * old if rule.DECAYS_GRADIENT else g
            expected_w[at] = FORMULAS[rule](old, g, state, t)
        np.testing.assert_allclose(values[0], expected_w, rtol=1e-11)
        for name, array in zip(rule.STATES, values[1:], strict=True):
            kept = [states[at][name] for at in np.ndindex(w.shape)]
            np.testing.assert_allclose(array.reshape(-1), kept, rtol=1e-11, atol=1e-15)


def test_the_first_step_of_adam_has_the_size_of_the_rate(evaluate: Evaluate) -> None:
    zero, grad = np.zeros(3), np.array([1e-3, -5.0, 200.0])
    scalars = run_time_scalars(AdamOp.SCALARS, 1)
    w, *_ = evaluate(building(AdamOp, False), grad, zero, zero, zero, *scalars)
    np.testing.assert_allclose(w, -LR * np.sign(grad), rtol=1e-4)


def test_a_constant_that_is_not_given_has_gluons_default(evaluate: Evaluate) -> None:
    w = s = np.ones(1)
    scalars = run_time_scalars(MomentumOp.SCALARS, 1)

    def build(b: Builder, *v: SSAValue) -> MomentumOp:
        return MomentumOp(v[0], v[1], v[2:3], v[3:], momentum=0.5)

    results = evaluate(build, np.zeros(1), w, s, *scalars)
    default = evaluate(building(MomentumOp, False), np.zeros(1), w, s, *scalars)
    assert [results[1][0], default[1][0]] == pytest.approx([0.5 - LR * WD, 0.9 - LR * WD])


def composed(name: str, constants: Mapping[str, float]) -> Callable[..., Sequence[SSAValue]]:
    rule = RULES[name]
    tensors = 2 + len(rule.states)

    def build(b: Builder, *v: SSAValue) -> Sequence[SSAValue]:
        return rule.emit(b, Given(v[0], v[1], v[2:tensors], v[tensors:]), constants)

    return build


def lamb(w: Array, g: Array, states: list[Array], t: int, **bounds: float) -> list[Array]:
    mean, variance = 0.9 * states[0] + 0.1 * g, 0.999 * states[1] + 0.001 * g * g
    corrected = variance / (1 - 0.999**t)
    direction = mean / (1 - 0.9**t) / (np.sqrt(corrected) + 1e-6) + WD * w
    size, length = np.linalg.norm(w), np.linalg.norm(direction)
    size = np.clip(size, bounds.get("lower_bound", 0), bounds.get("upper_bound", inf))
    ratio = size / length if size * length > 0 else 1.0
    return [w - LR * ratio * direction, mean, variance]


def lans(w: Array, g: Array, states: list[Array], t: int, **bounds: float) -> list[Array]:
    g = g / np.linalg.norm(g) if g.any() else g
    mean, variance = 0.9 * states[0] + 0.1 * g, 0.999 * states[1] + 0.001 * g * g
    scale = np.sqrt(variance / (1 - 0.999**t)) + 1e-6
    size = np.clip(np.linalg.norm(w), bounds.get("lower_bound", 0), bounds.get("upper_bound", inf))
    steps: list[Array] = []
    for share, part in ((0.9, mean / (1 - 0.9**t)), (0.1, g)):
        direction = part / scale + WD * w
        length = np.linalg.norm(direction)
        steps.append(share * (size / length if size * length > 0 else 1.0) * direction)
    return [w - LR * (steps[0] + steps[1]), mean, variance]


def lars(w: Array, g: Array, states: list[Array], t: int, **constants: float) -> list[Array]:
    size, length = np.linalg.norm(w), np.linalg.norm(g)
    ratio = 0.001 * size / (length + WD * size + 1e-8) if size * length > 0 else 1.0
    state = constants.get("momentum", 0.0) * states[0] - LR * ratio * (g + WD * w)
    return [w + state, state]


@pytest.mark.parametrize(
    ("formula", "constants"),
    [
        (lamb, {}),
        (lamb, {"lower_bound": 5.0}),
        (lamb, {"upper_bound": 0.5}),
        (lans, {}),
        (lans, {"lower_bound": 5.0}),
        (lars, {}),
        (lars, {"momentum": 0.9}),
    ],
)
@pytest.mark.parametrize("start", [1.0, 0.0])
def test_update_by_norms(
    formula: Callable[..., list[Array]],
    constants: dict[str, float],
    start: float,
    evaluate: Evaluate,
) -> None:
    """Three steps, from zero weights too, whose norm counts as if the ratio were 1."""
    generator = np.random.default_rng(0)
    rule = RULES[formula.__name__]
    values = [start * generator.standard_normal((2, 3)), *[np.zeros((2, 3)) for _ in rule.states]]
    expected = list(values)
    for t in range(1, 4):
        grad = generator.standard_normal((2, 3))
        scalars = run_time_scalars(rule.scalars, t)
        values = evaluate(composed(formula.__name__, constants), grad, *values, *scalars)
        expected = formula(expected[0], RESCALE * grad, expected[1:], t, **constants)
        for given, wanted in zip(values, expected, strict=True):
            np.testing.assert_allclose(given, wanted, rtol=1e-11)
