"""The base of ops that are made and read often."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from xdsl.dialects.builtin import UNKNOWN_LOC
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition
from xdsl.irdl.operations import BeforeVariadicSingleAccessor, VarIRConstruct

Op = TypeVar("Op", bound=IRDLOperation)
NOTHING: Mapping[str, Attribute] = {}


class FlatOp(IRDLOperation):
    """An op that is given its operands in one list, as it keeps them.

    `IRDLOperation.__init__` takes a list for each operand's name, and three times as long.
    """

    def __init__(
        self,
        operands: Sequence[SSAValue] = (),
        result_types: Sequence[Attribute] = (),
        properties: Mapping[str, Attribute | None] = NOTHING,
        regions: Sequence[Region] = (),
    ):
        Operation.__init__(
            self,
            operands=operands,
            result_types=result_types,
            properties={name: value for name, value in properties.items() if value is not None},
            regions=regions,
            location=UNKNOWN_LOC,
        )


def op_definition(cls: type[Op]) -> type[Op]:
    """Defines an op, as `irdl_op_definition` does, and reads what has a fixed position directly.

    xDSL's own accessors make a view of all operands first, and take five times as long.
    """
    cls = irdl_op_definition(cls)
    for name, accessor in list(vars(cls).items()):
        if isinstance(accessor, BeforeVariadicSingleAccessor):
            setattr(cls, name, reader(accessor))
    return cls


def reader(accessor: BeforeVariadicSingleAccessor) -> object:
    """What reads an operand or a result at a fixed position."""
    at, index = tuple.__getitem__, accessor.idx

    def operand(op: Operation) -> SSAValue:
        return at(op._operands, index)  # pyright: ignore[reportPrivateUsage]

    def result(op: Operation) -> SSAValue:
        return at(op.results, index)

    match accessor.construct:
        case VarIRConstruct.OPERAND:
            return property(operand)
        case VarIRConstruct.RESULT:
            return property(result)
        case _:
            return accessor
