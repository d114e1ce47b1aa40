"""Reading ahead: what is wanted next is made while the last one is used."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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


class Background(threading.Thread):
    """Takes items from an iterator, as long as there is room for them."""

    def __init__(self, items: Iterator[Any], depth: int):
        super().__init__(daemon=True)  # The program may end while an item is waited for.
        self._items = items
        self.room = threading.Semaphore(depth)
        self.made: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.left = False

    def take(self) -> tuple[Any, BaseException | None]:
        """The next item. A Ctrl-C that comes right before a wait is seen only after it."""
        while True:
            with suppress(queue.Empty):
                return self.made.get(timeout=1)

    def run(self) -> None:
        try:
            while self.room.acquire() and not self.left:
                self.made.put((next(self._items), None))
        except StopIteration:
            self.made.put((END, None))
        except BaseException as error:
            self.made.put((END, error))


def in_background(items: Iterator[Any], depth: int) -> Generator[Any]:
    """The items, taken by a thread that is `depth` of them ahead."""
    thread = Background(items, depth)
    thread.start()
    try:
        while True:
            item, error = thread.take()
            if error is not None:
                raise error
            if item is END:
                return
            thread.room.release()
            yield item
    finally:
        thread.left = True
        thread.room.release()


@contextmanager
def threads(count: int) -> Generator[ThreadPoolExecutor]:
    """Threads; what they have not begun at the end is dropped."""
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
