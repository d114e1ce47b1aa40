"""Datasets in many files, larger than memory: tar shards as webdataset has them, and parquet.

A sample is found by (shard, position in it), so that any worker can read any sample, and an epoch
is an order of such pairs: shards in a random order, shuffled within windows. Only what a window
spans is in use at a time. The order is known without reading samples, so a loader goes on in the
middle of an epoch at once, and gives the same batches for any number of workers.
"""

import glob
import os
import threading
from abc import abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from nnc.checks import count
from nnc.errors import OptionError
from nnc.gluon.data.dataset import Dataset, Sample
from nnc.gluon.data.randomness import random_generator
from nnc.gluon.data.sampler import Sampler

Place = tuple[int, int]
"""A shard, and a position in it."""
Value = TypeVar("Value")
OPEN_SHARDS = 8


class ShardSampler(Sampler[Place]):
    """The samples of a `ShardedDataset`: in order, or shuffled.

    Shuffled, shards come in a random order, and each `window` samples in a row, which may be from
    several shards, are permuted.
    """

    reads_files = True

    def __init__(self, dataset: "ShardedDataset", shuffle: bool = True):
        self._dataset = dataset
        self._shuffle = shuffle

    def __iter__(self) -> Iterator[Place]:
        draws = random_generator()
        shards = range(self._dataset.shards)
        places = self._places(draws.permutation(shards).tolist() if self._shuffle else shards)
        while window := list(islice(places, self._dataset.window)):
            order = draws.permutation(len(window)) if self._shuffle else range(len(window))
            yield from (window[position] for position in order)

    def _places(self, shards: Sequence[int]) -> Iterator[Place]:
        return ((shard, i) for shard in shards for i in range(self._dataset.length(shard)))

    def __len__(self) -> int:
        return len(self._dataset)


class Recent(Generic[Value]):
    """What was made for the last keys: `least` of them, and what a window of samples touches."""

    def __init__(
        self, make: Callable[[Any], Value], size: Callable[[Value], int], window: int, least: int
    ):
        self._make = make
        self._size = size
        self._window = window
        self._least = least
        self._made: OrderedDict[Any, Value] = OrderedDict()
        self._lock = threading.RLock()

    def __getitem__(self, key: Any) -> Value:
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            value = self._made[key] = self._make(key)
            while len(self._made) > self._least and self._others_hold_a_window():
                self._made.popitem(last=False)
            return value

    def _others_hold_a_window(self) -> bool:
        """Whether the oldest is not needed: a window covers all that it touches but two ends."""
        sizes = sorted(map(self._size, islice(self._made.values(), 1, None)))
        return sum(sizes[:-2]) >= self._window


class ShardedDataset(Dataset):
    """Samples in files: a list of their names, or a pattern such as `data/train-*.tar`.

    A loader with `shuffle` reads the shards in a random order, and shuffles `window` samples at
    a time. Its length is known when all shards have been looked through, which a loader need not.
    """

    def __init__(self, files: Any, window: int):
        self.files = files_named(type(self).__name__, files)
        self.window = count(f"{type(self).__name__}: window", window)
        self._lengths: dict[int, int] = {}
        self.prepare()

    @abstractmethod
    def read(self, shard: int, position: int) -> Sample:
        """One sample."""

    @abstractmethod
    def look_through(self, shard: int) -> int:
        """How many samples a shard has."""

    @property
    def shards(self) -> int:
        """How many files there are."""
        return len(self.files)

    def length(self, shard: int) -> int:
        """How many samples a shard has; it is looked through once."""
        if shard not in self._lengths:
            self._lengths[shard] = self.look_through(shard)
        return self._lengths[shard]

    def __len__(self) -> int:
        return sum(map(self.length, range(self.shards)))

    def __getitem__(self, idx: int | Place) -> Sample:
        if isinstance(idx, tuple):
            return self.read(*idx)
        ends = list(accumulate(map(self.length, range(self.shards))))
        if not -ends[-1] <= idx < ends[-1]:
            raise IndexError(f"sample {idx} of {ends[-1]}")
        idx %= ends[-1]
        shard = bisect_right(ends, idx)
        return self.read(shard, idx - ends[shard] + self.length(shard))

    def name_of(self, idx: Any) -> str:
        if isinstance(idx, tuple):
            shard, position = idx
            return f"sample {position} of {self.files[shard]}"
        return super().name_of(idx)

    def order(self, shuffle: bool) -> Sampler[Any]:
        return ShardSampler(self, shuffle)

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Every `num_shards`-th file from the `index`-th on."""
        count("shard: num_shards", num_shards)
        if count("shard: index", index, 0) >= min(num_shards, self.shards):
            raise OptionError(
                f"shard: {num_shards} parts of {self.shards} files have no part {index}"
            )
        part = copy(self)
        part.files, part._lengths = self.files[index::num_shards], {}
        part.prepare()
        return part

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is open is sent to a worker."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, Recent)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.prepare()

    def prepare(self) -> None:
        """Make what a process needs to read."""


def files_named(what: str, files: Any) -> list[str]:
    """The files of a list, or those that a pattern fits, in order."""
    if isinstance(files, str | Path):
        pattern = os.path.expanduser(files)
        found = [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
        missing = [] if found else [str(files)]
    else:
        found = [str(name) for name in files]
        missing = [name for name in found if not os.path.isfile(name)]
    if missing or not found:
        raise OptionError(f"{what}: there is no file {', '.join(missing)}".rstrip())
    return found
