"""Element types in C, and constants as exact literals."""

import math
from functools import lru_cache

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import MemRefType, TensorType, VectorType
from xdsl.ir import Attribute

from nnc.codegen.errors import CodegenError

VALUE_TYPES = {
    "f32": "float",
    "f64": "double",
    "f16": "unsigned short",
    "bf16": "unsigned short",
    "i1": "int",
    "i8": "signed char",
    "ui8": "unsigned char",
    "i16": "short",
    "i32": "int",
    "i64": "long long",
    "index": "long",
}
"""C types of scalar values. Comparisons are ints, 0 or 1; half precision is its bits."""

MEMORY_TYPES = VALUE_TYPES | {"i1": "unsigned char"}
"""C types of buffer elements."""

UNSIGNED = VALUE_TYPES | {
    "i8": "unsigned char",
    "i16": "unsigned short",
    "i32": "unsigned",
    "i64": "unsigned long long",
    "index": "unsigned long",
}

DTYPES = {
    "f32": "float32",
    "f64": "float64",
    "f16": "float16",
    "bf16": "bfloat16",
    "i1": "bool",
    "i8": "int8",
    "ui8": "uint8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
}
"""numpy dtypes of buffer elements; `bfloat16` is that of ml_dtypes."""

HALVES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}
"""Floats of 16 bits, which C has as integers."""


def kind(type: Attribute) -> str:
    """`f32`, `i1`, … : the element type of a scalar, vector or buffer."""
    if isinstance(type, VectorType | MemRefType):
        type = type.get_element_type()
    if isinstance(type, TensorType):
        raise CodegenError(
            f"C has no tensors, such as {type}; lower them first, for example with -p infer-cpu"
        )
    return _name(type)


@lru_cache(maxsize=64)
def _name(element: Attribute) -> str:
    """Kept, since a printer is made for each."""
    name = str(element)
    if name not in VALUE_TYPES:
        raise CodegenError(f"C has no elements of type {name}; lower it to {', '.join(DTYPES)}")
    return name


def literal(value: float | int, kind: str) -> str:
    """`value` as a C literal of exactly this value: `0.1f`, `-INFINITY`, `7`, `7LL`."""
    if kind in HALVES:
        return str(np.array(value).astype(HALVES[kind]).view(np.uint16))
    if kind not in ("f32", "f64"):
        return _integer(int(value), kind)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "-INFINITY" if value < 0 else "INFINITY"
    digits = str(np.float32(value)) if kind == "f32" else repr(float(value))
    if "." not in digits and "e" not in digits:
        digits += ".0"
    return f"{digits}f" if kind == "f32" else digits


def _integer(value: int, kind: str) -> str:
    if kind in ("i1", "ui8"):
        return str(value & (1 if kind == "i1" else 255))
    if kind == "index":
        return str(value)
    half = 1 << (int(kind[1:]) - 1)
    value = (value + half) % (2 * half) - half
    suffix = "LL" if kind == "i64" else ""
    if value == -half:
        # Its positive literal would not fit.
        return f"({value + 1}{suffix} - 1)"
    return f"{value}{suffix}"
