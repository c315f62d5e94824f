"""Processes: several at work, none left behind."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, for work that can be pickled.

    Ctrl-C is for this process alone to answer. Where the block fails the others stop at once, taking away what they half wrote.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _yielding)
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _yielding() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # unlike the default it unwinds
