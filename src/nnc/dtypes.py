"""The dtypes of arrays, by numpy name, and what they are called in IR."""

from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type, Float64Type, IntegerType
from xdsl.ir import Attribute

from nnc.runtime.errors import DtypeError

DTYPES: dict[str, Attribute] = {
    "float32": Float32Type(),
    "float64": Float64Type(),
    "bool": IntegerType(1),
    "uint8": IntegerType(8),
    "int32": IntegerType(32),
    "int64": IntegerType(64),
}
_NAMES = {attribute: name for name, attribute in DTYPES.items()}
FLOATS = ("float32", "float64")


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
