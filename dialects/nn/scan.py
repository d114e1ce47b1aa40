"""`nn.scan` runs its body once for each step, carrying state, over slices of sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from xdsl.builder import Builder
from xdsl.dialects.builtin import IntAttr, TensorType, UnitAttr
from xdsl.ir import Attribute, Block, BlockArgument, Region, SSAValue
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
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.rewriter import InsertPoint
from xdsl.traits import IsolatedFromAbove, Pure
from xdsl.transforms.dead_code_elimination import is_trivially_dead
from xdsl.utils.exceptions import VerifyException

from nnc.dialects.flat import op_definition
from nnc.dialects.interfaces import Cotangents, Differentiable
from nnc.dialects.nn.base import Tensor, element_of, insert, shape_of
from nnc.dialects.nn.constant import constant
from nnc.dialects.nn.contract import Product
from nnc.dialects.nn.elementwise import AddOp
from nnc.dialects.nn.reverse import at, is_real
from nnc.dialects.nn.structure import (
    YieldOp,
    check_end,
    check_types,
    copy_body,
    end_of,
    name_like,
    parse_bindings,
    print_bindings,
    pull_back_body,
)

GROUPS = ("carry", "slices", "captures")


@op_definition
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
        return end_of(self.body.block)

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
        taken = (*states, *slices, *self.captured.types)
        check_types("nn.scan: its body takes", self.body.block.arg_types, taken)
        check_end(self.name, self.body.block)
        yielded = tuple(self.end.operand_types)
        check_types("nn.scan: its body yields the states", yielded[: len(states)], states)
        stacked = (TensorType(element_of(y), (count, *shape_of(y))) for y in yielded[len(states) :])
        check_types("nn.scan: its results are", self.outputs.types, (*states, *stacked))

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.count.data}{' reverse' if self.reverse else ''}")
        for name, operands, arguments in zip(GROUPS, self.groups, self.arguments, strict=True):
            print_bindings(printer, name, arguments, operands)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> "ScanOp":
        count = parser.parse_integer()
        reverse = parser.parse_optional_keyword("reverse") is not None
        operands: list[list[SSAValue]] = []
        arguments: list[Parser.Argument] = []
        for name in GROUPS:
            bindings = parse_bindings(parser, name)
            operands.append([operand for _, operand in bindings])
            arguments += [
                argument.resolve(_slice_type(o.type) if name == "slices" else o.type)
                for argument, o in bindings
            ]
        region = parser.parse_region(arguments)
        inits, sequences, captured = operands
        return cls(count, inits, sequences, captured, region.detach_block(0), reverse=reverse)

    def vjp(self, b: Builder, grads: Cotangents, needed: Sequence[bool]) -> Cotangents:
        return transpose(self, b, grads, needed)


def _slice_type(type: Attribute) -> Tensor:
    return TensorType(element_of(type), shape_of(type)[1:])


def stack(scan: ScanOp, values: Sequence[SSAValue]) -> Sequence[SSAValue]:
    """More values of the body, of all steps.

    The scan is replaced by one that gives them too, in front of it and for all its uses, so that
    the steps run once.
    """
    body = Block(arg_types=scan.body.block.arg_types)
    name_like(body.args, scan.body.block.args)
    copies = copy_body(scan.body.block, body.args, Builder(InsertPoint.at_end(body)))
    copied: dict[SSAValue, SSAValue] = dict(zip(scan.body.block.args, body.args, strict=True))
    for old, new in zip(scan.body.block.ops, copies, strict=True):
        copied.update(zip(old.results, new.results, strict=True))
    end_of(body).operands = [*end_of(body).operands, *(copied[value] for value in values)]
    inits, sequences, captured = scan.groups
    reverse = scan.reverse is not None
    stacking = ScanOp(scan.count.data, inits, sequences, captured, body, reverse=reverse)
    at(Builder(InsertPoint.before(scan)), scan).insert(stacking)
    for old, new in zip(scan.results, stacking.results, strict=False):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    return stacking.results[len(scan.results) :]


def worth_keeping(scan: ScanOp) -> list[SSAValue]:
    """Values of a step that its gradient reads if they are kept, instead of computing them again.

    They are the next states, which are kept anyway, and what a product makes.
    """
    varying = set[SSAValue](scan.body.block.args[: len(scan.inits) + len(scan.sequences)])
    states = set(scan.end.values[: len(scan.inits)])
    found: list[SSAValue] = []
    for op in scan.body.block.ops:
        if varying.intersection(op.operands):
            varying.update(op.results)
            found += (r for r in op.results if isinstance(op, Product) or r in states)
    return found


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
    slices are what it needs of the step's state and `worth_keeping`, the scan's own slices,
    and cotangents of results. All else of the forward step is computed again.
    """
    active = Active.of(scan, grads, needed)
    inits = [grads[i] or constant(b, 0.0, scan.operands[i]) for i in active.states]
    inits += [constant(b, 0.0, scan.operands[i]) for i in active.captured]
    given = [g for k in active.stacked if (g := grads[k]) is not None]
    kept = [*scan.arguments[0], *worth_keeping(scan)]
    slices = [
        *(v.type for v in kept),
        *map(_slice_type, [*scan.sequences.types, *(g.type for g in given)]),
    ]
    body = Block(arg_types=[*(i.type for i in inits), *slices, *scan.captured.types])
    _write_step(scan, active, body)
    first = len(inits)
    read = [bool(argument.uses) for argument in body.args[first : first + len(kept)]]
    for i in reversed(range(len(kept))):
        if not read[i]:
            body.erase_arg(body.args[first + i])
    stacked = stack(scan, [value for value, needs in zip(kept, read, strict=True) if needs])
    sequences = [*stacked, *scan.sequences, *given]
    reverse = scan.reverse is None
    backward = ScanOp(scan.count.data, inits, sequences, scan.captured, body, reverse=reverse)
    b.insert(backward)
    found = dict(zip(active.operands, backward.results, strict=True))
    return [found[i] if need and i in found else None for i, need in enumerate(needed)]


