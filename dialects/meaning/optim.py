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

from nnc.dialects import optim
from nnc.dialects.meaning.formulas import Array

Formula = Callable[..., tuple[Array, ...]]
UpdateT = TypeVar("UpdateT", bound=optim.Update)


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
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * (m * correction1) / (np.sqrt(v * correction2) + epsilon), m, v


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


def updating(op_type: type[UpdateT], formula: Formula) -> OpImpl[InterpreterFunctions, UpdateT]:
    """The meaning of an update: `formula(g, param, state…, lr, corrections…, constants…)`."""

    def run(
        self: InterpreterFunctions, interpreter: Interpreter, op: UpdateT, args: PythonValues
    ) -> PythonValues:
        names = ("grad", "param", *op.STATES, *op.SCALARS, "clip")
        values = dict(zip(names, args, strict=False))
        g = values.pop("rescale") * values.pop("grad")
        if "clip" in values:
            clip = values.pop("clip")
            g = np.clip(g, -clip, clip)
        g = g + values.pop("wd") * values["param"]
        return formula(g, *values.values(), **{key: op.setting(key) for key in op.CONSTANTS})

    return impl(op_type)(run)


@register_impls
class OptimFunctions(InterpreterFunctions):
    """One numpy formula per optimizer."""

    sgd = updating(optim.SgdOp, sgd)
    momentum = updating(optim.MomentumOp, momentum)
    nag = updating(optim.NagOp, nag)
    adam = updating(optim.AdamOp, adam)
    rmsprop = updating(optim.RmspropOp, rmsprop)
    rmsprop_centered = updating(optim.RmspropCenteredOp, rmsprop_centered)
