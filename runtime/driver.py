"""The few driver calls a GPU program makes, through pycuda or NVIDIA's cuda-bindings.

Everything happens in order on one stream of one device; only `download` and `synchronize`
wait for it. All calls but `active` are made inside `with driver.active():`.
"""

import ctypes
import importlib
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

from nnc.runtime.arguments import Array
from nnc.runtime.errors import DeviceError

Extent = tuple[int, int, int]


class Driver(Protocol):
    """One device and its stream."""

    architecture: str
    """As NVRTC names it, for example `sm_90`."""

    def active(self) -> AbstractContextManager[None]:
        """Make the device current for this thread; failures inside are `DeviceError`s."""
        ...

    def load(self, cubin: bytes) -> Any:
        """A module."""
        ...

    def function(self, module: Any, name: str) -> Any:
        """A kernel of a module, or None if it has none of this name."""
        ...

    def launcher(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Sequence[int]
    ) -> Callable[[], object]:
        """What launches a kernel on these pointers, again and again."""
        ...

    def graph(self, launches: Sequence[Callable[[], object]]) -> Callable[[], object]:
        """What does these launches with one call, again and again."""
        ...

    def allocate(self, nbytes: int) -> int: ...
    def clear(self, pointer: int, nbytes: int) -> None: ...
    def upload(self, pointer: int, array: Array) -> None: ...
    def download(self, array: Array, pointer: int) -> None: ...
    def copy(self, destination: int, source: int, nbytes: int) -> None: ...
    def synchronize(self) -> None: ...

    def event(self) -> Any:
        """A mark in the stream, at its present end."""
        ...

    def milliseconds(self, start: Any, end: Any) -> float:
        """Time the device spent between two marks; waits for the second."""
        ...


def open_driver(ordinal: int = 0) -> Driver:
    """The driver of a device, through the first package that is installed."""
    cuda, driver = _package()
    return driver(cuda, ordinal)


def device_count() -> int:
    """How many devices the driver reports; a `DeviceError` says why there can be none."""
    cuda, driver = _package()
    return driver.count(cuda)


def _package() -> "tuple[Any, type[PycudaDriver | BindingsDriver]]":
    """The first package that is installed, and what drives a device through it."""
    for package, driver in (
        ("pycuda.driver", PycudaDriver),
        ("cuda.bindings.driver", BindingsDriver),
    ):
        try:
            return importlib.import_module(package), driver
        except ModuleNotFoundError:
            continue
        except ImportError as error:
            raise _driver_missing(error) from None
    raise DeviceError(
        "a GPU program needs a package for the CUDA driver: install nnc[cuda] (pycuda), "
        "or cuda-bindings"
    )


def _driver_missing(error: Exception) -> DeviceError:
    return DeviceError(
        f"NVIDIA's driver (libcuda.so.1) cannot be loaded, so no GPU can be used: {error}"
    )


def _no_device(error: Exception) -> DeviceError:
    return DeviceError(f"the CUDA driver finds no device: {error}")


def _check_ordinal(ordinal: int, count: int) -> None:
    if not 0 <= ordinal < count:
        raise DeviceError(f"there is no GPU {ordinal}: the driver reports {count} device(s)")


