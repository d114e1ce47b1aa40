"""Runs CUDA artifacts on the CPU, through an emulation of blocks, threads and barriers."""

import atexit
import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnc.codegen.artifact import Artifact

Array = NDArray[Any]
HERE = Path(__file__).parent
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
COMPILE = ("g++", "-std=c++17", "-O1", "-march=haswell", "-fPIC", "-ffp-contract=off", *WARNINGS,
           "-fno-strict-aliasing", "-I", str(HERE), "-c")  # fmt: skip


class Emulator:
    """A CUDA artifact compiled by g++, each of its threads a coroutine.

    Checked, it finds accesses outside of the given arrays and races between threads.
    """

    def __init__(self, artifact: Artifact, folder: Path, checked: bool = True):
        self.artifact, self.checked = artifact, checked
        kernels = sorted({launch.kernel for launch in artifact.launches})
        texts = [unit.text for unit in artifact.units]
        self.library = compile_kernels(texts, kernels, folder, checked)

    def __call__(self, arrays: Sequence[Array], seed: int) -> str:
        """Runs all launches in place; returns the first error, or nothing."""
        size = self.artifact.arena_bytes + self.artifact.scratch_bytes
        memory = np.full(size + 64, 0xFF, np.uint8)
        arena = memory.ctypes.data + -memory.ctypes.data % 64
        places = [array.ctypes.data for array in arrays]
        if self.checked:
            starts = (ctypes.c_void_p * (len(arrays) + 1))(*places, arena)
            sizes = (ctypes.c_size_t * (len(arrays) + 1))(*(a.nbytes for a in arrays), size)
            self.library.emulated_buffers(len(arrays) + 1, starts, sizes)
        for launch in self.artifact.launches:
            pointers = [
                (arena if operand.argument is None else places[operand.argument]) + operand.offset
                for operand in launch.operands
            ]
            error = self.library.emulated_launch(
                self.library[f"emulated_{launch.kernel}"],
                (ctypes.c_void_p * len(pointers))(*pointers),
                (ctypes.c_uint * 3)(*launch.grid),
                (ctypes.c_uint * 3)(*launch.block),
                ctypes.c_uint64(seed),
            )
            if error:
                return f"{launch.kernel}: {error.decode()}"
        return ""


def compile_kernels(
    texts: Sequence[str], kernels: Sequence[str], folder: Path, checked: bool
) -> ctypes.CDLL:
    """A library with `emulated_<kernel>` for each kernel, and the emulation."""
    text = '#include "cuda_emulation.h"\n' + "".join(texts)
    source, library = folder / "kernels.cpp", folder / f"emulated_{checked}.so"
    source.write_text(text + "".join(f"EMULATE({name})\n" for name in kernels))
    checks = ["-fsanitize=thread"] if checked else []
    kernel_object = folder / "kernels.o"
    _run([*COMPILE, *checks, str(source), "-o", str(kernel_object)])
    objects = [str(kernel_object), str(runtime_object())]
    _run(["g++", "-shared", "-Wl,-Bsymbolic", *objects, "-o", str(library)])
    loaded = ctypes.CDLL(str(library))
    loaded.emulated_launch.restype = ctypes.c_char_p
    return loaded


@functools.cache
def runtime_object() -> Path:
    """The compiled emulation, once for all tests of a process."""
    target = Path(tempfile.mkdtemp(prefix="nnc-emulation-")) / "runtime.o"
    atexit.register(shutil.rmtree, target.parent)
    _run([*COMPILE, str(HERE / "cuda_emulation.cpp"), "-o", str(target)])
    return target


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
