"""A loaded program for the GPU: `program(*inputs)` is a sequence of launches on one stream.

Parameters, state, the arena and all argument buffers stay on the device at fixed addresses, so
the launches are made into a graph once, and a call replays it. A call waits for nothing: outputs
are copied back when they are read.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from nnc.codegen.artifact import Argument, Artifact, Operand, Unit
from nnc.runtime import arguments, timing
from nnc.runtime.arguments import Array
from nnc.runtime.base import BaseProgram
from nnc.runtime.device import Device, DeviceArray, Storage
from nnc.runtime.errors import BindError, CompileError
from nnc.runtime.machine import cpu_count
from nnc.runtime.nvrtc import Cubin, compile_cuda
from nnc.runtime.program import raise_if_nan

NANOSECONDS = 1e6
"""In a millisecond."""
NUMBER_BYTES = 8
"""The room of each scalar in the block that holds a program's scalars."""


def compile_units(artifact: Artifact, architecture: str | None = None) -> list[Cubin]:
    """The machine code of each unit, for `architecture` or that of the target."""
    flags = artifact.target.flags
    if architecture:
        flags = tuple(f for f in flags if not f.startswith("--gpu-architecture"))
        flags = (*flags, f"--gpu-architecture={architecture}")

    def compile_unit(unit: Unit) -> Cubin:
        return compile_cuda(unit.name, unit.text, flags)

    with ThreadPoolExecutor(cpu_count()) as executor:
        return list(executor.map(compile_unit, artifact.units))


