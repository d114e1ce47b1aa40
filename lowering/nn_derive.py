"""`nn-derive`: what is computed from parameters alone is computed when they change.

Comes in: a program for inference. Goes out: the same program with one more parameter for each such
value (`nnc.derived` names those it is made of), and the function `@prepare` that makes them.
`split` takes that function out, as a program of its own: it runs again whenever a parameter's
version has changed.

Dense weights `[in, out]` are packed first where that is cheaper, as products would else copy an
operand in every call: stored as panels `[ceil(out / L), in, L]`, the columns of register tiles of L
lanes, and read by `nn.packed_matmul`. A program that updates anything derives nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr, TensorType
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from nnc.dialects.nn.base import element_of, insert, shape_of
from nnc.dialects.nn.constant import ConstantOp
from nnc.dialects.nn.contract import MatmulOp, PackedMatmulOp
from nnc.dialects.nn.reverse import at
from nnc.dialects.nn.shape import PadOp, ReshapeOp, TransposeOp
from nnc.dialects.target import Target, target_named
from nnc.lowering.fusion_rules import is_copied
from nnc.lowering.program import Program, Result
from nnc.lowering.strategies.contraction_choice import choose, tile_size
from nnc.lowering.views import is_view

PREPARE = "prepare"


@dataclass(frozen=True)
class NnDerivePass(ModulePass):
    """Packs the weights that are read as panels, and derives values."""

    name = "nn-derive"
    target: str = "avx512"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        program = Program.of(op)
        if any(result.tied is not None for result in program.results()):
            return
        parameters = fixed_parameters(program)
        for value in parameters:
            lanes = panel_lanes(value, target_named(self.target))
            if lanes is not None:
                pack(value, lanes)
        derive(op, program, parameters)


def fixed_parameters(program: Program) -> list[SSAValue]:
    """The parameters that are not derived themselves."""
    return [
        argument
        for i, argument in enumerate(program.block.args)
        if program.role(i) == "parameter" and "nnc.derived" not in program.attributes(i)
    ]


def panel_lanes(weight: SSAValue, target: Target) -> int | None:
    """The lanes of the panels that all products with a weight are better read from, if any."""
    if target.lanes == 1 or len(shape_of(weight)) != 2 or 0 in shape_of(weight):
        return None
    found = {better_lanes(use.operation, weight, target) for use in weight.uses}
    return found.pop() if len(found) == 1 else None


def better_lanes(op: Operation, weight: SSAValue, target: Target) -> int | None:
    """The lanes of the panels from which `x @ weight` is cheaper; None where it is not."""
    if not isinstance(op, MatmulOp) or op.rhs is not weight or op.lhs is weight:
        return None
    if op.transpose_lhs or op.transpose_rhs:
        return None
    rows, columns = shape_of(op.output)
    lanes = tile_size(rows, columns, target)[1]
    panels = TensorType(element_of(weight), panels_shape(weight, lanes))
    x, stack = Block(arg_types=[op.lhs.type, panels]).args
    packed = PackedMatmulOp(x, stack, columns)
    before, after = choose(op, target), choose(packed, target)
    return lanes if before and after and after.cost < before.cost else None


def panels_shape(weight: SSAValue, lanes: int) -> tuple[int, int, int]:
    depth, columns = shape_of(weight)
    return math.ceil(columns / lanes), depth, lanes


def pack(weight: SSAValue, lanes: int) -> None:
    """Writes the products with a weight `[in, out]` as products with panels of `lanes` columns."""
    depth, columns = shape_of(weight)
    count = panels_shape(weight, lanes)[0]
    products = [use.operation for use in weight.uses]
    assert isinstance(weight.owner, Block)
    b = at(Builder(InsertPoint.at_start(weight.owner)), products[0])
    padded = weight
    if columns % lanes:
        padded = insert(b, PadOp(weight, (0, 0), (0, count * lanes - columns)))
    cut = insert(b, ReshapeOp(padded, (depth, count, lanes)))
    panels = insert(b, TransposeOp(cut, (1, 0, 2)))
    for product in products:
        b = at(Builder(InsertPoint.before(product)), product)
        new = b.insert(PackedMatmulOp(product.operands[0], panels, columns))
        Rewriter.replace_op(product, [], new.results)


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
