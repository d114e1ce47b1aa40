"""May a result take the place of an operand in memory?

Only if, for each element, the last read comes before the first write, over all sweeps and blocks
of the kernel. `bufferize` asks before it makes an argument `inout`; `verify-inplace` checks the
loops afterwards.
"""

from functools import cached_property

from xdsl.ir import Operation
from xdsl.ir.affine import AffineMap

from nnc.dialects import kernel
from nnc.dialects.interfaces import Access, Decomposes, Structured
from nnc.dialects.nn.base import shape_of
from nnc.dialects.nn.reduce import ReduceOp
from nnc.lowering.nn_decompose import decompose
from nnc.lowering.strategies.sweeps import Rows


class Donor:
    """One kernel on tensors, which is asked about its operands and results by their numbers."""

    def __init__(self, function: kernel.FuncOp):
        self.function = function
        self._answers: dict[tuple[int, int], bool] = {}

    def may_donate(self, operand: int, result: int) -> bool:
        """Whether the result may be written over the operand."""
        key = (operand, result)
        if key not in self._answers:
            self._answers[key] = self._may_donate(operand, result)
        return self._answers[key]

    def _may_donate(self, operand: int, result: int) -> bool:
        argument = self.function.block.args[operand]
        last = self.function.block.last_op
        assert isinstance(last, kernel.ReturnOp)
        assert self.function.strategy is not None
        value = last.values[result]
        if argument.type != value.type or value is argument:
            return False
        if not all(_reads_at_the_point(use.operation, use.index) for use in argument.uses):
            return False
        match self.function.strategy.algorithm.data:
            case "contraction":
                return True
            case "sweeps":
                reads, stores = self._sweeps
                return reads[operand] <= stores[result]
            case _:
                return False

    @cached_property
    def _sweeps(self) -> tuple[list[int], list[int]]:
        """The last sweep that reads each operand, and the one that stores each result.

        What is no full tensor is stored after all sweeps.
        """
        clone = self.function.clone()
        decompose(clone.block)
        ops = tuple(op for op in clone.block.ops if not isinstance(op, kernel.ReturnOp))
        last = clone.block.last_op
        assert isinstance(last, kernel.ReturnOp)
        values = list(last.values)
        rows = Rows.of(ops, values)
        evaluated = rows.evaluated(ops, values)
        reads = [max(evaluated[argument], default=0) for argument in clone.block.args]
        stores = [rows.sweep.get(v, 0) if rows.is_full(v) else rows.sweeps for v in values]
        return reads, stores


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
