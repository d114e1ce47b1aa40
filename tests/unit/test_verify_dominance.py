"""IR broken by hand, as a wrong rewrite would leave it, and what `verify-dominance` says."""

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, f32
from xdsl.ir import Block, Operation, Region

from nnc.dialects import arith, kernel, loop
from nnc.lowering.verify_dominance import DominanceError, VerifyDominancePass


def function(*ops: Operation, block: Block | None = None, name: str = "k") -> kernel.FuncOp:
    block = block or Block()
    block.add_ops([*ops, kernel.ReturnOp()])
    type = FunctionType.from_lists(list(block.arg_types), [])
    return kernel.FuncOp(name, type, Region(block))


def check(*functions: kernel.FuncOp) -> None:
    VerifyDominancePass().apply(Context(), ModuleOp(list(functions)))


def test_uses_after_definitions_are_fine() -> None:
    block = Block(arg_types=[f32])
    first = arith.AddfOp(block.args[0], block.args[0])
    check(function(first, arith.MulfOp(first.result, first.result), block=block))


def test_an_op_moved_above_its_operand() -> None:
    block = Block(arg_types=[f32])
    first = arith.AddfOp(block.args[0], block.args[0])
    with pytest.raises(DominanceError, match=r"arith.mulf in @k: operand 0 .*arith\.addf"):
        check(function(arith.MulfOp(first.result, block.args[0]), first, block=block))


def test_a_value_of_an_op_that_is_nowhere() -> None:
    block = Block(arg_types=[f32])
    lost = arith.AddfOp(block.args[0], block.args[0])
    with pytest.raises(DominanceError, match="operand 1"):
        check(function(arith.MulfOp(block.args[0], lost.result), block=block))


def test_a_value_of_another_kernel() -> None:
    block = Block(arg_types=[f32])
    block.args[0].name_hint = "x"
    other = arith.NegfOp(block.args[0])
    with pytest.raises(DominanceError, match=r"in @k2: operand 0 \(%x, a block argument\)"):
        check(function(block=block), function(other, name="k2"))


def test_a_value_of_one_loop_used_in_the_next() -> None:
    block, first, second = Block(arg_types=[f32]), loop_body(), loop_body()
    inside = arith.NegfOp(block.args[0])
    first.add_ops([inside, loop.YieldOp()])
    second.add_ops([arith.NegfOp(inside.result), loop.YieldOp()])
    loops = [loop.ForOp(4, [], Region(body)) for body in (first, second)]
    with pytest.raises(DominanceError, match=r"arith\.negf in @k: operand 0"):
        check(function(*loops, block=block))


def loop_body() -> Block:
    return Block(arg_types=[loop.index])
