"""The worker processes of a loader: tasks in, batches out, in memory that both share."""

import errno
import math
import multiprocessing
import os
import selectors
import signal
import threading
import time
import weakref
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.reduction import DupFd, recv_handle
from typing import Any

from nnc.errors import NncError, WorkerError
from nnc.gluon.data.shared import Packed, SharedFile
from nnc.gluon.data.worker import Done, Task, Work, serve

NAME = "nnc-data-worker"
IMPORTED_BY = os.getpid()
HELD = 16
"""So many batches of a worker may be held where it wrote them; more are copied."""
TOO_MANY_FILES = (
    "DataLoader: too many files are open to take a batch from a worker; `ulimit -n` says how many "
    "may be"
)
UNGUARDED = 113
"""The exit status of a worker whose script starts workers when it is imported."""
GUARD = (
    "DataLoader: worker processes import the script that starts them, and this one starts them "
    "when it is imported; put what runs below `if __name__ == '__main__':`, or use "
    "thread_pool=True, which needs no processes"
)


class Reply:
    """A batch that is on its way."""

    def __init__(self, pool: "WorkerPool"):
        self._pool = pool
        self.arrived: Done | None = None
        self.batch: Any = None

    def result(self, timeout: float | None) -> Any:
        """The batch, or the error that its worker met."""
        done = self.arrived or self._pool.wait_for(self, timeout)
        if isinstance(done.result, NncError):
            raise done.result
        return self.batch


class Worker:
    """A process, the tasks it was given, and the files it writes batches into."""

    def __init__(self, context: Any, index: int, work: Packed, shared: SharedFile):
        self.connection, there = context.Pipe()
        self.process = context.Process(
            target=serve,
            name=f"{NAME}-{index}",
            args=(there, work, Duplicate(shared)),
            daemon=True,
        )
        self.process.start()
        there.close()
        self.tasks: dict[int, Task] = {}
        self.files: list[SharedFile | None] = []
        self.free: list[int] = []

    def give(self, number: int, wanted: Any) -> None:
        """Send a task, to be written into a file whose last batch nobody holds any more."""
        if not self.free:
            self.free.append(len(self.files))
            self.files.append(None)
        task = Task(number, self.free.pop(), wanted)  # Batches that end free files at any time.
        self.connection.send(task)
        self.tasks[number] = task

    def take(self) -> tuple[Done, Any]:
        """What arrived, and the batch if there is one."""
        done: Done = self.connection.recv()
        index = self.tasks.pop(done.number).file
        if done.new_file:
            self.files[index] = SharedFile(recv_handle(self.connection))
        file = self.files[index]
        if isinstance(done.result, NncError):
            self.free.append(index)
            return done, None
        assert file is not None  # Sent with the first batch in it.
        memory = file.memory(done.result.offsets[-1])
        if len(self.files) > HELD:
            memory = memory.copy()
        weakref.finalize(memory, self.free.append, index)
        return done, file.read(done.result, memory)

    def lost(self) -> str:
        """What became of a process that has ended."""
        self.process.join(5)
        status = self.process.exitcode
        if status == UNGUARDED:
            return GUARD
        reading = next((f" while it read {task.wanted}" for task in self.tasks.values()), "")
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            hint = "; the kernel does this when memory runs out" if name == "SIGKILL" else ""
            return f"DataLoader: a worker process was ended by {name}{reading}{hint}"
        return f"DataLoader: a worker process ended{reading}; what it said is above"


class Duplicate:
    """A file's descriptor, duplicated for the process that this is sent to."""

    def __init__(self, file: SharedFile):
        self._file = file

    def __reduce__(self) -> Any:
        return unchanged, (DupFd(self._file.descriptor),)


def unchanged(value: Any) -> Any:
    return value


