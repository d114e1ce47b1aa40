"""The base of ops that are made often."""

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import UNKNOWN_LOC
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import IRDLOperation

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
