"""A worker process: reads batches for a loader until it is told to stop, or its parent is gone."""

import contextlib
import multiprocessing
import os
import queue
import select
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any, NamedTuple

from nnc.errors import NncError, WorkerError
from nnc.gluon.data.shared import Packed, SharedFile, as_numpy

Work = Callable[[Any], Any]
"""What a worker does with what it is asked for."""


class Task(NamedTuple):
    """A batch to read: its number, which of the worker's files to write it into, and what it is."""

    number: int
    file: int
    wanted: Any


class Done(NamedTuple):
    """What came of a task. A file that is new to the parent follows as a descriptor."""

    number: int
    result: Packed | NncError
    new_file: bool = False


def serve(connection: Connection, work: Packed, descriptor: Any) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    give_way()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=end_with_parent, daemon=True).start()
    threading.Thread(target=receive, args=(connection, tasks), daemon=True).start()
    function = unpacked(work, descriptor)
    files: dict[int, SharedFile] = {}
    while True:
        task = tasks.get()
        try:
            new = task.file not in files
            file = SharedFile() if new else files[task.file]
            done = Done(task.number, file.write(as_numpy(function(task.wanted))), new)
            files[task.file] = file  # A file that no batch was written into stays new.
        except Exception as error:
            done = Done(task.number, told(error))
        try:
            connection.send(done)
            if done.new_file:
                send_handle(connection, files[task.file].descriptor, os.getppid())
        except OSError:
            os._exit(0)  # The parent is gone.


def give_way() -> None:
    """Have the system not interrupt the training thread when it gives this process a task."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def end_with_parent() -> None:
    """End with the parent, even while a fork of it has its end of the connection open."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    try:
        ended = os.pidfd_open(parent.pid)
    except ProcessLookupError:
        os._exit(0)
    except (AttributeError, OSError):
        return  # This system has no such descriptors.
    select.select([ended], [], [])
    os._exit(0)


def receive(connection: Connection, tasks: "queue.SimpleQueue[Task]") -> None:
    """Take tasks off the connection, so that the parent never waits; end when it is closed."""
    status = 1
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        status = 0
    except Exception:  # An index of a class that is not found here.
        traceback.print_exc()
    os._exit(status)


def unpacked(work: Packed, descriptor: Any) -> Work:
    """The function that reads batches, with a dataset whose arrays all workers share."""
    shared = SharedFile(descriptor.detach())
    try:
        return shared.read(work, shared.memory(work.offsets[-1], private=True))
    except Exception as error:
        cause = error

    def fail(wanted: Any) -> Any:
        raise WorkerError(
            f"DataLoader: a worker process does not find what the dataset is made of: {cause}; "
            "define its functions and classes at the top of a module, or use thread_pool=True"
        ) from cause

    return fail


def told(error: Exception) -> NncError:
    """The error as the parent raises it, with the lines that led to it."""
    lines = traceback.format_tb((error.__cause__ or error).__traceback__)
    if not isinstance(error, NncError):
        error = WorkerError(f"DataLoader: {type(error).__name__}: {error}")
    error.add_note("".join(["In a worker process:\n", *lines]))
    return error
