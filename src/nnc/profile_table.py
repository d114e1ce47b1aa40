"""The profiler's table: what was recorded, added up for each kernel of each program."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nnc.codegen.artifact import LaunchSite
from nnc.runtime.timing import TimedCall

NANOSECONDS = 1e9
SORTED_BY = ("total", "avg", "min", "max", "count")
PLACES = 3
"""Parameters and lines that a row shows of a kernel; the rest is counted."""


class Mark(NamedTuple):
    """What the user's program noted: `phase` is that of Chrome's trace format."""

    phase: str
    domain: str
    name: str
    start: int
    end: int
    thread: int
    value: float | None = None


@dataclass(frozen=True)
class Row:
    """The calls of one kernel, or of one task. Times in seconds."""

    name: str
    count: int
    total: float
    min: float
    max: float
    share: float
    """Of the time in the program."""
    flops: int = 0
    """Of one call, as are the bytes."""
    bytes: int = 0
    where: str = ""

    @property
    def avg(self) -> float:
        return self.total / self.count

    @property
    def gigaflops(self) -> float:
        """Floating-point operations in a nanosecond."""
        return self.flops / self.avg / 1e9 if self.avg else 0.0

    @property
    def gigabytes(self) -> float:
        """Bytes read and written in a nanosecond, each operand of a call once."""
        return self.bytes / self.avg / 1e9 if self.avg else 0.0

    def as_dict(self) -> dict[str, Any]:
        derived = {"avg": self.avg, "gflops": self.gigaflops, "gbytes": self.gigabytes}
        return {**vars(self), **derived}


@dataclass(frozen=True)
class ProgramRows:
    """One program: its calls, and its kernels."""

    name: str
    number: int
    calls: int
    total: float
    kernels: tuple[Row, ...]

    @property
    def in_kernels(self) -> float:
        return sum(row.total for row in self.kernels)


@dataclass(frozen=True)
class Summary:
    """All that was recorded, programs in the order of their first calls."""

    recorded: float
    """Seconds, Python and everything else included."""
    programs: list[ProgramRows]
    spans: list[Row]

    @property
    def in_programs(self) -> float:
        return sum(program.total for program in self.programs)

    def as_dict(self, sort_by: str, ascending: bool) -> dict[str, Any]:
        """For JSON, times in seconds."""
        return {
            "recorded": self.recorded,
            "in_programs": self.in_programs,
            "programs": [
                {
                    "name": f"{program.name} {program.number}",
                    "calls": program.calls,
                    "total": program.total,
                    "in_kernels": program.in_kernels,
                    "kernels": [r.as_dict() for r in ordered(program.kernels, sort_by, ascending)],
                }
                for program in self.programs
            ],
            "spans": [row.as_dict() for row in ordered(self.spans, sort_by, ascending)],
        }


def numbers_of(calls: Iterable[TimedCall]) -> list[int]:
    """For each call the number of its program, in the order of their first calls."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(id(call.artifact), len(numbers) + 1) for call in calls]


def summary(calls: Sequence[TimedCall], spans: Sequence[Mark], recorded: float) -> Summary:
    """Adds up the calls of each program and the spans of each name."""
    programs: dict[int, list[TimedCall]] = {}
    for number, call in zip(numbers_of(calls), calls, strict=True):
        programs.setdefault(number, []).append(call)
    named: dict[str, list[int]] = {}
    for span in spans:
        named.setdefault(f"{span.domain}: {span.name}", []).append(span.end - span.start)
    return Summary(
        recorded,
        [program_rows(number, given) for number, given in programs.items()],
        [row(name, np.array(durations), 0.0) for name, durations in named.items()],
    )


