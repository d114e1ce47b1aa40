"""Batches of samples, read ahead by workers if wanted.

Workers handle numpy arrays only; arrays of nnc are made in the calling thread.
"""

import os
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nnc.arrays.array import NDArray, array
from nnc.checks import count, function, number
from nnc.dtypes import numeric
from nnc.errors import OptionError, SampleError
from nnc.gluon.data.ahead import in_background, read_ahead, threads
from nnc.gluon.data.batchify import stack_samples
from nnc.gluon.data.dataset import TRANSFORM, ArrayDataset, Dataset, Sample, rows_of
from nnc.gluon.data.pool import WorkerPool, start_server
from nnc.gluon.data.randomness import Draws, drawing, drawn, random_generator
from nnc.gluon.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    order_given,
    state_of,
)
from nnc.recording.graph import Memory
from nnc.runtime.device import HOST

Batchify = Callable[[list[Sample]], Any]


def default_batchify_fn(samples: list[Sample]) -> Any:
    """Samples as one array for each of their parts."""
    return to_arrays(stack_samples(samples))


def to_arrays(batch: Any, made: Callable[[Memory], NDArray] | None = None) -> Any:
    """The arrays of a batch as arrays of nnc, in their dtypes: copies, unless `made` otherwise."""
    if isinstance(batch, list | tuple):
        return [to_arrays(part, made) for part in batch]
    if isinstance(batch, dict):
        return {name: to_arrays(part, made) for name, part in batch.items()}
    if not isinstance(batch, np.ndarray):
        return batch
    return array(batch, batch.dtype) if made is None else made(batch)


def in_place(memory: Memory) -> NDArray:
    """An array that is the memory, which nobody else holds."""
    return NDArray.on(HOST, np.ascontiguousarray(numeric(memory, memory.dtype)))


class Wanted(NamedTuple):
    """A batch to read: its indices, the epoch's seed, and where in the epoch it begins."""

    indices: list[Any]
    seed: int
    first: int

    def __str__(self) -> str:
        more = ", …" if len(self.indices) > 8 else ""
        return f"samples {', '.join(map(str, self.indices[:8]))}{more}"


def read(dataset: Dataset, batchify: Batchify, wanted: Wanted) -> Any:
    """One batch, of numpy arrays unless `batchify` makes others."""
    if batchify is stack_samples:
        with suppress(Exception):  # One by one, it is seen which sample it was.
            rows = rows_of(dataset, wanted.indices)
            if rows is not None:
                return rows
    samples: list[Sample] = []
    for position, index in enumerate(wanted.indices, wanted.first):
        with drawing(Draws(wanted.seed, position)):
            samples.append(sample_of(dataset, index))
    return batchify(samples)


def sample_of(dataset: Dataset, index: Any) -> Sample:
    """One sample; an error says which, and in which transform."""
    try:
        return dataset[index]
    except Exception as error:
        notes: list[str] = getattr(error, "__notes__", [])
        where = "".join(f", {note}" for note in notes if note.startswith(TRANSFORM))
        shrunk = ""
        if isinstance(error, IndexError) and not where:
            shrunk = f"; the dataset has {len(dataset)} samples now"
        raise SampleError(
            f"DataLoader: {dataset.name_of(index)}{where}: {type(error).__name__}: {error}{shrunk}"
        ) from error


def text_of(indices: Sequence[Any]) -> bytes:
    """A batch's indices as bytes that are the same in every process."""
    known = (int, str, tuple, np.integer)
    return " ".join(str(index) for index in indices if isinstance(index, known)).encode()


def check_order(found: int, expected: int) -> None:
    """Raises unless the batches before the state's were those that were given then."""
    if found != expected:
        raise OptionError(
            "DataLoader: the state is from another order of samples: expected the dataset, batch "
            "size and sampler that it was saved with, and a sampler that draws random numbers "
            "from gluon.data.random_generator()"
        )


