"""Objects in memory that processes share.

An object is pickled; what pickle gives out of band, the contents of arrays, lies in a file without
a name that exists in memory only, and goes when nobody holds it. Nothing is left behind, whatever
process dies.
"""

import mmap
import os
import pickle
import tempfile
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from nnc.arrays.array import NDArray

ALIGNMENT = 64


class Packed(NamedTuple):
    """An object whose arrays are in a `SharedFile`."""

    pickled: bytes
    sizes: list[int]

    @property
    def offsets(self) -> list[int]:
        """Where each array begins, and where the last one ends."""
        return list(accumulate((size + -size % ALIGNMENT for size in self.sizes), initial=0))


class SharedFile:
    """Memory with a file descriptor, as large as what was written into it."""

    def __init__(self, descriptor: int | None = None):
        self.descriptor = unnamed_file() if descriptor is None else descriptor
        self._memory: mmap.mmap | None = None

    def __del__(self) -> None:
        os.close(self.descriptor)

    def write(self, value: Any) -> Packed:
        """Pickle a value into the file."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        packed = Packed(pickled, [part.nbytes for part in raw])
        size = packed.offsets[-1]
        if size > self.size:
            os.ftruncate(self.descriptor, size)
        memory = self.memory(size)
        for part, offset in zip(raw, packed.offsets, strict=False):
            memory[offset : offset + part.nbytes] = part
        return packed

    def read(self, packed: Packed, memory: Any) -> Any:
        """The value; its arrays are parts of `memory`, and keep it alive."""
        starts = zip(packed.sizes, packed.offsets, strict=False)
        return pickle.loads(
            packed.pickled, buffers=[memory[start : start + size] for size, start in starts]
        )

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def memory(self, size: int, *, private: bool = False) -> Any:
        """The first bytes as a new array; writing to a private one changes nobody else's."""
        if not size:
            return np.empty(0, np.uint8)
        if self._memory is None or len(self._memory) < size:
            access = mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE
            self._memory = mmap.mmap(self.descriptor, self.size, access=access)
        return np.frombuffer(self._memory, np.uint8, size)


def unnamed_file() -> int:
    """The descriptor of an empty file that only those can open who are given it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nnc")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def as_numpy(batch: Any) -> Any:
    """A batch, or parts of parts of it, with numpy's arrays instead of nnc's."""
    if isinstance(batch, NDArray):
        return batch.asnumpy()
    if isinstance(batch, list | tuple):
        return [as_numpy(part) for part in batch]
    if isinstance(batch, dict):
        return {name: as_numpy(part) for name, part in batch.items()}
    return batch
