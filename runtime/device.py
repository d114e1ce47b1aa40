"""A GPU's memory, and arrays in it."""

import functools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import numpy as np

from nnc.runtime.arguments import Array
from nnc.runtime.driver import Driver, open_driver

_GRANULE = 512


class Scopes(threading.local):
    """The devices whose `with` this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.entered: list[Place] = []


_scopes = Scopes()


class Usable:
    """What `with` makes the device of arrays and parameters that are made without naming one."""

    def __enter__(self) -> Self:
        _scopes.entered.append(cast(Place, self))
        return self

    def __exit__(self, *error: object) -> None:
        _scopes.entered.pop()


def entered() -> "Place | None":
    """The device of the innermost `with`, if there is one."""
    return _scopes.entered[-1] if _scopes.entered else None


class Device(Usable):
    """A GPU and the memory taken from it; memory given back serves the next who asks."""

    device_type = "gpu"

    def __init__(self, driver: Driver, device_id: int = 0):
        self.driver = driver
        self.device_id = device_id
        self._free: dict[int, list[int]] = {}

    def __repr__(self) -> str:
        return f"gpu({self.device_id})"

    def __reduce__(self) -> tuple[Any, ...]:
        """There is one of each: its copies are itself."""
        return open_device, (self.device_id,)

    def empty(self, shape: tuple[int, ...], dtype: str) -> "DeviceArray":
        """A new array whose elements are whatever was there; the device is active."""
        size = max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1)
        size += -size % _GRANULE
        free = self._free.setdefault(size, [])
        pointer = free.pop() if free else self.driver.allocate(size)
        array = DeviceArray(self, pointer, shape, dtype)
        weakref.finalize(array, free.append, pointer).atexit = False
        return array

    def array(self, value: Any) -> "DeviceArray":
        """A copy of an array on the device."""
        source = value if isinstance(value, DeviceArray) else np.asarray(value)
        with self.driver.active():
            array = self.empty(source.shape, source.dtype.name)
            array.write(source)
        return array


class DeviceArray:
    """An array in a device's memory. `numpy()` waits for the device and copies it back."""

    def __init__(self, device: Device, pointer: int, shape: tuple[int, ...], dtype: str):
        self.device = device
        self.pointer = pointer
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.nbytes = int(np.prod(shape)) * self.dtype.itemsize

    def transpose(self, order: Sequence[int]) -> "TransposedArray":
        """The same memory, seen with its dimensions in another order."""
        return TransposedArray(self, order)

    def numpy(self) -> Array:
        host: Array = np.empty(self.shape, self.dtype)
        with self.device.driver.active():
            self.device.driver.download(host, self.pointer)
        return host

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array on the device cannot be seen from numpy without a copy")
        return self.numpy().astype(dtype or self.dtype, copy=False)

    def write(self, value: "Array | DeviceArray") -> None:
        """Take the elements of another array; the device is active."""
        driver = self.device.driver
        if not isinstance(value, DeviceArray):
            driver.upload(self.pointer, np.ascontiguousarray(value))
        elif value.device is self.device and not isinstance(value, TransposedArray):
            driver.copy(self.pointer, value.pointer, self.nbytes)
        else:
            driver.upload(self.pointer, np.ascontiguousarray(value.numpy()))


class TransposedArray(DeviceArray):
    """A device array in another order of dimensions: for looking and writing from the host."""

    def __init__(self, base: DeviceArray, order: Sequence[int]):
        shape = tuple(base.shape[d] for d in order)
        super().__init__(base.device, base.pointer, shape, base.dtype.name)
        self.base = base
        self.order = order

    def numpy(self) -> Array:
        return self.base.numpy().transpose(self.order)

    def write(self, value: Array | DeviceArray) -> None:
        self.base.write(np.asarray(value).transpose(np.argsort(self.order)))


class Host(Usable):
    """The memory of this process, where programs for the CPU run."""

    device_type, device_id = "cpu", 0

    def __repr__(self) -> str:
        return "cpu(0)"

    def __reduce__(self) -> str:
        """There is one host: its copies are itself."""
        return "HOST"

    def array(self, value: Any) -> Array:
        """The array itself where it is on the host, or a copy of it."""
        return np.asarray(value)


HOST = Host()
Place = Host | Device
"""Where an array is."""
Storage = Array | DeviceArray
"""An array's memory, wherever it is."""


def change(array: Storage, write: Callable[[Array], None]) -> None:
    """Change an array by a function that writes into a host array."""
    if not isinstance(array, DeviceArray):
        write(array)
        return
    host = array.numpy()
    write(host)
    with array.device.driver.active():
        array.write(host)


@functools.cache
def open_device(ordinal: int) -> Device:
    """GPU number `ordinal`, opened once."""
    return Device(open_driver(ordinal), ordinal)
