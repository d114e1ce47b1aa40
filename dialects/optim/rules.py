"""What each optimizer keeps, is given at each step, and inserts.

Most rules are one op. Those that need norms of whole tensors are composed of an op and reductions:

* `lamb`   AdamW's direction, as long as the parameter
* `lans`   that, and the direction of the gradient, which has length 1
* `lars`   momentum with a rate in proportion to the parameter
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp, DivOp, MaxOp, MinOp, SubOp, mul, where
from nnc.dialects.nn.functions import SqrtOp
from nnc.dialects.nn.reduce import BroadcastOp, sum_over
from nnc.dialects.optim.adam import AdamDirectionOp
from nnc.dialects.optim.base import Update
from nnc.dialects.optim.dialect import UPDATES
from nnc.dialects.optim.momentum import MomentumOp


@dataclass(frozen=True)
class Given:
    """The operands of an update."""

    grad: SSAValue
    param: SSAValue
    states: Sequence[SSAValue]
    scalars: Sequence[SSAValue]
    clip: SSAValue | None = None


Emit = Callable[[Builder, Given, Mapping[str, float]], Sequence[SSAValue]]
"""Inserts the ops for these constants; gives the new parameter and state."""


@dataclass(frozen=True)
class Rule:
    """An optimizer's update of one parameter."""

    states: tuple[str, ...]
    """The tensors kept between steps, zero at first."""
    scalars: tuple[str, ...]
    """The run-time scalars; a bound of the gradient comes after them."""
    constants: Mapping[str, float]
    """What is part of the program, with Gluon's defaults."""
    emit: Emit


def one_op(kind: type[Update]) -> Rule:
    """The rule that is one op."""

    def emit(b: Builder, given: Given, constants: Mapping[str, float]) -> Sequence[SSAValue]:
        op = kind(given.grad, given.param, given.states, given.scalars, given.clip, **constants)
        return b.insert(op).results

    return Rule(kind.STATES, kind.SCALARS, kind.CONSTANTS, emit)


def norm(b: Builder, x: SSAValue) -> SSAValue:
    """The root of the sum of all squares."""
    return insert(b, SqrtOp(sum_over(b, mul(b, x, x), range(len(shape_of(x))))))


def unless_zero(b: Builder, norms: Sequence[SSAValue], ratio: SSAValue) -> SSAValue:
    """`ratio`, or 1 where a norm is 0."""
    one, zero = constant(b, 1.0, ratio), constant(b, 0.0, ratio)
    for size in norms:
        ratio = where(b, "gt", size, zero, ratio, one)
    return ratio


def held(b: Builder, size: SSAValue, settings: dict[str, float]) -> SSAValue:
    """`size` between the bounds among the settings, which are taken out."""
    low, high = settings.pop("lower_bound"), settings.pop("upper_bound")
    if low > 0:
        size = insert(b, MaxOp(size, constant(b, low, size)))
    if high < float("inf"):
        size = insert(b, MinOp(size, constant(b, high, size)))
    return size


def as_long(b: Builder, direction: SSAValue, size: SSAValue, rate: SSAValue) -> SSAValue:
    """`rate * size / |direction| * direction`."""
    length = norm(b, direction)
    ratio = unless_zero(b, (size, length), insert(b, DivOp(size, length)))
    factor = insert(b, BroadcastOp(mul(b, rate, ratio), shape_of(direction), ()))
    return mul(b, factor, direction)


def lamb(b: Builder, given: Given, constants: Mapping[str, float]) -> Sequence[SSAValue]:
    """`w' = w - lr * |w| / |d| * d` for AdamW's direction d; |w| is held between the bounds."""
    settings = {**LAMB, **constants}
    size = held(b, norm(b, given.param), settings)
    lr, *scalars = given.scalars
    operands = given.grad, given.param, given.states, scalars, given.clip
    direction, *states = b.insert(AdamDirectionOp(*operands, **settings)).results
    return [insert(b, SubOp(given.param, as_long(b, direction, size, lr))), *states]


def lans(b: Builder, given: Given, constants: Mapping[str, float]) -> Sequence[SSAValue]:
    """`w' = w - lr * |w| (beta1 d / |d| + (1 - beta1) c / |c|)`; |w| is held between the bounds.

    d is AdamW's direction for the gradient divided by its norm, c what it is with beta1 = 0.
    """
    settings = {**LAMB, **constants}
    size, beta1 = held(b, norm(b, given.param), settings), settings["beta1"]
    lr, wd, _, correction1, correction2 = given.scalars
    one, length = constant(b, 1.0, lr), norm(b, given.grad)
    unit = unless_zero(b, (length,), insert(b, DivOp(one, length)))
    new, steps = given.states, list[SSAValue]()
    for share, correction, beta in ((beta1, correction1, beta1), (1 - beta1, one, 0.0)):
        scalars = wd, unit, correction, correction2
        operands = given.grad, given.param, given.states, scalars, given.clip
        op = b.insert(AdamDirectionOp(*operands, **{**settings, "beta1": beta}))
        steps.append(as_long(b, op.results[0], size, mul(b, lr, constant(b, share, lr))))
        new = new if steps[1:] else op.results[1:]
    return [insert(b, SubOp(given.param, insert(b, AddOp(*steps)))), *new]


def lars(b: Builder, given: Given, constants: Mapping[str, float]) -> Sequence[SSAValue]:
    """Momentum with the rate `lr * eta * |w| / (|g| + wd * |w| + epsilon)`, g before clipping."""
    settings = {**LARS, **constants}
    lr, wd, rescale = given.scalars
    size, length = norm(b, given.param), mul(b, rescale, norm(b, given.grad))
    total = insert(b, AddOp(length, mul(b, wd, size)))
    total = insert(b, AddOp(total, constant(b, settings["epsilon"], total)))
    ratio = insert(b, DivOp(mul(b, size, constant(b, settings["eta"], size)), total))
    scalars = [mul(b, lr, unless_zero(b, (size, length), ratio)), wd, rescale]
    operands = given.grad, given.param, given.states, scalars, given.clip
    return b.insert(MomentumOp(*operands, momentum=settings["momentum"])).results


LAMB = {
    **AdamDirectionOp.CONSTANTS,
    "epsilon": 1e-6,
    "lower_bound": 0.0,
    "upper_bound": float("inf"),
}
LARS = {"momentum": 0.0, "eta": 0.001, "epsilon": 1e-8}

RULES: dict[str, Rule] = {
    **{kind.name.removeprefix("optim."): one_op(kind) for kind in UPDATES},
    "lamb": Rule(AdamDirectionOp.STATES, ("lr", *AdamDirectionOp.SCALARS), LAMB, lamb),
    "lans": Rule(AdamDirectionOp.STATES, ("lr", *AdamDirectionOp.SCALARS), LAMB, lans),
    "lars": Rule(MomentumOp.STATES, MomentumOp.SCALARS, LARS, lars),
}
