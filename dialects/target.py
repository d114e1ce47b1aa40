"""What a pass and a printer must know of the machine a program is for.

A target is data: lanes, registers, caches, threads and compiler flags. Adding a machine
means adding a row to `TARGETS`; no pass asks for a target by name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One machine: vector width in f32 lanes, register file, caches in bytes, compiler flags."""

    name: str
    language: str
    """"c" or "cuda"."""
    lanes: int
    """f32 elements in one vector; 1 means scalars only."""
    registers: int
    """Vector registers a register tile may use."""
    fma: bool
    """Whether `math.fma` is one rounded instruction; otherwise it is printed as `a * b + c`."""
    threads: bool
    """Whether the program may use the runtime's pool."""
    level1_bytes: int
    level2_bytes: int
    flags: tuple[str, ...]
    """Compiler flags that select the instruction set, or the architecture (NVRTC)."""
    cpu_features: frozenset[str]
    """Flags of /proc/cpuinfo that a machine must have to run the program."""


_WIDE = ("-mprefer-vector-width=512",)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "avx512", "c", 16, 32, True, True, 48 << 10, 2 << 20,
            ("-march=skylake-avx512", *_WIDE),
            frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "fma"}),
        ),
        Target(
            "avx2", "c", 8, 16, True, True, 32 << 10, 512 << 10,
            ("-march=haswell",), frozenset({"avx2", "fma", "bmi2", "f16c"}),
        ),
        Target(
            "sse2", "c", 4, 16, False, True, 32 << 10, 256 << 10,
            ("-march=x86-64",), frozenset({"sse2"}),
        ),
        Target("c99", "c", 1, 16, False, False, 32 << 10, 256 << 10, (), frozenset()),
        Target(
            "cuda", "cuda", 1, 64, True, True, 48 << 10, 4 << 20,
            ("--gpu-architecture=sm_80",), frozenset(),
        ),
    )
}  # fmt: skip


def target_named(name: str) -> Target:
    """The target called `name`; a `ValueError` lists the known ones."""
    if name not in TARGETS:
        raise ValueError(f"unknown target '{name}', expected one of {', '.join(TARGETS)}")
    return TARGETS[name]
