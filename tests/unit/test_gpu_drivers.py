"""Both drivers make the calls their package documents; the packages are recording doubles."""

import ctypes
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, call

import numpy as np
import pytest

import nnc
from nnc.runtime.driver import BindingsDriver, Driver, PycudaDriver, open_driver
from nnc.runtime.errors import DeviceError

POINTERS = [0x1000, 0x2040]
HOST = np.zeros(4, np.float32)


def exercise(driver: Driver) -> None:
    """Every call, once."""
    with driver.active():
        module = driver.load(b"cubin")
        assert driver.function(module, "absent") is None
        kernel = driver.function(module, "present")
        launch = driver.launcher(kernel, (3, 2, 1), (128, 1, 1), 512, POINTERS)
        launch()
        replay = driver.graph([launch, launch])
        replay()
        replay()
        assert driver.allocate(256) == 0x1000
        driver.clear(0x1000, 256)
        driver.upload(0x1000, HOST)
        driver.copy(0x2000, 0x1000, 16)
        driver.download(HOST, 0x1000)
        start, end = driver.event(), driver.event()
        assert driver.milliseconds(start, end) == 1.5


class Code(SimpleNamespace):
    """A CUresult."""


SUCCESS, NOT_FOUND, FAILED = Code(value=0), Code(value=500, name="NOT_FOUND"), Code(value=700)
FAILED.name = "CUDA_ERROR_ILLEGAL_ADDRESS"


class Names:
    """An enumeration, each member its own name."""

    def __getattr__(self, name: str) -> str:
        return name


