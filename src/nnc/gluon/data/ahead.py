"""Reading ahead: what is wanted next is made while the last one is used."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol, TypeVar

from nnc.errors import WorkerError

Item = TypeVar("Item")
END = object()


class Result(Protocol):
    """Something that is being made."""

    def result(self, timeout: float | None) -> Any: ...


def read_ahead(
    submit: Callable[[Item], Result], wanted: Iterator[Item], depth: int, timeout: float | None
) -> Generator[Any]:
    """What `submit` makes of the items, in order; `depth` of them are under way."""
    waiting = deque(map(submit, islice(wanted, depth)))
    while waiting:
        try:
            made = waiting.popleft().result(timeout)
        except TimeoutError:
            raise WorkerError(
                f"DataLoader: a worker took longer than timeout={timeout} s for a batch"
            ) from None
        waiting.extend(map(submit, islice(wanted, 1)))
        yield made


def in_background(items: Iterator[Any], depth: int) -> Generator[Any]:
    """The items, taken by a thread that is `depth` of them ahead."""
    with threads(1) as executor:
        waiting = deque(executor.submit(next, items, END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not END:
            waiting.append(executor.submit(next, items, END))
            yield item


@contextmanager
def threads(count: int) -> Generator[ThreadPoolExecutor]:
    """Threads; what they have not begun at the end is dropped."""
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