def program_rows(number: int, calls: Sequence[TimedCall]) -> ProgramRows:
    artifact = calls[0].artifact
    total = sum(call.end - call.start for call in calls)
    events = np.concatenate([call.events for call in calls])
    durations = events["end"] - events["start"]
    rows: list[Row] = []
    for kernel in artifact.kernels:
        sites = [(i, site) for i, site in enumerate(artifact.sites) if site.kernel == kernel.name]
        parts: dict[int, list[int]] = {}
        for i, site in sites:
            parts.setdefault(site.part, []).append(i)
        taken = sum(durations[np.isin(events["launch"], part)] for part in parts.values())
        if np.size(taken):
            where = places([site for _, site in sites])
            rows.append(row(kernel.name, taken, total, kernel.flops, kernel.bytes, where))
    return ProgramRows(artifact.name, number, len(calls), total / NANOSECONDS, tuple(rows))


def places(sites: Sequence[LaunchSite]) -> str:
    """The parameters of some launches, then what they are about, as far as there is room."""
    parameters = [name for site in sites for name in site.parameters]
    found = [p for p in dict.fromkeys([*parameters, *(site.about for site in sites)]) if p]
    more = f" and {len(found) - PLACES} more" if len(found) > PLACES else ""
    return ", ".join(found[:PLACES]) + more


def row(
    name: str, durations: Any, whole: float, flops: int = 0, bytes: int = 0, where: str = ""
) -> Row:
    """Durations in nanoseconds, added up."""
    total = int(durations.sum())
    return Row(
        name,
        len(durations),
        total / NANOSECONDS,
        int(durations.min()) / NANOSECONDS,
        int(durations.max()) / NANOSECONDS,
        total / whole if whole else 0.0,
        flops,
        bytes,
        where,
    )


def ordered(rows: Iterable[Row], sort_by: str, ascending: bool) -> list[Row]:
    """By one of `SORTED_BY`, the largest first or last."""
    return sorted(rows, key=lambda row: getattr(row, sort_by), reverse=not ascending)


HEADER = (
    "name", "calls", "total ms", "mean us", "min us", "max us", "share", "kflop", "kB",
    "GFLOP/s", "GB/s", "where",
)  # fmt: skip


def table(summary: Summary, sort_by: str, ascending: bool) -> str:
    """A table for each program, and one for the tasks of the user."""
    if not summary.programs and not summary.spans:
        return "nothing was recorded: call set_state('run') before, and compute something"
    recorded = f"{summary.recorded * 1e3:.3f} ms were recorded"
    parts = [f"{recorded}, {share(summary.in_programs, summary.recorded)} of them in programs"]
    for program in summary.programs:
        mean = program.total / program.calls
        calls = "1 call" if program.calls == 1 else f"{program.calls} calls"
        parts.append(
            f"{program.name} {program.number}: {calls}, {mean * 1e3:.3f} ms each, "
            f"{share(program.in_kernels, program.total)} of it in kernels"
        )
        rows = ordered(program.kernels, sort_by, ascending)
        parts += aligned([HEADER, *map(cells, rows)]) if rows else []
    spans = ordered(summary.spans, sort_by, ascending)
    if spans:
        parts += ["tasks, frames and events", *aligned([HEADER[:6], *map(time_cells, spans)])]
    return "\n".join(parts)


def time_cells(row: Row) -> tuple[str, ...]:
    times = (f"{seconds * 1e6:.1f}" for seconds in (row.avg, row.min, row.max))
    return (row.name, str(row.count), f"{row.total * 1e3:.3f}", *times)


def cells(row: Row) -> tuple[str, ...]:
    sizes = (f"{size / 1e3:.1f}" for size in (row.flops, row.bytes))
    rates = (f"{rate:.2f}" for rate in (row.gigaflops, row.gigabytes))
    return (*time_cells(row), f"{row.share:.1%}", *sizes, *rates, row.where)


def share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "0 %"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names and places to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = {0, len(HEADER) - 1}
    lines: list[str] = []
    for row in rows:
        padded = [
            cell.ljust(width) if i in text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(padded)}".rstrip())
    return lines
