"""The order in which samples are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from nnc.checks import chosen, count, function
from nnc.errors import OptionError
from nnc.gluon.data.randomness import random_generator

if TYPE_CHECKING:
    from nnc.gluon.data.dataset import Dataset

LAST_BATCH = ("keep", "discard", "rollover")

Item = TypeVar("Item", covariant=True)


class Sampler(ABC, Generic[Item]):
    """An order of indices."""

    reads_files: bool = False
    """Whether it may take a while to know what comes next."""

    @abstractmethod
    def __iter__(self) -> Iterator[Item]: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def state_dict(self) -> dict[str, Any]:
        """What it keeps from one epoch to the next."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""


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
        return iter(random_generator().permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


class FilterSampler(Sampler[int]):
    """The indices of the samples for which `fn(sample)` is true; they are read once, here."""

    def __init__(self, fn: Callable[[Any], Any], dataset: "Dataset"):
        function("FilterSampler: fn", fn)
        self._indices = [i for i in range(len(dataset)) if fn(dataset[i])]

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


class IntervalSampler(Sampler[int]):
    """Every `interval`-th index from 0 on; with `rollover` then from 1 on, and so on to all.

    `IntervalSampler(5, 2)` is 0, 2, 4, 1, 3.
    """

    def __init__(self, length: int, interval: int, rollover: bool = True):
        self._length = count("IntervalSampler: length", length, 0)
        self._interval = count("IntervalSampler: interval", interval)
        self._starts = range(min(interval, length) if rollover else 1)

    def __iter__(self) -> Iterator[int]:
        return (i for start in self._starts for i in range(start, self._length, self._interval))

    def __len__(self) -> int:
        return sum(len(range(start, self._length, self._interval)) for start in self._starts)


class BatchSampler(Sampler[list[Any]]):
    """Batches of another sampler's indices.

    The last, incomplete batch: `keep` it, `discard` it, or `rollover` into the next epoch.
    """

    def __init__(
        self,
        sampler: Sampler[Any] | Sequence[Any],
        batch_size: int,
        last_batch: str = "keep",
    ):
        self._sampler = order_given("sampler", sampler)
        self.reads_files = getattr(sampler, "reads_files", False)
        self._batch_size = count("DataLoader: batch_size", batch_size)
        self._last_batch = chosen("DataLoader: last_batch", last_batch, LAST_BATCH)
        self._left: list[Any] = []

    def __iter__(self) -> Iterator[list[Any]]:
        batch, left = list(self._left), []
        self._left = left  # Once another iteration has begun, this one leaves nothing to it.
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif batch and self._last_batch == "rollover":
            left.extend(batch)

    def __len__(self) -> int:
        count = len(self._sampler) + len(self._left)
        rest = self._last_batch == "keep" and count % self._batch_size > 0
        return count // self._batch_size + rest

    def forget(self) -> None:
        """Begin the next epoch without what the last one has left."""
        self._left = []

    def state_dict(self) -> dict[str, Any]:
        """The indices that roll over into the next epoch, and the state of the other sampler."""
        left = [index.item() if isinstance(index, np.generic) else index for index in self._left]
        return {"left": left, "sampler": state_of(self._sampler)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        left = state_dict["left"]  # Where it was in a file, pairs are lists.
        self._left = [tuple(index) if isinstance(index, list) else index for index in left]
        if state_dict["sampler"]:
            self._sampler.load_state_dict(state_dict["sampler"])


def state_of(sampler: Any) -> dict[str, Any]:
    """What a sampler keeps from one epoch to the next; a list keeps nothing."""
    save: Callable[[], dict[str, Any]] = getattr(sampler, "state_dict", dict)
    return save()


def order_given(what: str, order: Any) -> Any:
    """A sampler, or something else that can be iterated over again in each epoch."""
    if hasattr(order, "__iter__") and not hasattr(order, "__next__"):
        return order
    raise OptionError(f"DataLoader: {what}: expected a Sampler, or a list, given {order!r}")