def _split(values: Sequence[SSAValue], sizes: Sequence[int]) -> list[Sequence[SSAValue]]:
    """The values in parts of these sizes."""
    ends = list(accumulate(sizes))
    return [values[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _write_step(scan: ScanOp, active: Active, body: Block) -> None:
    """One step backward: what it needs of the forward step, then its ops from last to first."""
    b = at(Builder(InsertPoint.at_end(body)), scan)
    sizes = (
        len(active.states),
        len(active.captured),
        len(scan.inits),
        len(worth_keeping(scan)),
        len(scan.sequences),
        len(active.stacked),
        len(scan.captured),
    )
    state_grads, sums, states, kept, slices, given, captured = _split(body.args, sizes)
    forward = [*states, *slices, *captured]
    name_like(forward, scan.body.block.args)
    name_like(
        [*state_grads, *sums],
        [scan.body.block.args[i] for i in active.operands[: len(state_grads) + len(sums)]],
        "d_",
    )
    step_grads: list[SSAValue | None] = [None] * len(scan.results)
    for k, grad in zip((*active.states, *active.stacked), (*state_grads, *given), strict=True):
        step_grads[k] = grad
    wrt = [forward[i] for i in active.operands]
    known = dict(zip(worth_keeping(scan), kept, strict=True))
    found = pull_back_body(scan.body.block, forward, step_grads, wrt, b, known)
    values = [g or constant(b, 0.0, w) for g, w in zip(found, wrt, strict=True)]
    for i, sum in enumerate(sums, start=len(state_grads)):
        values[i] = insert(b, AddOp(sum, values[i]))
    b.insert(YieldOp(values))
    for op in reversed(list(body.ops)):
        if is_trivially_dead(op):
            op.detach()
            op.erase()
