"""The pool runs every index once, whoever calls it and however many workers there are."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nnc.codegen.artifact import Argument, Artifact, Unit
from nnc.dialects.target import target_named
from nnc.runtime import native, pool
from nnc.runtime.compile import build
from nnc.runtime.errors import NncError
from nnc.runtime.program import Program

COUNT = 1000
MOST_WORKERS = 7

# Each index adds one to its element. Scratch has one slot for each worker, and a region that
# finds another thread's token there adds a million: two threads run as the same worker.
SOURCE = """
#include <pthread.h>
#include <time.h>
typedef void (*nnc_task)(void *context, long begin, long end, long worker);
typedef struct {
    long workers;
    void (*parallel)(long count, nnc_task task, void *context);
} nnc_pool;

typedef struct {
    int *hits, *owner;
    long *scratch;
    const nnc_pool *pool;
    int linger;
    long *thread; /* of each worker's last range */
} work;

static void sleep_for(int microseconds) {
    const struct timespec pause = {0, microseconds * 1000L};
    if (microseconds) nanosleep(&pause, 0);
}

static void add(void *context, long begin, long end, long worker) {
    work *w = context;
    volatile long *mine = &w->scratch[worker * 8];
    long token = (long)&token;
    *mine = token;
    if (end - begin > 1) w->thread[worker] = (long)pthread_self();
    sleep_for(w->linger * (int)(worker + 1));
    for (long i = begin; i < end; i++) {
        w->hits[i] += 1 + 1000000 * (*mine != token);
        w->owner[i] = (int)worker;
    }
}

static void add_nested(void *context, long begin, long end, long worker) {
    work *w = context;
    volatile long *mine = &w->scratch[worker * 8];
    for (long i = begin; i < end; i++) {
        work inner = *w;
        inner.hits += i * 10;
        inner.owner += i * 10;
        *mine = 0;
        w->pool->parallel(10, add, &inner);
        if (*mine == 0) w->hits[i * 10] = -1000;
    }
}