class DataLoader:
    """Iterates over batches of a dataset.

    `num_workers` processes (threads with `thread_pool`) keep `prefetch` batches ready, by default
    two each; they live as long as the loader. Without workers, a thread does if `prefetch` is
    given. Batches and random numbers are the same for any number of workers.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[Any] | Memory | NDArray,
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Sampler[Any] | Sequence[Any] | None = None,
        last_batch: str | None = None,
        batch_sampler: Sampler[list[Any]] | Sequence[list[Any]] | None = None,
        batchify_fn: Batchify | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        prefetch: int | None = None,
        thread_pool: bool = False,
        timeout: int = 120,
        auto_reload: bool = False,
    ):
        self._dataset = dataset if isinstance(dataset, Dataset) else ArrayDataset(dataset)
        self._length: int | None = None
        if batch_sampler is None:
            if batch_size is None:
                raise OptionError("DataLoader: give batch_size, or a batch_sampler")
            if shuffle and sampler is not None:
                raise OptionError("DataLoader: a sampler has its own order; leave out shuffle")
            order = self._dataset.order(shuffle) if sampler is None else sampler
            if sampler is None and isinstance(order, RandomSampler | SequentialSampler):
                self._length = len(order)
            batch_sampler = BatchSampler(order, batch_size, last_batch or "keep")
        elif batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            raise OptionError(
                "DataLoader: batch_sampler stands for batch_size, shuffle, sampler and last_batch"
            )
        self._batches = order_given("batch_sampler", batch_sampler)
        batchify: Batchify = function("DataLoader: batchify_fn", batchify_fn or stack_samples)
        self._read = partial(read, self._dataset, batchify)
        self._workers = count("DataLoader: num_workers", num_workers, 0)
        self._threads = thread_pool
        ahead = 2 * num_workers if prefetch is None else count("DataLoader: prefetch", prefetch, 0)
        self._ahead = max(ahead, num_workers)
        self._timeout = number("DataLoader: timeout", timeout, least=0) or None
        self._pool: WorkerPool | None = None
        self._end: weakref.finalize[..., DataLoader] | None = None
        if num_workers and not thread_pool:
            start_server()
        self._resumed: dict[str, Any] | None = None
        self._state = self._between_epochs()

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        state = self._state = self._begin()
        made = in_place if self._workers and not self._threads else None
        sums: deque[int] = deque()
        wanted = self._wanted(dict(state), sums)
        if self._workers and getattr(self._batches, "reads_files", False):
            wanted = in_background(wanted, self._ahead)
        with closing(self._batches_of(wanted)) as batches:
            for batch in batches:
                state["batches"] += 1
                state["order"] = sums.popleft()
                yield to_arrays(batch, made)
        if self._state is state:  # No other iteration has begun.
            self._state = self._between_epochs()

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the seed of the epoch, and how many of its batches were given.

        `order` is a sum over their indices, by which an order that is another one is noticed.
        A loader that is given the state goes on with the batches that would have come next.
        """
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state when the loader is iterated over next."""
        unknown = {"seed", "batches", "order", "sampler"} ^ state_dict.keys()
        if unknown:
            raise OptionError(f"DataLoader: this is no state of a loader: {sorted(unknown)} differ")
        self._resumed = self._state = dict(state_dict)

    def _between_epochs(self) -> dict[str, Any]:
        """The state before an epoch."""
        return {"seed": None, "batches": 0, "order": 0, "sampler": state_of(self._batches)}

    def _begin(self) -> dict[str, Any]:
        """The state of the epoch that begins, or goes on."""
        self._check_length()
        state, self._resumed = self._resumed, None
        if state is None:
            if self._state["seed"] is not None and isinstance(self._batches, BatchSampler):
                self._batches.forget()  # The epoch was left; more of it may have been read ahead.
            state = self._between_epochs()
        elif state["sampler"]:
            self._batches.load_state_dict(state["sampler"])
        if state["seed"] is None:
            state["seed"] = int(random_generator().integers(2**63))
        return state

    def _check_length(self) -> None:
        """The order is of as many samples as there were, and workers have the dataset as it was."""
        if self._length is not None and len(self._dataset) != self._length:
            raise OptionError(
                f"DataLoader: the dataset has {len(self._dataset)} samples now, and had "
                f"{self._length} when the loader was made; make a new loader"
            )

    def _wanted(self, state: dict[str, Any], sums: deque[int]) -> Iterator[Wanted]:
        """What the batches after those of the state are made of, and sums over all indices."""
        seed, done = state["seed"], state["batches"]
        position = first = total = 0
        for indices in drawn(Draws(seed), iter(self._batches)):
            if position == done:
                check_order(total, state["order"])
            total = zlib.crc32(text_of(indices), total)
            if position >= done:
                sums.append(total)
                yield Wanted(indices, seed, first)
            position += 1
            first += len(indices)
        if position <= done:
            check_order(total, state["order"])

    def _batches_of(self, wanted: Iterator[Wanted]) -> Generator[Any]:
        """The batches, read here or by workers."""
        if self._workers and not self._threads:
            submit = self._started().submit
            batches = read_ahead(submit, wanted, self._ahead, self._timeout)
            yield from in_background(batches, 1)  # Talking to workers takes time, too.
        elif self._workers:
            with threads(self._workers, self._read) as submit:
                yield from read_ahead(submit, wanted, self._ahead, self._timeout)
        elif self._ahead:
            yield from in_background(self._read_here(wanted), self._ahead)
        else:
            yield from self._read_here(wanted)

    def _read_here(self, wanted: Iterator[Wanted]) -> Generator[Any]:
        """The batches. For `map`, a StopIteration from a `batchify_fn` would be their end."""
        for one in wanted:
            yield self._read(one)

    def _started(self) -> WorkerPool:
        """The worker processes, which live as long as the loader."""
        pool = self._pool
        if pool is None or not pool.alive or pool.process_id != os.getpid():
            pool = self._pool = WorkerPool(self._workers, self._read)
            if self._end is not None:
                self._end.detach()  # The last pool has ended by itself.
            self._end = weakref.finalize(self, pool.close)
        return pool
