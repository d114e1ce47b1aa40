"""May a result take the place of an operand in memory?

Only if, for each element, the last read comes before the first write, over all sweeps and blocks
of the kernel. `bufferize` asks before it makes an argument `inout`; `verify-inplace` checks the
loops afterwards.
"""

from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineMap

from nnc.dialects import kernel
from nnc.dialects.interfaces import Access, Decomposes, Structured
from nnc.dialects.nn.base import shape_of
from nnc.dialects.nn.reduce import ReduceOp
from nnc.lowering.nn_decompose import decompose
from nnc.lowering.strategies.sweeps import Rows


def may_donate(function: kernel.FuncOp, operand: int, result: int) -> bool:
    """Whether result number `result` may be written over argument number `operand`."""
    argument = function.block.args[operand]
    last = function.block.last_op
    assert isinstance(last, kernel.ReturnOp)
    assert function.strategy is not None
    value = last.values[result]
    if argument.type != value.type or value is argument:
        return False
    if not all(_reads_at_the_point(use.operation, use.index) for use in argument.uses):
        return False
    match function.strategy.algorithm.data:
        case "contraction":
            return True
        case "sweeps":
            return _stored_after_reads(function, operand, result)
        case _:
            return False


def _reads_at_the_point(op: Operation, operand: int) -> bool:
    """Whether the op reads that operand only at the element it computes."""
    match op:
        case ReduceOp():
            return True
        case Structured():
            sizes = op.domain().sizes
            identity = Access(AffineMap.identity(len(sizes)))
            return shape_of(op.operands[operand]) == sizes and op.accesses()[operand] == identity
        case Decomposes():
            return shape_of(op.operands[operand]) == shape_of(op.operands[0])
        case _:
            return False


def _stored_after_reads(function: kernel.FuncOp, operand: int, result: int) -> bool:
    """Whether no sweep after the one that stores the result reads the operand again."""
    clone = function.clone()
    decompose(clone.block)
    ops = tuple(op for op in clone.block.ops if not isinstance(op, kernel.ReturnOp))
    last = clone.block.last_op
    assert isinstance(last, kernel.ReturnOp)
    rows = Rows.of(ops, list(last.values))
    value: SSAValue = last.values[result]
    if not rows.is_full(value):
        return True
    stored = rows.sweep.get(value, 0)
    return max(rows.evaluated(ops, last.values)[clone.block.args[operand]], default=0) <= stored
