"""GPUs for tests: a driver whose device runs generated CUDA on the CPU, in memory of its own.

Kernels are compiled by g++ against the emulation instead of NVRTC. Every call is counted.
"""

import ctypes
import functools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import Array, compile_kernels

from nnc.runtime.device import Device
from nnc.runtime.driver import Extent
from nnc.runtime.nvrtc import Cubin

KERNEL = re.compile(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(")


class EmulatedDriver:
    """A device in this process. Its memory is known to nobody else, and full of NaN at first."""

    architecture = "sm_80"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._memory: dict[int, Array] = {}

    @contextmanager
    def active(self) -> Generator[None]:
        yield

    def load(self, cubin: bytes) -> ctypes.CDLL:
        self.calls["load"] += 1
        return library(cubin.decode())

    def function(self, module: ctypes.CDLL, name: str) -> Any:
        return module, module[f"emulated_{name}"]

    def launcher(
        self, function: Any, grid: Extent, block: Extent, shared_bytes: int, pointers: Sequence[int]
    ) -> Callable[[], object]:
        assert shared_bytes == 0
        for pointer in pointers:
            self._find(pointer)
        module, kernel = function
        arguments = (ctypes.c_void_p * len(pointers))(*pointers)
        shape = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), ctypes.c_uint64(0)
        return partial(self._launch, module, kernel, arguments, *shape)

    def _launch(self, module: ctypes.CDLL, *launch: Any) -> None:
        self.calls["launch"] += 1
        error = module.emulated_launch(*launch)
        assert not error, error.decode()

    def graph(self, launches: Sequence[Callable[[], object]]) -> Callable[[], object]:
        self.calls["graph"] += 1
        return partial(self._replay, launches)

    def _replay(self, launches: Sequence[Callable[[], object]]) -> None:
        self.calls["replay"] += 1
        for launch in launches:
            launch()

    def allocate(self, nbytes: int) -> int:
        self.calls["allocate"] += 1
        memory = np.full(nbytes + 256, 0xFF, np.uint8)
        pointer = memory.ctypes.data + -memory.ctypes.data % 256
        self._memory[pointer] = memory[pointer - memory.ctypes.data :][:nbytes]
        return pointer

    def _find(self, pointer: int, nbytes: int = 1) -> Array:
        """The bytes of device memory at a pointer; host pointers are an error."""
        for start, memory in self._memory.items():
            if start <= pointer and pointer + nbytes <= start + memory.size:
                return memory[pointer - start :][:nbytes]
        raise AssertionError(f"{nbytes} bytes at {pointer:#x} are not the device's")

    def clear(self, pointer: int, nbytes: int) -> None:
        self.calls["clear"] += 1
        if nbytes:
            self._find(pointer, nbytes)[:] = 0

    def upload(self, pointer: int, array: Array) -> None:
        self.calls["upload"] += 1
        assert array.flags.c_contiguous
        if array.nbytes:
            self._find(pointer, array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)

    def download(self, array: Array, pointer: int) -> None:
        self.calls["download"] += 1
        if array.nbytes:
            array.reshape(-1).view(np.uint8)[:] = self._find(pointer, array.nbytes)

    def copy(self, destination: int, source: int, nbytes: int) -> None:
        self.calls["copy"] += 1
        if nbytes:
            self._find(destination, nbytes)[:] = self._find(source, nbytes)

    def synchronize(self) -> None:
        self.calls["synchronize"] += 1

    def event(self) -> int:
        return self.calls.total()

    def milliseconds(self, start: Any, end: Any) -> float:
        return float(end - start)


@functools.cache
def library(text: str) -> ctypes.CDLL:
    """The kernels of a unit for the emulation, compiled once in a process."""
    with tempfile.TemporaryDirectory(prefix="nnc-emulated-") as folder:
        return compile_kernels([text], KERNEL.findall(text), Path(folder), checked=False)


def compile_for_emulation(name: str, text: str, flags: Sequence[str]) -> Cubin:
    """In place of NVRTC: the text itself, which the driver compiles."""
    assert flags == ("--gpu-architecture=sm_80",), flags
    return Cubin(text.encode(), "")


def emulate_gpus(monkeypatch: pytest.MonkeyPatch) -> list[EmulatedDriver]:
    """Make `nnc.gpu(0)` and `nnc.gpu(1)` emulated devices."""
    drivers = [EmulatedDriver(), EmulatedDriver()]
    devices = [Device(one, number) for number, one in enumerate(drivers)]
    monkeypatch.setattr("nnc.device.open_device", devices.__getitem__)
    monkeypatch.setattr("nnc.device.device_count", devices.__len__)
    monkeypatch.setattr("nnc.runtime.gpu.compile_cuda", compile_for_emulation)
    return drivers