int entry(void *const *arguments, char *arena, const nnc_pool *pool) {
    long *scratch = (long *)(arena + 64);
    work w = {arguments[0], arguments[1], scratch, pool, *(int *)arguments[4], arguments[5]};
    volatile long *mine = (volatile long *)arena;
    long token = (long)&token;
    *mine = token;
    if (*(int *)arguments[3]) {
        pool->parallel(100, add_nested, &w);
    } else {
        pool->parallel(1000, add, &w);
        sleep_for(*(int *)arguments[2]);
        pool->parallel(0, add, &w);
        pool->parallel(1, add, &w);
    }
    return *mine != token; /* 1: another call had the same arena. */
}
"""


def scalar(name: str) -> Argument:
    return Argument(name, "scalar", "in", "int32", ())


ARTIFACT = Artifact(
    "count",
    target_named("sse2"),
    (Unit("count.c", SOURCE),),
    "entry",
    (
        Argument("hits", "state", "inout", "int32", (COUNT,)),
        Argument("owner", "state", "inout", "int32", (COUNT,)),
        scalar("pause"),
        scalar("nested"),
        scalar("linger"),
        Argument("thread", "state", "inout", "int64", (MOST_WORKERS,)),
    ),
    arena_bytes=64,
    scratch_bytes=64,
)


class Counter:
    """The program with its own arrays."""

    def __init__(self) -> None:
        self.program = Program(ARTIFACT)
        self.hits = np.zeros(COUNT, np.int32)
        self.owner = np.zeros(COUNT, np.int32)
        self.thread = np.zeros(MOST_WORKERS, np.int64)
        self.program.bind(hits=self.hits, owner=self.owner, thread=self.thread)
        self.program.bind(pause=0, nested=0, linger=0)

    def check(self, calls: int) -> None:
        for _ in range(calls):
            self.program()
        expected = np.full(COUNT, calls)
        expected[0] += calls  # The region of one index.
        np.testing.assert_array_equal(self.hits, expected)

    def check_threads(self, workers: int) -> None:
        """Calls until each worker's range has been run by a thread of its own.

        The caller runs the range of a worker that starts too late.
        """
        self.program.set("linger", 1000)
        for _ in range(1000):
            self.program()
            if len(set(self.thread[:workers])) == workers:
                return
        pytest.fail(f"{self.thread[:workers]}: not {workers} threads")


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    before = pool.threads()
    yield
    pool.set_threads(before)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_every_index_once_by_that_many_workers(workers: int) -> None:
    pool.set_threads(workers)
    counter = Counter()
    pool.reset_workers_that_ran()
    counter.check(200)
    assert pool.workers_that_ran() == workers
    cuts = [COUNT * w // workers for w in range(workers + 1)]
    expected = np.repeat(np.arange(workers), np.diff(cuts))
    expected[0] = workers - 1  # The region of one index: [0, 1) is the last worker's range.
    np.testing.assert_array_equal(counter.owner, expected)
    counter.check_threads(workers)


def test_workers_that_slept_wake_up() -> None:
    pool.set_threads(2)
    counter = Counter()
    counter.program.set("pause", 4000)
    counter.check(5)
    counter.check_threads(2)


def test_the_caller_sleeps_until_a_long_range_ends() -> None:
    pool.set_threads(2)
    counter = Counter()
    counter.program.set("linger", 3000)
    counter.check(5)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_nested_regions_run_inline(workers: int) -> None:
    pool.set_threads(workers)
    counter = Counter()
    counter.program.set("nested", 1)
    for _ in range(50):
        counter.program()
    np.testing.assert_array_equal(counter.hits, np.full(COUNT, 50))


@pytest.mark.parametrize("workers", [2, 4])
def test_threads_calling_at_once(workers: int) -> None:
    pool.set_threads(workers)
    counters = [Counter() for _ in range(3)]
    with ThreadPoolExecutor(3) as executor:
        for call in [executor.submit(counter.check, 300) for counter in counters]:
            call.result()


def test_one_program_called_by_two_threads_has_an_arena_for_each() -> None:
    counter = Counter()
    counter.program.set("pause", 1000)
    with ThreadPoolExecutor(2) as executor:
        for call in [executor.submit(counter.program) for _ in range(20)]:
            call.result()


def run_in_child(results: "multiprocessing.Queue[int]") -> None:
    counter = Counter()
    counter.check(50)
    counter.check_threads(2)
    results.put(len(set(counter.thread[:2])))


def test_a_forked_child_starts_its_own_pool() -> None:
    pool.set_threads(2)
    counter = Counter()
    counter.check(10)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    child = context.Process(target=run_in_child, args=(results,))
    child.start()
    assert results.get(timeout=30) == 2
    child.join(30)
    assert child.exitcode == 0
    counter.hits[:] = 0
    counter.check(10)


def test_the_caller_keeps_its_cpus() -> None:
    before = os.sched_getaffinity(0)
    pool.set_threads(4)
    Counter().check(5)
    assert os.sched_getaffinity(0) == before


def test_the_portable_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    with_futex = native.library()
    native.library.cache_clear()
    monkeypatch.setattr(native, "FLAGS", (*native.FLAGS, "-DNNC_PORTABLE"))
    try:
        assert native.library() is not with_futex
        pool.set_threads(3)
        counter = Counter()
        counter.program.set("pause", 3000)
        counter.check(20)
        counter.check_threads(3)
    finally:
        native.library.cache_clear()


@pytest.mark.parametrize("flags", [(), ("-DNNC_PORTABLE",)])
def test_the_runtime_compiles_without_a_warning(flags: tuple[str, ...]) -> None:
    build("runtime", native.units(), (*native.FLAGS, *flags, "-Wall", "-Wextra", "-Werror"))


@pytest.mark.parametrize("count", [0, 65])
def test_a_wrong_number_of_threads_is_refused(count: int) -> None:
    with pytest.raises(NncError, match="from 1 to 64"):
        pool.set_threads(count)