class PycudaDriver:
    """Driver calls through pycuda."""

    def __init__(self, cuda: Any, ordinal: int):
        self._cuda = cuda
        self._allocations: list[Any] = []
        _check_ordinal(ordinal, self.count(cuda))
        try:
            device = cuda.Device(ordinal)
            self.architecture = "sm_{}{}".format(*device.compute_capability())
            self._context = device.retain_primary_context()
        except cuda.Error as error:
            raise _no_device(error) from None
        with self.active():
            self._stream = cuda.Stream()

    @staticmethod
    def count(cuda: Any) -> int:
        try:
            cuda.init()
            return cuda.Device.count()
        except cuda.Error as error:
            raise _no_device(error) from None

    @contextmanager
    def active(self) -> Generator[None]:
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self._cuda.Error as error:
            raise DeviceError(f"the GPU failed: {error}") from error

    def load(self, cubin: bytes) -> Any:
        return self._cuda.module_from_buffer(cubin)

    def function(self, module: Any, name: str) -> Any:
        try:
            return module.get_function(name)
        except self._cuda.LogicError:
            return None

    def launcher(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Sequence[int]
    ) -> Callable[[], object]:
        function.set_attribute(
            self._cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes
        )
        function.prepare("P" * len(pointers))
        return partial(
            function.prepared_async_call,
            grid,
            block,
            self._stream,
            *pointers,
            shared_size=shared_bytes,
        )

    def graph(self, launches: Sequence[Callable[[], object]]) -> Callable[[], object]:
        stream, relaxed = ctypes.c_void_p(self._stream.handle), 2
        graph, replayed = ctypes.c_void_p(), ctypes.c_void_p()
        call = _library_call
        call("cuStreamBeginCapture_v2", stream, relaxed)
        try:
            for launch in launches:
                launch()
        finally:
            call("cuStreamEndCapture", stream, ctypes.byref(graph))
        no_flags = ctypes.c_ulonglong(0)
        call("cuGraphInstantiateWithFlags", ctypes.byref(replayed), graph, no_flags)
        call("cuGraphDestroy", graph)
        return partial(call, "cuGraphLaunch", replayed, stream)

    def allocate(self, nbytes: int) -> int:
        self._allocations.append(self._cuda.mem_alloc(nbytes))  # Freed with this list.
        return int(self._allocations[-1])

    def clear(self, pointer: int, nbytes: int) -> None:
        self._cuda.memset_d8_async(pointer, 0, nbytes, self._stream)

    def upload(self, pointer: int, array: Array) -> None:
        self._cuda.memcpy_htod_async(pointer, array, self._stream)

    def download(self, array: Array, pointer: int) -> None:
        self._cuda.memcpy_dtoh_async(array, pointer, self._stream)
        self._stream.synchronize()

    def copy(self, destination: int, source: int, nbytes: int) -> None:
        self._cuda.memcpy_dtod_async(destination, source, nbytes, self._stream)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def event(self) -> Any:
        return self._cuda.Event().record(self._stream)

    def milliseconds(self, start: Any, end: Any) -> float:
        end.synchronize()
        return start.time_till(end)


def _library_call(name: str, *arguments: Any) -> None:
    """A call of the driver's library itself, for graphs: pycuda has none."""
    if code := ctypes.CDLL("libcuda.so.1")[name](*arguments):
        raise DeviceError(f"the GPU failed: {name} returned {code}")


class _CallError(Exception):
    """A driver call returned a code other than success."""

    def __init__(self, code: Any):
        super().__init__(code.name)
        self.code = code


def _checked(result: tuple[Any, ...]) -> Any:
    """What a call of cuda-bindings returned after its error code."""
    code, *values = result
    if code.value:
        raise _CallError(code)
    return values[0] if values else None


