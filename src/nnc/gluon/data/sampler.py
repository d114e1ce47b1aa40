"""The order in which samples are read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from nnc.checks import chosen, count
from nnc.random import generator

LAST_BATCH = ("keep", "discard", "rollover")

Item = TypeVar("Item", covariant=True)


class Sampler(ABC, Generic[Item]):
    """An order of indices."""

    @abstractmethod
    def __iter__(self) -> Iterator[Item]: ...

    @abstractmethod
    def __len__(self) -> int: ...


class SequentialSampler(Sampler[int]):
    """`start`, `start + 1`, … in order."""

    def __init__(self, length: int, start: int = 0):
        self._range = range(start, start + length)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


class RandomSampler(Sampler[int]):
    """All indices in a new random order each time."""

    def __init__(self, length: int):
        self._length = length

    def __iter__(self) -> Iterator[int]:
        return iter(generator.numpy.permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


class BatchSampler(Sampler[list[int]]):
    """Batches of another sampler's indices.

    The last, incomplete batch: `keep` it, `discard` it, or `rollover` into the next epoch.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, last_batch: str = "keep"):
        self._sampler = sampler
        self._batch_size = count("DataLoader: batch_size", batch_size)
        self._last_batch = chosen(
            "DataLoader: last_batch", last_batch, ("keep", "discard", "rollover")
        )
        self._left: list[int] = []

    def __iter__(self) -> Iterator[list[int]]:
        batch, self._left = self._left, []
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif batch and self._last_batch == "rollover":
            self._left = batch

    def __len__(self) -> int:
        count = len(self._sampler) + len(self._left)
        rest = self._last_batch == "keep" and count % self._batch_size > 0
        return count // self._batch_size + rest
