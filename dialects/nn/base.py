"""What all ops of the graph dialect share: construction, verification, small helpers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import IRDLOperation, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.interfaces import Access, Domain, Infers, Structured

Tensor = TensorType[Any]


def tensor_type(value: SSAValue | Attribute) -> Tensor:
    """The tensor type of a graph value."""
    return cast(Tensor, value.type if isinstance(value, SSAValue) else value)


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    """The static shape."""
    return tensor_type(value).get_shape()


def element_of(value: SSAValue | Attribute) -> Attribute:
    """The element type."""
    return tensor_type(value).element_type


def insert(b: Builder, op: Operation) -> SSAValue:
    """Inserts an op and returns its only result."""
    return b.insert(op).results[0]


class GraphOp(IRDLOperation, Infers):
    """An op on tensors: pure, its result types inferred."""

    traits = traits_def(Pure())

    def initialize(
        self, operands: Sequence[SSAValue], properties: Mapping[str, Attribute | None] | None = None
    ) -> None:
        """Initialises the op; `infer` gives the result types.

        Goes around `IRDLOperation.__init__`, which spends three times as long on its arguments.
        """
        kept = {k: v for k, v in (properties or {}).items() if v is not None}
        types = self.infer([o.type for o in operands], kept)
        Operation.__init__(self, operands=operands, result_types=types, properties=kept)

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


class Elementwise(GraphOp, Structured):
    """Each element of the result is a function of the same element of the operands."""

    def domain(self) -> Domain:
        return Domain(shape_of(self.results[0]))

    def accesses(self) -> Sequence[Access]:
        identity = Access(AffineMap.identity(len(shape_of(self.results[0]))))
        return [identity] * len(self.operands)


ScalarIndex = Callable[[int], SSAValue]
