"""From C text to a loaded library: units compiled in parallel, linked, and cached.

An object is named by its text without comments, its flags and the compiler's version; a library
by its objects. So the same kernel in another program, or the same program in another process,
is not compiled again.
"""

import ctypes
import errno
import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnc.codegen.artifact import Artifact, Unit
from nnc.dialects.target import Target
from nnc.runtime.cache import digest, shared_cache
from nnc.runtime.errors import CompileError, CompilerNotFoundError
from nnc.runtime.machine import cpu_count

COMMON_FLAGS = ("-O2", "-fPIC", "-pipe", "-ffp-contract=off")
GNU_FLAGS = ("-std=gnu11", *COMMON_FLAGS, "-fno-math-errno", "-fno-trapping-math")
STRICT_FLAGS = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", *COMMON_FLAGS)

LARGE_UNIT = 400_000
"""Characters of a unit whose compilation takes seconds."""
QUICK_FLAGS = ("-O1", "-ftree-vectorize", "-fstrict-aliasing")
"""What -O2 has that these kernels gain by; the rest takes a third of the compiler's time."""

# A library's own kernels win over symbols of the same name elsewhere in the process.
_LINK_FLAGS = ("-shared", *(("-Wl,-Bsymbolic",) if sys.platform == "linux" else ()))

_LOG_LINES = 20
_COMMENT_OR_LITERAL = re.compile(
    r"""//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL
)


@dataclass(frozen=True)
class Compiler:
    """A C compiler that was found and answered `--version`."""

    command: tuple[str, ...]
    version: str


def find_compiler() -> Compiler:
    """CC if it is set, else gcc, clang or cc."""
    return _find_compiler(os.environ.get("CC", ""), os.environ.get("PATH", ""))


@functools.cache
def _find_compiler(wanted: str, path: str) -> Compiler:
    del path  # Part of the key: shutil.which reads it from the environment.
    if wanted.strip():
        command, *options = shlex.split(wanted)
        if found := shutil.which(command):
            return Compiler((found, *options), _version(found))
        raise CompilerNotFoundError(f"CC is '{wanted}', but there is no program '{command}'")
    for command in ("gcc", "clang", "cc"):
        if found := shutil.which(command):
            return Compiler((found,), _version(found))
    raise CompilerNotFoundError(
        "no C compiler found: install gcc or clang (on Debian: apt install build-essential), "
        "or set CC to one"
    )


def _version(path: str) -> str:
    """The first answer of `path --version`, kept on disk until the file at `path` changes."""
    status = os.stat(path)
    name = digest(os.path.realpath(path), str(status.st_mtime_ns), str(status.st_size)) + ".version"
    cache = shared_cache()
    if (known := cache.read(name)) is not None:
        return known.decode(errors="replace")
    try:
        run = subprocess.run([path, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompilerNotFoundError(f"the C compiler {path} cannot be run: {error}") from None
    cache.write(name, run.stdout)
    return run.stdout.decode(errors="replace")


def without_comments(text: str) -> str:
    """C text without comments and blank lines, literals untouched."""
    bare = _COMMENT_OR_LITERAL.sub(lambda m: m[0] if m[0][0] in "\"'" else " ", text)
    return "\n".join(filter(None, map(str.strip, bare.split("\n"))))


def flags_for(target: Target) -> tuple[str, ...]:
    """Compiler flags of a target; one without vectors is strict ISO C."""
    return STRICT_FLAGS if target.lanes == 1 else (*GNU_FLAGS, *target.flags)


def effort(unit: Unit, flags: Sequence[str]) -> list[str]:
    """The flags for a unit: large ones are optimized less."""
    bare = list(flags)
    if len(unit.text) > LARGE_UNIT and "-O2" in bare:
        place = bare.index("-O2")
        bare[place : place + 1] = QUICK_FLAGS
    return bare


def build(name: str, units: Sequence[Unit], flags: Sequence[str]) -> Path:
    """The shared library of `units`; `name` is the program's, for messages."""
    compiler = find_compiler()
    identity = (*compiler.command, compiler.version, platform.machine(), *flags)
    objects = [
        digest(without_comments(unit.text), *identity, *effort(unit, flags)) + ".o"
        for unit in units
    ]
    library = digest(*objects, *_LINK_FLAGS) + ".so"
    cache = shared_cache()
    if found := cache.find(library):
        return found

    def compile_unit(unit: Unit, name_of_object: str) -> Path:
        def write(path: Path) -> None:
            options = [*effort(unit, flags), "-x", "c", "-c", "-", "-o", str(path)]
            command = [*compiler.command, *options]
            _run(command, f"unit '{unit.name}' of program '{name}'", unit)

        return cache.find(name_of_object) or cache.make(name_of_object, write)

    with ThreadPoolExecutor(cpu_count()) as executor:
        paths = [str(path) for path in executor.map(compile_unit, units, objects)]

    def link(path: Path) -> None:
        command = [*compiler.command, *flags, *_LINK_FLAGS, *paths, "-o", str(path), "-lm"]
        _run(command, f"the objects of program '{name}'", None)

    return cache.make(library, link)


def _run(command: list[str], what: str, unit: Unit | None) -> None:
    """Run the compiler; a full disk is an OSError, for the cache to try elsewhere."""
    run = subprocess.run(
        command,
        input=unit.text if unit else "",
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    )
    if run.returncode == 0:
        return
    log = run.stderr
    for code in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(code) in log:
            raise OSError(code, os.strerror(code))
    if unit:
        log = _with_source_line(log.replace("<stdin>", unit.name), unit)
    shown = "\n".join(log.splitlines()[:_LOG_LINES]) or f"exit status {run.returncode}"
    raise CompileError(f"the C compiler {command[0]} rejected {what}:\n{shown}", log)


def _with_source_line(log: str, unit: Unit) -> str:
    """The log with the line of the first error under it: a compiler cannot reread its input."""
    found = re.search(rf"^{re.escape(unit.name)}:(\d+):.*error:.*$", log, re.MULTILINE)
    lines = unit.text.splitlines()
    if not found or int(found[1]) > len(lines):
        return log
    source = f"\n  {found[1]} | {lines[int(found[1]) - 1]}"
    return log[: found.end()] + source + log[found.end() :]


def load(name: str, units: Sequence[Unit], flags: Sequence[str]) -> ctypes.CDLL:
    """Build and load a library."""
    path = build(name, units, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CompileError(
            f"program '{name}' was compiled but cannot be loaded: {error}; if {path.parent} does "
            "not allow execution, set NNC_CACHE to a folder that does"
        ) from None


def load_entry(artifact: Artifact, extra_flags: Sequence[str] = ()) -> Any:
    """The C entry of a program, compiled with the flags of its target."""
    flags = (*flags_for(artifact.target), *extra_flags)
    library = load(artifact.name, artifact.units, flags)
    try:
        return library[artifact.entry]
    except AttributeError:
        raise CompileError(f"program '{artifact.name}' has no entry '{artifact.entry}'") from None
