"""The runtime's own C: the thread pool, and the reading of a call's inputs."""

import ctypes
import functools
from pathlib import Path

import numpy as np

from nnc.codegen.artifact import Argument, Unit
from nnc.runtime.compile import GNU_FLAGS, load

FLAGS = (*GNU_FLAGS, "-pthread")
_SOURCE = Path(__file__).parent / "cpu"


class Input(ctypes.Structure):
    """`nnc_input` of inputs.c: what an input of a program must look like."""

    _fields_ = (
        ("argument", ctypes.c_long),
        ("flags", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("alignment", ctypes.c_long),
        ("format", ctypes.c_char * 8),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
    )


# Flags of the buffer protocol: C-contiguous with format; writable.
_READ, _WRITE = 0x3C, 0x3D


def described(index: int, argument: Argument) -> Input:
    """What an input must look like to be used as it lies in memory."""
    dtype = np.dtype(argument.dtype)
    shape = (ctypes.c_ssize_t * len(argument.shape))(*argument.shape)
    flags = _READ if argument.access == "in" else _WRITE
    return Input(index, flags, len(shape), dtype.alignment, dtype.char.encode(), shape)


def units() -> list[Unit]:
    """The C files, each complete in itself."""
    header = (_SOURCE / "pool.h").read_text()
    texts = {name: (_SOURCE / name).read_text() for name in ("pool.c", "inputs.c")}
    return [Unit(name, t.replace('#include "pool.h"', header)) for name, t in texts.items()]


@functools.cache
def library() -> ctypes.CDLL:
    """The library, compiled and loaded at its first use."""
    loaded = load("runtime", units(), FLAGS)
    pointer, number = ctypes.c_void_p, ctypes.c_long
    loaded.nnc_pool_ran.restype = number
    loaded.nnc_pool_run.argtypes = (pointer, pointer, pointer, number)
    return loaded


@functools.cache
def python_library() -> ctypes.PyDLL:
    """The same library, for functions that call Python."""
    loaded = ctypes.PyDLL(library()._name)
    pointer = ctypes.c_void_p
    loaded.nnc_take_inputs.argtypes = (ctypes.py_object, pointer, ctypes.c_long, pointer)
    return loaded
