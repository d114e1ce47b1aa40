"""A loaded program for the CPU: `program(*inputs)` is one call of its C entry."""

import ctypes
import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from nnc.codegen.artifact import Argument, Artifact
from nnc.runtime import arguments, pool, timing
from nnc.runtime.arguments import ALIGNMENT, Array, address_of, aligned_empty
from nnc.runtime.base import BaseProgram
from nnc.runtime.compile import load_entry
from nnc.runtime.errors import BindError, NanError, ProgramError
from nnc.runtime.native import Input, described, library, python_library
from nnc.runtime.timing import TimedEntry


class _Frame:
    """What one call needs for itself: argument pointers, the arena and scratch of its workers."""

    __slots__ = ("address", "arena", "bound", "call", "pointers", "workers")

    def __init__(self, artifact: Artifact, entry: int, bound: dict[int, Array], workers: int):
        self.workers = workers
        self.bound = bound  # Binding others during a call must not free these.
        self.pointers = (ctypes.c_void_p * max(len(artifact.arguments), 1))()
        for index, array in bound.items():
            self.pointers[index] = address_of(array)
        size = artifact.arena_bytes + workers * artifact.scratch_bytes
        self.arena = np.zeros(size + ALIGNMENT, np.uint8)
        start = address_of(self.arena)
        start += -start % ALIGNMENT
        self.address = ctypes.addressof(self.pointers)  # ctypes passes integers faster.
        self.call: tuple[int, ...] = (self.address, start)
        if artifact.target.threads:
            self.call = (entry, self.address, start, workers)


