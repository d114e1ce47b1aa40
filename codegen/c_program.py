"""A program in C: which kernels stand in which translation unit, with which prologue."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import VectorType

from nnc.codegen.artifact import LaunchSite, Unit
from nnc.codegen.functions import Program, aligned
from nnc.codegen.helpers import Helpers
from nnc.codegen.host import HostPrinter
from nnc.codegen.interface import Host
from nnc.codegen.report import header, launch_site
from nnc.codegen.tasks import TaskPrinter
from nnc.codegen.text import comment
from nnc.codegen.tiles import grid
from nnc.codegen.writer import Writer
from nnc.dialects import kernel
from nnc.dialects.target import Target

POOL = """\
typedef void (*nnc_task)(void *context, long begin, long end, long worker);
typedef struct {
    long workers;
    void (*parallel)(long count, nnc_task task, void *context);
} nnc_pool;
"""
HIDDEN = '__attribute__((visibility("hidden")))'
UNITS = 2
"""Translation units of a program with threads; they are compiled in parallel."""

_MATH = re.compile(
    r"\b(INFINITY|NAN|(a?(sin|cos|tan)h?|atan2|cbrt|ceil|copysign|erf|exp2?|expm1|fabs|floor|fma"
    r"|log(1p|2|10)?|pow|rint|round|sqrt|trunc)f?\()"
)


@dataclass
class CProgram:
    """The C of a module for one target."""

    program: Program
    host: Host | None
    entry: str

    @property
    def target(self) -> Target:
        return self.program.target

    @property
    def scratch_bytes(self) -> int:
        return max((self.program.facts(f).scratch for f in self.program.launched), default=0)

    @property
    def sites(self) -> tuple[LaunchSite, ...]:
        if self.host is None:
            return ()
        return tuple(launch_site(op, self.program, self.host) for op in self.host.launches())

    def units(self) -> tuple[Unit, ...]:
        """The entry is in the first unit."""
        count = UNITS if self.target.threads and self.host and len(self.program.launched) > 1 else 1
        parts = balanced(self.program.launched, count, self.weight)
        return tuple(self.unit(i, part, parts) for i, part in enumerate(parts))

    def weight(self, function: kernel.FuncOp) -> int:
        """An estimate of a kernel's C statements."""
        bodies = self.program.with_callees(function)
        return sum(
            len(list(grid(r.type, self.target.lanes).cells())) if r_is_vector(r.type) else 1
            for body in bodies
            for op in body.walk()
            for r in op.results
        )

    def unit(
        self, number: int, part: Sequence[kernel.FuncOp], parts: Sequence[Sequence[kernel.FuncOp]]
    ) -> Unit:
        """One self-contained translation unit."""
        out, entry = Writer(), Writer()
        helpers = Helpers(self.target.lanes)
        prefix = self.linkage(len(parts))
        for function in self.with_callees(part):
            self.print_kernel(function, out, helpers, prefix)
        if number == 0 and self.host is not None:
            elsewhere = [f for other in parts if other is not part for f in other]
            self.declare(elsewhere, out, helpers)
            needs = self.arena_needs(self.host)
            entry.line(comment(f"{self.entry}: one call of the program; {needs}"))
            HostPrinter(self.host, self.program, self.entry, entry, helpers).print()
        body = out.text + entry.text
        return Unit(f"{self.entry}_{number}", self.prologue(body, helpers) + body, entry.text)

    def arena_needs(self, host: Host) -> str:
        """What a caller must know of the arena."""
        buffers = aligned(host.arena_bytes)
        if self.target.threads:
            return (
                f"arena: {buffers} bytes, and {self.scratch_bytes} for each worker, aligned to 64"
            )
        return f"arena: {buffers + self.scratch_bytes} bytes, aligned to 64"

    def linkage(self, units: int) -> str:
        """What stands before a kernel: static in the only unit, hidden where units share."""
        if self.host is None:
            return ""
        return "static " if units == 1 else f"{HIDDEN}\n"

    def with_callees(self, part: Sequence[kernel.FuncOp]) -> list[kernel.FuncOp]:
        found: dict[str, kernel.FuncOp] = {}
        for function in part:
            for needed in self.program.with_callees(function):
                found.setdefault(needed.sym_name.data, needed)
        return list(found.values())

    def print_kernel(
        self, function: kernel.FuncOp, out: Writer, helpers: Helpers, prefix: str
    ) -> None:
        name = self.program.names[function.sym_name.data]
        printer = TaskPrinter(self.program, function, out, helpers)
        out.mark()
        out.line(comment(header(function, name, printer.scope.buffers)))
        if function.private:
            prefix = "static __attribute__((noinline)) " if self.target.lanes > 1 else "static "
        printer.print(prefix)
        out.line()

    def declare(self, functions: Sequence[kernel.FuncOp], out: Writer, helpers: Helpers) -> None:
        for function in functions:
            printer = TaskPrinter(self.program, function, Writer(), helpers)
            out.line(f"{printer.signature()};")
        if functions:
            out.line()

    def prologue(self, body: str, helpers: Helpers) -> str:
        """Includes, types and helpers that the body uses."""
        texts = "\n".join(helpers.used.values())
        everything = texts + body
        includes = [
            f"#include <{name}>"
            for name, used in (
                ("math.h", _MATH.search(everything)),
                ("string.h", re.search(r"\bmem(cpy|set)\(", everything)),
            )
            if used
        ]
        pieces = ["\n".join(includes) + "\n" if includes else ""]
        pieces.append(POOL if "nnc_pool" in everything else "")
        pieces.append(texts)
        return "".join(f"{piece}\n" for piece in pieces if piece)


def r_is_vector(type: object) -> bool:
    return isinstance(type, VectorType)


def balanced(
    functions: Sequence[kernel.FuncOp], count: int, weight: Callable[[kernel.FuncOp], int]
) -> list[list[kernel.FuncOp]]:
    """The kernels in `count` parts of about one weight, each in the order of the module."""
    parts: list[list[kernel.FuncOp]] = [[] for _ in range(count)]
    loads = [0] * count
    weighed = [(function, weight(function)) for function in functions]
    for function, load in sorted(weighed, key=lambda pair: -pair[1]):
        lightest = loads.index(min(loads))
        parts[lightest].append(function)
        loads[lightest] += load
    order = {id(f): i for i, f in enumerate(functions)}
    return [sorted(part, key=lambda f: order[id(f)]) for part in parts]
