"""Structure: ops with a body.

* `nn.scan`    runs its body once for each step, carrying state, over slices of sequences
* `nn.yield`   ends a body
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects.builtin import IntAttr, TensorType, UnitAttr
from xdsl.ir import Attribute, Block, BlockArgument, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.rewriter import InsertPoint
from xdsl.traits import IsolatedFromAbove, IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import Tensor, element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reverse import at, differentiable_ops, is_real, pull_back

GROUPS = ("carry", "slices", "captures")


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a body, giving its values."""

    name = "nn.yield"
    values = var_operand_def(TensorType)
    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


@irdl_op_definition
class ScanOp(IRDLOperation, Differentiable):
    """`(state…, y_t…) = body(state…, x_t…, captured…)` for `count` steps.

    x_t is the slice t of a sequence's first dimension. Results are the final states, then each
    y stacked along a new first dimension. With `reverse` the steps run from the last slice to
    the first, and slice t still belongs to y_t.
    """

    name = "nn.scan"
    inits = var_operand_def(TensorType)
    sequences = var_operand_def(TensorType)
    captured = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)
    count = prop_def(IntAttr)
    reverse = opt_prop_def(UnitAttr)
    body = region_def("single_block")
    traits = traits_def(Pure(), IsolatedFromAbove())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def __init__(
        self,
        count: int,
        inits: Sequence[SSAValue],
        sequences: Sequence[SSAValue],
        captured: Sequence[SSAValue],
        body: Block,
        *,
        reverse: bool = False,
    ):
        """The body's arguments are the states, one slice of each sequence, and the captured."""
        last = body.last_op
        yields = list(last.operand_types)[len(inits) :] if last is not None else []
        stacked = [TensorType(element_of(y), (count, *shape_of(y))) for y in yields]
        super().__init__(
            operands=[inits, sequences, captured],
            result_types=[[*(i.type for i in inits), *stacked]],
            properties={"count": IntAttr(count), "reverse": UnitAttr() if reverse else None},
            regions=[Region(body)],
        )

    @property
    def groups(self) -> tuple[Sequence[SSAValue], ...]:
        """The operands: initial states, sequences, captured values."""
        return self.inits, self.sequences, self.captured

    @property
    def arguments(self) -> tuple[Sequence[BlockArgument], ...]:
        """The body's arguments: states, slices, captured values."""
        states, slices = len(self.inits), len(self.inits) + len(self.sequences)
        arguments = self.body.block.args
        return arguments[:states], arguments[states:slices], arguments[slices:]

    @property
    def end(self) -> YieldOp:
        """The end of the body."""
        return cast(YieldOp, self.body.block.last_op)

    @property
    def finals(self) -> Sequence[SSAValue]:
        """The final states."""
        return self.outputs[: len(self.inits)]

    @property
    def stacked(self) -> Sequence[SSAValue]:
        """The stacked results of the steps."""
        return self.outputs[len(self.inits) :]

    def verify_(self) -> None:
        count = self.count.data
        if count < 1:
            raise VerifyException(f"nn.scan: the count is {count}, expected 1 or more")
        for sequence in self.sequences:
            if shape_of(sequence)[:1] != (count,):
                raise VerifyException(
                    f"nn.scan: a sequence is {sequence.type}, expected {count} slices"
                )
        states = tuple(self.inits.types)
        slices = map(_slice_type, self.sequences.types)
        _check(
            "its body takes", self.body.block.arg_types, (*states, *slices, *self.captured.types)
        )
        if not isinstance(self.body.block.last_op, YieldOp):
            raise VerifyException("nn.scan: its body must end with nn.yield")
        yielded = tuple(self.end.operand_types)
        _check("its body yields the states", yielded[: len(states)], states)
        stacked = (TensorType(element_of(y), (count, *shape_of(y))) for y in yielded[len(states) :])
        _check("its results are", self.outputs.types, (*states, *stacked))

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.count.data}{' reverse' if self.reverse else ''}")
        for name, operands, arguments in zip(GROUPS, self.groups, self.arguments, strict=True):
            if operands:
                printer.print_string(f" {name} (")
                printer.print_list(
                    list(zip(arguments, operands, strict=True)), lambda p: _print_pair(printer, *p)
                )
                printer.print_string(")")
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "ScanOp":
        count = parser.parse_integer()
        reverse = parser.parse_optional_keyword("reverse") is not None
        operands: list[list[SSAValue]] = []
        arguments: list[Parser.Argument] = []
        for name in GROUPS:
            pairs = (
                parser.parse_comma_separated_list(
                    parser.Delimiter.PAREN, lambda: _parse_pair(parser)
                )
                if parser.parse_optional_keyword(name)
                else []
            )
            operands.append([operand for _, operand in pairs])
            arguments += [
                argument.resolve(_slice_type(o.type) if name == "slices" else o.type)
                for argument, o in pairs
            ]
        region = parser.parse_region(arguments)
        inits, sequences, captured = operands
        return cls(count, inits, sequences, captured, region.detach_block(0), reverse=reverse)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        return transpose(self, b, grads, needed)


def _check(what: str, given: Sequence[Attribute], expected: Sequence[Attribute]) -> None:
    if tuple(given) != tuple(expected):
        raise VerifyException(
            f"nn.scan: {what} ({', '.join(map(str, given))}), "
            f"expected ({', '.join(map(str, expected))})"
        )


def _slice_type(type: Attribute) -> Tensor:
    return TensorType(element_of(type), shape_of(type)[1:])


