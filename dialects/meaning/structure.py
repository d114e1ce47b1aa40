"""The meaning of ops with a body."""

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

from nnc.dialects.nn import checkpoint, cond, scan, structure, with_gradient


@register_impls
class StructureFunctions(InterpreterFunctions):
    """Bodies run as often as their op says."""

    @impl_terminator(structure.YieldOp)
    def run_yield(
        self, interpreter: Interpreter, op: structure.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()

    @impl(scan.ScanOp)
    def run_scan(
        self, interpreter: Interpreter, op: scan.ScanOp, args: PythonValues
    ) -> PythonValues:
        states, end = len(op.inits), len(op.inits) + len(op.sequences)
        carried, sequences, captured = args[:states], args[states:end], args[end:]
        steps = range(op.count.data)
        stacked: dict[int, PythonValues] = {}
        for t in reversed(steps) if op.reverse else steps:
            slices = [sequence[t] for sequence in sequences]
            yielded = interpreter.run_ssacfg_region(op.body, (*carried, *slices, *captured), "scan")
            carried, stacked[t] = yielded[:states], yielded[states:]
        columns = zip(*(stacked[t] for t in steps), strict=True)
        return (*carried, *(np.stack(column) for column in columns))

    @impl(cond.CondOp)
    def run_cond(
        self, interpreter: Interpreter, op: cond.CondOp, args: PythonValues
    ) -> PythonValues:
        predicate, *captured = args
        chosen = op.then if bool(predicate) else op.otherwise
        return interpreter.run_ssacfg_region(chosen, tuple(captured), "cond")

    @impl(checkpoint.CheckpointOp)
    def run_checkpoint(
        self, interpreter: Interpreter, op: checkpoint.CheckpointOp, args: PythonValues
    ) -> PythonValues:
        return interpreter.run_ssacfg_region(op.body, args, "checkpoint")

    @impl(checkpoint.AfterOp)
    def run_after(
        self, interpreter: Interpreter, op: checkpoint.AfterOp, args: PythonValues
    ) -> PythonValues:
        return args[:1]

    @impl(with_gradient.WithGradientOp)
    def run_with_gradient(
        self, interpreter: Interpreter, op: with_gradient.WithGradientOp, args: PythonValues
    ) -> PythonValues:
        return args[: len(op.values)]

    @impl(structure.DetachOp)
    def run_detach(
        self, interpreter: Interpreter, op: structure.DetachOp, args: PythonValues
    ) -> PythonValues:
        return args
