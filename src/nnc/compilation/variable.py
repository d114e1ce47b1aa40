"""Memory that outlives programs: parameters, optimizer state, running statistics."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nnc.arrays.array import NDArray
from nnc.errors import ShapeError
from nnc.recording.graph import Memory, Value, type_of
from nnc.recording.recorder import flush, kept, recorder
from nnc.recording.slot import Slot
from nnc.runtime.arguments import aligned_copy
from nnc.runtime.device import HOST, Place, Storage, change

Layout = tuple[int, ...]


def logical(memory: Storage, layout: Layout | None) -> Storage:
    """The array as users see it, given as it lies in memory: dimension i holds `layout[i]`."""
    return memory if layout is None else memory.transpose(np.argsort(layout).tolist())


def restored(
    name: str, role: str, data: Memory, layout: Layout | None, device: Place, request: str | None
) -> "Variable":
    """A variable as it was copied or pickled."""
    variable = Variable(name, role, data, layout, device)
    if request is not None:
        variable.attach_grad(request)
    return variable


class Writes:
    """How often a variable's memory was written. Programs look at it, and may outlive that."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Variable(NDArray):
    """An array with one place in memory. A new value replaces it there, when it is computed."""

    __slots__ = ("layout", "name", "place", "role", "whole", "writes")

    def __init__(
        self,
        name: str,
        role: str,
        data: Memory,
        layout: Layout | None = None,
        device: Place = HOST,
    ):
        place = device.array(aligned_copy(data if layout is None else data.transpose(layout)))
        self.whole = logical(place, layout)
        """The memory as users see it."""
        super().__init__(Value(type_of(data.shape, data.dtype.name, device), self.whole))
        self.name = name
        self.role = role
        self.layout = layout
        self.place = place
        """The memory, in its own order of dimensions."""
        self.writes = Writes()
        self._value.variable = self

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has memory of its own, and no gradient yet."""
        request = None if self.slot is None else self.slot.request
        device = self._value.type.device or HOST
        return restored, (self.name, self.role, self.asnumpy(), self.layout, device, request)

    def attach_grad(self, grad_req: str = "write") -> None:
        super().attach_grad(grad_req)
        self._value.variable = self
        if self._value.slot is not None:
            self._value.slot.name = f"parameter '{self.name}'"

    def detach_grad(self) -> None:
        """Without a gradient."""
        self._value.slot = None

    @property
    def slot(self) -> Slot | None:
        return self._value.slot

    def assign(self, value: Value) -> None:
        """Replace the contents by a value that is not computed yet."""
        self.check_in_place()
        self.update(value)

    def update(self, value: Value) -> None:
        """`assign` without the check: what a training step does."""
        recorder.writes.setdefault(self, self._value)
        value.slot = self._value.slot
        self._value = value

    def undo(self, value: Value) -> None:
        """Back to an earlier value that is still there."""
        self._value = value

    def overwritten(self, base: Value) -> None:
        """The new value has been computed into the memory of `base`."""
        base.memory, value = None, self._value
        value.memory = self.whole
        value.variable = self
        value.node = None

    def change(self, write: Callable[[Memory], None]) -> None:
        self.check_in_place()
        memory = self.memory()
        flush()
        base = self._value
        with kept([base]):
            change(memory, write)
            self.writes.count += 1
            self._value = Value(base.type)
            self._value.slot = base.slot
            self.overwritten(base)

    def set(self, data: Any) -> None:
        """Copy data of the same shape into the memory."""
        new = data.host() if isinstance(data, NDArray) else np.asarray(data)
        if new.shape != self.shape:
            raise ShapeError(f"'{self.name}': expected shape {self.shape}, given {new.shape}")
        self.change(lambda memory: np.copyto(memory, new))

    def __dlpack__(self, **options: Any) -> Any:
        return self.asnumpy().__dlpack__(**options)