class Program(BaseProgram[Array]):
    """A program in this process. Calls from several threads at once run independently.

    Inputs must not share memory with bound arrays that the program writes.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        ir: Callable[[str], str] | None = None,
        check_nans: bool = False,
        extra_flags: Sequence[str] = (),
    ):
        super().__init__(artifact, ir, check_nans)
        function = load_entry(artifact, extra_flags)
        self._entry = ctypes.cast(function, ctypes.c_void_p).value or 0
        function.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        self._run = library().nnc_pool_run if artifact.target.threads else function
        self._take_inputs = python_library().nnc_take_inputs
        self._inputs = [(i, artifact.arguments[i]) for i in self._indices("input")]
        self._input_count = len(self._inputs)
        self._kept = [described(i, argument) for i, argument in self._inputs]
        self._inputs_wanted = (Input * self._input_count)(*self._kept)  # Points into what is kept.
        self._described = ctypes.addressof(self._inputs_wanted)
        self._outputs = [
            (i, np.dtype(a.dtype), a.shape, np.dtype(a.dtype).itemsize * int(np.prod(a.shape)))
            for i, a in enumerate(artifact.arguments)
            if a.role == "output"
        ]
        self._frames: list[_Frame] = []
        self._timed = functools.cache(partial(TimedEntry, artifact, self._run, extra_flags))

    def __call__(self, *inputs: Any, out: Any = None) -> Any:
        """Run on `inputs`; returns no, one or a tuple of outputs, in `out` if it is given."""
        count = self._input_count
        if len(inputs) != count:
            self._check_count("input", len(inputs))
        frames = self._frames
        frame = self._frame(frames)
        try:
            pointers = frame.pointers
            if not self._take_inputs(inputs, self._described, count, frame.address):
                inputs = self._readable(inputs, pointers)
            outputs = self._new_outputs(pointers) if out is None else self._given(out, pointers)
            if self.check_nans:
                self._call_checked(frame, inputs, outputs)
            else:
                self._call(frame)
        finally:
            frames.append(frame)
        return outputs[0] if len(outputs) == 1 else tuple(outputs) or None

    def set(self, name: str, value: float) -> None:
        index = self._index_of_bound(name, ("scalar",))
        array = self._bound.get(index)
        if array is None:
            self.bind({name: value})
        else:
            arguments.assign(self.name, self._argument(index), array, value)

    def read(self, name: str) -> Array:
        index = self._index_of_bound(name)
        self._check_complete()
        return self._bound[index].copy()

    def _hold(self, argument: Argument, value: object) -> Array:
        if argument.role == "scalar" and not isinstance(value, np.ndarray):
            return arguments.scalar(self.name, argument, value)
        return arguments.in_place(self.name, argument, value)

    def _check_bound(self, bound: dict[int, Array]) -> None:
        """No two bound arguments may share memory if the program writes one of them."""
        last, last_written = (0, ""), (0, "")
        for start, i in sorted((address_of(array), i) for i, array in bound.items()):
            argument = self._argument(i)
            written = argument.access != "in"
            end, other = last if written else last_written
            if start < end:
                raise BindError(
                    f"program '{self.name}': '{other}' and '{argument.name}' share memory, and "
                    "the program writes one of them; bind a copy"
                )
            own = (start + bound[i].nbytes, argument.name)
            last = max(last, own)
            if written:
                last_written = max(last_written, own)

    def _on_bound(self) -> None:
        self._frames = []  # Calls in flight give their frames back to the old list.

    def _frame(self, frames: list[_Frame]) -> _Frame:
        workers = pool.threads()
        while frames:
            try:
                frame = frames.pop()
            except IndexError:  # Another thread took it.
                break
            if frame.workers == workers:
                return frame
        self._check_complete()
        return _Frame(self.artifact, self._entry, self._bound, workers)

    def _readable(self, inputs: tuple[Any, ...], pointers: Any) -> tuple[Array, ...]:
        """The inputs, or copies of those that C code cannot read as they are."""
        arrays: list[Array] = []
        for (index, argument), value in zip(self._inputs, inputs, strict=True):
            arrays.append(arguments.readable(self.name, argument, value))
            pointers[index] = address_of(arrays[-1])
        return tuple(arrays)

    def _new_outputs(self, pointers: Any) -> list[Array]:
        outputs: list[Array] = []
        for index, dtype, shape, nbytes in self._outputs:
            array, pointers[index] = aligned_empty(shape, dtype, nbytes)
            outputs.append(array)
        return outputs

    def _given(self, out: object, pointers: Any) -> list[Array]:
        outputs: list[Array] = []
        for index, value in self._wanted(out):
            outputs.append(arguments.in_place(self.name, self._argument(index), value))
            pointers[index] = address_of(outputs[-1])
        return outputs

    def _call(self, frame: _Frame) -> None:
        run = self._run if timing.calls is None else self._timed()
        if code := run(*frame.call):
            raise ProgramError(f"program '{self.name}' stopped with code {code}")

    def _call_checked(self, frame: _Frame, inputs: Any, outputs: list[Array]) -> None:
        """Run on copies of all that is updated in place, and commit them if no NaN came out."""
        arrays = map(np.asarray, inputs)
        held = self._bound | dict(zip(self._indices("input"), arrays, strict=True))
        updated = {i: array for i, array in held.items() if self._argument(i).access != "in"}
        copies = {i: arguments.aligned_copy(array) for i, array in updated.items()}
        for i, copy in copies.items():
            frame.pointers[i] = address_of(copy)
        try:
            self._call(frame)
        finally:
            for i, array in updated.items():
                frame.pointers[i] = address_of(array)
        results = dict(zip(self._indices("output"), outputs, strict=True)) | copies
        raise_if_nan(self.artifact, held, results)
        for i, array in updated.items():
            np.copyto(array, copies[i])


def raise_if_nan(artifact: Artifact, before: dict[int, Array], after: dict[int, Array]) -> None:
    """Name the first argument of `after` with a NaN, and those that had one before the call."""
    for i, argument in enumerate(artifact.arguments):
        if i not in after or not (count := arguments.nan_count(after[i])):
            continue
        names = [artifact.arguments[j].name for j in before if arguments.nan_count(before[j])]
        given = ", ".join(f"'{name}'" for name in names)
        cause = f"; NaN was given in {given}" if given else ""
        raise NanError(
            f"program '{artifact.name}': {argument.role} '{argument.name}' has {count} NaN in "
            f"{after[i].size} elements{cause}; parameters and state are as before the call"
        )
