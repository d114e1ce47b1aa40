"""Arrays by name as MXNet 1.x writes them: the format of `.params` files and of `nd.save`.

Little endian: u64 0x112, u64 0, u64 count; for each array u32 0xF993FAC9 (0xF993FACA where shapes
are NumPy's, which may be empty), i32 storage 0, i32 rank, rank i64 sizes, i32 device type, i32
device number, i32 dtype, the elements; then u64 count and for each name u64 length, UTF-8.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nnc.dtypes import BFLOAT16
from nnc.errors import DtypeError, OptionError
from nnc.recording.graph import Memory

MAGIC = struct.pack("<QQ", 0x112, 0)
LEGACY_SHAPES, NUMPY_SHAPES = 0xF993FAC9, 0xF993FACA
CPU = 1
FLAGS: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<f2"),
    3: np.dtype("u1"),
    4: np.dtype("<i4"),
    5: np.dtype("i1"),
    6: np.dtype("<i8"),
    7: np.dtype("bool"),
    12: BFLOAT16,
}
"""What MXNet writes for a dtype."""
FLAG_OF = {dtype.name: flag for flag, dtype in FLAGS.items()}
LARGEST_RANK, LARGEST_SIZE = 32, 2**59


def is_params(data: bytes) -> bool:
    return data.startswith(MAGIC[:8])


def chunks(arrays: Sequence[Memory], names: Sequence[str] = ()) -> Iterator[bytes | memoryview]:
    """The parts of a file; arrays without elements or axes need NumPy's shapes."""
    numpy_shapes = any(a.ndim == 0 or a.size == 0 for a in arrays)
    kind = NUMPY_SHAPES if numpy_shapes else LEGACY_SHAPES
    yield MAGIC + struct.pack("<Q", len(arrays))
    for array in arrays:
        flag = FLAG_OF[array.dtype.name]
        yield struct.pack(f"<Iii{array.ndim}q", kind, 0, array.ndim, *array.shape)
        yield struct.pack("<iii", CPU, 0, flag)
        yield np.ascontiguousarray(array, FLAGS[flag]).reshape(-1).view(np.uint8).data
    yield struct.pack("<Q", len(names))
    for name in names:
        encoded = name.encode()
        yield struct.pack("<Q", len(encoded)) + encoded


def arrays_in(filename: str, data: bytes) -> dict[str, Memory]:
    """The arrays by name."""
    found, names = listed_in(filename, data)
    if found and not names:
        raise OptionError(f"{filename} holds a list of arrays, expected arrays by name")
    if len(names) != len(found) or len(set(names)) != len(names):
        raise OptionError(f"{filename}: {len(found)} arrays have {len(set(names))} different names")
    return dict(zip(names, found, strict=True))


def listed_in(filename: str, data: bytes) -> tuple[list[Memory], list[str]]:
    """The arrays and, if there are any, their names."""
    reader = Reader(filename, data)
    if bytes(reader.take(len(MAGIC))) != MAGIC:
        raise reader.error("it does not begin as MXNet's files do")
    arrays = [reader.array() for _ in range(reader.count())]
    names = [reader.name() for _ in range(reader.count())]
    if reader.rest:
        raise reader.error(f"{reader.rest} bytes follow the names")
    return arrays, names


class Reader:
    """Takes one thing after the other, and never more than the file has."""

    def __init__(self, filename: str, data: bytes):
        self.filename = filename
        self.data = memoryview(data)
        self.position = 0

    @property
    def rest(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.position

    def error(self, cause: str) -> OptionError:
        return OptionError(f"{self.filename} is damaged: {cause}")

    def take(self, size: int) -> memoryview:
        if size > self.rest:
            raise self.error(f"{size} bytes expected at {self.position}, {self.rest} are left")
        self.position += size
        return self.data[self.position - size : self.position]

    def numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))

    def count(self) -> int:
        """How many arrays or names follow, none of which is shorter than 8 bytes."""
        [count] = self.numbers("Q")
        if 8 * count > self.rest:
            raise self.error(f"{count} arrays or names in {self.rest} bytes")
        return count

    def array(self) -> Memory:
        kind, storage = self.numbers("Ii")
        if kind not in (LEGACY_SHAPES, NUMPY_SHAPES):
            raise self.error(f"an array begins with {kind:#x}, expected {LEGACY_SHAPES:#x}")
        if storage != 0:
            raise OptionError(f"{self.filename} has a sparse array; expected dense ones")
        shape = self.shape()
        if not shape and kind == LEGACY_SHAPES:
            raise self.error("an array has no shape")
        _, _, flag = self.numbers("iii")
        if flag not in FLAGS:
            known = ", ".join(FLAG_OF)
            raise DtypeError(
                f"{self.filename}: an array has MXNet's dtype {flag}; expected {known}"
            )
        dtype = FLAGS[flag]
        elements = self.take(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(elements, dtype).reshape(shape)

    def shape(self) -> tuple[int, ...]:
        [rank] = self.numbers("i")
        if not 0 <= rank <= LARGEST_RANK:
            raise self.error(f"an array of rank {rank}")
        shape = self.numbers(f"{rank}q")
        if min(shape, default=0) < 0 or math.prod(size or 1 for size in shape) > LARGEST_SIZE:
            raise self.error(f"an array of shape {shape}")
        return shape

    def name(self) -> str:
        [size] = self.numbers("Q")
        try:
            return str(self.take(size), "utf-8")
        except UnicodeDecodeError:
            raise self.error("a name is not UTF-8") from None
