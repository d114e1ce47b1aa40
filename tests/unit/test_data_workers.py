"""Worker processes of a loader: the same batches, and a clear word when something goes wrong."""

import ctypes
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest

import nnc
from nnc import nd
from nnc.errors import OptionError, SampleError, WorkerError
from nnc.gluon.data import (
    ArrayDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SimpleDataset,
    batchify,
    random_generator,
)
from nnc.gluon.data.pool import Worker
from nnc.gluon.data.randomness import Draws
from nnc.gluon.data.vision import transforms

X = np.arange(96, dtype=np.float32).reshape(32, 3)
MODES: dict[str, dict[str, Any]] = {
    "here": {},
    "ahead": {"prefetch": 2},
    "threads": {"num_workers": 2, "thread_pool": True},
    "processes": {"num_workers": 2},
}


def noisy(x: Any) -> Any:
    return x + random_generator().random(dtype=np.float32)


def values(loader: DataLoader) -> list[Any]:
    return values_of(iter(loader))


def values_of(batches: Iterator[Any]) -> list[Any]:
    return [batch.asnumpy().tolist() for batch in batches]


@pytest.mark.parametrize("mode", ["ahead", "threads", "processes"])
def test_shuffles_and_random_transforms_do_not_depend_on_workers(mode: str) -> None:
    def two_epochs(mode: str) -> list[Any]:
        nnc.random.seed(3)
        loader = DataLoader(ArrayDataset(X).transform(noisy), 5, shuffle=True, **MODES[mode])
        return [values(loader), values(loader)]

    first, second = two_epochs("here")
    assert first != second
    assert two_epochs(mode) == [first, second]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("last", ["keep", "discard", "rollover"])
def test_a_loader_goes_on_where_another_stopped(mode: str, last: str) -> None:
    """The state goes through JSON, as in a checkpoint."""

    def loader() -> DataLoader:
        dataset = ArrayDataset(X).transform(noisy)
        return DataLoader(dataset, 5, shuffle=True, last_batch=last, **MODES[mode])

    nnc.random.seed(4)
    whole = loader()
    values(whole)
    expected, states = [], [whole.state_dict()]
    for batch in whole:
        states.append(json.loads(json.dumps(whole.state_dict())))
        expected.append(batch.asnumpy().tolist())
    following = values(whole)
    for done in (1, 3, len(expected)):
        nnc.random.seed(4)
        random_generator().integers(2**63, size=2)  # The seeds of two epochs were drawn.
        resumed = loader()
        resumed.load_state_dict(states[done])
        assert values(resumed) == expected[done:]
        assert values(resumed) == following


def test_an_epoch_that_has_not_begun_is_resumed_from_its_beginning() -> None:
    first, second = (DataLoader(X, 5, shuffle=True) for _ in range(2))
    second.load_state_dict(first.state_dict())
    nnc.random.seed(1)
    expected = values(first)
    nnc.random.seed(1)
    assert values(second) == expected


def test_an_order_and_its_samples_draw_different_numbers() -> None:
    draws = [Draws(5, *place).generator.random() for place in ((), (0,), (1,))]
    assert len(set(draws)) == 3


class Rotating(Sampler[int]):
    """Begins one later in each epoch."""

    def __init__(self) -> None:
        self._epoch = 0

    def __iter__(self) -> Any:
        self._epoch += 1
        return iter(np.roll(np.arange(7), -self._epoch))

    def __len__(self) -> int:
        return 7

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._epoch = state_dict["epoch"]


def test_the_state_of_a_sampler_of_ones_own_is_part_of_the_loaders() -> None:
    def loader() -> DataLoader:
        return DataLoader(np.arange(7.0), 3, sampler=Rotating(), last_batch="rollover")

    first, second = loader(), loader()
    values(first)
    batches = iter(first)
    assert next(batches).asnumpy().tolist() == [0, 2, 3]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert values(second) == values_of(batches) == [[4, 5, 6]]
    assert values(second) == values(first) == [[0, 1, 3], [4, 5, 6], [0, 1, 2]]


@pytest.mark.parametrize("mode", MODES)
def test_what_rolls_over_from_an_epoch_that_is_left_does_not_depend_on_workers(mode: str) -> None:
    """Those who read ahead may have come to its end."""
    loader = DataLoader(np.arange(8.0), 3, last_batch="rollover", **MODES[mode])
    assert next(iter(loader)).asnumpy().tolist() == [0, 1, 2]
    assert values(loader) == [[0, 1, 2], [3, 4, 5]]
    assert values(loader) == [[6, 7, 0], [1, 2, 3], [4, 5, 6]]


def test_the_state_is_that_of_the_iteration_begun_last() -> None:
    loader = DataLoader(X, 5, shuffle=True)
    first, second = iter(loader), iter(loader)
    for one in first, second:
        next(one)
    values_of(first)
    state = loader.state_dict()
    assert state["batches"] == 1
    expected = values_of(second)
    loader.load_state_dict(state)
    assert values(loader) == expected


