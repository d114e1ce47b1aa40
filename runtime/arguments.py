"""Checks of the arrays that programs are given, and the memory they are given to programs in."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnc.codegen.artifact import Argument
from nnc.runtime.errors import BindError, DtypeError, ShapeError

ALIGNMENT = 64

Array = NDArray[Any]

_byte_in: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer
_addressof = ctypes.addressof


def address_of(array: Array) -> int:
    """Where the array's memory begins."""
    try:
        return _addressof(_byte_in(array))  # Four times as fast as `array.ctypes.data`.
    except (TypeError, ValueError):
        return array.ctypes.data  # Read-only, or without elements.


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any], nbytes: int) -> tuple[Array, int]:
    """A new array on a 64-byte boundary, and its address."""
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = _addressof(_byte_in(memory))
    offset = -start % ALIGNMENT
    return np.ndarray(shape, dtype, memory, offset), start + offset


def aligned_copy(array: Array) -> Array:
    """A copy on a 64-byte boundary, in this machine's byte order."""
    copy, _ = aligned_empty(array.shape, array.dtype.newbyteorder("="), array.nbytes)
    copy[...] = array
    return copy


def is_usable(array: Array) -> bool:
    """Whether C code can read the array as it lies in memory."""
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


def check(program: str, argument: Argument, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Dtype and shape must be the compiled ones."""
    what = f"program '{program}', {argument.role} '{argument.name}'"
    if dtype.newbyteorder("=") != np.dtype(argument.dtype):
        raise DtypeError(
            f"{what}: expected dtype {argument.dtype}, given {dtype}; "
            f"convert it with .astype('{argument.dtype}')"
        )
    if shape != argument.shape:
        raise ShapeError(f"{what}: expected shape {argument.shape}, given {shape}")


def in_place(program: str, argument: Argument, value: object) -> Array:
    """The given array itself, which the program shall read and write where it is."""
    what = f"program '{program}', {argument.role} '{argument.name}'"
    if not isinstance(value, np.ndarray):
        raise BindError(f"{what}: expected a numpy array to use in place, given {_kind(value)}")
    array: Array = value
    check(program, argument, array.dtype, array.shape)
    if not is_usable(array):
        raise BindError(f"{what}: used in place, so it must be contiguous and aligned; it is not")
    if argument.access != "in" and not array.flags.writeable:
        raise BindError(f"{what}: the program writes it, but the given array is read-only")
    return array


def readable(program: str, argument: Argument, value: object) -> Array:
    """An input as C code can read it: the given array, or a copy where it is strided."""
    if argument.access != "in":
        return in_place(program, argument, value)
    if isinstance(value, bool | int | float) and not argument.shape:
        return scalar(program, argument, value)
    array: Array = np.asarray(value)
    check(program, argument, array.dtype, array.shape)
    return array if is_usable(array) else aligned_copy(array)


def scalar(program: str, argument: Argument, value: object) -> Array:
    """A new array of rank 0 that holds a number."""
    array: Array = np.zeros((), argument.dtype)
    assign(program, argument, array, value)
    return array


def assign(program: str, argument: Argument, array: Array, value: object) -> None:
    """Write a number into an array of rank 0, without losing its fraction or its high bits."""
    try:
        if array.dtype.kind in "iub" and isinstance(value, float) and not value.is_integer():
            raise ValueError(f"{value} has a fraction")
        array[()] = value
    except (TypeError, ValueError, OverflowError) as error:
        raise BindError(
            f"program '{program}', {argument.role} '{argument.name}': expected a number that "
            f"{argument.dtype} can hold, given {value!r}: {error}"
        ) from None


def nan_count(array: Array) -> int:
    return int(np.isnan(array).sum()) if array.dtype.kind not in "iub" else 0


def _kind(value: object) -> str:
    return type(value).__name__
