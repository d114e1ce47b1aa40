"""Parquet files, read by pyarrow, one group of rows at a time."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from nnc.checks import chosen
from nnc.errors import OptionError
from nnc.gluon.data.dataset import Sample
from nnc.gluon.data.libraries import needed
from nnc.gluon.data.shards import OPEN_SHARDS, Recent, ShardedDataset
from nnc.gluon.data.vision.images import decode

# Pyarrow needs several times the memory of the rows it decodes: 8 bytes for each byte of an image.
DECODED_BYTES = 512 << 10


class OpenFile(NamedTuple):
    """A parquet file, and where its groups of rows begin and end."""

    file: Any
    ends: list[int]


class Group(NamedTuple):
    """The columns of a group of rows."""

    columns: dict[str, Any]
    rows: int


class ParquetDataset(ShardedDataset):
    """The rows of parquet files: a list of their names, or a pattern such as `train-*.parquet`.

    Samples are tuples of `columns`, or dicts of all: numbers, strings, bytes, arrays for lists
    of numbers and for tensors, and images where a column has a field `bytes`.
    """

    def __init__(self, files: Any, columns: Sequence[str] | None = None, window: int = 1000):
        super().__init__(files, window)
        self._columns = [columns] if isinstance(columns, str) else columns
        known = self._open[0].file.schema_arrow.names
        for column in self._columns or ():
            chosen("ParquetDataset: columns", column, known)

    def prepare(self) -> None:
        self._open: Recent[OpenFile] = Recent(
            self._opened, lambda opened: opened.ends[-1], self.window, OPEN_SHARDS
        )
        self._groups: Recent[Group] = Recent(
            self._group, lambda group: group.rows, self.window, least=2
        )

    def _opened(self, shard: int) -> OpenFile:
        parquet = needed("pyarrow.parquet", "pyarrow", "reading parquet files")
        try:
            file = parquet.ParquetFile(self.files[shard], pre_buffer=False)
        except (OSError, ValueError) as error:
            raise OptionError(f"{self.files[shard]} is no whole parquet file: {error}") from None
        groups = map(file.metadata.row_group, range(file.num_row_groups))
        return OpenFile(file, list(accumulate((g.num_rows for g in groups), initial=0)))

    def _group(self, key: tuple[int, int]) -> Group:
        shard, group = key
        arrow = needed("pyarrow", "pyarrow", "reading parquet files")
        file = self._open[shard].file
        parts = file.iter_batches(
            decoded_rows(file.metadata.row_group(group)), [group], self._columns, use_threads=False
        )
        table = arrow.Table.from_batches(list(parts))
        arrow.default_memory_pool().release_unused()
        columns = {name: table[name] for name in table.column_names}
        return Group(columns, table.num_rows)

    def look_through(self, shard: int) -> int:
        return self._open[shard].ends[-1]

    def read(self, shard: int, position: int) -> Sample:
        ends = self._open[shard].ends
        group = bisect_right(ends, position) - 1
        columns = self._groups[shard, group].columns
        row = {name: value_of(column[position - ends[group]]) for name, column in columns.items()}
        if self._columns is None:
            return row
        values = tuple(row[name] for name in self._columns)
        return values[0] if len(values) == 1 else values


def decoded_rows(group: Any) -> int:
    """How many rows of a group are decoded at a time."""
    return max(1, group.num_rows * DECODED_BYTES // max(1, group.total_byte_size))


def value_of(scalar: Any) -> Any:
    """A value of a row as Python or numpy has it; arrays are copies, which may be written to."""
    if hasattr(scalar, "to_numpy"):
        return scalar.to_numpy().copy()
    values = getattr(scalar, "values", None)
    if values is not None and hasattr(values, "to_numpy"):
        return values.to_numpy(zero_copy_only=False).copy()
    value = scalar.as_py()
    return decode(value["bytes"]) if isinstance(value, dict) and value.get("bytes") else value
