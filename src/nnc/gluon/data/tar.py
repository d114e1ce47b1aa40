"""Tar shards, as webdataset has them: files whose names differ only in their ends are a sample."""

import functools
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnc.errors import OptionError
from nnc.gluon.data.dataset import Sample
from nnc.gluon.data.shards import OPEN_SHARDS, Recent, ShardedDataset
from nnc.gluon.data.vision.images import decode as decode_image

BLOCK = 512
KEY = "__key__"
"""The name of what the files of a sample have in common."""


class Entry(NamedTuple):
    """Where in a tar file the contents of one of its files are."""

    name: str
    offset: int
    size: int


class TarShard:
    """An open tar file: for each sample where its parts are, by their ends.

    `tarfile` would take ten times as long to find them.
    """

    def __init__(self, path: str):
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self.samples: list[tuple[str, dict[str, Entry]]] = []
        for entry in self._entries():
            folder, slash, base = entry.name.rpartition("/")
            stem, dot, end = base.partition(".")
            if stem and dot:
                self._add(folder + slash + stem, end.lower(), entry)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def content(self, entry: Entry) -> bytes:
        """The bytes of a file."""
        data = os.pread(self._descriptor, entry.size, entry.offset)
        if len(data) < entry.size:
            raise OptionError(f"{self.path} is cut off in {entry.name}")
        return data

    def _add(self, key: str, end: str, entry: Entry) -> None:
        """A part of a sample: the last one's if that has the same key."""
        if not self.samples or self.samples[-1][0] != key:
            self.samples.append((key, {}))
        parts = self.samples[-1][1]
        if end in parts:
            raise OptionError(f"{self.path} has {entry.name} twice")
        parts[end] = entry

    def _entries(self) -> Iterator[Entry]:
        """The files, in order. A long name is an entry of its own, before the file's."""
        end = os.fstat(self._descriptor).st_size
        offset, name = 0, ""
        while any(header := os.pread(self._descriptor, BLOCK, offset)):
            size = self._size(header)
            entry = Entry(name or name_in(header), offset + BLOCK, size)
            offset += BLOCK + size + -size % BLOCK
            if offset > end:
                break
            kind, name = header[156:157], ""
            if kind in b"Lx":
                name = long_name(kind, self.content(entry))
            elif kind in b"0\0":
                yield entry
        if len(header) < BLOCK or offset > end:
            raise OptionError(f"{self.path} is cut off after {len(self.samples)} samples")

    def _size(self, header: bytes) -> int:
        """The size of an entry's contents: octal digits, or for large ones bytes after 128."""
        if header[257:262] != b"ustar":
            packed = header[:2] == b"\x1f\x8b"
            hint = " (it is compressed; unpack it with gunzip)" if packed else ""
            raise self._damaged(f"is no tar file{hint}")
        digits = header[124:136]
        if digits[0] == 128:
            return int.from_bytes(digits[1:], "big")
        try:
            return int(digits.rstrip(b" \0") or b"0", 8)
        except ValueError:
            raise self._damaged("is no tar file") from None

    def _damaged(self, what: str) -> OptionError:
        """The error of a header that is none."""
        done = len(self.samples)
        return OptionError(f"{self.path} {f'is damaged after {done} samples' if done else what}")


class TarDataset(ShardedDataset):
    """The samples of tar files: a list of their names, or a pattern such as `train-*.tar`.

    Samples are tuples of `parts`, files by the ends of their names, decoded: `("jpg;png", "cls")`
    is an image and its class. Without `parts`, they are dicts of bytes, with the `__key__`.
    """

    def __init__(self, files: Any, parts: Sequence[str] | None = None, window: int = 1000):
        super().__init__(files, window)
        listed = [parts] if isinstance(parts, str) else parts
        self._parts = None if listed is None else [part.split(";") for part in listed]

    def prepare(self) -> None:
        self._open: Recent[TarShard] = Recent(
            lambda shard: TarShard(self.files[shard]),
            lambda opened: len(opened.samples),
            self.window,
            OPEN_SHARDS,
        )

    def look_through(self, shard: int) -> int:
        return len(self._open[shard].samples)

    def read(self, shard: int, position: int) -> Sample:
        opened = self._open[shard]
        key, entries = opened.samples[position]
        if self._parts is None:
            return {KEY: key} | {end: opened.content(entry) for end, entry in entries.items()}
        found = [next((e for e in ends if e in entries), None) for ends in self._parts]
        if None in found:
            missing = ";".join(self._parts[found.index(None)])
            raise OptionError(
                f"{opened.path}: sample {key} has {sorted(entries)}, but no {missing}"
            )
        parts = tuple(decoded(end, opened.content(entries[end])) for end in found if end)
        return parts[0] if len(parts) == 1 else parts


def name_in(header: bytes) -> str:
    """The name of an entry, with its folder where that is apart."""
    name = header[:100].partition(b"\0")[0]
    folder = header[345:500].partition(b"\0")[0] if header[262:263] == b"\0" else b""
    return (folder + b"/" + name if folder else name).decode(errors="surrogateescape")


def long_name(kind: bytes, content: bytes) -> str:
    """The name in an entry that holds the next one's: alone, or among lines `length key=value`."""
    if kind == b"L":
        return content.rstrip(b"\0").decode(errors="surrogateescape")
    while content:
        length, _, rest = content.partition(b" ")
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        if key == b"path":
            return value.decode()
        content = content[int(length) :]
    return ""


def decoded(end: str, data: bytes) -> Any:
    """What the contents of a file mean, by the last part of its end; else the bytes."""
    return DECODERS.get(end.rpartition(".")[2], bytes)(data)


def load_array(data: bytes) -> Any:
    """What `np.load` gives, without reading the same header again for each sample."""
    wide = data[6:7] > b"\1"
    begin = int.from_bytes(data[8 : 12 if wide else 10], "little") + (12 if wide else 10)
    shape, fortran, dtype = array_header(data[:begin])
    array = np.frombuffer(data, dtype, offset=begin)
    return array.reshape(shape, order="F" if fortran else "C").copy()


@functools.lru_cache(64)
def array_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype from the beginning of a file of numpy's."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    return (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)


DECODERS: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("jpg", "jpeg", "png", "bmp", "ppm", "webp"), decode_image),
    **dict.fromkeys(("cls", "index"), int),
    **dict.fromkeys(("txt", "text"), bytes.decode),
    "pgm": lambda data: decode_image(data, 0),
    "json": json.loads,
    "npy": load_array,
}
