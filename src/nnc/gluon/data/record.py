"""MXNet's record files: samples one after the other, and an index file beside them."""

import struct
from pathlib import Path

from nnc.errors import OptionError
from nnc.gluon.data.dataset import Dataset

MAGIC = 0xCED7230A
MIDDLE, LAST = 2, 3
"""Parts of a record that had the magic number in it, which was taken out between them."""


class RecordFileDataset(Dataset):
    """The records of `<name>.rec` as bytes; `<name>.idx` says where each begins."""

    def __init__(self, filename: str):
        self._path = Path(filename)
        index = self._path.with_suffix(".idx")
        for path in (self._path, index):
            if not path.is_file():
                raise OptionError(
                    f"RecordFileDataset: there is no {path}; MXNet's im2rec.py writes both the "
                    ".rec and the .idx file"
                )
        try:
            self._offsets = [int(line.split("\t")[1]) for line in index.read_text().splitlines()]
        except (ValueError, IndexError):
            raise OptionError(f"RecordFileDataset: {index} is no index of records") from None

    def __getitem__(self, idx: int) -> bytes:
        parts: list[bytes] = []
        with self._path.open("rb") as file:
            file.seek(self._offsets[idx])
            while True:
                header = file.read(8)
                magic, word = struct.unpack("<II", header) if len(header) == 8 else (0, 0)
                kind, size = word >> 29, word & (1 << 29) - 1
                data = file.read(size)
                if magic != MAGIC or len(data) < size:
                    raise OptionError(
                        f"{self._path}: no whole record at byte {self._offsets[idx]}; the file is "
                        "cut off, or the .idx file belongs to another one"
                    )
                parts.append(data)
                if kind not in (1, MIDDLE):
                    return struct.pack("<I", MAGIC).join(parts)
                file.seek(-size % 4, 1)

    def __len__(self) -> int:
        return len(self._offsets)
