"""Updates that go along the gradient, or along a running sum of gradients.

* `optim.sgd`        plain steps
* `optim.momentum`   the learning rate inside the state, as in Gluon
* `optim.nag`        Nesterov's momentum
* `optim.signum`     steps of one size, in the direction of the sign
"""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.builder import Builder
from xdsl.ir import SSAValue
from xdsl.irdl import prop_def

from nnc.dialects import scalars
from nnc.dialects.flat import op_definition
from nnc.dialects.optim.base import F64, Point, Update


@op_definition
class SgdOp(Update):
    """`w' = w - lr * g`."""

    name = "optim.sgd"

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, at.g))]


@op_definition
class MomentumOp(Update):
    """`s' = momentum * s - lr * g; w' = w + s'`."""

    name = "optim.momentum"
    STATES: ClassVar = ("momentum",)
    CONSTANTS: ClassVar = {"momentum": 0.9}
    momentum = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        kept = scalars.mul(b, self.constant(b, "momentum", at.g), at.states[0])
        state = scalars.sub(b, kept, scalars.mul(b, at.lr, at.g))
        return [scalars.add(b, at.w, state), state]


@op_definition
class NagOp(Update):
    """`s' = momentum * s - lr * g; w' = w + momentum * s' - lr * g`.

    The formula, not MXNet 1.9's quirk of decaying the saved state with the new parameter.
    """

    name = "optim.nag"
    STATES: ClassVar = ("momentum",)
    CONSTANTS: ClassVar = {"momentum": 0.9}
    momentum = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        momentum, step = self.constant(b, "momentum", at.g), scalars.mul(b, at.lr, at.g)
        state = scalars.sub(b, scalars.mul(b, momentum, at.states[0]), step)
        ahead = scalars.sub(b, scalars.mul(b, momentum, state), step)
        return [scalars.add(b, at.w, ahead), state]


@op_definition
class SignumOp(Update):
    """`s' = momentum * s - (1 - momentum) * g; w' = (1 - lr * wd_lh) * w + lr * sign(s')`.

    The sign of 0 is 0.
    """

    name = "optim.signum"
    STATES: ClassVar = ("momentum",)
    CONSTANTS: ClassVar = {"momentum": 0.9, "wd_lh": 0.0}
    momentum = prop_def(F64)
    wd_lh = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        state = self.blend(b, "momentum", at.states[0], scalars.neg(b, at.g))
        shrinks = scalars.mul(b, at.lr, self.constant(b, "wd_lh", at.lr))
        kept = scalars.sub(b, at.w, scalars.mul(b, shrinks, at.w))
        return [scalars.add(b, kept, scalars.mul(b, at.lr, scalars.sign(b, state))), state]
