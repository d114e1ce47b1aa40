"""Compiled files, named by the hash of all that made them, in a folder that processes share.

An entry is written under a temporary name, sealed and renamed: whoever looks sees all of it or
nothing. The seal, a digest at the end that ELF readers ignore, gives away what a crash or a bad
disk left behind; such an entry is made again. A folder that cannot be written is replaced by
a private temporary one.
"""

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from nnc.runtime.errors import CacheError

_MARK = b"nnc-seal"
_SEAL_BYTES = len(_MARK) + 16
_IN_USE_SECONDS = 60
"""An entry younger than this may be in use by another process and is not pruned."""
_ABANDONED_SECONDS = 3600
_STORES_PER_PRUNE = 64


def digest(*parts: str) -> str:
    """A name for what `parts` make; their borders count."""
    return blake2b("\0".join(f"{len(p)}:{p}" for p in parts).encode(), digest_size=20).hexdigest()


class Cache:
    """A folder of sealed files, the least recently used of which go when it grows too large."""

    def __init__(self, folder: Path | None, limit_bytes: int = 2 << 30):
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._stores = 0

    def _folders(self) -> list[Path]:
        private = private_folder(os.getpid())
        return [private] if self.folder is None else [self.folder, private]

    def _sound(self, name: str) -> tuple[Path, bytes] | None:
        """The sound entry called `name` and its content, now the most recently used one."""
        for folder in self._folders():
            path = folder / name
            content = _content(path)
            if content is not None:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return path, content
        return None

    def find(self, name: str) -> Path | None:
        """The path of a sound entry."""
        found = self._sound(name)
        return found and found[0]

    def read(self, name: str) -> bytes | None:
        """The content of a sound entry."""
        found = self._sound(name)
        return found and found[1]

    def write(self, name: str, content: bytes) -> None:
        self.make(name, lambda path: path.write_bytes(content))

    def make(self, name: str, write: Callable[[Path], object]) -> Path:
        """Let `write` fill a file, which becomes the entry `name`. OSErrors of `write` count."""
        problems: list[str] = []
        for folder in self._folders():
            try:
                path = _make_in(folder, name, write)
            except OSError as error:
                problems.append(f"{folder}: {error.strerror or error}")
                continue
            if self._stores % _STORES_PER_PRUNE == 0:
                self.prune()
            self._stores += 1
            return path
        raise CacheError(
            f"compiled code can be written nowhere ({'; '.join(problems)}); free some space, or "
            "set NNC_CACHE to a folder that can be written"
        )

    def prune(self) -> None:
        """Remove abandoned temporary files, and the oldest entries while there is too much."""
        entries = _entries(self.folder) if self.folder else []
        now = time.time()
        total = sum(status.st_size for status, _ in entries)
        for status, path in sorted(entries, key=lambda entry: entry[0].st_mtime):
            age = now - status.st_mtime
            if path.name.startswith("."):
                removable = age > _ABANDONED_SECONDS
            else:
                removable = age > _IN_USE_SECONDS and total > self.limit_bytes
            if removable:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= status.st_size


def _make_in(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=f"-{name}", dir=folder)
    os.close(descriptor)
    try:
        write(Path(temporary))
        with open(temporary, "r+b") as file:
            file.write(_MARK + blake2b(file.read(), digest_size=16).digest())
        os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return folder / name


def _content(path: Path) -> bytes | None:
    """What the entry holds before its seal; None when it is missing or broken."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    return content if seal == _MARK + blake2b(content, digest_size=16).digest() else None


def _entries(folder: Path) -> list[tuple[os.stat_result, Path]]:
    """Every file of the folder that other processes did not remove meanwhile."""
    entries: list[tuple[os.stat_result, Path]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as items:
        for item in items:
            with contextlib.suppress(OSError):
                entries.append((item.stat(), Path(item.path)))
    return entries


@functools.cache
def private_folder(pid: int) -> Path:
    """A temporary folder of process `pid`, removed when it ends."""
    folder = Path(tempfile.gettempdir()) / f"nnc-{pid}-{os.urandom(8).hex()}"

    def remove() -> None:
        if os.getpid() == pid:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


@functools.cache
def _cache_in(folder: Path | None) -> Cache:
    return Cache(folder)


def shared_cache() -> Cache:
    """The cache in NNC_CACHE, or in the user's cache folder, or a private one."""
    if chosen := os.environ.get("NNC_CACHE"):
        return _cache_in(Path(chosen).expanduser().absolute())
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return _cache_in(base / "nnc" if base.is_absolute() else None)
