"""Where the time of programs goes: a table of kernels, and a trace for a browser.

    profiler.set_state("run")
    ...                                # training steps, inference
    profiler.set_state("stop")
    print(profiler.dumps())            # one row for each kernel
    profiler.dump()                    # profile.json, for chrome://tracing or ui.perfetto.dev

Names and arguments are those of `mxnet.profiler`. Kernels are timed where C calls them: from call
to return, threads included; what a program takes besides are copies, fills and the clock, some 40
nanoseconds for each launch. The timed form of a program is compiled at its first call that is
recorded, which takes as long as the program did and is not part of its time; a program that is not
profiled costs nothing. On a GPU, launches are made one by one while they are timed, by marks of the
device between them; a kernel that takes several launches is one call of all of them.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from nnc import checks
from nnc.errors import OptionError
from nnc.profile_table import NANOSECONDS, SORTED_BY, Mark, numbers_of, places, summary, table
from nnc.recording.recorder import flush
from nnc.runtime import timing
from nnc.runtime.timing import TimedCall, now

STATES = ("stop", "run")
FORMATS = ("table", "json")
OPTIONS = (
    "filename",
    "profile_all",
    "profile_symbolic",
    "profile_imperative",
    "profile_memory",
    "profile_api",
    "contiguous_dump",
    "continuous_dump",
    "dump_period",
    "aggregate_stats",
    "profile_process",
)
"""What MXNet's `set_config` takes. All but the file name are accepted and mean nothing: all
programs are recorded, and the table can always be had."""


class Stopwatch:
    """How long something has been on, all times together."""

    def __init__(self) -> None:
        self.before = 0
        self.since: int | None = None

    def set(self, on: bool) -> None:
        if self.since is not None:
            self.before += now() - self.since
        self.since = now() if on else None

    def reset(self) -> None:
        self.before = 0
        self.since = None if self.since is None else now()

    @property
    def seconds(self) -> float:
        running = 0 if self.since is None else now() - self.since
        return (self.before + running) / NANOSECONDS


_filename = "profile.json"
_watch = Stopwatch()
_calls: list[TimedCall] = []
_marks: list[Mark] = []
_finished = False


def set_config(**kwargs: Any) -> None:
    """`set_config(filename="profile.json")`: where `dump` writes; MXNet's other options pass."""
    global _filename
    for name in kwargs:
        checks.chosen("set_config: option", name, OPTIONS)
    _filename = os.fspath(kwargs.get("filename", _filename))


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """`"run"` records from here on, `"stop"` does not; what waits is computed before.

    After a `dump` that finished, recording starts anew.
    """
    global _finished
    checks.chosen("set_state: state", state, STATES)
    flush()
    if state == "run" and _finished:
        _forget()
    _watch.set(state == "run")
    timing.calls = _calls if state == "run" else None


def pause(profile_process: str = "worker") -> None:
    """Record nothing until `resume`."""
    set_state("stop")


def resume(profile_process: str = "worker") -> None:
    """Record again after `pause`."""
    set_state("run")


def is_running() -> bool:
    """Whether calls are recorded."""
    return timing.calls is not None


def dumps(
    reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False
) -> str:
    """What was recorded, a row for each kernel, as a table or as JSON.

    Sorted by `total`, `avg`, `min`, `max` or `count`. `reset` forgets what was recorded.
    """
    checks.chosen("dumps: format", format, FORMATS)
    checks.chosen("dumps: sort_by", sort_by, SORTED_BY)
    found = summary(_calls, [m for m in _marks if m.phase == "X"], _watch.seconds)
    if format == "table":
        text = table(found, sort_by, ascending)
    else:
        text = json.dumps(found.as_dict(sort_by, ascending))
    if reset:
        _forget()
    return text


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write the trace to the configured file; `finished` stops the recording."""
    global _finished
    if finished:
        set_state("stop")
        _finished = True
    path = Path(_filename)
    try:
        path.write_text(json.dumps({"traceEvents": trace(), "displayTimeUnit": "ms"}) + "\n")
    except OSError as error:
        raise OptionError(
            f"dump: cannot write '{path}': {error.strerror}; name another file with "
            "set_config(filename=...)"
        ) from None


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """`set_config` as it was called before MXNet 1.0."""
    set_config(filename=filename)


def profiler_set_state(state: str = "stop") -> None:
    """`set_state` as it was called before MXNet 1.0."""
    set_state(state)


def _forget() -> None:
    global _finished
    _finished = False
    _calls.clear()
    _marks.clear()
    _watch.reset()


def trace() -> list[dict[str, Any]]:
    """What was recorded as events of Chrome's trace format: microseconds since the first."""
    threads = [*(call.thread for call in _calls), *(mark.thread for mark in _marks)]
    lanes = {thread: lane for lane, thread in enumerate(dict.fromkeys(threads))}
    events = [named("process", "nnc"), *(named("thread", f"thread {i}", i) for i in lanes.values())]
    for number, call in zip(numbers_of(_calls), _calls, strict=True):
        events += events_of(call, f"{call.artifact.name} {number}", lanes[call.thread])
    for mark in _marks:
        event = {"ph": mark.phase, "name": mark.name, "cat": mark.domain, "tid": lanes[mark.thread]}
        match mark.phase:
            case "X":
                event |= span(mark.start, mark.end)
            case "C":
                event |= {"ts": mark.start / 1000, "args": {mark.name: mark.value}}
            case _:
                event |= {"ts": mark.start / 1000, "s": "p"}
        events.append(event)
    begin = min((event["ts"] for event in events if "ts" in event), default=0.0)
    for event in events:
        event["pid"] = os.getpid()
        if "ts" in event:
            event["ts"] = round(event["ts"] - begin, 3)
    return events


