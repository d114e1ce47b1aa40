"""Buffers as the interpreter holds them: a place in an allocation, with shape and strides.

Every access is checked against the allocation, so halos (negative subscripts of a view) are legal
and what leaves the allocation is an error. Fresh memory holds bytes 255: NaN as floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import InterpretationError

from nnc.dialects.buffer import strides_of
from nnc.dialects.meaning.formulas import Array, dtype_of

UNINITIALISED = 0xFF
"""Every byte of fresh memory."""


class AccessError(InterpretationError):
    """An access outside of an allocation; the text names op and buffer."""


@dataclass(frozen=True)
class Memory:
    """A buffer: its first element's place in an allocation, its shape, and strides in elements."""

    elements: Array
    """The allocation, flat, as elements of this buffer's type."""
    origin: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @staticmethod
    def of(array: Array, type: MemRefType[Attribute]) -> "Memory":
        """An argument: the array's own memory."""
        return Memory(array.reshape(-1), 0, type.get_shape(), strides_of(type))

    @staticmethod
    def fresh(type: MemRefType[Attribute]) -> "Memory":
        """An allocation that nothing has been written to."""
        shape, strides = type.get_shape(), strides_of(type)
        dtype = dtype_of(type.element_type)
        count = _last(shape, strides) + 1 if prod(shape) else 0
        bytes = np.full(count * dtype.itemsize, UNINITIALISED, np.uint8)
        return Memory(bytes.view(dtype), 0, shape, strides)

    def address(self, subscript: Sequence[int]) -> int:
        """The place of an element in the allocation; may be outside."""
        return self.origin + sum(i * s for i, s in zip(subscript, self.strides, strict=True))

    def part(self, subscript: Sequence[int], type: MemRefType[Attribute]) -> "Memory":
        """A buffer of `type` whose first element is at the subscript."""
        address, elements = self.address(subscript), self.elements
        dtype = dtype_of(type.element_type)
        if dtype != elements.dtype:
            byte = address * elements.itemsize
            if byte % dtype.itemsize:
                raise AccessError(f"byte {byte} is no place for {type.element_type}")
            address = byte // dtype.itemsize
            bytes = elements.view(np.uint8)
            elements = bytes[: len(bytes) // dtype.itemsize * dtype.itemsize].view(dtype)
        return Memory(elements, address, type.get_shape(), strides_of(type))

    def check(self, op: Operation, buffer: SSAValue, first: int, last: int) -> None:
        """Raises unless places `first` to `last` are in the allocation."""
        if first < 0 or last >= len(self.elements):
            name = f"%{buffer.name_hint}" if buffer.name_hint else "a buffer"
            raise AccessError(
                f"{op.name}: elements {first} to {last} of the memory of {name} ({buffer.type}), "
                f"which has elements 0 to {len(self.elements) - 1}"
            )

    def array(self, op: Operation, buffer: SSAValue) -> Array:
        """All elements, as an array that shares the memory."""
        if not prod(self.shape):
            return np.empty(self.shape, self.elements.dtype)
        self.check(op, buffer, self.origin, self.origin + _last(self.shape, self.strides))
        steps = tuple(s * self.elements.itemsize for s in self.strides)
        return np.ndarray(
            self.shape,
            self.elements.dtype,
            self.elements,
            self.origin * self.elements.itemsize,
            steps,
        )


def _last(shape: Sequence[int], strides: Sequence[int]) -> int:
    """The place of the last element relative to the first."""
    return sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


@lru_cache(maxsize=1024)
def places(shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """The places of a tile's elements relative to its first one."""
    steps = [np.arange(n) * s for n, s in zip(shape, strides, strict=True)]
    return np.asarray(sum(np.ix_(*steps)))