class WorkerPool:
    """`count` processes that call `work` on what is submitted."""

    def __init__(self, count: int, work: Work):
        refuse_unguarded()
        self.process_id = os.getpid()
        self.alive = True
        self._ended = "DataLoader: the loader is gone, and its workers are with it"
        self._lock = threading.Lock()  # Of an iteration that was left, a thread may still wait.
        self._replies: weakref.WeakValueDictionary[int, Reply] = weakref.WeakValueDictionary()
        self._number = 0
        shared = SharedFile()
        try:
            packed = shared.write(work)
        except Exception as error:
            raise WorkerError(
                f"DataLoader: the dataset cannot be sent to worker processes: {error}; define its "
                "functions at the top of a module, open files where samples are read, or use "
                "thread_pool=True"
            ) from None
        context = start_context()
        self._workers = [Worker(context, index, packed, shared) for index in range(count)]
        self._arrivals = selectors.PollSelector()  # Without a descriptor of its own.
        for worker in self._workers:
            self._arrivals.register(worker.connection, selectors.EVENT_READ, worker)

    def submit(self, wanted: Any) -> Reply:
        """Ask the worker that has the fewest tasks."""
        with self._lock:
            self._take(0)
            self._number += 1
            reply = self._replies[self._number] = Reply(self)
            worker = min(self._workers, key=lambda worker: len(worker.tasks))
            try:
                worker.give(self._number, wanted)
            except OSError:
                self._fail(worker.lost())
            return reply

    def wait_for(self, reply: Reply, timeout: float | None) -> Done:
        """What came of a task, when it has arrived."""
        deadline = time.monotonic() + (timeout or math.inf)
        while reply.arrived is None:
            with self._lock:
                left = deadline - time.monotonic()
                if reply.arrived is None:
                    self._take(max(0, min(left, 1)))  # Somebody else may have ended the workers.
                if reply.arrived is None and left <= 0:
                    self._fail(
                        f"DataLoader: a worker took longer than timeout={timeout} s for a batch"
                    )
        return reply.arrived

    def _take(self, timeout: float) -> None:
        """Take all that has arrived; wait for something to arrive."""
        if not self.alive:
            raise WorkerError(self._ended)
        for key, _ in self._arrivals.select(timeout):
            worker: Worker = key.data
            try:
                done, batch = worker.take()
            except (EOFError, OSError, RuntimeError) as error:
                # Python says RuntimeError where a descriptor was sent that there is no room for.
                full = isinstance(error, RuntimeError) or getattr(error, "errno", 0) == errno.EMFILE
                return self._fail(TOO_MANY_FILES if full else worker.lost())
            reply = self._replies.get(done.number)
            if reply is not None:  # Else nobody wants it any more.
                reply.batch = batch
                reply.arrived = done  # The last: another thread may look for it at any time.
        return None

    def _fail(self, message: str) -> None:
        """End all workers; everybody who waits for one is told why."""
        if self.alive:
            self._ended = message
            self.close()
        raise WorkerError(self._ended) from None

    def close(self) -> None:
        """End all workers."""
        self.alive = False
        workers, self._workers = self._workers, []
        if self.process_id != os.getpid():
            return
        for worker in workers:
            worker.process.kill()
            self._arrivals.unregister(worker.connection)
            worker.connection.close()
        for worker in workers:
            worker.process.join(1)


def start_context() -> BaseContext:
    """How processes are started: never by forking this one, whose threads would be missing.

    A server that has imported nnc once forks them, where there are such servers; it serves the
    process that started it, not that one's forks.
    """
    known = multiprocessing.get_all_start_methods()
    if "forkserver" not in known or os.getpid() != IMPORTED_BY:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nnc.gluon.data.fork_server"])
    return context


def start_server() -> None:
    """Start what forks workers: it imports nnc while this process goes on."""
    inheriting = getattr(multiprocessing.current_process(), "_inheriting", False)
    if start_context().get_start_method() == "forkserver" and not inheriting:
        resource_tracker.ensure_running()  # It would end what holds signals back.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)


def refuse_unguarded() -> None:
    """A worker that imports the script must not come to start workers itself."""
    process = multiprocessing.current_process()
    if not getattr(process, "_inheriting", False):
        return
    if process.name.startswith(NAME):
        os._exit(UNGUARDED)
    raise WorkerError(GUARD)
