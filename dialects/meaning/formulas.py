"""Short forms for `InterpreterFunctions`: a formula on arrays is the meaning of an op."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FixedBitwidthType, TensorType
from xdsl.interpreter import Interpreter, InterpreterFunctions, OpImpl, PythonValues, impl
from xdsl.ir import Attribute, Operation, OperationInvT

Array: TypeAlias = npt.NDArray[Any]

DTYPES: dict[str, npt.DTypeLike] = {
    "f32": np.float32,
    "f64": np.float64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i1": np.bool_,
    "i8": np.int8,
    "ui8": np.uint8,
    "i32": np.int32,
    "i64": np.int64,
}
"""How numpy stores each element type."""


def dtype_of(type: Attribute) -> np.dtype[Any]:
    """The numpy type of a scalar type or of the elements of a tensor type."""
    element = cast(TensorType[Any], type).element_type if isinstance(type, TensorType) else type
    if isinstance(element, FixedBitwidthType) and str(element) in DTYPES:
        return np.dtype(DTYPES[str(element)])
    raise TypeError(f"{element} has no numpy type; expected one of {', '.join(DTYPES)}")


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type are computed in f32 and rounded when they are stored."""
    return dtype.name in ("float16", "bfloat16")


def meaning(
    op_type: type[OperationInvT], formula: Callable[..., Any]
) -> OpImpl[InterpreterFunctions, OperationInvT]:
    """The meaning of an op with one result: `formula(op, *operands)`."""

    def run(
        self: InterpreterFunctions, interpreter: Interpreter, op: OperationInvT, args: PythonValues
    ) -> PythonValues:
        return (np.asarray(formula(op, *args)),)

    return impl(op_type)(run)


def elementwise(
    op_type: type[OperationInvT], formula: Callable[..., Any]
) -> OpImpl[InterpreterFunctions, OperationInvT]:
    """The meaning of an op that has operands only: `formula(*operands)`."""

    def without_op(op: Operation, *args: Array) -> Any:
        return formula(*args)

    return meaning(op_type, without_op)
