"""The meaning of `optim`."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    OpImpl,
    PythonValues,
    impl,
    register_impls,
)

from nnc.dialects.meaning.formulas import Array
from nnc.dialects.optim import adam as a
from nnc.dialects.optim import adaptive as d
from nnc.dialects.optim import momentum as m
from nnc.dialects.optim.base import Update

Formula = Callable[..., tuple[Array, ...]]
UpdateT = TypeVar("UpdateT", bound=Update)


def sgd(g: Array, w: Array, lr: Array) -> tuple[Array, ...]:
    return (w - lr * g,)


def momentum(g: Array, w: Array, s: Array, lr: Array, momentum: float) -> tuple[Array, ...]:
    s = momentum * s - lr * g
    return w + s, s


def nag(g: Array, w: Array, s: Array, lr: Array, momentum: float) -> tuple[Array, ...]:
    s = momentum * s - lr * g
    return w + momentum * s - lr * g, s


def adam(
    g: Array, w: Array, m: Array, v: Array, lr: Array, correction1: Array, correction2: Array,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    m, v = moments(g, m, v, beta1, beta2)
    return w - lr * (m * correction1) / (np.sqrt(v * correction2) + epsilon), m, v


def adabelief(
    g: Array, w: Array, m: Array, s: Array, lr: Array, correction1: Array, correction2: Array,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * (g - m) ** 2 + epsilon
    return w - lr * (m * correction1) / (np.sqrt(s * correction2) + epsilon), m, s


def rmsprop(
    g: Array, w: Array, n: Array, lr: Array, rho: float, epsilon: float
) -> tuple[Array, ...]:
    n = rho * n + (1 - rho) * g**2
    return w - lr * g / (np.sqrt(n) + epsilon), n


def rmsprop_centered(
    g: Array, w: Array, n: Array, k: Array, d: Array, lr: Array,
    rho: float, momentum: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    n = rho * n + (1 - rho) * g**2
    k = rho * k + (1 - rho) * g
    d = momentum * d - lr * g / np.sqrt(np.maximum(n - k**2, 0) + epsilon)
    return w + d, n, k, d


def signum(
    g: Array, w: Array, s: Array, lr: Array, momentum: float, wd_lh: float
) -> tuple[Array, ...]:
    s = momentum * s - (1 - momentum) * g
    return (1 - lr * wd_lh) * w + lr * np.sign(s), s


def moments(g: Array, m: Array, v: Array, beta1: float, beta2: float) -> tuple[Array, Array]:
    return beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2


def adam_direction(
    g: Array, w: Array, m: Array, v: Array, wd: Array, correction1: Array, correction2: Array,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    m, v = moments(g, m, v, beta1, beta2)
    return m * correction1 / (np.sqrt(v * correction2) + epsilon) + wd * w, m, v


def adamw(
    g: Array, w: Array, m: Array, v: Array, lr: Array, wd: Array,
    correction1: Array, correction2: Array, beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    numbers = wd, correction1, correction2
    direction, m, v = adam_direction(g, w, m, v, *numbers, beta1, beta2, epsilon)
    return w - lr * direction, m, v


def nadam(
    g: Array, w: Array, m: Array, v: Array, lr: Array,
    gradient_weight: Array, mean_weight: Array, correction2: Array,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    m, v = moments(g, m, v, beta1, beta2)
    ahead = gradient_weight * g + mean_weight * m
    return w - lr * ahead / (np.sqrt(v * correction2) + epsilon), m, v


def adamax(
    g: Array, w: Array, m: Array, u: Array, lr: Array, correction1: Array,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    m, u = beta1 * m + (1 - beta1) * g, np.maximum(beta2 * u, np.abs(g))
    return w - lr * correction1 * m / (u + epsilon), m, u


def adagrad(g: Array, w: Array, h: Array, lr: Array, epsilon: float) -> tuple[Array, ...]:
    h = h + g**2
    return w - lr * g / (np.sqrt(h) + epsilon), h


def adadelta(
    g: Array, w: Array, n: Array, a: Array, lr: Array, rho: float, epsilon: float
) -> tuple[Array, ...]:
    n = rho * n + (1 - rho) * g**2
    delta = np.sqrt((a + epsilon) / (n + epsilon)) * g
    return w - lr * delta, n, rho * a + (1 - rho) * delta**2


def ftrl(
    g: Array, w: Array, z: Array, n: Array, lr: Array, wd: Array, lamda1: float, beta: float
) -> tuple[Array, ...]:
    before, n = n, n + g**2
    z = z + g - (np.sqrt(n) - np.sqrt(before)) / lr * w
    shrunk = np.sign(z) * np.maximum(np.abs(z) - lamda1, 0)
    return -shrunk / ((beta + np.sqrt(n)) / lr + wd), z, n


def ftml(
    g: Array, w: Array, d: Array, v: Array, z: Array, lr: Array,
    correction1: Array, correction2: Array, beta1: float, beta2: float, epsilon: float,
) -> tuple[Array, ...]:  # fmt: skip
    v, before = beta2 * v + (1 - beta2) * g**2, d
    d = (np.sqrt(v * correction2) + epsilon) / (lr * correction1)
    z = beta1 * z + (1 - beta1) * g - (d - beta1 * before) * w
    return -z / d, d, v, z


def updating(op_type: type[UpdateT], formula: Formula) -> OpImpl[InterpreterFunctions, UpdateT]:
    """The meaning of an update: `formula(g, param, state…, lr, …, constants…)`.

    Weight decay is in g, or the number after the rate.
    """

    def run(
        self: InterpreterFunctions, interpreter: Interpreter, op: UpdateT, args: PythonValues
    ) -> PythonValues:
        names = ("grad", "param", *op.STATES, *op.SCALARS, "clip")
        values = dict(zip(names, args, strict=False))
        g = values.pop("rescale") * values.pop("grad")
        if "clip" in values:
            clip = values.pop("clip")
            g = np.clip(g, -clip, clip)
        if op.DECAYS_GRADIENT:
            g = g + values.pop("wd") * values["param"]
        return formula(g, *values.values(), **{key: op.setting(key) for key in op.CONSTANTS})

    return impl(op_type)(run)


@register_impls
class OptimFunctions(InterpreterFunctions):
    """One numpy formula per optimizer."""

    sgd = updating(m.SgdOp, sgd)
    momentum = updating(m.MomentumOp, momentum)
    nag = updating(m.NagOp, nag)
    signum = updating(m.SignumOp, signum)
    adam = updating(a.AdamOp, adam)
    adabelief = updating(a.AdabeliefOp, adabelief)
    adamw = updating(a.AdamwOp, adamw)
    nadam = updating(a.NadamOp, nadam)
    adamax = updating(a.AdamaxOp, adamax)
    adam_direction = updating(a.AdamDirectionOp, adam_direction)
    rmsprop = updating(d.RmspropOp, rmsprop)
    rmsprop_centered = updating(d.RmspropCenteredOp, rmsprop_centered)
    adagrad = updating(d.AdagradOp, adagrad)
    adadelta = updating(d.AdadeltaOp, adadelta)
    ftrl = updating(d.FtrlOp, ftrl)
    ftml = updating(d.FtmlOp, ftml)
