"""The meaning of `loop` ops: bodies run one after the other."""

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl,
    impl_terminator,
    register_impls,
)
from xdsl.ir.affine import AffineConstraintExpr, AffineConstraintKind

from nnc.dialects import loop


def holds(constraint: AffineConstraintExpr, indices: PythonValues) -> bool:
    """Whether the condition is true at a point."""
    left, right = constraint.lhs.eval(indices, ()), constraint.rhs.eval(indices, ())
    match constraint.kind:
        case AffineConstraintKind.eq:
            return left == right
        case AffineConstraintKind.ge:
            return left >= right
        case AffineConstraintKind.le:
            return left <= right


@register_impls
class LoopFunctions(InterpreterFunctions):
    """Parallel points run in order too: they do not depend on each other."""

    @impl(loop.ForOp)
    def run_for(self, interpreter: Interpreter, op: loop.ForOp, args: PythonValues) -> PythonValues:
        for i in range(op.count.data):
            args = interpreter.run_ssacfg_region(op.body, (i, *args), op.name)
        return args

    @impl(loop.ParallelOp)
    def run_parallel(
        self, interpreter: Interpreter, op: loop.ParallelOp, args: PythonValues
    ) -> PythonValues:
        for point in np.ndindex(op.sizes):
            interpreter.run_ssacfg_region(op.body, point, op.name)
        return ()

    @impl(loop.WhenOp)
    def run_when(
        self, interpreter: Interpreter, op: loop.WhenOp, args: PythonValues
    ) -> PythonValues:
        indices, otherwise = args[: len(op.indices)], args[len(op.indices) :]
        if all(holds(constraint, indices) for constraint in op.condition.data.constraints):
            return interpreter.run_ssacfg_region(op.body, (), op.name)
        return otherwise

    @impl(loop.BarrierOp)
    def run_barrier(
        self, interpreter: Interpreter, op: loop.BarrierOp, args: PythonValues
    ) -> PythonValues:
        return ()

    @impl_terminator(loop.YieldOp)
    def run_yield(
        self, interpreter: Interpreter, op: loop.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()
