"""Updates of weights as functions, named as in MXNet; the formulas are those of the optimizers.

Each gives the new weight, in `out` if that is given, and changes the states in place. A bound of
`clip_gradient` of 0 or less is none; epsilon, momentum and the like are part of the program, other
numbers are not.
"""

from collections.abc import Sequence
from typing import Any

from nnc.array_functions.wrapping import into
from nnc.arrays.array import NDArray, the_array
from nnc.checks import number
from nnc.dialects.optim.rules import RULES
from nnc.dtypes import wide_dtype
from nnc.operators.layer import UPDATES
from nnc.recording.graph import Scalar
from nnc.recording.recorder import record


def _updated(
    name: str,
    rule: str,
    arrays: Sequence[Any],
    lr: float,
    wd: float,
    rescale_grad: float,
    clip_gradient: float,
    out: NDArray | None,
    **constants: float,
) -> NDArray:
    """The new weight by a rule, from weight, gradient and states. Corrections of means are 1."""
    weight, grad, *states = (the_array(name, each) for each in arrays)
    given = {"lr": lr, "wd": wd, "rescale": rescale_grad, "clip": clip_gradient}
    clips = number(f"{name}: clip_gradient", clip_gradient) > 0
    names = (*RULES[rule].scalars, "clip") if clips else RULES[rule].scalars
    wide = wide_dtype(weight.dtype.name)
    scalars = [Scalar(number(f"{name}: {n}", given.get(n, 1.0)), wide, None, n) for n in names]
    inputs = [grad.current, *(each.current for each in (weight, *states)), *scalars]
    kept = tuple((key, number(f"{name}: {key}", value)) for key, value in constants.items())
    new, *following = record(UPDATES[rule], inputs, (clips, kept), taped=False)
    for state, value in zip(states, following, strict=True):
        state.assign(value)
    return into(out, NDArray(new))


def sgd_update(
    weight: NDArray,
    grad: NDArray,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
    out: NDArray | None = None,
) -> NDArray:
    """`weight - lr g`; g is the gradient, rescaled and clipped, plus `wd weight`."""
    return _updated("sgd_update", "sgd", [weight, grad], lr, wd, rescale_grad, clip_gradient, out)


def sgd_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
    out: NDArray | None = None,
) -> NDArray:
    """`mom = momentum mom - lr g`, `weight + mom`."""
    arrays, common = [weight, grad, mom], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated("sgd_mom_update", "momentum", arrays, *common, momentum=momentum)


def nag_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    out: NDArray | None = None,
) -> NDArray:
    """Nesterov's: `mom = momentum mom - lr g`, `weight + momentum mom - lr g`."""
    arrays, common = [weight, grad, mom], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated("nag_mom_update", "nag", arrays, *common, momentum=momentum)


def signum_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    wd_lh: float = 0.0,
    out: NDArray | None = None,
) -> NDArray:
    """`mom = momentum mom - (1 - momentum) g`, `(1 - lr wd_lh) weight + lr sign(mom)`."""
    arrays, common = [weight, grad, mom], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated("signum_update", "signum", arrays, *common, momentum=momentum, wd_lh=wd_lh)


def adam_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
    out: NDArray | None = None,
) -> NDArray:
    """`weight - lr mean / (sqrt(var) + epsilon)`, with running means of g and g²; no correction."""
    arrays, common = [weight, grad, mean, var], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated(
        "adam_update", "adam", arrays, *common, beta1=beta1, beta2=beta2, epsilon=epsilon
    )


def rmsprop_update(
    weight: NDArray,
    grad: NDArray,
    n: NDArray,
    lr: float,
    gamma1: float = 0.95,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    out: NDArray | None = None,
) -> NDArray:
    """`n = gamma1 n + (1 - gamma1) g²`, `weight - lr g / (sqrt(n) + epsilon)`."""
    arrays, common = [weight, grad, n], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated("rmsprop_update", "rmsprop", arrays, *common, rho=gamma1, epsilon=epsilon)


def ftrl_update(
    weight: NDArray,
    grad: NDArray,
    z: NDArray,
    n: NDArray,
    lr: float,
    lamda1: float = 0.01,
    beta: float = 1.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    out: NDArray | None = None,
) -> NDArray:
    """As the optimizer `Ftrl`: weights of |z| <= lamda1 are 0."""
    arrays, common = [weight, grad, z, n], (lr, wd, rescale_grad, clip_gradient, out)
    return _updated("ftrl_update", "ftrl", arrays, *common, lamda1=lamda1, beta=beta)
