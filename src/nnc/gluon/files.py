"""Arrays by name in a file: safetensors, written whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
from safetensors import SafetensorError
from safetensors.numpy import save as to_bytes

from nnc.errors import DtypeError, OptionError
from nnc.graph import Memory

DTYPES = {
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "BOOL": "bool",
    "I8": "int8",
    "U8": "uint8",
    "I32": "int32",
    "I64": "int64",
}
"""numpy's names of the types in files; safetensors' own numpy reader lacks BF16."""


def save(filename: str, arrays: Mapping[str, Memory]) -> None:
    """Write the arrays; a file of that name is replaced when all is written."""
    data = to_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    target = Path(filename)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder, expected the name of a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}, to write {target.name} in")
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def load(filename: str) -> dict[str, Memory]:
    """The arrays of a safetensors file."""
    try:
        entries = safetensors.deserialize(Path(filename).read_bytes())
    except SafetensorError as error:
        raise OptionError(f"{filename} is not a safetensors file: {error}") from None
    return {name: array_of(filename, name, **entry) for name, entry in entries}


def array_of(filename: str, name: str, dtype: str, shape: list[int], data: bytearray) -> Memory:
    """One entry of a file."""
    if dtype not in DTYPES:
        raise DtypeError(f"{filename}: '{name}' holds {dtype}; expected one of {', '.join(DTYPES)}")
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)