def events_of(call: TimedCall, name: str, lane: int) -> Iterator[dict[str, Any]]:
    """A call of a program, and the launches in it."""
    thread = {"ph": "X", "tid": lane}
    yield {**thread, "name": name, "cat": "program", **span(call.start, call.end)}
    kernels = {kernel.name: kernel for kernel in call.artifact.kernels}
    for launch, start, end in call.events.tolist():
        site = call.artifact.sites[launch]
        about: dict[str, Any] = {"where": places([site])}
        if (kernel := kernels.get(site.kernel)) and not site.part:
            about |= {"flops": kernel.flops, "bytes": kernel.bytes}
        event = {**thread, "name": site.function, "cat": "kernel", "args": about}
        yield event | span(start, end)


def named(what: str, name: str, lane: int = 0) -> dict[str, Any]:
    """The event that names a process or a thread."""
    return {"ph": "M", "name": f"{what}_name", "tid": lane, "args": {"name": name}}


def span(start: int, end: int) -> dict[str, float]:
    """From nanoseconds to a beginning and a duration in microseconds."""
    return {"ts": start / 1000, "dur": (end - start) / 1000}


def note(phase: str, domain: str, name: str, start: int, value: float | None = None) -> None:
    """Keep a mark that ends now, while recording."""
    if is_running():
        _marks.append(Mark(phase, domain, name, start, now(), threading.get_ident(), value))


class Domain:
    """A group of tasks, frames, counters and markers, as in MXNet."""

    def __init__(self, name: str):
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> "Task":
        return Task(self, name)

    def new_frame(self, name: str) -> "Frame":
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> "Counter":
        return Counter(self, name, value)

    def new_marker(self, name: str) -> "Marker":
        return Marker(self, name)


class Named(Protocol):
    """What has a name: a `Domain`."""

    name: str


class Span:
    """A time from `start` to `stop`, or of a `with` block; what waits is computed at both."""

    def __init__(self, domain: Named, name: str):
        self.domain = domain
        self.name = name
        self._start: int | None = None

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        flush()
        self._start = now()

    def stop(self) -> None:
        if self._start is None:
            raise OptionError(f"{type(self).__name__}: '{self.name}' was stopped, but not started")
        flush()
        note("X", self.domain.name, self.name, self._start)
        self._start = None

    def __enter__(self) -> "Span":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Task(Span):
    """A piece of work of a domain."""


class Frame(Span):
    """One of several passes of a domain, such as an epoch."""


class Event(Span):
    """A time without a domain."""

    def __init__(self, name: str):
        super().__init__(Domain("event"), name)


class Counter:
    """A number that changes over time, a curve of the trace."""

    def __init__(self, domain: Named, name: str, value: float | None = None):
        self.domain = domain
        self.name = name
        self.value = 0.0
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: float) -> None:
        self.value = checks.number("Counter: value", value)
        note("C", self.domain.name, self.name, now(), self.value)

    def increment(self, delta: float = 1) -> None:
        self.set_value(self.value + delta)

    def decrement(self, delta: float = 1) -> None:
        self.set_value(self.value - delta)

    def __iadd__(self, delta: float) -> "Counter":
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> "Counter":
        self.decrement(delta)
        return self


class Marker:
    """A moment, a line of the trace."""

    def __init__(self, domain: Named, name: str):
        self.domain = domain
        self.name = name

    def mark(self, scope: str = "process") -> None:
        note("i", self.domain.name, self.name, now())
