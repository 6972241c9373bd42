"""Signals: SIGTERM and SIGINT end the run, SIGUSR1 is a person's reset."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from types import FrameType

log = logging.getLogger(__name__)

Asked = SimpleQueue[Callable[[], object]]


@contextmanager
def taking_signals(asked: Asked, stop: Callable[[], object], reset: Callable[[], object]) -> Iterator[None]:
    """Put `stop` and `reset` into `asked` when a signal wants them; a second SIGTERM ends the process at once.

    That is all that a handler may do: it runs between any two steps of the main thread, which may just hold the lock
    of an Event or be writing to the log, and would then wait for itself. Only `SimpleQueue.put` is made for that.
    Elsewhere than in the main thread, as in a test, nothing is done: signals belong to that one.
    """

    def end(name: str) -> None:
        log.info("stopping on %s", name)
        stop()

    def on_stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        asked.put(partial(end, signal.Signals(number).name))

    def on_reset(_number: int, _frame: FrameType | None) -> None:
        asked.put(reset)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, on_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, on_reset)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