class GpuProgram(BaseProgram[Storage]):
    """A program on a device. Bound arrays are copied there; `read` copies them back.

    Scalars stay on the host, where they are looked at before each call; those that have changed
    go to the device in one small copy.
    """

    def __init__(
        self,
        artifact: Artifact,
        device: Device,
        *,
        ir: Callable[[str], str] | None = None,
        check_nans: bool = False,
    ):
        super().__init__(artifact, ir, check_nans)
        self.device = device
        self._driver = device.driver
        self._lock = threading.Lock()
        self._replay: Callable[[], object] | None = None
        self._scalars = self._indices("scalar")
        self._sent = b""
        cubins = compile_units(artifact, self._driver.architecture)
        arena_bytes = artifact.arena_bytes + artifact.scratch_bytes
        with self._driver.active():
            modules = [self._driver.load(cubin.code) for cubin in cubins]
            self._functions = {
                name: self._function(modules, name)
                for name in {k.kernel for k in artifact.launches}
            }
            self._arena = device.empty((arena_bytes,), "uint8")
            self._driver.clear(self._arena.pointer, arena_bytes)
            self._numbers = device.empty((len(self._scalars) * NUMBER_BYTES,), "uint8")
            self._buffers = {
                i: device.empty(a.shape, a.dtype)
                for i, a in enumerate(artifact.arguments)
                if a.role in ("input", "output")
            }

    def __call__(self, *inputs: Any, out: Any = None) -> Any:
        """Launch on `inputs`; returns no, one or a tuple of device arrays, or fills `out`."""
        self._check_count("input", len(inputs))
        given = {
            i: self._readable(self._argument(i), value)
            for i, value in zip(self._indices("input"), inputs, strict=True)
        }
        wanted = [] if out is None else self._wanted(out)
        targets = [(self._buffers[i], self._readable(self._argument(i), a)) for i, a in wanted]
        with self._lock, self._driver.active():
            for i, value in given.items():
                self._buffers[i].write(value)
            if self.check_nans:
                self._run_checked(given)
            else:
                self._run()
            targets += [(self._buffers[i], a) for i, a in given.items() if self._writes(i)]
            for buffer, array in targets:
                self._write_back(array, buffer)
            if out is not None:
                return out
            outputs = [self._copy(self._buffers[i]) for i in self._indices("output")]
        return outputs[0] if len(outputs) == 1 else tuple(outputs) or None

    def set(self, name: str, value: float) -> None:
        index = self._index_of_bound(name, ("scalar",))
        bound = self._bound.get(index)
        if isinstance(bound, np.ndarray):
            arguments.assign(self.name, self._argument(index), bound, value)
        else:
            self.bind({name: value})

    def read(self, name: str) -> Array:
        index = self._index_of_bound(name)
        self._check_complete()
        return np.array(self._bound[index])

    def _function(self, modules: list[Any], name: str) -> Any:
        for module in modules:
            if (function := self._driver.function(module, name)) is not None:
                return function
        raise CompileError(f"program '{self.name}' launches '{name}', which no unit defines")

    def _hold(self, argument: Argument, value: object) -> Storage:
        if argument.role == "scalar":
            given = value if isinstance(value, np.ndarray) else self._host(argument, value)
            return arguments.in_place(self.name, argument, given)
        if isinstance(value, DeviceArray):
            return self._own(argument, value)
        return self.device.array(self._host(argument, value))

    def _own(self, argument: Argument, value: DeviceArray) -> DeviceArray:
        """An array of this device, to be used where it is."""
        arguments.check(self.name, argument, value.dtype, value.shape)
        if value.device is not self.device:
            raise BindError(
                f"program '{self.name}', {argument.role} '{argument.name}': expected an array on "
                f"{self.device}, given one on {value.device}"
            )
        return value

    def _host(self, argument: Argument, value: object) -> Array:
        """A numpy array or number that was given, as an array of the argument's type."""
        if not argument.shape and isinstance(value, bool | int | float):
            return arguments.scalar(self.name, argument, value)
        array: Array = np.asarray(value)
        arguments.check(self.name, argument, array.dtype, array.shape)
        return array.astype(argument.dtype, copy=False)

    def _readable(self, argument: Argument, value: object) -> Storage:
        if isinstance(value, DeviceArray):
            return self._own(argument, value)
        if argument.access != "in":
            return arguments.in_place(self.name, argument, value)
        return self._host(argument, value)

    def _on_bound(self) -> None:
        self._replay = None

    def _run(self) -> None:
        if self._replay is None:
            self._check_complete()
            self._replay = self._driver.graph(self._prepare())
        self._send_numbers()
        if timing.calls is None:
            self._replay()
        else:
            self._run_timed()

    def _run_timed(self) -> None:
        """A call for the profiler: launches one by one, with marks of the device between them."""
        driver, launches = self._driver, self._prepare()
        driver.synchronize()
        start = timing.now()
        marks = [driver.event()]
        for launch in launches:
            launch()
            marks.append(driver.event())
        driver.synchronize()
        end = timing.now()
        took = [driver.milliseconds(first, second) for first, second in pairwise(marks)]
        times = start + np.cumsum([0.0, *took]) * NANOSECONDS
        events = np.empty(len(launches), timing.EVENT)
        events["launch"] = np.arange(len(launches))
        events["start"], events["end"] = times[:-1], times[1:]
        timing.note(self.artifact, start, end, events)

    def _send_numbers(self) -> None:
        """Give the device the scalars, if they are not those of the call before."""
        held = [np.asarray(self._bound[i]).tobytes() for i in self._scalars]
        numbers = b"".join([number.ljust(NUMBER_BYTES, b"\0") for number in held])
        if numbers != self._sent:
            self._driver.upload(self._numbers.pointer, np.frombuffer(numbers, np.uint8))
            self._sent = numbers

    def _prepare(self) -> list[Callable[[], object]]:
        arrays = self._bound | self._buffers
        starts = {i: a.pointer for i, a in arrays.items() if isinstance(a, DeviceArray)}
        for place, i in enumerate(self._scalars):
            starts[i] = self._numbers.pointer + place * NUMBER_BYTES

        def pointer(operand: Operand) -> int:
            argument = operand.argument
            start = self._arena.pointer if argument is None else starts[argument]
            return start + operand.offset

        return [
            self._driver.launcher(
                self._functions[launch.kernel],
                launch.grid,
                launch.block,
                launch.shared_bytes,
                [pointer(operand) for operand in launch.operands],
            )
            for launch in self.artifact.launches
        ]

    def _copy(self, array: DeviceArray) -> DeviceArray:
        copy = self.device.empty(array.shape, array.dtype.name)
        copy.write(array)
        return copy

    def _write_back(self, given: Storage, buffer: DeviceArray) -> None:
        if isinstance(given, DeviceArray):
            given.write(buffer)
        else:
            self._driver.download(given, buffer.pointer)

    def _run_checked(self, given: dict[int, Storage]) -> None:
        """Run, and put all that was updated in place back to what it was if a NaN came out."""
        updated = {
            i: a for i, a in self._bound.items() if isinstance(a, DeviceArray) and self._writes(i)
        }
        saved = {i: self._copy(array) for i, array in updated.items()}
        self._run()
        results = updated | {i: a for i, a in self._buffers.items() if self._writes(i)}
        before = self._bound | saved | given
        try:
            raise_if_nan(
                self.artifact,
                {i: np.asarray(array) for i, array in before.items()},
                {i: array.numpy() for i, array in results.items()},
            )
        except ArithmeticError:
            for i, array in updated.items():
                array.write(saved[i])
            raise

    def _writes(self, index: int) -> bool:
        return self._argument(index).access != "in"
