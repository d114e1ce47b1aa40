"""Updates that divide by what gradients have been so far.

* `optim.rmsprop`            epsilon outside the root, as in MXNet 2.0 and PyTorch
* `optim.rmsprop_centered`   variance about the mean; epsilon inside the root
* `optim.adagrad`            the sum of all squares
* `optim.adadelta`           the ratio of running means of squares of steps and gradients
* `optim.ftrl`               follow the regularized leader: small weights are 0
* `optim.ftml`               follow the moving leader
"""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.ir import SSAValue
from xdsl.irdl import prop_def

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.optim.base import F64, Point, Update, bounded, root, square


@op_definition
class RmspropOp(Update):
    """`n' = rho n + (1 - rho) g²; w' = w - lr * g / (sqrt(n') + epsilon)`."""

    name = "optim.rmsprop"
    STATES: ClassVar = ("square",)
    CONSTANTS: ClassVar = {"rho": 0.9, "epsilon": 1e-8}
    rho = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        squares = self.blend(b, "rho", at.states[0], square(b, at.g))
        size = scalars.add(b, root(b, squares), self.constant(b, "epsilon", at.g))
        step = scalars.div(b, scalars.mul(b, at.lr, at.g), size)
        return [scalars.sub(b, at.w, step), squares]


@op_definition
class RmspropCenteredOp(Update):
    """`d' = momentum * d - lr * g / sqrt(n' - k'² + epsilon); w' = w + d'`.

    n' and k' are running means of g² and g, as in `rmsprop`. Epsilon is inside the root in both
    MXNet versions; PyTorch has it outside.
    """

    name = "optim.rmsprop_centered"
    STATES: ClassVar = ("square", "mean", "delta")
    CONSTANTS: ClassVar = {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-8}
    rho = prop_def(F64)
    momentum = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        squares = self.blend(b, "rho", at.states[0], square(b, at.g))
        mean = self.blend(b, "rho", at.states[1], at.g)
        variance = scalars.sub(b, squares, square(b, mean))
        positive = scalars.maximum(b, variance, scalars.constant(b, 0, variance))
        size = root(b, scalars.add(b, positive, self.constant(b, "epsilon", at.g)))
        step = scalars.div(b, scalars.mul(b, at.lr, at.g), size)
        delta = scalars.mul(b, self.constant(b, "momentum", at.g), at.states[2])
        delta = scalars.sub(b, delta, step)
        return [scalars.add(b, at.w, delta), squares, mean, delta]


@op_definition
class AdagradOp(Update):
    """`h' = h + g²; w' = w - lr * g / (sqrt(h') + epsilon)`.

    Weight decay in g and epsilon outside the root as in MXNet 2.0 and PyTorch; in 1.9 the decay is
    outside of the quotient and epsilon inside the root.
    """

    name = "optim.adagrad"
    STATES: ClassVar = ("square_sum",)
    CONSTANTS: ClassVar = {"epsilon": 1e-6}
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        total = scalars.add(b, at.states[0], square(b, at.g))
        size = scalars.add(b, root(b, total), self.constant(b, "epsilon", at.g))
        step = scalars.div(b, scalars.mul(b, at.lr, at.g), size)
        return [scalars.sub(b, at.w, step), total]


@op_definition
class AdadeltaOp(Update):
    """`d = g * sqrt(a + epsilon) / sqrt(n' + epsilon); w' = w - lr * d`.

    `n' = rho n + (1 - rho) g²` and `a' = rho a + (1 - rho) d²`. A rate and weight decay in g as in
    MXNet 2.0 and PyTorch; 1.9 has no rate, and decays outside of d.
    """

    name = "optim.adadelta"
    STATES: ClassVar = ("square", "delta_square")
    CONSTANTS: ClassVar = {"rho": 0.9, "epsilon": 1e-6}
    rho = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        epsilon = self.constant(b, "epsilon", at.g)
        squares = self.blend(b, "rho", at.states[0], square(b, at.g))
        before = root(b, scalars.add(b, at.states[1], epsilon))
        ratio = scalars.div(b, before, root(b, scalars.add(b, squares, epsilon)))
        delta = scalars.mul(b, ratio, at.g)
        deltas = self.blend(b, "rho", at.states[1], square(b, delta))
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, delta)), squares, deltas]


@op_definition
class FtrlOp(Update):
    """`w' = (bound(z') - z') / ((beta + sqrt(n')) / lr + wd)`, bound to [-lamda1, lamda1].

    `n' = n + g²` and `z' = z + g - (sqrt(n') - sqrt(n)) / lr * w`. Weight decay is in the
    denominator only. The rate must not be 0.
    """

    name = "optim.ftrl"
    STATES: ClassVar = ("linear", "square_sum")
    CONSTANTS: ClassVar = {"lamda1": 0.01, "beta": 1.0}
    DECAYS_GRADIENT: ClassVar = False
    lamda1 = prop_def(F64)
    beta = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        linear, before = at.states
        total = scalars.add(b, before, square(b, at.g))
        size = root(b, total)
        growth = scalars.div(b, scalars.sub(b, size, root(b, before)), at.lr)
        linear = scalars.sub(b, scalars.add(b, linear, at.g), scalars.mul(b, growth, at.w))
        kept = scalars.sub(b, bounded(b, linear, self.constant(b, "lamda1", at.g)), linear)
        scale = scalars.div(b, scalars.add(b, self.constant(b, "beta", at.g), size), at.lr)
        scale = scalars.add(b, scale, at.numbers["wd"])
        return [scalars.div(b, kept, scale), linear, total]


@op_definition
class FtmlOp(Update):
    """`w' = -z' / d'`, where `d' = (sqrt(v' * correction2) + epsilon) / (lr * correction1)`.

    `v' = beta2 v + (1 - beta2) g²` and `z' = beta1 z + (1 - beta1) g - (d' - beta1 d) w`. The rate
    must not be 0.
    """

    name = "optim.ftml"
    STATES: ClassVar = ("scale", "variance", "linear")
    SCALARS: ClassVar = (*Update.SCALARS, "correction1", "correction2")
    CONSTANTS: ClassVar = {"beta1": 0.6, "beta2": 0.999, "epsilon": 1e-8}
    beta1 = prop_def(F64)
    beta2 = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        scale, variance, linear = at.states
        variance = self.blend(b, "beta2", variance, square(b, at.g))
        size = root(b, scalars.mul(b, variance, at.numbers["correction2"]))
        size = scalars.add(b, size, self.constant(b, "epsilon", at.g))
        new = scalars.div(b, size, scalars.mul(b, at.lr, at.numbers["correction1"]))
        change = scalars.sub(b, new, scalars.mul(b, self.constant(b, "beta1", at.g), scale))
        linear = self.blend(b, "beta1", linear, at.g)
        linear = scalars.sub(b, linear, scalars.mul(b, change, at.w))
        return [scalars.neg(b, scalars.div(b, linear, new)), new, variance, linear]
