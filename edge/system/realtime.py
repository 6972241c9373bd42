"""What keeps the controller's threads on time: real-time priorities, memory that stays, no collector that looks at all.

Python runs one thread at a time: whoever holds its lock and is put aside by the operating system makes all
others wait, the emergency stop too. So every thread that runs Python stands above all other programs, and
above the model's own worker threads; which goes first among them is said here.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

log = logging.getLogger(__name__)


class Priority(IntEnum):
    """SCHED_FIFO priorities, 1 to 99; interrupts of the kernel have 50."""

    PAGE = 1
    RECORDS = 1
    VISION = 2
    ACTUATION = 20
    EMERGENCY_STOP = 21


@contextmanager
def real_time(priority: Priority) -> Iterator[bool]:
    """Give this thread a real-time priority, and whatever threads it starts meanwhile; says whether it got it.

    On two busy cores a plain thread woke 3.9 ms late at p99, a SCHED_FIFO one 0.13 ms.
    """
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(priority)))
    except OSError as error:
        log.debug("no real-time priority (%s)", error.strerror)
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, *before)


@contextmanager
def settled_memory() -> Iterator[None]:
    """Take everything that is there now out of the garbage collector's rounds.

    A full round over the modules that a station has loaded held Python's lock, and with it every thread, for 19 ms.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def lock_memory() -> bool:
    """Keep this process's pages in memory once they are there; says whether it may.

    Short of memory, the kernel drops program text that is not used often, such as that of an emergency stop, and
    would read it again from an SD card that may stall for seconds.
    """
    everything = 1 | 2 | 4  # MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT: nothing is read in before it is used
    import ctypes  # `sorter safe` needs none of it and should start soon

    return bool(ctypes.CDLL(None).mlockall(everything) == 0)


def die_with_maker() -> None:
    """Have this process killed when the thread that started it ends, however it ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
