"""Updates by a running mean of gradients over the root of one of their squares.

* `optim.adam`             weight decay in the gradient
* `optim.adamw`            weight decay of the parameter itself
* `optim.nadam`            Nesterov's momentum
* `optim.adamax`           the largest gradient instead of the root
* `optim.adabelief`        squares of what the gradient is away from its mean
* `optim.adam_direction`   where AdamW would go, for rules that find the length by norms

`correction1` and `correction2` are 1 / (1 - beta1^t) and 1 / (1 - beta2^t) at step t.
"""

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.ir import SSAValue
from xdsl.irdl import prop_def

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.optim.base import F64, Point, Update, root, square


class Moments(Update, ABC):
    """`m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g²`."""

    STATES: ClassVar = ("mean", "variance")
    SCALARS: ClassVar = (*Update.SCALARS, "correction1", "correction2")
    CONSTANTS: ClassVar = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    beta1 = prop_def(F64)
    beta2 = prop_def(F64)
    epsilon = prop_def(F64)

    def moments(self, b: Builder, at: Point) -> tuple[SSAValue, SSAValue]:
        """m' and v'."""
        mean = self.blend(b, "beta1", at.states[0], at.g)
        return mean, self.blend(b, "beta2", at.states[1], square(b, at.g))

    def size(self, b: Builder, at: Point, variance: SSAValue) -> SSAValue:
        """`sqrt(v' * correction2) + epsilon`."""
        corrected = scalars.mul(b, variance, at.numbers["correction2"])
        return scalars.add(b, root(b, corrected), self.constant(b, "epsilon", at.g))

    def step(self, b: Builder, at: Point, mean: SSAValue, variance: SSAValue) -> SSAValue:
        """`m̂ / (sqrt(v̂) + epsilon)`."""
        corrected = scalars.mul(b, mean, at.numbers["correction1"])
        return scalars.div(b, corrected, self.size(b, at, variance))

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean, variance = self.moments(b, at)
        step = self.step(b, at, mean, variance)
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, step)), mean, variance]


@op_definition
class AdamOp(Moments):
    """`w' = w - lr * m̂ / (sqrt(v̂) + epsilon)`.

    The textbook form, as PyTorch's: m̂ = m' * correction1 and v̂ = v' * correction2. MXNet 1.9 does
    not correct epsilon.
    """

    name = "optim.adam"


@op_definition
class AdabeliefOp(Moments):
    """Adam with `v' = beta2 v + (1 - beta2) (g - m')² + epsilon`, as published.

    MXNet does not correct the epsilon of the root.
    """

    name = "optim.adabelief"
    CONSTANTS: ClassVar = {**Moments.CONSTANTS, "epsilon": 1e-6}

    def moments(self, b: Builder, at: Point) -> tuple[SSAValue, SSAValue]:
        mean = self.blend(b, "beta1", at.states[0], at.g)
        variance = self.blend(b, "beta2", at.states[1], square(b, scalars.sub(b, at.g, mean)))
        return mean, scalars.add(b, variance, self.constant(b, "epsilon", at.g))


@op_definition
class AdamDirectionOp(Moments):
    """`d = m̂ / (sqrt(v̂) + epsilon) + wd * w` in the place of the parameter."""

    name = "optim.adam_direction"
    SCALARS: ClassVar = Moments.SCALARS[1:]
    DECAYS_GRADIENT: ClassVar = False

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean, variance = self.moments(b, at)
        step = self.step(b, at, mean, variance)
        decay = scalars.mul(b, at.numbers["wd"], at.w)
        return [scalars.add(b, step, decay), mean, variance]


@op_definition
class AdamwOp(Moments):
    """`w' = w - lr * (m̂ / (sqrt(v̂) + epsilon) + wd * w)`, as PyTorch's."""

    name = "optim.adamw"
    CONSTANTS: ClassVar = {**Moments.CONSTANTS, "epsilon": 1e-6}
    DECAYS_GRADIENT: ClassVar = False

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean, variance = self.moments(b, at)
        decay = scalars.mul(b, at.numbers["wd"], at.w)
        direction = scalars.add(b, self.step(b, at, mean, variance), decay)
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, direction)), mean, variance]


@op_definition
class NadamOp(Moments):
    """`w' = w - lr * (gradient_weight * g + mean_weight * m') / (sqrt(v̂) + epsilon)`.

    With the momenta μ(t) of a schedule and P(t) the product of the first t, the weights at step t
    are (1 - μ(t)) / (1 - P(t)) and μ(t + 1) / (1 - P(t + 1)).
    """

    name = "optim.nadam"
    SCALARS: ClassVar = (*Update.SCALARS, "gradient_weight", "mean_weight", "correction2")

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean, variance = self.moments(b, at)
        ahead = scalars.add(
            b,
            scalars.mul(b, at.numbers["gradient_weight"], at.g),
            scalars.mul(b, at.numbers["mean_weight"], mean),
        )
        step = scalars.div(b, ahead, self.size(b, at, variance))
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, step)), mean, variance]


@op_definition
class AdamaxOp(Update):
    """`m' = beta1 m + (1 - beta1) g; u' = max(beta2 u, |g|); w' = w - lr * m̂ / (u' + epsilon)`."""

    name = "optim.adamax"
    STATES: ClassVar = ("mean", "largest")
    SCALARS: ClassVar = (*Update.SCALARS, "correction1")
    CONSTANTS: ClassVar = Moments.CONSTANTS
    beta1 = prop_def(F64)
    beta2 = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean = self.blend(b, "beta1", at.states[0], at.g)
        kept = scalars.mul(b, self.constant(b, "beta2", at.g), at.states[1])
        largest = scalars.maximum(b, kept, b.insert(math.AbsFOp(at.g)).result)
        size = scalars.add(b, largest, self.constant(b, "epsilon", at.g))
        step = scalars.div(b, scalars.mul(b, mean, at.numbers["correction1"]), size)
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, step)), mean, largest]
