"""Passes with a bug planted: the real pass, and then something that goes wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import AffineMapAttr, FloatAttr, ModuleOp
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from nnc.dialects import buffer, loop
from nnc.dialects.nn.contract import Contraction
from nnc.dialects.nn.elementwise import SubOp
from nnc.dialects.nn.functions import TanhOp

Bug = Callable[[ModuleOp], None]


def planted(passes: Sequence[ModulePass], name: str, bug: Bug) -> list[ModulePass]:
    """The passes of a pipeline; the pass `name` also does what `bug` does to its result."""
    return [with_bug(one, bug) if one.name == name else one for one in passes]


def with_bug(real: ModulePass, bug: Bug) -> ModulePass:
    @dataclass(frozen=True)
    class Planted(ModulePass):
        """A pass with a bug."""

        name = real.name

        def apply(self, ctx: Context, op: ModuleOp) -> None:
            real.apply(ctx, op)
            bug(op)

    return Planted()


def forget_tanh(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, TanhOp):
            Rewriter.replace_op(op, [], [op.input])
            return


def swap_difference(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, SubOp):
            op.operands = [op.rhs, op.lhs]
            return


def swap_subtraction(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, arith.SubfOp):
            op.operands = [op.rhs, op.lhs]
            return


def wrong_coefficients(module: ModuleOp) -> None:
    """What the kernels multiply by and add is a little too large."""
    for op in module.walk():
        if isinstance(op, arith.ConstantOp) and isinstance(value := op.value, FloatAttr):
            op.properties["value"] = FloatAttr(value.value.data * 1.125, value.type)


def overlap(module: ModuleOp) -> None:
    """All temporaries in one place."""
    for op in module.walk():
        if isinstance(op, buffer.ViewOp) and "nnc.live" in op.attributes:
            op.properties["map"] = AffineMapAttr(AffineMap.constant_map(0))


def stay_at_the_first_step(module: ModuleOp) -> None:
    """Each step of a loop sees what the first one should."""
    for op in module.walk():
        if isinstance(op, buffer.ViewOp) and isinstance(op.parent_op(), loop.ForOp):
            first = op.map.data.eval([0] * len(op.indices), [])
            map = AffineMap(0, 0, tuple(AffineExpr.constant(start) for start in first))
            Rewriter.replace_op(op, buffer.ViewOp(op.source, [], map, op.output.type))


def read_one_operand_twice(module: ModuleOp) -> None:
    for op in module.walk():
        if isinstance(op, Contraction) and op.lhs.type == op.rhs.type:
            op.operands = [op.lhs, op.lhs]
