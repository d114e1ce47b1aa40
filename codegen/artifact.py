"""What code generation hands to the runtime: text, entry, arguments and the memory plan.

The runtime knows no IR; everything it needs to compile, load, call and report a program is here.

The C entry of a program has one of two forms, chosen by `target.threads`::

    typedef void (*nnc_task)(void *context, long begin, long end, long worker);
    typedef struct {
        long workers;
        void (*parallel)(long count, nnc_task task, void *context);
    } nnc_pool;

    int entry(void *const *arguments, char *arena, const nnc_pool *pool);   /* with threads */
    int entry(void *const *arguments, char *arena);                         /* without */

`arguments[i]` points to the memory of `Artifact.arguments[i]` (scalars are arrays of rank 0).
`arena` is 64-byte aligned and holds `arena_bytes`, followed by `scratch_bytes` for each worker.
`pool->parallel` cuts `[0, count)` into at most `pool->workers` contiguous ranges, runs
`task(context, begin, end, worker)` for each, and returns when all have ended.
"""

from dataclasses import dataclass
from typing import Literal

from nnc.dialects.target import Target

Role = Literal["input", "parameter", "state", "scalar", "output"]
Access = Literal["in", "out", "inout"]


@dataclass(frozen=True)
class Argument:
    """One argument of a program, in the order of the C entry."""

    name: str
    role: Role
    access: Access
    dtype: str
    """A numpy dtype name."""
    shape: tuple[int, ...]
    """The shape in memory."""
    layout: tuple[int, ...] | None = None
    """Memory dimension i holds logical dimension `layout[i]`; None is the identity."""
    value: float | None = None
    """What an exported network gives a scalar that is a number of its program."""

    def described(self) -> str:
        """`5.weight[36,3], axes 1, 0` of what has axes 0, 1 to users; `number0, 0.5`."""
        sizes = ",".join(map(str, self.shape))
        parts = [f"{self.name}[{sizes}]" if sizes else self.name]
        if self.layout is not None and self.layout != tuple(range(len(self.layout))):
            parts.append(f"axes {', '.join(map(str, self.layout))}")
        if self.value is not None:
            parts.append(f"{self.value:.9g}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Unit:
    """One translation unit. A unit can be compiled alone and in any order."""

    name: str
    text: str
    entry: str = ""
    """The program's entry, which ends the text of the unit that has it."""


@dataclass(frozen=True)
class LaunchSite:
    """A launch in the text of the C entry; in a loop of the host it happens several times."""

    kernel: str
    """As in `Artifact.kernels`; empty for a copy or a fill on a GPU."""
    function: str
    """What the kernel is called in C, or its part in CUDA."""
    parameters: tuple[str, ...]
    """Those that it is given."""
    about: str
    """The user's line, if it is known."""
    part: int = 0
    """Which of the launches that one kernel takes on a GPU."""


@dataclass(frozen=True)
class KernelReport:
    """One distinct kernel, as `program.report()` shows it."""

    name: str
    strategy: str
    launches: int
    flops: int
    """Floating-point operations of one launch."""
    bytes: int
    """Bytes read and written by one launch, each operand once."""


@dataclass(frozen=True)
class BufferReport:
    """One buffer of the arena: where it lies, and from which to which op of `main` it lives."""

    name: str
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Operand:
    """A kernel operand on the device: `arguments[index]` or the arena, plus a byte offset."""

    argument: int | None
    """Index into `Artifact.arguments`; None means the arena."""
    offset: int


@dataclass(frozen=True)
class Launch:
    """One launch of a CUDA kernel. Host loops are unrolled into their launches."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Artifact:
    """A generated program."""

    name: str
    target: Target
    units: tuple[Unit, ...]
    entry: str
    arguments: tuple[Argument, ...]
    arena_bytes: int
    scratch_bytes: int
    kernels: tuple[KernelReport, ...] = ()
    buffers: tuple[BufferReport, ...] = ()
    sites: tuple[LaunchSite, ...] = ()
    """In the order of the entry's text; for CUDA, one for each of `launches`."""
    launches: tuple[Launch, ...] = ()
    """CUDA only: what the host does, as data."""
