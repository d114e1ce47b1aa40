"""Passes with a bug planted: the real pass, and then something that goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import AffineMapAttr, FloatAttr, ModuleOp
from xdsl.ir.affine import AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from nnc.dialects import buffer
from nnc.dialects.nn.elementwise import SubOp
from nnc.dialects.nn.functions import TanhOp
from nnc.lowering.pass_specs import build_pipeline

Bug = Callable[[ModuleOp], None]


def planted(pipeline: str, name: str, bug: Bug) -> list[ModulePass]:
    """The passes of a pipeline; the pass `name` also does what `bug` does to its result."""
    return [with_bug(one, bug) if one.name == name else one for one in build_pipeline(pipeline)]


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