def _print_pair(printer: Printer, argument: SSAValue, operand: SSAValue) -> None:
    printer.print_ssa_value(argument)
    printer.print_string(" = ")
    printer.print_ssa_value(operand)
    printer.print_string(" : ")
    printer.print_attribute(operand.type)


def _parse_pair(parser: Parser) -> tuple[Parser.UnresolvedArgument, SSAValue]:
    argument = parser.parse_argument(expect_type=False)
    parser.parse_punctuation("=")
    operand = parser.parse_unresolved_operand()
    parser.parse_punctuation(":")
    return argument, parser.resolve_operand(operand, parser.parse_type())


def copy_body(scan: ScanOp, arguments: Sequence[SSAValue], b: Builder) -> YieldOp:
    """Writes the body's ops again, on other arguments; returns the copy of its end."""
    values: dict[SSAValue, SSAValue] = dict(zip(scan.body.block.args, arguments, strict=True))
    copy = scan.end
    for op in scan.body.block.ops:
        copy = b.insert(op.clone(values))
    return cast(YieldOp, copy)


def stack_states(scan: ScanOp) -> Sequence[SSAValue]:
    """The states at the entry of each step, stacked.

    The scan is replaced by one that gives them too, in front of it and for all its uses, so that
    the steps run once.
    """
    body = Block(arg_types=scan.body.block.arg_types)
    _name(body.args, scan.body.block.args)
    end = copy_body(scan, body.args, Builder(InsertPoint.at_end(body)))
    end.operands = [*end.operands, *body.args[: len(scan.inits)]]
    inits, sequences, captured = scan.groups
    reverse = scan.reverse is not None
    stacking = ScanOp(scan.count.data, inits, sequences, captured, body, reverse=reverse)
    at(Builder(InsertPoint.before(scan)), scan).insert(stacking)
    for old, new in zip(scan.results, stacking.results, strict=False):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    return stacking.results[len(scan.results) :]


def _name(values: Sequence[SSAValue], like: Sequence[SSAValue], prefix: str = "") -> None:
    """Gives values the names of others."""
    for value, other in zip(values, like, strict=True):
        value.name_hint = other.name_hint and prefix + other.name_hint


@dataclass(frozen=True)
class Active:
    """What takes part in a scan's gradient: positions of its operands and results."""

    states: list[int]
    captured: list[int]
    slices: list[int]
    stacked: list[int]
    """Results that have a cotangent."""

    @staticmethod
    def of(scan: ScanOp, grads: Cotangents, needed: Sequence[bool]) -> "Active":
        first_slice, first_captured = len(scan.inits), len(scan.inits) + len(scan.sequences)
        return Active(
            [i for i in range(first_slice) if is_real(scan.operands[i])],
            [i for i in range(first_captured, len(needed)) if needed[i]],
            [i for i in range(first_slice, first_captured) if needed[i]],
            [k for k in range(first_slice, len(grads)) if grads[k] is not None],
        )

    @property
    def operands(self) -> list[int]:
        """In the order of the transposed scan's results."""
        return [*self.states, *self.captured, *self.slices]


def transpose(scan: ScanOp, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
    """Writes the scan that runs the steps in the opposite order, on cotangents.

    It carries the cotangents of the states and the sums of those of the captured values. Its
    slices are the states each step began with, the scan's own slices, and cotangents of results.
    """
    active = Active.of(scan, grads, needed)
    inits = [grads[i] or constant(b, 0.0, scan.operands[i]) for i in active.states]
    inits += [constant(b, 0.0, scan.operands[i]) for i in active.captured]
    given = [g for k in active.stacked if (g := grads[k]) is not None]
    sequences = [*stack_states(scan), *scan.sequences, *given]
    slices = [_slice_type(s.type) for s in sequences]
    body = Block(arg_types=[*(i.type for i in inits), *slices, *scan.captured.types])
    _write_step(scan, active, body)
    reverse = scan.reverse is None
    backward = ScanOp(scan.count.data, inits, sequences, scan.captured, body, reverse=reverse)
    b.insert(backward)
    found = dict(zip(active.operands, backward.results, strict=True))
    return [found[i] if need and i in found else None for i, need in enumerate(needed)]


def _write_step(scan: ScanOp, active: Active, body: Block) -> None:
    """One step backward: the forward step again, then its ops from last to first."""
    b = at(Builder(InsertPoint.at_end(body)), scan)
    carried = len(active.states) + len(active.captured)
    inputs = carried + len(scan.inits) + len(scan.sequences)
    given = inputs + len(active.stacked)
    sums, forward = body.args[:carried], [*body.args[carried:inputs], *body.args[given:]]
    _name(forward, scan.body.block.args)
    _name(sums, [scan.body.block.args[i] for i in active.operands[:carried]], "d_")
    end = copy_body(scan, forward, b)
    wrt = [forward[i] for i in active.operands]
    tape = differentiable_ops([op for op in body.ops if op is not end], wrt)
    seeds: dict[SSAValue, SSAValue] = {}
    step_grads = [*sums[: len(active.states)], *body.args[inputs:given]]
    for k, grad in zip((*active.states, *active.stacked), step_grads, strict=True):
        value = end.operands[k]
        seeds[value] = insert(b, AddOp(seeds[value], grad)) if value in seeds else grad
    body.erase_op(end)
    found = pull_back(b, tape, seeds, wrt)
    values = [g or constant(b, 0.0, w) for g, w in zip(found, wrt, strict=True)]
    for i in range(len(active.states), carried):
        values[i] = insert(b, AddOp(sums[i], values[i]))
    b.insert(YieldOp(values))
