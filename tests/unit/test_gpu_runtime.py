"""A GPU program makes the right driver calls; a double records them and does what they mean."""

import ctypes.util
import importlib.util
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import nnc
from nnc.codegen.artifact import Argument, Artifact, Launch, Operand, Unit
from nnc.dialects.target import target_named
from nnc.runtime import device, gpu, nvrtc
from nnc.runtime.device import Device, DeviceArray
from nnc.runtime.driver import Extent
from nnc.runtime.errors import (
    BindError,
    CompileError,
    DeviceError,
    DtypeError,
    NanError,
    ShapeError,
)
from nnc.runtime.gpu import GpuProgram, compile_units
from nnc.runtime.nvrtc import Cubin, compile_cuda

Array = np.ndarray[Any, Any]


class Double:
    """A driver whose device is an array of bytes and whose kernels are Python functions."""

    architecture = "sm_90"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory = np.full(1 << 16, 0xFF, np.uint8)  # All NaN.
        self.end = 512

    def floats(self, pointer: int, count: int) -> Array:
        return self.memory[pointer : pointer + 4 * count].view(np.float32)

    @contextmanager
    def active(self) -> Generator[None]:
        yield

    def load(self, cubin: bytes) -> bytes:
        self.calls.append("load")
        assert cubin.startswith(b"\x7fELF")
        return cubin

    def function(self, module: bytes, name: str) -> Any:
        return getattr(self, name) if f".text.{name}".encode() in module else None

    def launcher(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Sequence[int]
    ) -> Callable[[], object]:
        self.calls.append("prepare")
        return partial(self.launch, function, grid, block, shared_bytes, tuple(pointers))

    def launch(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Any
    ) -> None:
        self.calls.append(f"launch {function.__name__} {grid[0]}x{block[0]} {shared_bytes}")
        function(*pointers)

    def graph(self, launches: Sequence[Callable[[], object]]) -> Callable[[], object]:
        self.calls.append(f"graph of {len(launches)}")
        return partial(self.replay, launches)

    def replay(self, launches: Sequence[Callable[[], object]]) -> None:
        self.calls.append("replay")
        for launch in launches:
            launch()

    def scale(self, x: int, rate: int, products: int) -> None:
        self.floats(products, 8)[:] = self.floats(x, 8) * self.floats(rate, 1)

    def update(self, products: int, w: int, loss: int) -> None:
        self.floats(w, 8)[:] -= self.floats(products, 8)
        self.floats(loss, 1)[:] = self.floats(w, 8).sum()

    def allocate(self, nbytes: int) -> int:
        self.calls.append("allocate")
        self.end += nbytes
        return self.end - nbytes

    def clear(self, pointer: int, nbytes: int) -> None:
        self.memory[pointer : pointer + nbytes] = 0

    def upload(self, pointer: int, array: Array) -> None:
        self.calls.append(f"upload {array.nbytes}")
        self.memory[pointer : pointer + array.nbytes] = array.reshape(-1).view(np.uint8)

    def download(self, array: Array, pointer: int) -> None:
        self.calls.append(f"download {array.nbytes}")
        array.reshape(-1).view(np.uint8)[:] = self.memory[pointer : pointer + array.nbytes]

    def copy(self, destination: int, source: int, nbytes: int) -> None:
        self.calls.append(f"copy {nbytes}")
        self.memory[destination : destination + nbytes] = self.memory[source : source + nbytes]

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def event(self) -> int:
        return len(self.calls)

    def milliseconds(self, start: Any, end: Any) -> float:
        return float(end - start)


SCALE = """
extern "C" __global__ void scale(const float *x, const float *rate, float *products) {
    products[threadIdx.x] = x[threadIdx.x] * *rate;
}
"""
UPDATE = """
extern "C" __global__ void update(const float *products, float *w, float *loss) {
    w[threadIdx.x] -= products[threadIdx.x];
    if (threadIdx.x == 0) { *loss = 0; for (int i = 0; i < 8; i++) *loss += w[i]; }
}
"""
PRODUCTS = Operand(None, 64)
ARTIFACT = Artifact(
    "step",
    target_named("cuda"),
    (Unit("scale.cu", SCALE), Unit("update.cu", UPDATE)),
    "",
    (
        Argument("x", "input", "in", "float32", (2, 4)),
        Argument("w", "parameter", "inout", "float32", (2, 4)),
        Argument("rate", "scalar", "in", "float32", ()),
        Argument("loss", "output", "out", "float32", ()),
    ),
    arena_bytes=128,
    scratch_bytes=0,
    launches=(
        Launch("scale", (1, 1, 1), (8, 1, 1), 0, (Operand(0, 0), Operand(2, 0), PRODUCTS)),
        Launch("update", (1, 1, 1), (8, 1, 1), 32, (PRODUCTS, Operand(1, 0), Operand(3, 0))),
    ),
)


class Model:
    """The program on a double, bound."""

    def __init__(self, **options: Any):
        self.driver = Double()
        self.device = Device(self.driver)
        self.program = GpuProgram(ARTIFACT, self.device, **options)
        self.x = np.arange(8, dtype=np.float32).reshape(2, 4)
        self.w = np.ones((2, 4), np.float32)
        self.program.bind(w=self.w)
        self.program.set("rate", 0.5)


