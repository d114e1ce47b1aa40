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

from nnc.dialects.nn import structure


@register_impls
class StructureFunctions(InterpreterFunctions):
    """Bodies run as often as their op says."""

    @impl_terminator(structure.YieldOp)
    def run_yield(
        self, interpreter: Interpreter, op: structure.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()

    @impl(structure.ScanOp)
    def run_scan(
        self, interpreter: Interpreter, op: structure.ScanOp, args: PythonValues
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
