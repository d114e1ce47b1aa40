"""Samples by index."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnc import checks
from nnc.arrays.array import NDArray
from nnc.checks import function
from nnc.errors import OptionError, ShapeError
from nnc.gluon.data.sampler import FilterSampler, RandomSampler, Sampler, SequentialSampler

Sample = Any


class Dataset(ABC):
    """Something with a length and items."""

    @abstractmethod
    def __getitem__(self, idx: Any) -> Sample: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def transform(self, fn: Callable[..., Sample], lazy: bool = True) -> "Dataset":
        """The samples after `fn`, which takes the parts of a sample as arguments."""
        mapped = MappedDataset(self, function("transform", fn))
        return mapped if lazy else SimpleDataset([mapped[i] for i in range(len(mapped))])

    def transform_first(self, fn: Callable[[Sample], Sample], lazy: bool = True) -> "Dataset":
        """The samples with `fn` applied to their first part, usually the image."""
        return self.transform(FirstOnly(function("transform_first", fn)), lazy)

    def filter(self, fn: Callable[[Sample], Any]) -> "Dataset":
        """The samples for which `fn(sample)` is true; each is read once to find out."""
        return SubsetDataset(self, list(FilterSampler(function("filter", fn), self)))

    def shard(self, num_shards: int, index: int) -> "Dataset":
        """The `index`-th of `num_shards` parts, which differ by at most one sample."""
        checks.count("shard: num_shards", num_shards)
        if checks.count("shard: index", index, 0) >= num_shards:
            raise OptionError(f"shard: index goes from 0 to {num_shards - 1}, given {index}")
        size, rest = divmod(len(self), num_shards)
        begin = size * index + min(index, rest)
        return SubsetDataset(self, range(begin, begin + size + (index < rest)))

    def take(self, count: int | None) -> "Dataset":
        """The first `count` samples, or all."""
        size = len(self) if count is None else checks.count("take: count", count, 0)
        return SubsetDataset(self, range(min(size, len(self))))

    def sample(self, sampler: Any) -> "Dataset":
        """The samples at the indices that a sampler gives now."""
        if not isinstance(sampler, Sampler):
            raise OptionError(f"sample: expected a Sampler, given {sampler!r}")
        indices: list[Any] = list(sampler)
        return SubsetDataset(self, indices)

    def order(self, shuffle: bool) -> Sampler[Any]:
        """What a loader without a sampler of its own reads."""
        return RandomSampler(len(self)) if shuffle else SequentialSampler(len(self))

    def name_of(self, idx: Any) -> str:
        """What an error calls a sample."""
        return f"sample {idx}"

    def rows(self, indices: Any) -> Sample | None:
        """The parts of many samples at once, where that is faster than one by one; else None."""
        return None


class FirstOnly:
    """`fn` on the first part of a sample. A class, so that it can be sent to worker processes."""

    def __init__(self, fn: Callable[[Sample], Sample]):
        self._fn = fn

    def __call__(self, first: Sample, *rest: Sample) -> Sample:
        return (self._fn(first), *rest) if rest else self._fn(first)

    def __repr__(self) -> str:
        return name_of_function(self._fn)


class MappedDataset(Dataset):
    """Another dataset's samples after a function."""

    def __init__(self, source: Dataset, fn: Callable[..., Sample]):
        self._source = source
        self._fn = fn

    def __getitem__(self, idx: Any) -> Sample:
        sample = self._source[idx]
        try:
            return self._fn(*sample) if isinstance(sample, tuple) else self._fn(sample)
        except Exception as error:
            blame(error, self._fn)
            raise

    def __len__(self) -> int:
        return len(self._source)

    def order(self, shuffle: bool) -> Sampler[Any]:
        return self._source.order(shuffle)

    def name_of(self, idx: Any) -> str:
        return self._source.name_of(idx)


TRANSFORM = "in transform "
"""How the notes begin that say where an error was made."""


def blame(error: Exception, fn: Callable[..., Any]) -> None:
    """Note which transform an error is from; the innermost one counts."""
    if not any(note.startswith(TRANSFORM) for note in getattr(error, "__notes__", ())):
        error.add_note(TRANSFORM + name_of_function(fn))


def name_of_function(fn: Callable[..., Any]) -> str:
    """As people know it: the name of a function, and what an object says of itself."""
    return getattr(fn, "__qualname__", None) or repr(fn).partition("\n")[0]


class SubsetDataset(Dataset):
    """Some of another dataset's samples."""

    def __init__(self, source: Dataset, indices: Sequence[Any]):
        self._source = source
        self._indices = indices

    def __getitem__(self, idx: int) -> Sample:
        return self._source[self._indices[idx]]

    def __len__(self) -> int:
        return len(self._indices)

    def rows(self, indices: Any) -> Sample | None:
        return rows_of(self._source, [self._indices[i] for i in indices])


class SimpleDataset(Dataset):
    """The items of a list."""

    def __init__(self, data: Sequence[Sample]):
        self._data = data

    def __getitem__(self, idx: int) -> Sample:
        return self._data[idx]

    def __len__(self) -> int:
        return len(self._data)


class ArrayDataset(Dataset):
    """Rows of one or more arrays of equal length."""

    def __init__(self, *args: Any):
        if not args:
            raise ShapeError("ArrayDataset: expected at least one array")
        self._arrays = [a.asnumpy() if isinstance(a, NDArray) else a for a in args]
        for a in self._arrays:
            if not hasattr(a, "__len__") or not hasattr(a, "__getitem__"):
                raise OptionError(f"ArrayDataset: expected arrays or lists, given {a!r}")
        lengths = {len(a) for a in self._arrays}
        if len(lengths) > 1:
            raise ShapeError(
                f"ArrayDataset: the arrays have lengths {[len(a) for a in self._arrays]}, "
                "expected one length"
            )

    def __getitem__(self, idx: int) -> Sample:
        rows = [row_of(a, idx) for a in self._arrays]
        return rows[0] if len(self._arrays) == 1 else tuple(rows)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def rows(self, indices: Any) -> Sample | None:
        if not all(isinstance(a, np.ndarray) for a in self._arrays):
            return None
        rows = [a[indices] for a in self._arrays]
        return rows[0] if len(self._arrays) == 1 else tuple(rows)


def rows_of(dataset: Dataset, indices: Any) -> Sample | None:
    """The dataset's `rows`, unless a subclass has changed only what one sample is."""
    for kind in type(dataset).__mro__:
        if "rows" in vars(kind):
            return dataset.rows(indices)
        if "__getitem__" in vars(kind):
            break
    return None


def row_of(array: Any, idx: Any) -> Any:
    """A row; of an array a copy, so that a transform in place changes no later epoch."""
    row = array[idx]
    return row.copy() if isinstance(row, np.ndarray) else row