@pytest.fixture
def without_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation for the double, which wants the kernels' names only."""

    def compile_for_double(name: str, text: str, flags: Sequence[str]) -> Cubin:
        assert flags == ("--gpu-architecture=sm_90",)
        kernels = re.findall(r"__global__ void (\w+)", text)
        return Cubin(b"\x7fELF" + "".join(f".text.{k}" for k in kernels).encode(), "")

    monkeypatch.setattr(gpu, "compile_cuda", compile_for_double)


with_double = pytest.mark.usefixtures("without_nvrtc")
with_nvrtc = pytest.mark.skipif(find_spec("nvidia") is None, reason="needs nvidia-cuda-nvrtc")


@with_double
def test_a_step_launches_without_waiting() -> None:
    model = Model()
    first = model.program(model.x)
    model.driver.calls.clear()
    second = model.program(model.x)
    assert [c for c in model.driver.calls if c != "allocate"] == [
        "upload 32",
        "replay",
        "launch scale 1x8 0",
        "launch update 1x8 32",
        "copy 4",
    ]
    np.testing.assert_array_equal(model.program.read("w"), model.w - model.x)
    assert float(first.numpy()) == (model.w - 0.5 * model.x).sum()
    assert np.asarray(second) == (model.w - model.x).sum()


@with_double
def test_binding_or_setting_again() -> None:
    model = Model()
    model.program(model.x)
    model.program.set("rate", 0)
    model.program(model.x)
    np.testing.assert_array_equal(model.program.read("w"), model.w - 0.5 * model.x)
    model.program.bind(w=model.w)
    model.program(model.x)
    np.testing.assert_array_equal(model.program.read("w"), model.w)


@with_double
def test_programs_share_parameters_on_the_device() -> None:
    model = Model()
    other = GpuProgram(ARTIFACT, model.device)
    w = model.device.array(model.w)
    for program in (model.program, other):
        program.bind(w=w, rate=0.5)
        program(model.x)
    np.testing.assert_array_equal(w.numpy(), model.w - model.x)


@with_double
def test_inputs_may_be_on_the_device_already() -> None:
    model = Model()
    x = model.device.array(model.x)
    model.driver.calls.clear()
    loss = model.program(x)
    assert "upload 32" not in model.driver.calls
    out = np.zeros((), np.float32)
    assert model.program(x, out=out) is out
    assert out == float(loss.numpy()) - 0.5 * model.x.sum()


@with_double
def test_memory_of_dead_arrays_serves_again() -> None:
    model = Model()
    for _ in range(3):
        model.program(model.x)
    model.driver.calls.clear()
    for _ in range(10):
        model.program(model.x)
    assert "allocate" not in model.driver.calls


@with_double
def test_nan_check_restores_parameters() -> None:
    model = Model(check_nans=True)
    model.program(model.x)
    before = model.program.read("w")
    bad = model.x.copy()
    bad[0, 1] = np.nan
    with pytest.raises(NanError, match=r"parameter 'w' has 1 NaN in 8 elements.*given in 'x'"):
        model.program(bad)
    np.testing.assert_array_equal(model.program.read("w"), before)


@with_double
def test_wrong_arguments() -> None:
    model = Model()
    with pytest.raises(ShapeError, match=r"program 'step', input 'x': expected shape \(2, 4\)"):
        model.program(model.x.T)
    with pytest.raises(DtypeError, match="'x': expected dtype float32, given float64"):
        model.program(model.device.array(model.x.astype(float)))
    with pytest.raises(BindError, match=r"expected 1 inputs \('x'\), given 2"):
        model.program(model.x, model.x)
    with pytest.raises(BindError, match=r"before 'w', 'rate' had a value"):
        GpuProgram(ARTIFACT, model.device)(model.x)
    with pytest.raises(CompileError, match="launches 'scale', which no unit defines"):
        GpuProgram(replace(ARTIFACT, units=ARTIFACT.units[1:]), model.device)


def test_device_arrays_are_not_seen_without_a_copy() -> None:
    array = Device(Double()).array(np.ones(3))
    assert isinstance(array, DeviceArray)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(array, copy=False)


@with_nvrtc
@pytest.mark.parametrize("architecture", [None, "sm_90"])
def test_units_compile_without_a_gpu(architecture: str | None) -> None:
    scale, update = compile_units(ARTIFACT, architecture)
    assert f"for '{architecture or 'sm_80'}'" in scale.log
    assert scale.resources()["scale"].registers > 0
    assert update.resources()["update"].spill_bytes == 0
    assert compile_units(ARTIFACT, architecture) == [scale, update]


@with_nvrtc
def test_nvrtc_errors_name_the_unit_and_the_line() -> None:
    with pytest.raises(CompileError, match=r"(?s)'bad\.cu'.*bad\.cu\(2\): error.*nothing"):
        compile_cuda("bad.cu", "\nint f() { return nothing; }", ())


def test_no_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(ctypes.util, "find_library", find)
    nvrtc.library.cache_clear()
    with pytest.raises(DeviceError, match="install nvidia-cuda-nvrtc"):
        compile_cuda("empty.cu", "", ())


def test_the_gpu_of_the_package_is_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(ordinal: int) -> None:
        raise DeviceError(f"no driver for device {ordinal}")

    monkeypatch.setattr(device, "open_driver", missing)
    with pytest.raises(DeviceError, match="no driver for device 3"):
        nnc.gpu(3)
