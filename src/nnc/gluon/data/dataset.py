"""Samples by index."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from nnc.array import NDArray
from nnc.checks import function
from nnc.errors import OptionError, ShapeError

Sample = Any


class Dataset(ABC):
    """Something with a length and items."""

    @abstractmethod
    def __getitem__(self, idx: int) -> Sample: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def transform(self, fn: Callable[..., Sample], lazy: bool = True) -> "Dataset":
        """The samples after `fn`, which takes the parts of a sample as arguments."""
        mapped = MappedDataset(self, function("transform", fn))
        return mapped if lazy else SimpleDataset([mapped[i] for i in range(len(mapped))])

    def transform_first(self, fn: Callable[[Sample], Sample], lazy: bool = True) -> "Dataset":
        """The samples with `fn` applied to their first part, usually the image."""
        return self.transform(FirstOnly(fn), lazy)

    def take(self, count: int | None) -> "Dataset":
        """The first `count` samples."""
        size = len(self) if count is None else min(count, len(self))
        return SimpleDataset([self[i] for i in range(size)])


class FirstOnly:
    """`fn` on the first part of a sample. A class, so that it can be sent to worker processes."""

    def __init__(self, fn: Callable[[Sample], Sample]):
        self._fn = fn

    def __call__(self, first: Sample, *rest: Sample) -> Sample:
        return (self._fn(first), *rest) if rest else self._fn(first)


class MappedDataset(Dataset):
    """Another dataset's samples after a function."""

    def __init__(self, source: Dataset, fn: Callable[..., Sample]):
        self._source = source
        self._fn = fn

    def __getitem__(self, idx: int) -> Sample:
        sample = self._source[idx]
        return self._fn(*sample) if isinstance(sample, tuple) else self._fn(sample)

    def __len__(self) -> int:
        return len(self._source)


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
        rows = [a[idx] for a in self._arrays]
        return rows[0] if len(self._arrays) == 1 else tuple(rows)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def rows(self, indices: list[int]) -> Sample | None:
        """Many rows at once where all arrays are numpy's, which is faster; else None."""
        import numpy as np

        if not all(isinstance(a, np.ndarray) for a in self._arrays):
            return None
        rows = [a[indices] for a in self._arrays]
        return rows[0] if len(self._arrays) == 1 else tuple(rows)
