"""What all ops of the graph dialect share: construction, verification, small helpers."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

from xdsl.builder import Builder
from xdsl.dialects.builtin import AnyFloat, TensorType, i1, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    VarConstraint,
    base,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects import scalars
from nnc.dialects.flat import FlatOp
from nnc.dialects.interfaces import (
    Access,
    Cotangents,
    Differentiable,
    Domain,
    Infers,
    Structured,
)

Tensor = TensorType[Any]


def tensor_type(value: SSAValue | Attribute) -> Tensor:
    """The tensor type of a graph value."""
    type: Any = getattr(value, "type", value)
    return type


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    """The static shape."""
    return tensor_type(value).get_shape()


def element_of(value: SSAValue | Attribute) -> Attribute:
    """The element type."""
    return tensor_type(value).element_type


@lru_cache(maxsize=1024)
def tensor_of(element: Attribute, shape: tuple[int, ...]) -> Tensor:
    """A tensor type; equal ones are mostly one object, since they are costly to make."""
    return TensorType(element, shape)


def insert(b: Builder, op: Operation) -> SSAValue:
    """Inserts an op and returns its only result."""
    return b.insert(op).results[0]


class GraphOp(FlatOp, Infers):
    """An op on tensors: pure, its result types inferred."""

    traits = traits_def(Pure())

    def initialize(
        self, operands: Sequence[SSAValue], properties: Mapping[str, Attribute | None] | None = None
    ) -> None:
        """Initialises the op; `infer` gives the result types."""
        kept = {k: v for k, v in (properties or {}).items() if v is not None}
        types = self.infer([o.type for o in operands], kept)
        FlatOp.__init__(self, operands, types, kept)

    def verify_(self) -> None:
        expected = tuple(self.infer(self.operand_types, self.properties))
        if tuple(self.result_types) != expected:
            raise VerifyException(
                f"{self.name}: the result is ({', '.join(map(str, self.result_types))}), "
                f"expected ({', '.join(map(str, expected))})"
            )


def same_types(name: str, types: Sequence[Attribute]) -> None:
    """Raises unless all types are one."""
    if any(t != types[0] for t in types[1:]):
        raise VerifyException(
            f"{name}: operands must have one shape and type, given {', '.join(map(str, types))}"
        )


def float_type(name: str, type: Attribute) -> None:
    """Raises unless the elements are floating-point numbers."""
    if not isinstance(element_of(type), AnyFloat):
        raise VerifyException(f"{name}: expected floating-point elements, given {type}")


ScalarIndex = Callable[[int], SSAValue]


COUNTABLE = 1 << 31
"""How many positions i32 has numbers for."""


def countable(name: str, what: object, count: int) -> None:
    """Raises unless i32 has a number for each of `count` positions."""
    if count > COUNTABLE:
        raise VerifyException(
            f"{name}: {what} has {count} positions, which are i32 and so at most {COUNTABLE}; "
            "compute it in parts"
        )


def linear_index(b: Builder, sizes: Sequence[int], index: ScalarIndex) -> SSAValue:
    """Where the element at `index` stands in row-major order, as i32."""
    countable("a position", f"a space of sizes {list(sizes)}", prod(sizes))
    if not sizes or not prod(sizes):
        return scalars.constant(b, 0, i32)
    position = index(0)
    for d, size in enumerate(sizes[1:], start=1):
        scaled = scalars.mul(b, position, scalars.constant(b, size, position))
        position = scalars.add(b, scaled, index(d))
    return position


class Elementwise(GraphOp, Structured):
    """Each element of the result is a function of the same element of the operands."""

    FLOAT_ONLY: ClassVar[bool] = False
    """Whether integers are refused."""
    TAKES_MASKS: ClassVar[bool] = True
    """Whether elements may be i1."""

    @classmethod
    def check_element(cls, type: Attribute) -> None:
        """Raises unless the op is defined on elements of this type."""
        if cls.FLOAT_ONLY:
            float_type(cls.name, type)
        if element_of(type) == i1 and not cls.TAKES_MASKS:
            raise VerifyException(
                f"{cls.name}: expected numbers, given the masks {type}; cast them first"
            )

    def domain(self) -> Domain:
        return Domain(shape_of(self.results[0]))

    def accesses(self) -> Sequence[Access]:
        identity = Access(AffineMap.identity(len(shape_of(self.results[0]))))
        return [identity] * len(self.operands)


class Unary(Elementwise, Differentiable):
    """`output = f(input)`, one type."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    input = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$input attr-dict `:` type($input)"

    def __init__(self, input: SSAValue):
        self.initialize([input])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        cls.check_element(operands[0])
        return [operands[0]]

    @abstractmethod
    def apply(self, b: Builder, x: SSAValue) -> SSAValue:
        """`f(x)` for a scalar or vector."""

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [self.apply(b, arguments[0])]

    @abstractmethod
    def cotangent(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * f'(input)`."""

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        assert grads[0] is not None
        return [self.cotangent(b, grads[0]) if needed[0] else None]


class Binary(Elementwise, Differentiable):
    """`output = f(lhs, rhs)`, one shape and type."""

    TENSOR: ClassVar = VarConstraint("TENSOR", base(TensorType))
    lhs = operand_def(TENSOR)
    rhs = operand_def(TENSOR)
    output = result_def(TENSOR)
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($output)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        self.initialize([lhs, rhs])

    @classmethod
    def infer(
        cls, operands: Sequence[Attribute], properties: Mapping[str, Attribute]
    ) -> Sequence[Attribute]:
        same_types(cls.name, operands)
        cls.check_element(operands[0])
        return [operands[0]]

    @abstractmethod
    def apply(self, b: Builder, x: SSAValue, y: SSAValue) -> SSAValue:
        """`f(x, y)` for scalars or vectors."""

    def scalar(
        self, b: Builder, arguments: Sequence[SSAValue], index: ScalarIndex
    ) -> Sequence[SSAValue]:
        return [self.apply(b, *arguments)]

    def left(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * df/dlhs`."""

    def right(self, b: Builder, g: SSAValue) -> SSAValue | None:
        """`g * df/drhs`."""

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        g = grads[0]
        assert g is not None
        return [
            self.left(b, g) if needed[0] else None,
            self.right(b, g) if needed[1] else None,
        ]
