"""Runs modules at level 4 as C, with a pool that calls its workers one after the other."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.math import Math
from xdsl.dialects.scf import Scf
from xdsl.parser import Parser

from nnc.codegen.artifact import Artifact
from nnc.codegen.emit import emit
from nnc.dialects.arith import Arith
from nnc.dialects.buffer import Buffer
from nnc.dialects.kernel import Kernel
from nnc.dialects.loop import Loop
from nnc.dialects.tile import Tile
from nnc.runtime.machine import cpu_features

Array = NDArray[np.generic]
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_long)
PARALLEL = ctypes.CFUNCTYPE(None, ctypes.c_long, TASK, ctypes.c_void_p)

WARNINGS = ("-Wall", "-Wextra", "-Werror")
GNU = ("-std=gnu11", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
STRICT = ("-std=c99", "-pedantic", "-O2", "-ffp-contract=off")


class Pool(ctypes.Structure):
    _fields_ = [("workers", ctypes.c_long), ("parallel", PARALLEL)]


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Func, Arith, Math, Scf, Loop, Buffer, Tile, Kernel):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def compile_c(artifact: Artifact, folder: Path, compiler: str, extra: Sequence[str]) -> Path:
    flags = STRICT if not artifact.target.threads else (*GNU, *artifact.target.flags)
    sources = [folder / f"{unit.name}.c" for unit in artifact.units]
    for path, unit in zip(sources, artifact.units, strict=True):
        path.write_text(unit.text)
    library = folder / f"{artifact.target.name}_{compiler}.so"
    command = [compiler, *flags, *WARNINGS, *extra, "-shared", "-fPIC", *map(str, sources)]
    done = subprocess.run([*command, "-lm", "-o", str(library)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


def call(artifact: Artifact, library: Path, arrays: Sequence[Array], workers: int) -> None:
    def parallel(count: int, task: Callable[..., None], context: int) -> None:
        cuts = [count * w // workers for w in range(workers + 1)]
        for worker in range(workers):
            task(context, cuts[worker], cuts[worker + 1], worker)

    if not artifact.target.cpu_features <= cpu_features():
        pytest.skip(f"this CPU cannot run {artifact.target.name}")
    for argument, array in zip(artifact.arguments, arrays, strict=True):
        assert (array.dtype, array.shape) == (np.dtype(argument.dtype), argument.shape)
    size = artifact.arena_bytes + workers * artifact.scratch_bytes
    memory = np.full(size + 64, 0xFF, np.uint8)
    arena = ctypes.c_void_p(memory.ctypes.data + -memory.ctypes.data % 64)
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    entry = ctypes.CDLL(str(library))[artifact.entry]
    if artifact.target.threads:
        pool = Pool(workers, PARALLEL(parallel))
        assert entry(pointers, arena, ctypes.byref(pool)) == 0
    else:
        assert entry(pointers, arena) == 0


def execute(
    text: str,
    isa: str,
    *arrays: Array,
    folder: Path,
    compiler: str = "gcc",
    workers: int = 3,
    extra: Sequence[str] = (),
) -> None:
    """Compiles a module at level 4 and calls it; written arrays change in place."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    artifact = emit(parse(text), isa)
    call(artifact, compile_c(artifact, folder, compiler, extra), arrays, workers)


def sanitize(artifact: Artifact, folder: Path, compiler: str) -> None:
    """Runs the program as an executable of its own, on heap blocks of exactly the right size."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    sizes = [int(np.prod(a.shape)) * np.dtype(a.dtype).itemsize for a in artifact.arguments]
    lines = ["#include <stdlib.h>", *(unit.text for unit in artifact.units), "int main(void)", "{"]
    lines.append(f"    void *arguments[] = {{{', '.join(f'calloc({n}, 1)' for n in sizes)}}};")
    lines.append(f"    char *arena = malloc({artifact.arena_bytes + artifact.scratch_bytes + 1});")
    lines.append(f"    int result = {artifact.entry}(arguments, arena);")
    lines += [f"    free(arguments[{i}]);" for i in range(len(sizes))]
    lines += ["    free(arena);", "    return result;", "}", ""]
    source, program = folder / "main.c", folder / f"main_{compiler}"
    source.write_text("\n".join(lines))
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O0"]
    command = [compiler, *STRICT, *WARNINGS, *checks, str(source), "-lm", "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
