"""Datasets, samplers and loaders."""

from typing import Any

import numpy as np
import pytest

import nnc
from nnc.arrays.array import NDArray
from nnc.errors import OptionError, ShapeError
from nnc.gluon.data import (
    ArrayDataset,
    BatchSampler,
    DataLoader,
    FilterSampler,
    IntervalSampler,
    RandomSampler,
    SequentialSampler,
    SimpleDataset,
    batchify,
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


class Doubled(ArrayDataset):
    """Changes what one sample is, and says nothing of many."""

    def __getitem__(self, idx: int) -> Any:
        return 2 * super().__getitem__(idx)


def test_a_subclass_with_samples_of_its_own() -> None:
    dataset = Doubled(np.arange(6.0))
    for one in (dataset, dataset.take(4)):
        [batch] = DataLoader(one, 4, last_batch="discard")
        assert batch.asnumpy().tolist() == [0, 2, 4, 6]


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


def even(sample: Any) -> bool:
    return sample % 2 == 0


def values(dataset: Any) -> list[Any]:
    return [dataset[i] for i in range(len(dataset))]


def test_parts_of_a_dataset() -> None:
    """`filter`, `take`, `sample` and `shard`; they and transforms can follow each other."""
    dataset = ArrayDataset(Y)
    assert values(dataset.filter(even)) == [0, 2, 4, 6, 8]
    assert values(dataset.take(3)) == values(dataset.take(5).take(3)) == [0, 1, 2]
    assert values(dataset.take(None)) == values(dataset.take(99)) == list(range(10))
    assert values(dataset.sample(IntervalSampler(10, 4))) == [0, 4, 8, 1, 5, 9, 2, 6, 3, 7]
    assert values(dataset.transform(double).filter(even).take(3)) == [0, 2, 4]
    shards = [values(dataset.shard(3, index)) for index in range(3)]
    assert shards == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    [batch] = DataLoader(dataset.filter(even).transform(double), 5)
    assert batch.asnumpy().tolist() == [0, 4, 8, 12, 16]


def test_transforms_that_are_made_at_once() -> None:
    calls: list[float] = []
    dataset = ArrayDataset(Y).transform(calls.append, lazy=False)
    assert calls == list(range(10))
    assert values(dataset) == [None] * 10
    assert len(calls) == 10


@pytest.mark.parametrize(
    ("sampler", "indices"),
    [
        (SequentialSampler(3, 2), [2, 3, 4]),
        (FilterSampler(even, ArrayDataset(Y)), [0, 2, 4, 6, 8]),
        (IntervalSampler(7, 3), [0, 3, 6, 1, 4, 2, 5]),
        (IntervalSampler(7, 3, rollover=False), [0, 3, 6]),
        (IntervalSampler(2, 5), [0, 1]),
        (IntervalSampler(0, 5), []),
        (IntervalSampler(0, 5, rollover=False), []),
    ],
)
def test_orders(sampler: Any, indices: list[int]) -> None:
    assert list(sampler) == list(sampler) == indices
    assert len(sampler) == len(indices)


def batch_of(function: Any, *samples: Any) -> Any:
    return next(iter(DataLoader(SimpleDataset(samples), len(samples), batchify_fn=function)))


def test_batchify() -> None:
    short, long = np.ones((1, 3), np.int32), np.full((4, 2), 2, np.int32)
    padded = batch_of(batchify.Pad(val=-1), short, long)
    assert padded.dtype == np.int32
    np.testing.assert_array_equal(padded.asnumpy()[0, 0], [1, 1, 1])
    np.testing.assert_array_equal(padded.asnumpy()[1, 0], [2, 2, -1])
    assert (padded.asnumpy() == -1).sum() == 24 - 3 - 8
    rounded = batch_of(batchify.Pad(dtype="float32", round_to=8), short, long)
    assert (rounded.shape, rounded.dtype) == ((2, 8, 8), np.float32)
    assert batch_of(batchify.Pad(), [], [3, 4]).asnumpy().tolist() == [[0, 0], [3, 4]]
    [first, second] = batch_of(batchify.Pad(), ([1, 2], [3]), ([4], [5, 6, 7]))
    assert first.asnumpy().tolist() == [[1, 2], [4, 0]]
    assert second.asnumpy().tolist() == [[3, 0, 0], [5, 6, 7]]
    assert batch_of(batchify.Stack(), [1, 2], [3, 4])[1].asnumpy().tolist() == [2, 4]
    one, other = batch_of(batchify.Append(), short, long)
    assert (one.shape, other.shape) == ((1, 1, 3), (1, 4, 2))
    assert batch_of(batchify.Append(batch_axis=1), short)[0].shape == (1, 1, 3)
    assert batch_of(batchify.Append(expand=False), short, long)[1].shape == (4, 2)
    assert batch_of(batchify.AsList(), "a", "b") == ["a", "b"]
    for group in (
        batchify.Group(batchify.Pad(), batchify.AsList()),
        batchify.Tuple([batchify.Pad(), batchify.AsList()]),
    ):
        lengths, names = batch_of(group, ([1], "a"), ([2, 3], "b"))
        assert lengths.asnumpy().tolist() == [[1, 0], [2, 3]]
        assert names == ["a", "b"]


@pytest.mark.parametrize("size", [0, -1, "2", 1.5])
def test_a_batch_has_samples(size: Any) -> None:
    with pytest.raises(OptionError, match="batch_size"):
        DataLoader(ArrayDataset(np.zeros((3, 2))), batch_size=size)