def test_a_state_of_something_else_is_refused() -> None:
    with pytest.raises(OptionError, match=r"no state of a loader: \['batches', 'epoch'"):
        DataLoader(X, 5).load_state_dict({"epoch": 1})


class Elsewhere(RandomSampler):
    """Draws where no state knows of it."""

    def __iter__(self) -> Any:
        return iter(np.random.default_rng().permutation(32))


@pytest.mark.parametrize(
    ("saved", "other"),
    [
        (lambda: DataLoader(X, 5, shuffle=True), lambda: DataLoader(X[:31], 5, shuffle=True)),
        (lambda: DataLoader(X, 5), lambda: DataLoader(X, 4)),
        (lambda: DataLoader(X, 5), lambda: DataLoader(X[:9], 5)),
        *[(lambda: DataLoader(X, 5, sampler=Elsewhere(32)),) * 2],
    ],
)
def test_a_state_of_another_order_is_refused(
    saved: Callable[[], DataLoader], other: Callable[[], DataLoader]
) -> None:
    """Else samples would be lost, and others would come twice."""
    nnc.random.seed(0)
    loader, resumed = saved(), other()
    batches = iter(loader)
    next(batches)
    next(batches)
    resumed.load_state_dict(loader.state_dict())
    with pytest.raises(OptionError, match="the state is from another order of samples"):
        values(resumed)


def test_batches_that_are_kept_keep_their_values() -> None:
    """Workers write into memory that is used again, but never while somebody holds it."""
    dataset = ArrayDataset(np.arange(200.0))
    loader = DataLoader(dataset, 2, num_workers=2)
    for _ in range(2):
        kept = list(loader)
        assert [batch.asnumpy().tolist() for batch in kept] == [
            [2 * i, 2 * i + 1] for i in range(100)
        ]


def test_a_batch_that_ends_while_a_task_is_sent_frees_its_own_file_only() -> None:
    """A thread sends tasks, the training thread lets go of batches."""

    class Sending:
        def send(self, task: Any) -> None:
            worker.free.append(1)

    worker: Any = Worker.__new__(Worker)
    worker.connection, worker.tasks, worker.files, worker.free = Sending(), {}, [None, None], [0]
    worker.give(7, [3])
    assert worker.tasks[7].file == 0
    assert worker.free == [1]


def test_an_epoch_that_is_left_early_disturbs_no_other() -> None:
    loader = DataLoader(X, 3, num_workers=2)
    for _ in range(3):
        assert next(iter(loader)).asnumpy().tolist() == X[:3].tolist()
    one, other = iter(loader), iter(loader)
    for _ in range(4):
        assert next(one).asnumpy().tolist() == next(other).asnumpy().tolist()


def doubled_in_place(x: Any) -> Any:
    x *= 2
    return x


@pytest.mark.parametrize("mode", MODES)
def test_a_transform_in_place_leaves_the_dataset_as_it_is(mode: str) -> None:
    loader = DataLoader(ArrayDataset(X.copy()).transform(doubled_in_place), 32, **MODES[mode])
    assert values(loader) == values(loader) == [(2 * X).tolist()]


class Structured(Dataset):
    """Samples with parts of every kind."""

    def __getitem__(self, idx: int) -> Any:
        return (
            {"x": X[idx], "length": idx, "empty": np.zeros(0)},
            f"name {idx}",
            np.asfortranarray(X),
        )

    def __len__(self) -> int:
        return 4


def named(samples: Any) -> Any:
    dicts, names, arrays = zip(*samples, strict=True)
    return batchify.stack_samples(dicts), names, nd.array(np.stack(arrays))


@pytest.mark.parametrize("mode", MODES)
def test_batches_of_any_structure(mode: str) -> None:
    loader = DataLoader(Structured(), 2, batchify_fn=named, **MODES[mode])
    parts, names, arrays = list(loader)[1]
    assert (parts["x"].shape, parts["empty"].shape, arrays.shape) == ((2, 3), (2, 0), (2, 32, 3))
    assert parts["length"].asnumpy().tolist() == [2, 3]
    assert list(names) == ["name 2", "name 3"]
    np.testing.assert_array_equal(arrays.asnumpy()[1], X)


# What goes wrong.


def refuse_7(x: Any) -> Any:
    if x[0] == 21:
        raise ValueError("no sevens")
    return x


def refuse(samples: Any) -> Any:
    raise ValueError("no batches")


def stop(samples: Any) -> Any:
    raise StopIteration


@pytest.mark.parametrize("mode", MODES)
def test_a_transform_that_raises(mode: str) -> None:
    dataset = ArrayDataset(X).transform(transforms.Compose([transforms.Cast(), refuse_7]))
    loader = DataLoader(dataset, 4, **MODES[mode])
    with pytest.raises(
        SampleError,
        match=r"(?m)^DataLoader: sample 7, in transform refuse_7: ValueError: no sevens$",
    ):
        values(loader)
    assert next(iter(loader)).shape == (4, 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("function", "message"), [(refuse, "no batches"), (stop, "StopIteration")])
