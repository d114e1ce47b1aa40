"""Optimizers: one op per parameter update, elementwise, one scalar formula each.

Operands are the gradient, the parameter, the optimizer's state, the run-time scalars (rank-0
tensors of the parameter's element type) and optionally `clip`, one more of them. Results are the
new parameter and the new state. Everywhere

    g = clip(rescale * grad) + wd * param

where clip bounds each element to [-clip, clip]: clip, then weight decay, the order of MXNet 2.0 in
all of these (1.9 decays before it clips in Adam and RMSProp); PyTorch agrees, having no clip.

* `optim.sgd`                plain steps
* `optim.momentum`           the learning rate inside the state, as in Gluon
* `optim.nag`                Nesterov's momentum
* `optim.adam`               bias corrections are scalars
* `optim.rmsprop`            epsilon outside the root, as in MXNet 2.0 and PyTorch
* `optim.rmsprop_centered`   variance about the mean; epsilon inside the root
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import Float64Type, FloatAttr, TensorType, f64
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    prop_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.interfaces import Access, Domain, Structured
from nnc.dialects.nn.base import GraphOp, ScalarIndex, element_of, shape_of

F64 = FloatAttr[Float64Type]


@dataclass(frozen=True)
class Point:
    """What an update reads at one element; `g` is rescaled, clipped and decayed."""

    g: SSAValue
    w: SSAValue
    lr: SSAValue
    states: Sequence[SSAValue]
    corrections: Sequence[SSAValue]


class Update(GraphOp, Structured):
    """(grad, param, state…, scalars…, clip?) → (param', state'…)."""

    STATES: ClassVar[tuple[str, ...]] = ()
    """The tensors kept between steps, zero at first."""
    SCALARS: ClassVar[tuple[str, ...]] = ("lr", "wd", "rescale")
    """The run-time scalars."""
    CONSTANTS: ClassVar[Mapping[str, float]] = {}
    """The properties, with Gluon's defaults."""

    grad = operand_def(TensorType)
    param = operand_def(TensorType)
    others = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "operands attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        grad: SSAValue,
        param: SSAValue,
        states: Sequence[SSAValue],
        scalars: Sequence[SSAValue],
        clip: SSAValue | None = None,
        **constants: float,
    ):
        operands = [grad, param, *states, *scalars, *([] if clip is None else [clip])]
        values = {**self.CONSTANTS, **constants}
        self.initialize(operands, {key: FloatAttr(value, f64) for key, value in values.items()})

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        names = ("grad", "param", *cls.STATES, *cls.SCALARS, "clip")
        if len(operands) not in (len(names) - 1, len(names)):
            raise VerifyException(
                f"{cls.name}: expected ({', '.join(names)}), of which clip is optional, "
                f"given {len(operands)} operands"
            )
        tensor = operands[1]
        if not scalars.is_float(element_of(tensor)):
            raise VerifyException(f"{cls.name}: param must hold floats, given {tensor}")
        scalar = TensorType(element_of(tensor), ())
        tensors = 2 + len(cls.STATES)
        for position, (name, given) in enumerate(zip(names, operands, strict=False)):
            expected = tensor if position < tensors else scalar
            if given != expected:
                raise VerifyException(f"{cls.name}: {name} is {given}, expected {expected}")
        return [tensor] * (1 + len(cls.STATES))

    @property
    def clips(self) -> bool:
        """Whether the gradient is clipped."""
        return len(self.operands) > 2 + len(self.STATES) + len(self.SCALARS)

    def domain(self) -> Domain:
        return Domain(shape_of(self.param))

    def accesses(self) -> Sequence[Access]:
        rank = len(shape_of(self.param))
        tensors = 2 + len(self.STATES)
        identity, scalar = Access(AffineMap.identity(rank)), Access(AffineMap(rank, 0, ()))
        return [identity] * tensors + [scalar] * (len(self.operands) - tensors)

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        grad, param, *others = arguments
        states, run_time = others[: len(self.STATES)], others[len(self.STATES) :]
        lr, wd, rescale, *rest = run_time
        g = scalars.mul(b, rescale, grad)
        if self.clips:
            *rest, clip = rest
            g = scalars.minimum(b, scalars.maximum(b, g, scalars.neg(b, clip)), clip)
        g = scalars.add(b, g, scalars.mul(b, wd, param))
        return self.update(b, Point(g, param, lr, states, rest))

    @abstractmethod
    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        """The new parameter and state."""

    def setting(self, key: str) -> float:
        """The value of the property `key`."""
        return cast(F64, self.properties[key]).value.data

    def constant(self, b: Builder, key: str, like: SSAValue) -> SSAValue:
        """The property `key` as a scalar."""
        return scalars.constant(b, self.setting(key), like)

    def blend(self, b: Builder, key: str, old: SSAValue, new: SSAValue) -> SSAValue:
        """`c * old + (1 - c) * new`, where c is the property `key`."""
        kept = scalars.mul(b, self.constant(b, key, old), old)
        rest = scalars.constant(b, 1 - self.setting(key), new)
        return scalars.add(b, kept, scalars.mul(b, rest, new))


