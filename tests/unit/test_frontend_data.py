"""Datasets, samplers and loaders."""

from typing import Any

import numpy as np
import pytest

import nnc
from nnc.array import NDArray
from nnc.errors import OptionError, ShapeError
from nnc.gluon.data import (
    ArrayDataset,
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SimpleDataset,
)

X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10)


def double(x: float) -> float:
    return 2 * x


def second(x: float, y: float) -> float:
    return y


def test_rows_and_transforms() -> None:
    dataset = ArrayDataset(X, Y)
    assert len(dataset) == 10
    row, label = dataset[3]
    assert (row.tolist(), label) == ([6, 7], 3)
    assert dataset.transform_first(double)[3][0].tolist() == [12, 14]
    assert dataset.transform(second, lazy=False)[4] == 4
    assert len(dataset.take(3)) == 3
    assert ArrayDataset(Y)[2] == 2
    with pytest.raises(ShapeError, match=r"the arrays have lengths \[10, 3\]"):
        ArrayDataset(X, Y[:3])


@pytest.mark.parametrize(
    ("last", "sizes", "again"),
    [("keep", [4, 4, 2], [4, 4, 2]), ("discard", [4, 4], [4, 4]), ("rollover", [4, 4], [4, 4, 4])],
)
def test_the_last_batch(last: str, sizes: list[int], again: list[int]) -> None:
    sampler = BatchSampler(SequentialSampler(10), 4, last)
    assert len(sampler) == len(sizes)
    assert [len(batch) for batch in sampler] == sizes
    assert [len(batch) for batch in sampler] == again


def test_shuffling_follows_the_seed() -> None:
    nnc.random.seed(5)
    first = list(RandomSampler(20))
    nnc.random.seed(5)
    assert list(RandomSampler(20)) == first
    assert sorted(first) == list(range(20))


@pytest.mark.parametrize(
    "source", [ArrayDataset(X, Y), SimpleDataset(list(zip(X, Y, strict=True)))]
)
def test_batches_are_arrays(source: ArrayDataset | SimpleDataset) -> None:
    loader = DataLoader(source, 4)
    assert len(loader) == 3
    batches = list(loader)
    x, y = batches[1]
    assert isinstance(x, NDArray)
    np.testing.assert_array_equal(x.asnumpy(), X[4:8])
    np.testing.assert_array_equal(y.asnumpy(), Y[4:8])
    assert y.dtype == np.int64


@pytest.mark.parametrize("threads", [True, False])
def test_workers_keep_the_order(threads: bool) -> None:
    dataset = ArrayDataset(X, Y).transform_first(double)
    loader = DataLoader(dataset, 3, num_workers=2, thread_pool=threads)
    labels = [y.asnumpy().tolist() for _, y in loader]
    assert labels == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(OptionError, match="give batch_size, or a batch_sampler"):
        DataLoader(ArrayDataset(X))
    with pytest.raises(OptionError, match="leave out shuffle"):
        DataLoader(ArrayDataset(X), 2, shuffle=True, sampler=SequentialSampler(10))
    with pytest.raises(OptionError, match="no 'kep'; did you mean keep"):
        DataLoader(ArrayDataset(X), 2, last_batch="kep")


@pytest.mark.parametrize("size", [0, -1, "2", 1.5])
def test_a_batch_has_samples(size: Any) -> None:
    with pytest.raises(OptionError, match="batch_size"):
        DataLoader(ArrayDataset(np.zeros((3, 2))), batch_size=size)
