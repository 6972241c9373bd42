"""Signals: SIGTERM and SIGINT end the run, SIGUSR1 is a person's reset."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


@contextmanager
def taking_signals(stop: Callable[[], object], reset: Callable[[], object]) -> Iterator[None]:
    """Call `stop` and `reset` from the main thread when a signal asks for it; a second SIGTERM ends the process at once.

    Elsewhere than in the main thread, as in a test, nothing is done: signals belong to that one.
    """

    def on_stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        log.info("stopping on %s", signal.Signals(number).name)
        stop()

    def on_reset(_number: int, _frame: FrameType | None) -> None:
        reset()

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
