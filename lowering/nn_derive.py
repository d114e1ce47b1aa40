"""`nn-derive`: what is computed from parameters alone is computed when they change.

Comes in: a program for inference. Goes out: the same program with one more parameter for each such
value (`nnc.derived` names those it is made of), and the function `@prepare` that makes them.
`split` takes that function out, as a program of its own: it runs again whenever a parameter's
version has changed.

Wide dense weights are packed first: a row of `[in, out]` is so long that the lines of one panel
collide in the cache, so the columns are stored as panels `[out / width, in, width]`, and each panel
has a product of its own that writes its columns of the result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import insert, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import ConcatOp, ReshapeOp, SliceOp, TransposeOp
from nnc.lowering.fusion_rules import is_copied
from nnc.lowering.program import Program, Result
from nnc.lowering.simplify_concats import concat_later
from nnc.lowering.views import is_view

PREPARE = "prepare"


@dataclass(frozen=True)
class NnDerivePass(ModulePass):
    """Packs weights of more than `columns` outputs into panels, and derives values."""

    name = "nn-derive"
    columns: int = 1024
    width: int = 512

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        parameters = fixed_parameters(program)
        for value in parameters:
            if self.wants_panels(value):
                pack(value, self.width)
        derive(op, program, parameters)

    def wants_panels(self, weight: SSAValue) -> bool:
        shape = shape_of(weight)
        return len(shape) == 2 and shape[1] > self.columns and shape[1] % self.width == 0


def fixed_parameters(program: Program) -> list[SSAValue]:
    """The parameters that the program does not replace."""
    tied = {result.tied for result in program.results()}
    return [
        argument
        for i, argument in enumerate(program.block.args)
        if program.role(i) == "parameter"
        and i not in tied
        and "nnc.derived" not in program.attributes(i)
    ]


def pack(weight: SSAValue, width: int) -> None:
    """Writes the products with a weight `[in, out]` as products with its panels."""
    depth, columns = shape_of(weight)
    count = columns // width
    for product in [use.operation for use in weight.uses if is_product(use.operation, weight)]:
        b = at(Builder(InsertPoint.before(product)), product)
        cut = insert(b, ReshapeOp(weight, (depth, count, width)))
        panels = insert(b, TransposeOp(cut, (1, 0, 2)))
        parts = [
            insert(b, MatmulOp(product.operands[0], panel(b, panels, i))) for i in range(count)
        ]
        whole = b.insert(ConcatOp(parts, axis=1))
        Rewriter.replace_op(product, [], whole.results)
        concat_later(whole)


def is_product(op: Operation, weight: SSAValue) -> bool:
    """Whether the op is `x @ weight`, with neither transposed."""
    return (
        isinstance(op, MatmulOp)
        and op.rhs is weight
        and op.transpose_lhs is None
        and op.transpose_rhs is None
    )


def panel(b: Builder, panels: SSAValue, number: int) -> SSAValue:
    """One matrix of a stack, which is a view."""
    _, depth, width = shape_of(panels)
    one = insert(b, SliceOp(panels, (number, 0, 0), (number + 1, depth, width)))
    return insert(b, ReshapeOp(one, (depth, width)))


def derive(module: ModuleOp, program: Program, parameters: Sequence[SSAValue]) -> None:
    """Moves what depends on parameters alone into `@prepare`."""
    known = known_from(program, parameters)
    values = list(
        dict.fromkeys(
            value
            for op in program.block.ops
            if not any(result in known for result in op.results)
            for operand in op.operands
            for value in computed(operand, known)
        )
    )
    if not values:
        return
    made_of = [sorted(arguments_of(value)) for value in values]
    names = [f"{program.name(of[0])}:derived{i}" for i, of in enumerate(made_of)]
    module.body.block.add_op(prepare(program, values, names))
    for value, name, of in zip(values, names, made_of, strict=True):
        parts = ArrayAttr([StringAttr(program.name(i)) for i in of])
        argument = program.add_argument(value.type, name, "parameter", {"nnc.derived": parts})
        value.replace_all_uses_with(argument)
    program.update_type()
    erase_unread(program, known)


def known_from(program: Program, parameters: Sequence[SSAValue]) -> set[SSAValue]:
    """The values that depend on parameters, and on nothing else."""
    known = set(parameters)
    for op in program.block.ops:
        if any(o in known for o in op.operands) and all(
            o in known or is_constant(o) for o in op.operands
        ):
            known.update(op.results)
    return known


def is_constant(value: SSAValue) -> bool:
    return isinstance(value.owner, ConstantOp)


def computed(value: SSAValue, known: set[SSAValue]) -> Iterator[SSAValue]:
    """The computed values behind what costs nothing: views and broadcasts of them."""
    op = value.owner
    if value not in known or not isinstance(op, Operation):
        return
    if is_view(op) or is_copied(op):
        for operand in op.operands:
            yield from computed(operand, known)
    else:
        yield value


def arguments_of(value: SSAValue) -> set[int]:
    """The program's arguments that a value is made of."""
    if isinstance(value, BlockArgument):
        return {value.index}
    op = value.owner
    assert isinstance(op, Operation)
    return {i for operand in op.operands for i in arguments_of(operand)}


def prepare(program: Program, values: Sequence[SSAValue], names: Sequence[str]) -> func.FuncOp:
    """The function that makes the derived values."""
    used = sorted({i for value in values for i in arguments_of(value)})
    arguments = [program.block.args[i] for i in used]
    block = Block(arg_types=[argument.type for argument in arguments])
    b = Builder(InsertPoint.at_end(block))
    copies: dict[SSAValue, SSAValue] = dict(zip(arguments, block.args, strict=True))
    needed = needed_for(values)
    for op in program.block.ops:
        if op in needed:
            copy = b.insert(op.clone(copies))
            copy.location = op.location
    for old, new in copies.items():
        new.name_hint = old.name_hint
    b.insert(func.ReturnOp(*(copies[value] for value in values)))
    function = func.FuncOp(PREPARE, FunctionType.from_lists(block.arg_types, []), Region(block))
    prepared = Program(function)
    prepared.set_attributes([program.attributes(i) for i in used])
    prepared.set_results([Result(copies[v], n) for v, n in zip(values, names, strict=True)])
    return function


def needed_for(values: Sequence[SSAValue]) -> set[Operation]:
    """The ops that lead to some values."""
    needed: set[Operation] = set()
    pending = list(values)
    while pending:
        op = pending.pop().owner
        if isinstance(op, Operation) and op not in needed:
            needed.add(op)
            pending += op.operands
    return needed


def erase_unread(program: Program, known: set[SSAValue]) -> None:
    """Erases what only `@prepare` still needs."""
    for op in reversed(list(program.block.ops)):
        if any(result in known for result in op.results) and not any(r.uses for r in op.results):
            op.detach()
            op.erase()


def split(module: ModuleOp) -> ModuleOp | None:
    """Takes `@prepare` out of a module: a module of its own, with it as `@main`, or None."""
    for op in module.body.block.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == PREPARE:
            op.detach()
            op.properties["sym_name"] = StringAttr("main")
            return ModuleOp([op])
    return None
