"""The base of ops that are made and read often."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from xdsl.dialects.builtin import UNKNOWN_LOC
from xdsl.ir import Attribute, Operation, OpResult, Region, SSAValue, SSAValues
from xdsl.irdl import IRDLOperation, irdl_op_definition
from xdsl.irdl.operations import BeforeVariadicSingleAccessor, VarIRConstruct

Op = TypeVar("Op", bound=IRDLOperation)
NOTHING: Mapping[str, Attribute] = {}


class FlatOp(IRDLOperation):
    """An op that is given its operands in one list, as it keeps them, and all its properties.

    `IRDLOperation.__init__` takes a list for each operand's name, looks for defaults of properties
    and for successors, of which there are none, and takes four times as long.
    """

    def __init__(
        self,
        operands: Sequence[SSAValue] = (),
        result_types: Sequence[Attribute] = (),
        properties: Mapping[str, Attribute | None] = NOTHING,
        regions: Sequence[Region] = (),
    ):
        self.operands = operands
        self.results = SSAValues([OpResult(t, self, i) for i, t in enumerate(result_types)])
        self.properties = {name: value for name, value in properties.items() if value is not None}
        self.attributes = {}
        self.location = UNKNOWN_LOC
        for region in regions:
            self.add_region(region)


class OperandAccessor(BeforeVariadicSingleAccessor):
    """An operand at a fixed position."""

    def __get__(self, obj: Operation, objtype: type | None = None) -> SSAValue:
        return tuple.__getitem__(obj._operands, self.idx)  # pyright: ignore[reportPrivateUsage]


class ResultAccessor(BeforeVariadicSingleAccessor):
    """A result at a fixed position."""

    def __get__(self, obj: Operation, objtype: type | None = None) -> SSAValue:
        return tuple.__getitem__(obj.results, self.idx)


DIRECT = {VarIRConstruct.OPERAND: OperandAccessor, VarIRConstruct.RESULT: ResultAccessor}


def op_definition(cls: type[Op]) -> type[Op]:
    """Defines an op, as `irdl_op_definition` does, and reads what has a fixed position directly.

    xDSL's own accessors make a view of all operands first, and take five times as long.
    """
    cls = irdl_op_definition(cls)
    for name, accessor in list(vars(cls).items()):
        if isinstance(accessor, BeforeVariadicSingleAccessor) and accessor.construct in DIRECT:
            setattr(cls, name, DIRECT[accessor.construct](accessor.construct, accessor.idx))
    return cls
