"""The dtypes of arrays, by numpy name, and what they are called in IR."""

from typing import Any, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray as NumpyArray
from xdsl.dialects.builtin import bf16, f16, f32, f64, i1, i8, i32, i64
from xdsl.ir import Attribute

from nnc.dialects.scalars import ui8
from nnc.runtime.errors import DtypeError, ShapeError

DTYPES: dict[str, Attribute] = {
    "float32": f32,
    "float64": f64,
    "float16": f16,
    "bfloat16": bf16,
    "bool": i1,
    "int8": i8,
    "uint8": ui8,
    "int32": i32,
    "int64": i64,
}
_NAMES = {attribute: name for name, attribute in DTYPES.items()}
FLOATS = ("float16", "bfloat16", "float32", "float64")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
"""numpy's type for it comes from ml_dtypes."""
PROMOTION = ("bool", "uint8", "int8", "int32", "int64", *FLOATS)
BETWEEN = {
    ("float16", "bfloat16"): "float32",
    ("uint8", "int8"): "int32",
}
"""Pairs of which neither holds the other."""


def common_dtype(a: str, b: str) -> str:
    """What two arrays are computed in, as in MXNet 2: the wider, and a float before an integer.

    So it is in NumPy, too, but that a large integer and a small float give the float.
    """
    lower, higher = sorted((a, b), key=PROMOTION.index)
    return BETWEEN.get((lower, higher), higher)


def wide_dtype(dtype: str) -> str:
    """What numbers of this dtype are computed in."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def element_type(dtype: str) -> Attribute:
    """The element type of a tensor of this dtype."""
    return DTYPES[dtype]


def numpy_name(element: Attribute) -> str:
    """The dtype of tensors with this element type."""
    return _NAMES[element]


def dtype_name(dtype: object) -> str:
    """The name of a dtype however it is given; a `DtypeError` lists those that arrays can have."""
    try:
        name = np.dtype(cast(Any, dtype)).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise DtypeError(f"arrays have dtype {', '.join(DTYPES)}; given {name}")
    return name


def numeric(source: Any, dtype: object = None) -> NumpyArray[Any]:
    """`source` as numpy array of a dtype; without one, numbers and lists become float32.

    So do numpy's arrays of float64, others keep their dtype. No number may be lost to the dtype.
    """
    try:
        given = np.asarray(source)
    except ValueError:
        raise ShapeError("array: the rows of a list must have equal lengths") from None
    known = given.dtype.kind in "fiub" or given.dtype == BFLOAT16
    if not known and (given.dtype.kind in "OUSV" or dtype is not None):
        hint = "; its array is .data()" if callable(getattr(source, "data", None)) else ""
        if isinstance(source, np.ndarray) and given.dtype.kind == "O":
            hint = '; where its objects are numbers, give x.astype("float32")'
        raise DtypeError(f"array: expected real numbers, given {source!r:.60}{hint}")
    keeps = isinstance(source, np.ndarray | np.generic) and given.dtype != np.float64
    name = dtype_name(dtype if dtype is not None else given.dtype if keeps else "float32")
    if name != given.dtype.name and np.dtype(name).kind in "iu" and given.size:
        check_range(given, name)
    return given.astype(name, copy=False)


def check_range(given: NumpyArray[Any], name: str) -> None:
    """Integers of this dtype must be able to hold the numbers; fractions are cut off."""
    low, high, limits = given.min().item(), given.max().item(), np.iinfo(name)
    if not (low > limits.min - 1 and high < limits.max + 1):
        raise DtypeError(
            f"array: {name} holds numbers from {limits.min} to {limits.max}, given {low} to {high}"
        )
