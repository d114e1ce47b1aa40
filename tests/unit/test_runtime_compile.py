"""The compiler is found, its errors are told, and the cache survives what happens to caches."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnc.codegen.artifact import Unit
from nnc.dialects.target import TARGETS
from nnc.runtime import cache as caches
from nnc.runtime import machine
from nnc.runtime.cache import Cache, shared_cache
from nnc.runtime.compile import (
    LARGE_UNIT,
    build,
    effort,
    find_compiler,
    flags_for,
    load,
    without_comments,
)
from nnc.runtime.errors import CacheError, CompileError, CompilerNotFoundError, TargetError
from nnc.runtime.machine import detect_target

FLAGS = ("-O0", "-fPIC")
UNITS = [
    Unit("a.c", "int half(int x); int f(int x) { return 2 * half(x) + 1; }"),
    Unit("b.c", "int half(int x) { return x / 2; }"),
]
BUILD = """
from nnc.codegen.artifact import Unit
from nnc.runtime.compile import load
units = [Unit("a.c", "int half(int x); int f(int x) { return 2 * half(x) + 1; }"),
         Unit("b.c", "int half(int x) { return x / 2; }")]
print(load("test", units, ("-O0", "-fPIC")).f(8))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, and what takes its place when it cannot be written."""
    monkeypatch.setenv("NNC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)

    def private_folder(pid: int) -> Path:
        return tmp_path / "private"

    monkeypatch.setattr(caches, "private_folder", private_folder)
    return tmp_path / "cache"


def answer() -> int:
    return load("test", UNITS, FLAGS).f(8)


def start_build() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILD]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


@pytest.fixture
def compiler_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CC is a compiler that writes how it was called into this file."""
    log = tmp_path / "log"
    log.touch()
    wrap_compiler(tmp_path, monkeypatch, f'echo "$@" >> {log}')
    return log


def wrap_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    """CC is a compiler that first runs the shell lines `before`; $output is its -o."""
    script = tmp_path / "cc"
    script.write_text(
        '#!/bin/sh\nfor a; do [ "$last" = -o ] && output=$a; last=$a; done\n'
        f'{before}\nexec {shutil.which("gcc") or "cc"} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))


def test_a_warm_start_runs_no_compiler(compiler_log: Path) -> None:
    for _ in range(2):
        out, _ = start_build().communicate(timeout=60)
        assert out == "9\n"
    calls = compiler_log.read_text().splitlines()
    assert sum(" -c " in call for call in calls) == 2
    assert sum("-shared" in call for call in calls) == 1
    assert sum("--version" in call for call in calls) == 1


def test_comments_and_other_units_do_not_matter(compiler_log: Path) -> None:
    build("test", UNITS, FLAGS)
    compiler_log.write_text("")
    moved = Unit("moved.c", "/* from\n line 12 */\n" + UNITS[1].text + " // same")
    assert build("other", [UNITS[0], moved], FLAGS) == build("test", UNITS, FLAGS)
    assert compiler_log.read_text() == ""
    build("test", [UNITS[0], Unit("b.c", UNITS[1].text.replace("2", "4"))], FLAGS)
    assert compiler_log.read_text().count(" -c ") == 1
    compiler_log.write_text("")
    build("test", UNITS, (*FLAGS, "-DOTHER"))
    assert compiler_log.read_text().count(" -c ") == 2


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("a /* x */ b", "a   b"),
        ("a // x\n\n  b", "a\nb"),
        ("a // x \\\n still\nb", "a\nb"),
        ('s = "/* kept */"; // "gone"', 's = "/* kept */";'),
        (r'"\"//" x', r'"\"//" x'),
        ("c = '\"'; /* ' */ d = '\"';", "c = '\"';   d = '\"';"),
        ("a / b /* * / */ / c", "a / b   / c"),
    ],
)
def test_comments_are_stripped(text: str, bare: str) -> None:
    assert without_comments(text) == bare


def test_processes_compiling_the_same_thing(folder: Path) -> None:
    processes = [start_build() for _ in range(4)]
    assert [p.communicate(timeout=60)[0] for p in processes] == ["9\n"] * 4
    assert files(folder) == [".o", ".o", ".so", ".version"]


