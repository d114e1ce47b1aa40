"""Reading ahead: what is wanted next is made while the last one is used."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Protocol

from nnc.errors import WorkerError

END = object()


class Result(Protocol):
    """Something that is being made."""

    def result(self, timeout: float | None) -> Any: ...


Submit = Callable[[Any], Result]


def read_ahead(
    submit: Submit, wanted: Iterator[Any], depth: int, timeout: float | None
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
            ended = not self.is_alive()
            with suppress(queue.Empty):
                return self.made.get(timeout=1)
            if ended:
                raise WorkerError(
                    "DataLoader: what began before a fork cannot go on in the new process, which "
                    "has no threads; iterate over the loader anew"
                )

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
                try:
                    raise error
                finally:
                    error = None  # Its traceback has this frame, which would keep it for long.
            if item is END:
                return
            thread.room.release()
            yield item
    finally:
        thread.left = True
        thread.room.release()


@contextmanager
def threads(count: int, work: Callable[[Any], Any]) -> Generator[Submit]:
    """A function that has one of `count` threads call `work`; at the end, the rest is dropped.

    Unlike those of an executor, the threads don't keep the program from ending if one hangs.
    """
    tasks: queue.SimpleQueue[tuple[Future[Any], Any]] = queue.SimpleQueue()
    ended = threading.Event()

    def submit(item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        tasks.put((future, item))
        return future

    def serve() -> None:
        while True:
            future, item = tasks.get()
            if ended.is_set():
                return
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    for _ in range(count):
        threading.Thread(target=serve, daemon=True).start()
    try:
        yield submit
    finally:
        ended.set()
        for _ in range(count):
            submit(None)  # Wakes a thread that waits.
