"""What a program is made of: kernels, operations, bytes and the plan of its arena."""

from dataclasses import dataclass

from nnc.codegen.artifact import Artifact, BufferReport, KernelReport


@dataclass(frozen=True)
class Report:
    """The numbers of one program; `str` shows them as tables."""

    program: str
    target: str
    kernels: tuple[KernelReport, ...]
    buffers: tuple[BufferReport, ...]
    arena_bytes: int
    scratch_bytes: int
    """For each worker."""

    @property
    def launches(self) -> int:
        return sum(k.launches for k in self.kernels)

    @property
    def flops(self) -> int:
        """Floating-point operations of one call."""
        return sum(k.launches * k.flops for k in self.kernels)

    @property
    def bytes(self) -> int:
        """Bytes that the kernels of one call read and write."""
        return sum(k.launches * k.bytes for k in self.kernels)

    @property
    def live_bytes(self) -> int:
        """The most bytes of the arena that are alive at one op: no plan needs less."""
        return max(
            (
                sum(b.bytes for b in self.buffers if b.first <= moment.first <= b.last)
                for moment in self.buffers
            ),
            default=0,
        )

    def __str__(self) -> str:
        kernels = [
            (k.name, k.strategy, str(k.launches), _count(k.flops), _size(k.bytes))
            for k in sorted(self.kernels, key=lambda k: -k.launches * k.flops)
        ]
        buffers = [
            (b.name, str(b.offset), _size(b.bytes), f"{b.first} to {b.last}")
            for b in sorted(self.buffers, key=lambda b: (b.offset, b.first))
        ]
        return "\n".join(
            (
                f"program '{self.program}' for {self.target}: {len(self.kernels)} kernels in "
                f"{self.launches} launches, {_count(self.flops)} flops, {_size(self.bytes)} moved",
                *_table(("kernel", "strategy", "launches", "flops", "bytes"), kernels),
                f"arena: {_size(self.arena_bytes)} (at most {_size(self.live_bytes)} alive at a "
                f"time), scratch: {_size(self.scratch_bytes)} for each worker",
                *_table(("buffer", "offset", "bytes", "ops"), buffers),
            )
        )


def report_of(artifact: Artifact) -> Report:
    return Report(
        artifact.name,
        artifact.target.name,
        artifact.kernels,
        artifact.buffers,
        artifact.arena_bytes,
        artifact.scratch_bytes,
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    line = "  ".join(f"{{:{width}}}" for width in widths)
    return [f"  {line.format(*row)}".rstrip() for row in (header, *rows)]


def _count(number: float) -> str:
    for unit in ("", " k", " M", " G"):
        if number < 1000:
            return f"{number:.4g}{unit}"
        number /= 1000
    return f"{number:.4g} T"


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} GiB"
