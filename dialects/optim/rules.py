"""What each optimizer keeps, is given at each step, and inserts.

Most rules are one op. Those that need norms of whole tensors are composed of an op and reductions:

* `lamb`   AdamW's direction, as long as the parameter
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


def lamb(b: Builder, given: Given, constants: Mapping[str, float]) -> Sequence[SSAValue]:
    """`w' = w - lr * |w| / |d| * d` for AdamW's direction d; |w| is held between the bounds."""
    settings = {**LAMB, **constants}
    low, high = settings.pop("lower_bound"), settings.pop("upper_bound")
    lr, *scalars = given.scalars
    operands = given.grad, given.param, given.states, scalars, given.clip
    direction, *states = b.insert(AdamDirectionOp(*operands, **settings)).results
    length, size = norm(b, direction), norm(b, given.param)
    if low > 0:
        size = insert(b, MaxOp(size, constant(b, low, size)))
    if high < float("inf"):
        size = insert(b, MinOp(size, constant(b, high, size)))
    ratio = unless_zero(b, (size, length), insert(b, DivOp(size, length)))
    rate = insert(b, BroadcastOp(mul(b, lr, ratio), shape_of(direction), ()))
    return [insert(b, SubOp(given.param, mul(b, rate, direction))), *states]


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
    "lars": Rule(MomentumOp.STATES, MomentumOp.SCALARS, LARS, lars),
}
