"""Arrays by name in a file: safetensors, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnc.errors import OptionError
from nnc.graph import Memory

CODES = {
    "float32": "F32",
    "float64": "F64",
    "bool": "BOOL",
    "uint8": "U8",
    "int32": "I32",
    "int64": "I64",
}
DTYPES = {code: name for name, code in CODES.items()}
MAX_HEADER = 100 << 20


def save(filename: str, arrays: Mapping[str, Memory]) -> None:
    """Write the arrays; a file of that name is replaced when all is written."""
    header: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        shape = list(array.shape)
        header[name] = {
            "dtype": CODES[array.dtype.name],
            "shape": shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target = Path(filename)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).tobytes())
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def load(filename: str) -> dict[str, Memory]:
    """The arrays of a safetensors file."""
    data = Path(filename).read_bytes()
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(len(data) - 8, MAX_HEADER):
        raise OptionError(f"{filename} is not a safetensors file: its header is cut off")
    try:
        header = json.loads(data[8 : 8 + size])
        return {
            name: array_of(entry, data, 8 + size)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{filename} is not a safetensors file: {error}") from None


def array_of(entry: Any, data: bytes, start: int) -> Memory:
    begin, end = entry["data_offsets"]
    values = np.frombuffer(data[start + begin : start + end], DTYPES[entry["dtype"]])
    return values.reshape(entry["shape"])
