"""Real-time priority for the few threads that must not wait."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

PRIORITY = 20


@contextmanager
def real_time(who: str) -> Iterator[None]:
    """Give this thread SCHED_FIFO, and whatever threads it starts meanwhile.

    On two busy cores a plain thread woke 3.9 ms late at p99, a SCHED_FIFO one 0.13 ms.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError as error:
        log.warning("no real-time priority for %s (%s): see `sorter doctor`", who, error.strerror)
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
