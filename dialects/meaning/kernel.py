"""The meaning of `kernel` ops: a launch runs the body of its kernel, on tensors or on buffers.

A kernel sees a buffer as its own argument type says, as C does: only the address is passed.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import MemRefType
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
from xdsl.utils.exceptions import InterpretationError

from nnc.dialects import kernel
from nnc.dialects.meaning.memory import Memory


@register_impls
class KernelFunctions(InterpreterFunctions):
    """Kernels are found by name once."""

    def __init__(self):
        self.kernels: dict[str, kernel.FuncOp] = {}

    @impl(kernel.GroupOp)
    def group(
        self, interpreter: Interpreter, op: kernel.GroupOp, args: PythonValues
    ) -> PythonValues:
        return interpreter.run_ssacfg_region(op.body, args, op.name)

    @impl(kernel.LaunchOp)
    def launch(
        self, interpreter: Interpreter, op: kernel.LaunchOp, args: PythonValues
    ) -> PythonValues:
        callee = self.find(interpreter, op.callee.string_value())
        firsts = [(0,) * len(a.shape) if isinstance(a, Memory) else () for a in args]
        return self.enter(interpreter, callee, args, firsts)

    @impl(kernel.CallOp)
    def call(self, interpreter: Interpreter, op: kernel.CallOp, args: PythonValues) -> PythonValues:
        callee = self.find(interpreter, op.callee.string_value())
        buffers, indices = args[: len(op.buffers)], args[len(op.buffers) :]
        firsts = [map.data.eval(indices, ()) for map in op.maps]
        return self.enter(interpreter, callee, buffers, firsts)

    @impl_terminator(kernel.ReturnOp)
    def run_return(
        self, interpreter: Interpreter, op: kernel.ReturnOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()

    def find(self, interpreter: Interpreter, name: str) -> kernel.FuncOp:
        """The kernel called `name`."""
        if name not in self.kernels:
            found = interpreter.get_op_for_symbol(name)
            if not isinstance(found, kernel.FuncOp):
                raise InterpretationError(f"@{name} is a {found.name}, expected a kernel.func")
            self.kernels[name] = found
        return self.kernels[name]

    def enter(
        self,
        interpreter: Interpreter,
        callee: kernel.FuncOp,
        args: PythonValues,
        firsts: Sequence[Sequence[int]],
    ) -> PythonValues:
        """Runs the kernel on arguments that start at the given subscripts."""
        if len(args) != len(callee.block.args):
            raise InterpretationError(
                f"kernel @{callee.sym_name.data} takes {len(callee.block.args)} arguments, "
                f"given {len(args)}"
            )
        passed = tuple(
            value.part(first, type) if isinstance(type, MemRefType) else value
            for value, first, type in zip(args, firsts, callee.block.arg_types, strict=True)
        )
        return interpreter.run_ssacfg_region(callee.body, passed, f"@{callee.sym_name.data}")