def test_a_batchify_fn_that_raises(mode: str, function: Any, message: str) -> None:
    """A StopIteration is no end of the epoch."""
    with pytest.raises((ValueError, RuntimeError), match=message):
        values(DataLoader(X, 4, batchify_fn=function, **MODES[mode]))


def test_an_index_that_is_none_is_named() -> None:
    with pytest.raises(SampleError, match=r"sample 99: IndexError: .* has 32 samples now"):
        values(DataLoader(X, 4, sampler=[0, 1, 99]))


class Uncountable(Dataset):
    """It takes long to count the samples."""

    def __getitem__(self, idx: int) -> Any:
        raise ValueError("no sample")

    def __len__(self) -> int:
        raise RuntimeError("counted")


def test_samples_are_not_counted_to_say_what_is_wrong_with_one() -> None:
    with pytest.raises(SampleError, match="sample 0: ValueError: no sample"):
        values(DataLoader(Uncountable(), 1, sampler=[0]))


class Shrinking(Dataset):
    """Has fewer samples than it said."""

    def __init__(self) -> None:
        self.asked = 0

    def __getitem__(self, idx: int) -> Any:
        self.asked += 1
        return X[:6][idx]

    def __len__(self) -> int:
        return 6 if self.asked else 8


@pytest.mark.parametrize("mode", MODES)
def test_a_dataset_that_shrinks(mode: str) -> None:
    message = r"(?m)sample 6: IndexError: .* out of bounds .*; the dataset has 6 samples now$"
    with pytest.raises(SampleError, match=message):
        values(DataLoader(Shrinking(), 4, **MODES[mode]))


@pytest.mark.parametrize("mode", MODES)
def test_a_dataset_that_is_another_one_in_the_next_epoch(mode: str) -> None:
    samples = [1.0, 2.0, 3.0]
    loader = DataLoader(SimpleDataset(samples), 2, shuffle=True, **MODES[mode])
    assert len(values(loader)) == 2
    samples.append(4.0)
    with pytest.raises(OptionError, match=r"has 4 samples now, and had 3 .*; make a new loader"):
        values(loader)


def end_process(x: Any) -> Any:
    if x[0] == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def end_process_late(x: Any) -> Any:
    return end_process(x - 69)


def leave(x: Any) -> Any:
    os._exit(3)


def sleep(x: Any) -> Any:
    time.sleep(60)
    return x


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            end_process,
            "a worker process was ended by SIGKILL while it read samples 4, 5, 6, 7; the kernel "
            "does this when memory runs out",
        ),
        (leave, "a worker process ended while it read samples 0, 1, 2, 3; what it said is above"),
        (sleep, r"a worker took longer than timeout=0.2 s for a batch"),
    ],
)
def test_a_worker_that_dies_or_hangs(transform: Callable[[Any], Any], message: str) -> None:
    timeout: Any = 0.2 if transform is sleep else 100
    loader = DataLoader(ArrayDataset(X).transform(transform), 4, num_workers=1, timeout=timeout)
    begin = time.monotonic()
    for _ in range(2):  # The loader starts anew.
        with pytest.raises(WorkerError, match=f"^DataLoader: {message}$"):
            values(loader)
    assert time.monotonic() - begin < 30


def test_a_worker_that_dies_is_told_to_all_iterations_and_leaves_nothing() -> None:
    loader = DataLoader(ArrayDataset(X).transform(end_process_late), 4, num_workers=1)
    opened: list[int] = []
    for _ in range(3):
        iterations = [iter(loader), iter(loader)]
        assert [next(iteration).shape for iteration in iterations] == [(4, 3)] * 2
        for iteration in iterations:
            with pytest.raises(WorkerError, match="ended by SIGKILL while it read samples 28, "):
                values_of(iteration)
        opened.append(psutil.Process().num_fds())
    assert opened[2] == opened[0]
    assert not [child for child in psutil.Process().children() if child.status() == "zombie"]


def test_too_many_open_files() -> None:
    """Each batch that is held is in a file without a name."""
    batches = iter(DataLoader(np.arange(32.0), 1, num_workers=1, prefetch=1))
    kept = [next(batches)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 6, limits[1]))
    try:
        with pytest.raises(WorkerError, match="too many files are open to take a batch"):
            kept.extend(batches)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_thread_that_hangs() -> None:
    def nap(x: Any) -> Any:
        time.sleep(0.5)
        return x

    dataset = ArrayDataset(X[:2]).transform(nap)
    timeout: Any = 0.1
    with pytest.raises(WorkerError, match="took longer than timeout"):
        values(DataLoader(dataset, 1, num_workers=1, thread_pool=True, timeout=timeout))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (lambda: 1, "<lambda>"),
        (ctypes.pointer(ctypes.c_int()), "ctypes objects containing pointers"),
    ],
)
def test_what_cannot_be_sent_to_a_process(sample: Any, message: str) -> None:
    with pytest.raises(WorkerError, match=f"cannot be sent to worker processes: .*{message}"):
        values(DataLoader(SimpleDataset([sample]), 1, num_workers=1))
