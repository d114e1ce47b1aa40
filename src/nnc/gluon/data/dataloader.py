"""Batches of samples, read ahead by workers if wanted.

Workers handle numpy arrays only; arrays of nnc are made in the calling thread.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import Any

import numpy as np

from nnc.array import NDArray, array
from nnc.checks import count, function
from nnc.errors import OptionError, ShapeError, WorkerError
from nnc.gluon.data.dataset import ArrayDataset, Dataset, Sample
from nnc.gluon.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

Batchify = Callable[[list[Sample]], Any]


def stack_samples(samples: list[Sample]) -> Any:
    """Samples as one numpy array for each of their parts."""
    if isinstance(samples[0], tuple | list):
        parts = {len(sample) for sample in samples}
        if len(parts) > 1:
            raise ShapeError(f"DataLoader: samples of a batch have {sorted(parts)} parts each")
        return [stack_samples(list(part)) for part in zip(*samples, strict=True)]
    arrays = [s.asnumpy() if isinstance(s, NDArray) else np.asarray(s) for s in samples]
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(
            f"DataLoader: the samples of a batch have shapes {sorted(shapes)}, expected one; "
            "bring them to one in transform, or give a batchify_fn that pads"
        )
    return np.stack(arrays)


def default_batchify_fn(samples: list[Sample]) -> Any:
    """Samples as one array for each of their parts."""
    return to_arrays(stack_samples(samples))


def to_arrays(batch: Any) -> Any:
    if isinstance(batch, list | tuple):
        return [to_arrays(part) for part in batch]
    return array(batch, batch.dtype) if isinstance(batch, np.ndarray) else batch


def read(dataset: Dataset, indices: list[int], batchify: Batchify | None) -> Any:
    """One batch; `stack_samples` without a `batchify`."""
    if batchify is None and isinstance(dataset, ArrayDataset):
        rows = dataset.rows(indices)
        if rows is not None:
            return rows
    samples = [dataset[i] for i in indices]
    return stack_samples(samples) if batchify is None else batchify(samples)


class DataLoader:
    """Iterates over batches of a dataset.

    `num_workers` processes (threads with `thread_pool`) keep `prefetch` batches ready.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[Any],
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Sampler[int] | None = None,
        last_batch: str | None = None,
        batch_sampler: Sampler[list[int]] | None = None,
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
        if batch_sampler is None:
            if batch_size is None:
                raise OptionError("DataLoader: give batch_size, or a batch_sampler")
            if shuffle and sampler is not None:
                raise OptionError("DataLoader: a sampler has its own order; leave out shuffle")
            size = len(self._dataset)
            order = sampler or (RandomSampler(size) if shuffle else SequentialSampler(size))
            batch_sampler = BatchSampler(order, batch_size, last_batch or "keep")
        elif batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            raise OptionError(
                "DataLoader: batch_sampler stands for batch_size, shuffle, sampler and last_batch"
            )
        self._batches = batch_sampler
        self._batchify = (
            batchify_fn if batchify_fn is None else function("DataLoader: batchify_fn", batchify_fn)
        )
        self._workers = count("DataLoader: num_workers", num_workers, 0)
        self._threads = thread_pool
        ahead = 2 * num_workers if prefetch is None else count("DataLoader: prefetch", prefetch, 0)
        self._ahead = max(ahead, 1)
        self._timeout = timeout

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        if not self._workers:
            for indices in self._batches:
                yield to_arrays(read(self._dataset, indices, self._batchify))
            return
        with self._executor() as executor:
            waiting: deque[Future[Any]] = deque()
            for indices in self._batches:
                waiting.append(executor.submit(read, self._dataset, indices, self._batchify))
                if len(waiting) > self._ahead:
                    yield self._awaited(waiting.popleft())
            while waiting:
                yield self._awaited(waiting.popleft())

    def _awaited(self, batch: "Future[Any]") -> Any:
        """The batch of a worker."""
        try:
            return to_arrays(batch.result(self._timeout))
        except BrokenProcessPool:
            raise WorkerError(
                "DataLoader: a worker process ended before its batch was ready; what it said is "
                "above. In a script, workers may only be started below "
                "`if __name__ == '__main__':`; thread_pool=True needs no processes"
            ) from None
        except TimeoutError:
            raise WorkerError(
                f"DataLoader: a worker took longer than timeout={self._timeout} s for a batch"
            ) from None
        except (PicklingError, AttributeError) as error:
            if "pickle" not in str(error):
                raise
            raise WorkerError(
                f"DataLoader: the dataset cannot be sent to worker processes: {error}; define its "
                "functions at the top of a module, or use thread_pool=True"
            ) from None

    def _executor(self) -> Executor:
        if self._threads:
            return ThreadPoolExecutor(self._workers)
        return ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"))
