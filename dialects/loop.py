"""Loops with static bounds.

* `loop.for`       counts from 0, in order, carrying values
* `loop.parallel`  an n-dimensional space whose iterations are independent
* `loop.when`      an affine guard, with values for when it does not hold
* `loop.barrier`   all threads of a block wait for each other (CUDA)
* `loop.yield`     ends a body
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    AffineSetAttr,
    ArrayAttr,
    IndexType,
    IntAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Dialect, Operation, Region, SSAValue
from xdsl.ir.affine import AffineSet
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer
from xdsl.traits import (
    IsTerminator,
    MemoryReadEffect,
    MemoryWriteEffect,
    Pure,
    RecursiveMemoryEffect,
)
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import FlatOp, op_definition
from nnc.dialects.syntax import IntegerArray, array, integers

MAPPINGS = ("sequential", "threads", "blocks", "lanes")
"""Where a parallel dimension runs: in order, on the pool's workers (CPU) or a block's threads
(CUDA), on the grid's blocks, on a vector unit's lanes."""

index = IndexType()


@op_definition
class YieldOp(FlatOp):
    """Ends a loop body, giving the values carried to the next iteration."""

    name = "loop.yield"
    values = var_operand_def()
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, values: Sequence[SSAValue] = ()):
        super().__init__(values)


def _verify_yield(op: Operation, region: Region, types: Sequence[Attribute]) -> None:
    last = region.block.last_op
    if not isinstance(last, YieldOp):
        raise VerifyException(f"{op.name}: its body must end with loop.yield")
    if tuple(last.values.types) != tuple(types):
        raise VerifyException(
            f"{op.name}: its body yields ({', '.join(map(str, last.values.types))}), "
            f"expected ({', '.join(map(str, types))})"
        )


@op_definition
class ForOp(FlatOp):
    """Runs its body for 0, 1, … count - 1, in order, carrying values from one to the next."""

    name = "loop.for"
    inits = var_operand_def()
    outputs = var_result_def()
    count = prop_def(IntAttr)
    unroll = opt_prop_def(IntAttr)
    """How many iterations the printer writes out in one turn; absent means 1."""
    body = region_def("single_block")
    traits = traits_def(RecursiveMemoryEffect())

    def __init__(self, count: int, inits: Sequence[SSAValue], body: Region, unroll: int = 1):
        super().__init__(
            inits,
            [i.type for i in inits],
            {"count": IntAttr(count), "unroll": IntAttr(unroll) if unroll > 1 else None},
            [body],
        )

    @property
    def induction_variable(self) -> SSAValue:
        return self.body.block.args[0]

    def verify_(self) -> None:
        expected = (index, *self.inits.types)
        given = tuple(a.type for a in self.body.block.args)
        if given != expected:
            raise VerifyException(
                f"loop.for: its body takes ({', '.join(map(str, given))}), "
                f"expected ({', '.join(map(str, expected))})"
            )
        if self.count.data < 0:
            raise VerifyException(f"loop.for: the count is {self.count.data}, expected 0 or more")
        _verify_yield(self, self.body, self.outputs.types)

    def print(self, printer: Printer) -> None:
        variable, *carried = self.body.block.args
        printer.print_string(" ")
        printer.print_ssa_value(variable)
        printer.print_string(f" to {self.count.data}")
        if self.unroll is not None:
            printer.print_string(f" unroll {self.unroll.data}")
        if carried:
            printer.print_string(" iter_args(")
            printer.print_list(
                list(zip(carried, self.inits, strict=True)), lambda p: _print_carry(printer, *p)
            )
            printer.print_string(") -> (")
            printer.print_list(self.outputs.types, printer.print_attribute)
            printer.print_string(")")
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "ForOp":
        variable = parser.parse_argument(expect_type=False)
        parser.parse_keyword("to")
        count = parser.parse_integer()
        unroll = parser.parse_integer() if parser.parse_optional_keyword("unroll") else 1
        carried: list[tuple[Parser.UnresolvedArgument, SSAValue]] = []
        if parser.parse_optional_keyword("iter_args"):
            pairs = parser.parse_comma_separated_list(
                parser.Delimiter.PAREN, lambda: _parse_carry(parser)
            )
            parser.parse_punctuation("->")
            types = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_type)
            carried = [
                (argument, parser.resolve_operand(init, type))
                for (argument, init), type in zip(pairs, types, strict=True)
            ]
        arguments = [variable.resolve(index)]
        arguments += [argument.resolve(init.type) for argument, init in carried]
        body = parser.parse_region(arguments)
        return cls(count, [init for _, init in carried], body, unroll)


def _print_carry(printer: Printer, argument: SSAValue, init: SSAValue) -> None:
    printer.print_ssa_value(argument)
    printer.print_string(" = ")
    printer.print_ssa_value(init)


def _parse_carry(parser: Parser) -> tuple[Parser.UnresolvedArgument, UnresolvedOperand]:
    argument = parser.parse_argument(expect_type=False)
    parser.parse_punctuation("=")
    return argument, parser.parse_unresolved_operand()


@op_definition
class ParallelOp(FlatOp):
    """Runs its body at every point of a space; the points are independent of each other."""

    name = "loop.parallel"
    counts = prop_def(IntegerArray)
    mapping = opt_prop_def(ArrayAttr[StringAttr])
    body = region_def("single_block")
    traits = traits_def(RecursiveMemoryEffect())

    def __init__(self, counts: Sequence[int], body: Region, mapping: Sequence[str] | None = None):
        ways = None if mapping is None else ArrayAttr(map(StringAttr, mapping))
        super().__init__(properties={"counts": array(counts), "mapping": ways}, regions=[body])

    @property
    def sizes(self) -> tuple[int, ...]:
        return integers(self.counts)

    @property
    def mapped_to(self) -> tuple[str, ...]:
        """Where each dimension runs; all sequential before `loop-map`."""
        if self.mapping is None:
            return ("sequential",) * len(self.counts)
        return tuple(m.data for m in self.mapping)

    def verify_(self) -> None:
        given = tuple(a.type for a in self.body.block.args)
        if given != (index,) * len(self.counts):
            raise VerifyException(
                f"loop.parallel: {len(self.counts)} counts need as many index arguments, "
                f"given ({', '.join(map(str, given))})"
            )
        if len(self.mapped_to) != len(self.counts):
            raise VerifyException("loop.parallel: one mapping per dimension is expected")
        for name in self.mapped_to:
            if name not in MAPPINGS:
                raise VerifyException(
                    f"loop.parallel: unknown mapping '{name}', expected one of {MAPPINGS}"
                )
        _verify_yield(self, self.body, ())

    def print(self, printer: Printer) -> None:
        printer.print_string(" (")
        printer.print_list(self.body.block.args, printer.print_ssa_value)
        printer.print_string(") to (")
        printer.print_list(self.sizes, lambda c: printer.print_string(str(c)))
        printer.print_string(")")
        if self.mapping is not None:
            printer.print_string(f" mapping [{', '.join(self.mapped_to)}]")
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "ParallelOp":
        variables = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False)
        )
        parser.parse_keyword("to")
        counts = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_integer)
        mapping = None
        if parser.parse_optional_keyword("mapping"):
            mapping = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, parser.parse_identifier
            )
        body = parser.parse_region([v.resolve(index) for v in variables])
        return cls(counts, body, mapping)


@op_definition
class WhenOp(IRDLOperation):
    """Runs its body where an affine condition on index values holds.

    Its results are what the body yields, or the `otherwise` values where the condition fails.
    """

    name = "loop.when"
    indices = var_operand_def(IndexType)
    otherwise = var_operand_def()
    outputs = var_result_def()
    condition = prop_def(AffineSetAttr)
    body = region_def("single_block")
    traits = traits_def(RecursiveMemoryEffect())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    assembly_format = (
        "$condition `(` $indices `)` (`otherwise` `(` $otherwise^ `:` type($otherwise) `)`)? "
        "(`->` type($outputs)^)? $body attr-dict"
    )

    def __init__(
        self,
        condition: AffineSet,
        indices: Sequence[SSAValue],
        otherwise: Sequence[SSAValue],
        body: Region,
    ):
        super().__init__(
            operands=[indices, otherwise],
            result_types=[[v.type for v in otherwise]],
            properties={"condition": AffineSetAttr(condition)},
            regions=[body],
        )

    def verify_(self) -> None:
        if self.condition.data.num_dims != len(self.indices):
            raise VerifyException(
                f"loop.when: the condition has {self.condition.data.num_dims} dimensions, "
                f"given {len(self.indices)} index values"
            )
        if tuple(self.otherwise.types) != tuple(self.outputs.types):
            raise VerifyException("loop.when: results and otherwise values differ in type")
        _verify_yield(self, self.body, self.outputs.types)


@op_definition
class BarrierOp(IRDLOperation):
    """All threads of a block reach this point before one of them goes on."""

    name = "loop.barrier"
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "attr-dict"


Loop = Dialect("loop", [ForOp, ParallelOp, WhenOp, BarrierOp, YieldOp], [])
