"""CUDA text to machine code through NVRTC, which needs neither a GPU nor a driver."""

import ctypes
import ctypes.util
import functools
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnc.runtime.cache import digest, shared_cache
from nnc.runtime.compile import without_comments
from nnc.runtime.errors import CompileError, DeviceError

# Contraction is explicit in the text, and the log tells registers and spills.
FLAGS = ("--std=c++17", "--fmad=false", "--ptxas-options=-v")


@dataclass(frozen=True)
class Resources:
    """What one kernel takes of the machine."""

    registers: int
    spill_bytes: int


@dataclass(frozen=True)
class Cubin:
    """Machine code for one architecture, and what NVRTC said of it."""

    code: bytes
    log: str

    def resources(self) -> dict[str, Resources]:
        """Registers and spilled bytes of each kernel, as the log tells."""
        pattern = (
            r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores, "
            r"(\d+) bytes spill loads.*?Used (\d+) registers"
        )
        return {
            name: Resources(int(registers), int(stores) + int(loads))
            for name, stores, loads, registers in re.findall(pattern, self.log, re.DOTALL)
        }


def compile_cuda(name: str, text: str, flags: Sequence[str]) -> Cubin:
    """Compile one unit, or find what it became before; `flags` name the architecture."""
    flags = (*FLAGS, *flags)
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    version = f"nvrtc {major.value}.{minor.value}"
    entry = digest(without_comments(text), version, *flags) + ".cubin"
    cache = shared_cache()
    if known := cache.read(entry):
        log, _, code = known.partition(b"\0")
        return Cubin(code, log.decode())
    cubin = _compile(name, text, flags)
    cache.write(entry, cubin.log.encode() + b"\0" + cubin.code)
    return cubin


def _compile(name: str, text: str, flags: Sequence[str]) -> Cubin:
    nvrtc = library()
    program = ctypes.c_void_p()
    options = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
    created = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), name.encode(), 0, None, None
    )
    if created:
        raise CompileError(f"NVRTC cannot take unit '{name}': {_meaning(created)}")
    try:
        code = nvrtc.nvrtcCompileProgram(program, len(flags), options)
        log = _read(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        if code:
            shown = "\n".join(log.splitlines()[:20]) or _meaning(code)
            raise CompileError(f"NVRTC rejected unit '{name}':\n{shown}", log)
        return Cubin(_read(program, "CUBIN"), log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    content = ctypes.create_string_buffer(size.value)
    getattr(library(), f"nvrtcGet{what}")(program, content)
    return content.raw


def _meaning(code: int) -> str:
    return library().nvrtcGetErrorString(code).decode()


@functools.cache
def library() -> ctypes.CDLL:
    """NVRTC from the nvidia-cuda-nvrtc package, or from the system."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(f) for f in (spec and spec.submodule_search_locations) or ()]
    found = [str(path) for folder in folders for path in folder.glob("*/lib/libnvrtc.so.*")]
    path = max(found, default=ctypes.util.find_library("nvrtc"))
    if path is None:
        raise DeviceError("CUDA programs are compiled by NVRTC: install nvidia-cuda-nvrtc")
    library = ctypes.CDLL(path)
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library
