"""Calls of programs with the time of each launch, while the profiler records.

A timed program is the same text with macros before its entry, compiled when it is first needed:
what is not profiled has nothing of this in it, and costs nothing.
"""

import ctypes
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnc.codegen.artifact import Artifact
from nnc.runtime.arguments import Array
from nnc.runtime.compile import flags_for, load

MACROS = Path(__file__).parent / "cpu/events.h"
EVENT = np.dtype([("launch", "i8"), ("start", "i8"), ("end", "i8")])
"""`nnc_event` of events.h."""


@dataclass(frozen=True)
class TimedCall:
    """One call of a program: nanoseconds of the clock below, and an `EVENT` for each launch."""

    artifact: Artifact
    start: int
    end: int
    events: Array
    thread: int


calls: list[TimedCall] | None = None
"""Where calls are noted; None while nothing is recorded."""


def now() -> int:
    """Nanoseconds of the clock that timed programs read."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def note(artifact: Artifact, start: int, end: int, events: Array) -> None:
    """Keep a call of this thread, unless the recording has just ended."""
    if (noted := calls) is not None:
        noted.append(TimedCall(artifact, start, end, events, threading.get_ident()))


def timed(artifact: Artifact) -> Artifact:
    """The same program, whose entry notes when launches begin and end."""
    functions = dict.fromkeys(site.function for site in artifact.sites)
    macros = "".join(
        f"#define {f}(...) NNC_TIMED(__COUNTER__, ({f})(__VA_ARGS__))\n" for f in functions
    )
    first, *others = artifact.units
    text = first.text.removesuffix(first.entry) + MACROS.read_text() + macros + first.entry
    return replace(artifact, units=(replace(first, text=text), *others))


class TimedEntry:
    """Called like the entry of a program, it notes the call and its launches."""

    def __init__(self, artifact: Artifact, run: Any, extra_flags: Sequence[str]):
        self._artifact = artifact
        flags = (*flags_for(artifact.target), "-std=gnu11", "-Wno-error", *extra_flags)
        library = load(artifact.name, timed(artifact).units, flags)
        self._threads = artifact.target.threads
        self._entry = ctypes.cast(library[artifact.entry], ctypes.c_void_p).value or 0
        self._run: Any = run if self._threads else library[artifact.entry]
        self._run.argtypes = run.argtypes
        self._take: Any = library.nnc_take_events
        self._take.restype = ctypes.c_long

    def __call__(self, *arguments: int) -> int:
        if self._threads:
            arguments = (self._entry, *arguments[1:])
        start = now()
        code = self._run(*arguments)
        end = now()
        note(self._artifact, start, end, self._events())
        return code

    def _events(self) -> Array:
        place = ctypes.c_void_p()
        count = self._take(ctypes.byref(place))
        return np.frombuffer(ctypes.string_at(place, count * EVENT.itemsize), EVENT)