def test_kill_while_compiling(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap_compiler(tmp_path, monkeypatch, '[ "$output" ] && echo half > $output && sleep 60')
    process = start_build()
    deadline = time.monotonic() + 30
    while not list(folder.glob(".*-*.o")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert files(folder).count(".o") >= 1
    assert not list(folder.glob("[0-9a-f]*.o"))
    monkeypatch.delenv("CC")
    assert answer() == 9


@pytest.mark.parametrize("suffix", [".so", ".o", ".version"])
@pytest.mark.parametrize("damage", ["empty", "short", "changed"])
def test_broken_entries_are_made_again(folder: Path, suffix: str, damage: str) -> None:
    # In processes of their own: a library stays loaded under its name.
    start_build().communicate(timeout=60)
    for path in folder.iterdir():
        if path.suffix in (suffix, ".so"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 255
            kept = {"empty": 0, "short": len(content) // 2, "changed": len(content)}[damage]
            path.write_bytes(content[:kept])
    assert start_build().communicate(timeout=60)[0] == "9\n"


def test_a_folder_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    folder.write_text("a file")
    assert answer() == 9
    assert files(tmp_path / "private").count(".so") == 1
    assert folder.read_text() == "a file"


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NNC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert shared_cache().folder == tmp_path / "xdg" / "nnc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert shared_cache().folder is None
    assert answer() == 9


def test_a_disk_that_fills_up_while_compiling(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = f"fatal error: cannot write: {os.strerror(errno.ENOSPC)}"
    full = f'case $output in {folder}/*) echo x > $output; echo "{message}" >&2; exit 1;; esac'
    wrap_compiler(tmp_path, monkeypatch, full)
    assert answer() == 9
    assert files(folder) == [".version"]
    wrap_compiler(tmp_path, monkeypatch, full.replace(str(folder), str(tmp_path)))
    with pytest.raises(CacheError, match=r"No space left on device.*NNC_CACHE"):
        build("test", UNITS, (*FLAGS, "-DOTHER"))
    assert files(folder) == [".version"]


def test_a_disk_that_is_full_when_the_entry_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace(source: str, destination: Path) -> None:
        if destination.is_relative_to(folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, destination)

    monkeypatch.setattr(os, "replace", replace)
    assert answer() == 9
    assert files(folder) == []
    assert files(tmp_path / "private") == [".o", ".o", ".so"]


def test_pruning_keeps_what_was_used_last(folder: Path) -> None:
    cache = Cache(folder, limit_bytes=3000)
    names = [f"{i}.o" for i in range(6)]
    for age, name in enumerate(names):
        cache.write(name, bytes(900))
        then = time.time() - 1000 * (age + 1)
        os.utime(folder / name, (then, then))
    (folder / ".abandoned-x.o").touch()
    os.utime(folder / ".abandoned-x.o", (0, 0))
    assert cache.read("5.o") == bytes(900)
    cache.prune()
    assert [name for name in names if cache.find(name)] == ["0.o", "1.o", "5.o"]
    assert files(folder) == [".o"] * 3


def test_pruning_leaves_alone_what_others_may_be_using(folder: Path) -> None:
    cache = Cache(folder, limit_bytes=0)
    cache.write("new.o", b"x")
    cache.prune()
    assert cache.read("new.o") == b"x"


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerNotFoundError, match=r"install gcc or clang.*set CC"):
        find_compiler()


def test_cc_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-cc -O9")
    with pytest.raises(CompilerNotFoundError, match=r"CC is 'no-such-cc -O9'.*'no-such-cc'"):
        find_compiler()


def test_cc_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    with pytest.raises(CompilerNotFoundError, match="cannot be run"):
        find_compiler()


def test_a_compile_error_shows_the_unit_and_the_line(folder: Path) -> None:
    bad = Unit("kernel 3.c", "int x;\nint f(void) { return nothing; }\n")
    with pytest.raises(CompileError) as caught:
        build("mlp", [UNITS[0], bad], FLAGS)
    message = str(caught.value)
    assert "unit 'kernel 3.c' of program 'mlp'" in message
    assert "2 | int f(void) { return nothing; }" in message
    assert "nothing" in caught.value.log
    assert ".so" not in files(folder)


def test_a_link_error_names_the_program() -> None:
    with pytest.raises(CompileError, match="objects of program 'mlp'"):
        build("mlp", [UNITS[1], Unit("c.c", UNITS[1].text + "/**/ int y;")], FLAGS)


def test_both_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in filter(shutil.which, ("gcc", "clang")):
        monkeypatch.setenv("CC", name)
        for target in TARGETS.values():
            if target.language == "c":
                build("test", [Unit("a.c", "int f(int x);\nint f(int x) { return x; }\n")],
                      flags_for(target))  # fmt: skip


def test_strict_c_is_strict() -> None:
    unit = Unit(
        "a.c", "typedef float v __attribute__((vector_size(16)));\nint f() { return ({1;}); }"
    )
    with pytest.raises(CompileError, match=r"a\.c:2:.*error"):
        build("test", [unit], flags_for(TARGETS["c99"]))


def test_no_flag_loosens_arithmetic() -> None:
    flags = {flag for target in TARGETS.values() for flag in flags_for(target)}
    assert not flags & {"-ffast-math", "-Ofast", "-march=native"}
    assert "-ffp-contract=off" in flags


@pytest.mark.parametrize(
    ("features", "name"),
    [({"sse2"}, "sse2"), ({"sse2", "avx2", "fma", "bmi2", "f16c"}, "avx2"), (set[str](), "c99")],
)
def test_the_target_comes_from_cpu_flags(
    monkeypatch: pytest.MonkeyPatch, features: set[str], name: str
) -> None:
    monkeypatch.delenv("NNC_TARGET", raising=False)
    monkeypatch.setattr(machine, "cpu_features", lambda: frozenset(features))
    assert detect_target().name == name


def test_the_target_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNC_TARGET", "sse2")
    assert detect_target().name == "sse2"
    monkeypatch.setenv("NNC_TARGET", "vax")
    with pytest.raises(TargetError, match="NNC_TARGET: unknown target 'vax'"):
        detect_target()


def test_large_units_are_optimized_less() -> None:
    flags = flags_for(TARGETS["avx2"])
    assert effort(Unit("small", "int x;"), flags) == list(flags)
    less = effort(Unit("large", " " * (LARGE_UNIT + 1)), flags)
    assert "-O1" in less
    assert "-O2" not in less
    assert [f for f in flags if f != "-O2"] == [
        f for f in less if f not in ("-O1", "-ftree-vectorize", "-fstrict-aliasing")
    ]
