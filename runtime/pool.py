"""The process's one thread pool: how many workers, and which of them ran."""

import os

from nnc.runtime.errors import BindError, TargetError
from nnc.runtime.machine import cpu_count
from nnc.runtime.native import library

MAX_WORKERS = 64


def _default_threads() -> int:
    wanted = os.environ.get("NNC_THREADS", "")
    if not wanted:
        return min(cpu_count(), MAX_WORKERS)
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MAX_WORKERS:
        raise TargetError(f"NNC_THREADS is '{wanted}', expected a number from 1 to {MAX_WORKERS}")
    return int(wanted)


_threads: int | None = None


def threads() -> int:
    """Workers that programs run with: set here, or by NNC_THREADS, or one for each CPU."""
    global _threads
    if _threads is None:
        _threads = _default_threads()
    return _threads


def set_threads(count: int) -> None:
    """Run every later call of a program with `count` workers; results stay the same bits."""
    global _threads
    if not 1 <= count <= MAX_WORKERS:
        raise BindError(f"{count} threads asked for, expected a number from 1 to {MAX_WORKERS}")
    _threads = count


def workers_that_ran() -> int:
    """How many workers' ranges have been run since the last reset, whichever thread ran them."""
    return library().nnc_pool_ran()


def reset_workers_that_ran() -> None:
    library().nnc_pool_reset_ran()
