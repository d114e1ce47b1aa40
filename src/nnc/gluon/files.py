"""Arrays by name in a file: safetensors, or MXNet's `.params`.

A file is recognized by how it begins; it is written as `.params` where its name ends so.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors
from safetensors import SafetensorError

from nnc.errors import DtypeError, OptionError
from nnc.gluon import mxnet_format
from nnc.gluon.atomic import Chunk, Filename, read_whole, write_whole
from nnc.recording.graph import Memory

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
NAMES = {name: code for code, name in DTYPES.items()}
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


def load(filename: Filename, what: str = "load") -> dict[str, Memory]:
    """The arrays of a file of either format; `what` is the call that wants them."""
    data = read_whole(what, filename)
    if mxnet_format.is_params(data):
        return mxnet_format.arrays_in(str(filename), data)
    return safetensors_in(str(filename), data).arrays


def save_safetensors(filename: Filename, arrays: Arrays, texts: Mapping[str, str]) -> None:
    """Write arrays and strings."""
    kept = {name: contiguous(name, array) for name, array in arrays.items()}
    write_whole(filename, chunks(kept, {**texts, CHECKSUM: checksum(kept, texts)}))


def contiguous(name: str, array: Memory) -> Memory:
    """The array as files hold it: row by row, little endian."""
    if array.dtype.name not in NAMES:
        raise DtypeError(f"{name}: files hold {', '.join(NAMES)}; given {array.dtype}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def chunks(arrays: Arrays, texts: Mapping[str, str]) -> Iterator[Chunk]:
    """The parts of a file; the library's writer holds two more copies of everything."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": dict(texts)}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        dtype = NAMES[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # so that the arrays are aligned
    yield len(encoded).to_bytes(8, "little") + encoded
    for _, array in ordered:
        yield array.reshape(-1).view(np.uint8).data


def load_safetensors(filename: Filename, what: str = "load") -> Content:
    """The arrays and strings of a safetensors file."""
    return safetensors_in(str(filename), read_whole(what, filename))


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
    if texts.get(CHECKSUM) not in (None, checksum(arrays, texts)):
        raise OptionError(f"{filename} is damaged: its checksum does not fit what it holds")
    return Content(arrays, texts)


def array_of(filename: str, name: str, dtype: str, shape: list[int], data: bytearray) -> Memory:
    """One entry of a file."""
    if dtype not in DTYPES:
        raise DtypeError(f"{filename}: '{name}' holds {dtype}; expected one of {', '.join(DTYPES)}")
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def checksum(arrays: Arrays, texts: Mapping[str, str]) -> str:
    """Of all other strings, and of the names, types, shapes and bytes of all arrays."""
    names = sorted(arrays)
    header = {
        "texts": {name: text for name, text in texts.items() if name != CHECKSUM},
        "arrays": [(name, arrays[name].dtype.name, arrays[name].shape) for name in names],
    }
    value = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for name in names:
        value = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, value)
    return f"{value:08x}"
