"""Runs a module with numpy: the meaning of every level, one op after the other.

Tensors are arrays. An f32 program given f64 arrays is computed in f64, so that the same module
serves as its own precise oracle.
"""

from collections.abc import Sequence

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp, ShapedType
from xdsl.interpreter import Interpreter, InterpreterFunctions, OpImplResult, PythonValues
from xdsl.interpreters.func import FuncFunctions
from xdsl.interpreters.scf import ScfFunctions
from xdsl.ir import Operation
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import InterpretationError

from nnc.dialects.meaning.attention import AttentionFunctions
from nnc.dialects.meaning.buffer import BufferFunctions
from nnc.dialects.meaning.contract import ContractFunctions
from nnc.dialects.meaning.elementwise import ElementwiseFunctions
from nnc.dialects.meaning.formulas import Array, dtype_of, is_half
from nnc.dialects.meaning.kernel import KernelFunctions
from nnc.dialects.meaning.loop import LoopFunctions
from nnc.dialects.meaning.memory import Memory
from nnc.dialects.meaning.normalize import NormalizeFunctions
from nnc.dialects.meaning.norms import NormsFunctions
from nnc.dialects.meaning.optim import OptimFunctions
from nnc.dialects.meaning.pool import PoolFunctions
from nnc.dialects.meaning.random import RandomFunctions
from nnc.dialects.meaning.reduce import ReduceFunctions
from nnc.dialects.meaning.scalar import ScalarFunctions
from nnc.dialects.meaning.shape import ShapeFunctions
from nnc.dialects.meaning.structure import StructureFunctions
from nnc.dialects.meaning.tile import TileFunctions
from nnc.dialects.nn.base import GraphOp

MEANINGS: tuple[type[InterpreterFunctions], ...] = (
    FuncFunctions,
    ScfFunctions,
    ElementwiseFunctions,
    ShapeFunctions,
    ReduceFunctions,
    ContractFunctions,
    PoolFunctions,
    NormalizeFunctions,
    NormsFunctions,
    AttentionFunctions,
    RandomFunctions,
    StructureFunctions,
    OptimFunctions,
    KernelFunctions,
    BufferFunctions,
    LoopFunctions,
    TileFunctions,
    ScalarFunctions,
)


class HalfInterpreter(Interpreter):
    """Computes graph ops on f16 and bf16 in f32, as kernels do, and rounds what they return."""

    def _run_op(self, op: Operation, inputs: PythonValues) -> OpImplResult:
        halves = [isinstance(x, np.ndarray) and is_half(x.dtype) for x in inputs]
        if not isinstance(op, GraphOp) or op.regions or not any(halves):
            return super()._run_op(op, inputs)
        widened = (x.astype(np.float32) if h else x for x, h in zip(inputs, halves, strict=True))
        results = super()._run_op(op, tuple(widened)).values
        rounded = (
            y.astype(dtype) if is_half(dtype := dtype_of(result.type)) else y
            for y, result in zip(results, op.results, strict=True)
        )
        return OpImplResult(tuple(rounded), None)


def interpreter_of(module: ModuleOp) -> Interpreter:
    """An interpreter that knows every op."""
    interpreter = HalfInterpreter(module)
    for functions in MEANINGS:
        interpreter.register_implementations(functions())
    return interpreter


def run(module: ModuleOp, arguments: Sequence[Array], function: str = "main") -> list[Array]:
    """The results of calling `function`; arguments that are buffers are written in place."""
    called = SymbolTable.lookup_symbol(module, function)
    if not isinstance(called, func.FuncOp):
        raise InterpretationError(f"the module has no func.func named @{function}")
    check_arguments(called, arguments)
    passed = tuple(
        Memory.of(argument, type) if isinstance(type, MemRefType) else np.array(argument)
        for type, argument in zip(called.function_type.inputs, arguments, strict=True)
    )
    with np.errstate(all="ignore"):
        results = interpreter_of(module).call_op(called, passed)
    return [np.asarray(result) for result in results]


def check_arguments(called: func.FuncOp, arguments: Sequence[Array]) -> None:
    """Raises unless there is one array of the right shape for each argument."""
    name = called.sym_name.data
    types = called.function_type.inputs.data
    if len(types) != len(arguments):
        raise InterpretationError(f"@{name} takes {len(types)} arguments, given {len(arguments)}")
    for position, (type, argument) in enumerate(zip(types, arguments, strict=True)):
        expected = type.get_shape() if isinstance(type, ShapedType) else ()
        if np.shape(argument) != expected:
            raise InterpretationError(
                f"@{name}: argument {position} is {type}, given shape {np.shape(argument)}"
            )
