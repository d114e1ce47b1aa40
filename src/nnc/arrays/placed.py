"""Where an array is, and how it goes elsewhere."""

from abc import ABC, abstractmethod
from typing import Any, Self

from nnc.device import place_named
from nnc.errors import GradientError, ShapeError
from nnc.recording.graph import Memory, Value
from nnc.recording.recorder import recorder
from nnc.runtime.arguments import aligned_copy
from nnc.runtime.device import HOST, Place


class Placed(ABC):
    """What arrays say of their device. The subclass holds the value and makes new ones."""

    __slots__ = ()

    _value: Value

    @abstractmethod
    def host(self) -> Memory:
        """The elements on the host: the array's own memory, or a copy of a device's."""

    @abstractmethod
    def copy(self) -> Self:
        """A snapshot on the same device."""

    @staticmethod
    @abstractmethod
    def on(place: Place, memory: Memory) -> Any:
        """A new array with this memory, or with a copy of it on another device."""

    @property
    def device(self) -> Place:
        """Where the array is: `nnc.cpu()` or `nnc.gpu(0)`."""
        return self._value.type.device or HOST

    context = ctx = device

    def as_in_context(self, context: object) -> Self:
        """The array itself if it is on that device, or a copy there, which waits for it."""
        place = place_named("as_in_context", context) or HOST
        return self if place is self.device else self._copy_on(place)

    as_in_ctx = to_device = as_in_context

    def copyto(self, other: Any) -> Any:
        """A copy on a device, or in another array, which it replaces."""
        if isinstance(other, Placed):
            target: Any = other
            if target.shape != self._value.type.shape:
                given = self._value.type.shape
                raise ShapeError(f"copyto: expected shape {target.shape}, given {given}")
            target[:] = self.as_in_context(target.device)
            return target
        place = place_named("copyto", other) or HOST
        return self.copy() if place is self.device else self._copy_on(place)

    def _copy_on(self, place: Place) -> Any:
        """A copy on another device: no program reaches over there, and no gradient."""
        value = self._value
        if recorder.recording and (value.slot or (value.node is not None and value.node.taped)):
            raise GradientError(
                f"as_in_context: an array that a gradient is recorded for cannot go from "
                f"{self.device} to {place}; copy the network's inputs, before the first layer"
            )
        return self.on(place, aligned_copy(self.host()))