class Bindings(ModuleType):
    """cuda.bindings.driver: every call is recorded and returns success and a handle."""

    CUdevice_attribute = CUfunction_attribute = CUstreamCaptureMode = Names()
    CUresult = SimpleNamespace(CUDA_ERROR_NOT_FOUND=NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("cuda.bindings.driver")
        self.calls: list[Any] = []
        self.code = SUCCESS
        self.results = {
            "cuDeviceGetCount": 1,
            "cuDeviceGetAttribute": 9,
            "cuMemAlloc": 0x1000,
            "cuEventElapsedTime": 1.5,
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def record(*arguments: Any) -> tuple[Any, ...]:
            if name == "cuLaunchKernel":
                arguments = (*arguments[:9], *self.parameters(arguments[9]), arguments[10])
            self.calls.append((name, *arguments))
            code = NOT_FOUND if b"absent" in arguments else self.code
            return code, self.results.get(name, name.removeprefix("cu"))

        if not name.startswith("cu"):
            raise AttributeError(name)
        return record

    def parameters(self, where: int) -> list[int | None]:
        """The pointers that the driver would hand to the kernel."""
        places = (ctypes.c_void_p * len(POINTERS)).from_address(where)
        return [ctypes.c_void_p.from_address(place or 0).value for place in places]


def test_cuda_bindings() -> None:
    cuda = Bindings()
    driver = BindingsDriver(cuda, 0)
    assert driver.architecture == "sm_99"
    assert driver.count(cuda) == 1
    cuda.calls.clear()
    exercise(driver)
    kernel, stream, host = "ModuleGetFunction", "StreamCreate", HOST.ctypes.data
    launch = ("cuLaunchKernel", kernel, 3, 2, 1, 128, 1, 1, 512, stream, *POINTERS, 0)
    limit = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
    assert cuda.calls == [
        ("cuCtxPushCurrent", "DevicePrimaryCtxRetain"),
        ("cuModuleLoadData", b"cubin"),
        ("cuModuleGetFunction", "ModuleLoadData", b"absent"),
        ("cuModuleGetFunction", "ModuleLoadData", b"present"),
        ("cuFuncSetAttribute", kernel, limit, 512),
        launch,
        ("cuStreamBeginCapture", stream, "CU_STREAM_CAPTURE_MODE_RELAXED"),
        launch,
        launch,
        ("cuStreamEndCapture", stream),
        ("cuGraphInstantiate", "StreamEndCapture", 0),
        ("cuGraphDestroy", "StreamEndCapture"),
        ("cuGraphLaunch", "GraphInstantiate", stream),
        ("cuGraphLaunch", "GraphInstantiate", stream),
        ("cuMemAlloc", 256),
        ("cuMemsetD8Async", 0x1000, 0, 256, stream),
        ("cuMemcpyHtoDAsync", 0x1000, host, 16, stream),
        ("cuMemcpyDtoDAsync", 0x2000, 0x1000, 16, stream),
        ("cuMemcpyDtoHAsync", host, 0x1000, 16, stream),
        ("cuStreamSynchronize", stream),
        ("cuEventCreate", 0),
        ("cuEventRecord", "EventCreate", stream),
        ("cuEventCreate", 0),
        ("cuEventRecord", "EventCreate", stream),
        ("cuEventSynchronize", "EventCreate"),
        ("cuEventElapsedTime", "EventCreate", "EventCreate"),
        ("cuCtxPopCurrent",),
    ]


def test_cuda_bindings_has_every_call() -> None:
    real = pytest.importorskip("cuda.bindings.driver")
    cuda = Bindings()
    exercise(BindingsDriver(cuda, 0))
    assert not [name for name, *_ in cuda.calls if not hasattr(real, name)]


def test_a_failed_call_is_an_error_and_leaves_the_device() -> None:
    cuda = Bindings()
    driver = BindingsDriver(cuda, 0)
    cuda.code = FAILED
    with pytest.raises(DeviceError, match="the GPU failed: CUDA_ERROR_ILLEGAL_ADDRESS"):
        exercise(driver)
    cuda.code = SUCCESS
    exercise(driver)
    with pytest.raises(DeviceError, match=r"no GPU 1: the driver reports 1 device\(s\)"):
        BindingsDriver(cuda, 1)


class CudaError(Exception):
    """What pycuda raises."""


KERNEL = MagicMock()


def get_function(name: str) -> Any:
    if name == "absent":
        raise CudaError("not found")
    return KERNEL


def pycuda() -> Any:
    """pycuda.driver."""
    cuda = MagicMock(Error=CudaError, LogicError=CudaError)
    cuda.Device.count.return_value = 1
    cuda.Device().compute_capability.return_value = (8, 0)
    cuda.module_from_buffer().get_function = get_function
    cuda.mem_alloc.return_value.__int__.return_value = 0x1000
    cuda.Event().record().time_till.return_value = 1.5
    cuda.Stream().handle = 5
    cuda.reset_mock()
    KERNEL.reset_mock()
    return cuda


class Library:
    """libcuda.so.1: calls by name are recorded, and made handles are 7."""

    def __init__(self, code: int = 0) -> None:
        self.calls: list[str] = []
        self.code = code

    def __call__(self, name: str) -> "Library":
        assert name == "libcuda.so.1"
        return self

    def __getitem__(self, name: str) -> Callable[..., int]:
        def record(*arguments: Any) -> int:
            shown = [getattr(argument, "value", argument) for argument in arguments]
            self.calls.append(f"{name} {[x for x in shown if isinstance(x, int)]}")
            for argument in arguments:
                if hasattr(argument, "_obj"):  # A place for a handle.
                    argument._obj.value = 7
            return self.code

        return record


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setattr(ctypes, "CDLL", made)
    return made


def test_pycuda(library: Library) -> None:
    cuda = pycuda()
    driver = PycudaDriver(cuda, 0)
    assert driver.architecture == "sm_80"
    exercise(driver)
    stream = cuda.Stream()
    launch = call((3, 2, 1), (128, 1, 1), stream, *POINTERS, shared_size=512)
    assert KERNEL.prepare.mock_calls == [call("PP")]
    assert KERNEL.prepared_async_call.mock_calls == [launch] * 3
    assert library.calls == [
        "cuStreamBeginCapture_v2 [5, 2]",
        "cuStreamEndCapture [5]",
        "cuGraphInstantiateWithFlags [7, 0]",
        "cuGraphDestroy [7]",
        "cuGraphLaunch [7, 5]",
        "cuGraphLaunch [7, 5]",
    ]
    assert KERNEL.set_attribute.mock_calls == [
        call(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 512)
    ]
    assert cuda.memset_d8_async.mock_calls == [call(0x1000, 0, 256, stream)]
    assert cuda.memcpy_htod_async.mock_calls == [call(0x1000, HOST, stream)]
    assert cuda.memcpy_dtod_async.mock_calls == [call(0x2000, 0x1000, 16, stream)]
    assert cuda.memcpy_dtoh_async.mock_calls == [call(HOST, 0x1000, stream)]
    assert stream.synchronize.mock_calls == [call()]
    context = cuda.Device().retain_primary_context()
    assert context.mock_calls == [call.push(), call.pop()] * 2


def test_a_failed_call_of_pycuda(library: Library) -> None:
    cuda = pycuda()
    driver = PycudaDriver(cuda, 0)
    cuda.mem_alloc.side_effect = CudaError("out of memory")
    with pytest.raises(DeviceError, match="the GPU failed: out of memory"):
        exercise(driver)
    assert cuda.Device().retain_primary_context().pop.call_count == 2
    library.code = 900
    with pytest.raises(DeviceError, match="GPU failed: cuStreamBeginCapture_v2 returned 900"):
        exercise(driver)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (CudaError("cuInit: no device"), "the CUDA driver finds no device: cuInit: no device"),
        (None, r"no GPU 1: the driver reports 1 device\(s\)"),
    ],
)
def test_no_device(
    monkeypatch: pytest.MonkeyPatch, problem: Exception | None, message: str
) -> None:
    cuda = pycuda()
    cuda.init.side_effect = problem
    monkeypatch.setitem(sys.modules, "pycuda", ModuleType("pycuda"))
    monkeypatch.setitem(sys.modules, "pycuda.driver", cuda)
    assert nnc.num_gpus() == (0 if problem else 1)
    with pytest.raises(DeviceError, match=message):
        open_driver(1)


class WithoutLibcuda(ModuleType):
    """cuda.bindings.driver on a machine without NVIDIA's driver."""

    def __getattr__(self, name: str) -> Any:
        def fail(*arguments: object) -> None:
            raise RuntimeError("libcuda.so.1 not found")

        return fail


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycuda", "pycuda.driver"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", WithoutLibcuda("driver"))
    with pytest.raises(DeviceError, match=r"driver \(libcuda\.so\.1\) cannot be loaded"):
        open_driver()


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycuda", "pycuda.driver", "cuda.bindings", "cuda.bindings.driver"):
        monkeypatch.setitem(sys.modules, name, None)
    assert nnc.num_gpus() == 0
    with pytest.raises(DeviceError, match=r"install nnc\[cuda\] \(pycuda\), or cuda-bindings"):
        nnc.gpu()
