"""Imported by the server that forks workers, which is started with Ctrl-C held back.

So are the processes that it forks, until they have imported the script: there a Ctrl-C would be a
traceback from each. Then workers leave it to their parent, and processes of others hear it.
"""

import multiprocessing
import signal
from multiprocessing import util

from nnc.gluon.data.pool import NAME


def hear(_: object) -> None:
    """Hold Ctrl-C back no more."""
    if multiprocessing.current_process().name.startswith(NAME):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


util.register_after_fork(hear, hear)