class BindingsDriver:
    """Driver calls through NVIDIA's cuda-bindings."""

    def __init__(self, cuda: Any, ordinal: int):
        self._cuda = cuda
        _check_ordinal(ordinal, self.count(cuda))
        try:
            device = _checked(cuda.cuDeviceGet(ordinal))
            self.architecture = self._architecture(device)
            self._context = _checked(cuda.cuDevicePrimaryCtxRetain(device))
        except _CallError as error:
            raise _no_device(error) from None
        with self.active():
            self._stream = _checked(cuda.cuStreamCreate(0))

    @staticmethod
    def count(cuda: Any) -> int:
        try:
            _checked(cuda.cuInit(0))
            return _checked(cuda.cuDeviceGetCount())
        except _CallError as error:
            raise _no_device(error) from None
        except RuntimeError as error:  # The package loads the driver at its first call.
            raise _driver_missing(error) from None

    def _architecture(self, device: Any) -> str:
        attribute = self._cuda.CUdevice_attribute
        major = attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        minor = attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
        parts = [_checked(self._cuda.cuDeviceGetAttribute(p, device)) for p in (major, minor)]
        return "sm_{}{}".format(*parts)

    @contextmanager
    def active(self) -> Generator[None]:
        try:
            _checked(self._cuda.cuCtxPushCurrent(self._context))
            try:
                yield
            finally:
                self._cuda.cuCtxPopCurrent()
        except _CallError as error:
            raise DeviceError(f"the GPU failed: {error}") from error

    def load(self, cubin: bytes) -> Any:
        return _checked(self._cuda.cuModuleLoadData(cubin))

    def function(self, module: Any, name: str) -> Any:
        try:
            return _checked(self._cuda.cuModuleGetFunction(module, name.encode()))
        except _CallError as error:
            if error.code == self._cuda.CUresult.CUDA_ERROR_NOT_FOUND:
                return None
            raise

    def launcher(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Sequence[int]
    ) -> Callable[[], object]:
        limit = self._cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        _checked(self._cuda.cuFuncSetAttribute(function, limit, shared_bytes))
        values = (ctypes.c_void_p * len(pointers))(*pointers)
        start, step = ctypes.addressof(values), ctypes.sizeof(ctypes.c_void_p)
        places = (ctypes.c_void_p * len(pointers))(*range(start, start + len(values) * step, step))
        return partial(self._launch, function, (*grid, *block, shared_bytes), values, places)

    def _launch(self, function: Any, shape: tuple[int, ...], values: Any, places: Any) -> None:
        """Launch with `places`, which point into `values`."""
        del values  # Only kept alive: the driver reads them through `places`.
        where = ctypes.addressof(places)
        _checked(self._cuda.cuLaunchKernel(function, *shape, self._stream, where, 0))

    def graph(self, launches: Sequence[Callable[[], object]]) -> Callable[[], object]:
        cuda, stream = self._cuda, self._stream
        relaxed = cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        _checked(cuda.cuStreamBeginCapture(stream, relaxed))
        try:
            for launch in launches:
                launch()
        finally:
            graph = _checked(cuda.cuStreamEndCapture(stream))
        replayed = _checked(cuda.cuGraphInstantiate(graph, 0))
        _checked(cuda.cuGraphDestroy(graph))
        return lambda: _checked(cuda.cuGraphLaunch(replayed, stream))

    def allocate(self, nbytes: int) -> int:
        return int(_checked(self._cuda.cuMemAlloc(nbytes)))

    def clear(self, pointer: int, nbytes: int) -> None:
        _checked(self._cuda.cuMemsetD8Async(pointer, 0, nbytes, self._stream))

    def upload(self, pointer: int, array: Array) -> None:
        address = array.ctypes.data
        _checked(self._cuda.cuMemcpyHtoDAsync(pointer, address, array.nbytes, self._stream))

    def download(self, array: Array, pointer: int) -> None:
        address = array.ctypes.data
        _checked(self._cuda.cuMemcpyDtoHAsync(address, pointer, array.nbytes, self._stream))
        self.synchronize()

    def copy(self, destination: int, source: int, nbytes: int) -> None:
        _checked(self._cuda.cuMemcpyDtoDAsync(destination, source, nbytes, self._stream))

    def synchronize(self) -> None:
        _checked(self._cuda.cuStreamSynchronize(self._stream))

    def event(self) -> Any:
        event = _checked(self._cuda.cuEventCreate(0))
        _checked(self._cuda.cuEventRecord(event, self._stream))
        return event

    def milliseconds(self, start: Any, end: Any) -> float:
        _checked(self._cuda.cuEventSynchronize(end))
        return _checked(self._cuda.cuEventElapsedTime(start, end))
