"""What all updates share.

Operands are the gradient, the parameter, the optimizer's state, the run-time scalars (rank-0
tensors of the parameter's element type) and optionally `clip`, one more of them. Results are the
new parameter and the new state. Everywhere

    g = clip(rescale * grad) + wd * param

where clip bounds each element to [-clip, clip]: clip, then weight decay, the order of MXNet 2.0 in
all of these (1.9 decays before it clips in many); PyTorch agrees, having no clip. Some rules decay
the parameter itself: there g has no second term.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects import math
from xdsl.dialects.builtin import Float64Type, FloatAttr, TensorType, f64
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import ParsePropInAttrDict, operand_def, var_operand_def, var_result_def
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.interfaces import Access, Domain, Structured
from nnc.dialects.nn.base import GraphOp, ScalarIndex, element_of, shape_of, tensor_of

F64 = FloatAttr[Float64Type]


@dataclass(frozen=True)
class Point:
    """What an update reads at one element; `g` is rescaled, clipped and, if it is, decayed."""

    g: SSAValue
    w: SSAValue
    states: Sequence[SSAValue]
    numbers: Mapping[str, SSAValue]
    """The run-time scalars, by name."""

    @property
    def lr(self) -> SSAValue:
        return self.numbers["lr"]


class Update(GraphOp, Structured):
    """(grad, param, state…, scalars…, clip?) → (param', state'…)."""

    STATES: ClassVar[tuple[str, ...]] = ()
    """The tensors kept between steps, zero at first."""
    SCALARS: ClassVar[tuple[str, ...]] = ("lr", "wd", "rescale")
    """The run-time scalars."""
    CONSTANTS: ClassVar[Mapping[str, float]] = {}
    """The properties, with Gluon's defaults."""
    DECAYS_GRADIENT: ClassVar[bool] = True
    """Whether weight decay is a part of `g`."""

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
        scalar = tensor_of(element_of(tensor), ())
        tensors = 2 + len(cls.STATES)
        for position, (name, given) in enumerate(zip(names, operands, strict=False)):
            expected = tensor if position < tensors else scalar
            if given != expected:
                raise VerifyException(f"{cls.name}: {name} is {given}, expected {expected}")
        return [tensor] * (1 + len(cls.STATES))

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
        states, given = others[: len(self.STATES)], others[len(self.STATES) :]
        numbers = dict(zip((*self.SCALARS, "clip"), given, strict=False))
        g = scalars.mul(b, numbers["rescale"], grad)
        if "clip" in numbers:
            g = bounded(b, g, numbers["clip"])
        if self.DECAYS_GRADIENT:
            g = scalars.add(b, g, scalars.mul(b, numbers["wd"], param))
        return self.update(b, Point(g, param, states, numbers))

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


def bounded(b: Builder, x: SSAValue, bound: SSAValue) -> SSAValue:
    """The nearest value to `x` in [-bound, bound]."""
    return scalars.minimum(b, scalars.maximum(b, x, scalars.neg(b, bound)), bound)


def root(b: Builder, x: SSAValue) -> SSAValue:
    """`sqrt(x)`."""
    return b.insert(math.SqrtOp(x)).result


def square(b: Builder, x: SSAValue) -> SSAValue:
    """`x²`."""
    return scalars.mul(b, x, x)