def _root(b: Builder, x: SSAValue) -> SSAValue:
    return b.insert(math.SqrtOp(x)).result


@irdl_op_definition
class SgdOp(Update):
    """`w' = w - lr * g`."""

    name = "optim.sgd"

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, at.g))]


@irdl_op_definition
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


@irdl_op_definition
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


@irdl_op_definition
class AdamOp(Update):
    """`m' = b1 m + (1 - b1) g; v' = b2 v + (1 - b2) g²; w' = w - lr * m̂ / (sqrt(v̂) + epsilon)`.

    The textbook form, as PyTorch's: m̂ = m' * correction1 and v̂ = v' * correction2, which at step t
    are 1 / (1 - b1^t) and 1 / (1 - b2^t). MXNet 1.9 does not correct epsilon.
    """

    name = "optim.adam"
    STATES: ClassVar = ("mean", "variance")
    SCALARS: ClassVar = (*Update.SCALARS, "correction1", "correction2")
    CONSTANTS: ClassVar = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    beta1 = prop_def(F64)
    beta2 = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        mean = self.blend(b, "beta1", at.states[0], at.g)
        variance = self.blend(b, "beta2", at.states[1], scalars.mul(b, at.g, at.g))
        root = _root(b, scalars.mul(b, variance, at.corrections[1]))
        size = scalars.add(b, root, self.constant(b, "epsilon", at.g))
        step = scalars.div(b, scalars.mul(b, mean, at.corrections[0]), size)
        return [scalars.sub(b, at.w, scalars.mul(b, at.lr, step)), mean, variance]


@irdl_op_definition
class RmspropOp(Update):
    """`n' = rho n + (1 - rho) g²; w' = w - lr * g / (sqrt(n') + epsilon)`."""

    name = "optim.rmsprop"
    STATES: ClassVar = ("square",)
    CONSTANTS: ClassVar = {"rho": 0.9, "epsilon": 1e-8}
    rho = prop_def(F64)
    epsilon = prop_def(F64)

    def update(self, b: Builder, at: Point) -> Sequence[SSAValue]:
        square = self.blend(b, "rho", at.states[0], scalars.mul(b, at.g, at.g))
        size = scalars.add(b, _root(b, square), self.constant(b, "epsilon", at.g))
        step = scalars.div(b, scalars.mul(b, at.lr, at.g), size)
        return [scalars.sub(b, at.w, step), square]


@irdl_op_definition
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
        square = self.blend(b, "rho", at.states[0], scalars.mul(b, at.g, at.g))
        mean = self.blend(b, "rho", at.states[1], at.g)
        variance = scalars.sub(b, square, scalars.mul(b, mean, mean))
        positive = scalars.maximum(b, variance, scalars.constant(b, 0, variance))
        root = _root(b, scalars.add(b, positive, self.constant(b, "epsilon", at.g)))
        step = scalars.div(b, scalars.mul(b, at.lr, at.g), root)
        delta = scalars.mul(b, self.constant(b, "momentum", at.g), at.states[2])
        delta = scalars.sub(b, delta, step)
        return [scalars.add(b, at.w, delta), square, mean, delta]


Optim = Dialect("optim", [SgdOp, MomentumOp, NagOp, AdamOp, RmspropOp, RmspropCenteredOp], [])
