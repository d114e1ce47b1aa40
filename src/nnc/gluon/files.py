"""Arrays by name in a file: safetensors, or MXNet's `.params`.

A file is recognized by how it begins; it is written as `.params` where its name ends so.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
from safetensors import SafetensorError
from safetensors.numpy import save as to_bytes

from nnc.errors import DtypeError, OptionError
from nnc.gluon import mxnet_format
from nnc.gluon.atomic import Filename, write_whole
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
CHECKSUM = "crc32"
"""The name under which a file has its checksum."""

Arrays = Mapping[str, Memory]


class Content(NamedTuple):
    """What a file holds."""

    arrays: dict[str, Memory]
    texts: dict[str, str]
    """Strings by name beside the arrays."""


def writes_params(filename: Filename) -> bool:
    """Whether the name asks for MXNet's format."""
    return str(filename).endswith(".params")


def save(filename: Filename, arrays: Arrays) -> None:
    """Write the arrays, in the format that the name asks for."""
    if writes_params(filename):
        write_whole(filename, mxnet_format.chunks([*arrays.values()], [*arrays]))
    else:
        save_safetensors(filename, arrays, {})


def load(filename: Filename) -> dict[str, Memory]:
    """The arrays of a file of either format."""
    data = Path(filename).read_bytes()
    if mxnet_format.is_params(data):
        return mxnet_format.arrays_in(str(filename), data)
    return safetensors_in(str(filename), data).arrays


def save_safetensors(filename: Filename, arrays: Arrays, texts: Mapping[str, str]) -> None:
    """Write arrays and strings."""
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(filename, [to_bytes(kept, {**texts, CHECKSUM: checksum(kept, texts)})])


def load_safetensors(filename: Filename) -> Content:
    """The arrays and strings of a safetensors file."""
    return safetensors_in(str(filename), Path(filename).read_bytes())


def texts_of(filename: Filename) -> dict[str, str]:
    """The strings of a safetensors file; its arrays are not read."""
    try:
        with safetensors.safe_open(filename, "numpy") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise OptionError(f"{filename} is not a safetensors file: {error}") from None


def safetensors_in(filename: str, data: bytes) -> Content:
    """What the bytes of a safetensors file hold; a checksum must fit if there is one."""
    try:
        entries = safetensors.deserialize(data)
    except SafetensorError as error:
        raise OptionError(
            f"{filename} is not a safetensors file, nor one of MXNet: {error}"
        ) from None
    arrays = {name: array_of(filename, name, **entry) for name, entry in entries}
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    texts: dict[str, str] = header.get("__metadata__", {})
    if texts.pop(CHECKSUM, None) not in (None, checksum(arrays, texts)):
        raise OptionError(f"{filename} is damaged: its checksum does not fit what it holds")
    return Content(arrays, texts)


def array_of(filename: str, name: str, dtype: str, shape: list[int], data: bytearray) -> Memory:
    """One entry of a file."""
    if dtype not in DTYPES:
        raise DtypeError(f"{filename}: '{name}' holds {dtype}; expected one of {', '.join(DTYPES)}")
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def checksum(arrays: Arrays, texts: Mapping[str, str]) -> str:
    """Of all strings and of the bytes of all arrays, in the order of their names."""
    value = zlib.crc32(json.dumps(sorted(texts.items())).encode())
    for name in sorted(arrays):
        value = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, value)
    return f"{value:08x}"
