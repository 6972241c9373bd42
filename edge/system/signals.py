"""Signals: whatever would end the process ends the run safely, nothing makes it stand still, SIGUSR1 is a person's reset.

A closed terminal sends SIGHUP, Ctrl-\\ SIGQUIT, Ctrl-Z SIGTSTP; a forgotten timer SIGALRM, a limit SIGXCPU. By default each
of them ends the process, or stops it, between two steps: with the belt running and a diverter out.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final

log = logging.getLogger(__name__)

Asked = SimpleQueue[Callable[[], object]]

# Nobody can take them; for what a killed or frozen process leaves behind there is `sorter safe`.
UNTAKEABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})
# The program's own faults: after them nothing in the process can be relied upon, and returning repeats them.
FAULTS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
)
HARMLESS: Final = frozenset({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH})
# A job in the background that reads or writes its terminal.
BACKGROUND: Final = frozenset({signal.SIGTTIN, signal.SIGTTOU})
# All others, real-time signals included. SIGPIPE and SIGXFSZ are among them, and Python ignores them.
ENDING: Final = tuple(
    sorted(signal.valid_signals() - UNTAKEABLE - FAULTS - HARMLESS - BACKGROUND - {signal.SIGTSTP, signal.SIGUSR1})
)
# Taken also where whoever started the program had them ignored.
ALWAYS: Final = (signal.SIGTERM, signal.SIGINT)
REFUSED: Final = "Ctrl-Z is refused: a station that stands still watches no emergency stop; Ctrl-C ends it safely"


def name_of(number: int) -> str:
    """Return a signal's name; real-time signals have none of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def taking_signals(
    asked: Asked, stop: Callable[[], object], reset: Callable[[], object]
) -> Iterator[Callable[[], object]]:
    """Put `stop` and `reset` into `asked` when a signal wants them.

    What it yields is called when the pins are safe: from then on a second SIGTERM or SIGINT ends the process at once.

    That is all that a handler may do: it runs between any two steps of the main thread, which may just hold the lock
    of an Event or be writing to the log, and would then wait for itself. Only `SimpleQueue.put` is made for that.
    Elsewhere than in the main thread, as in a test, nothing is done: signals belong to that one.
    """
    came, safe = False, False

    def end(name: str) -> None:
        log.info("stopping on %s", name)
        stop()

    def let_end_at_once() -> None:
        if safe and came:
            for number in ALWAYS:
                signal.signal(number, signal.SIG_DFL)

    def on_stop(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        asked.put(partial(end, name_of(number)))
        let_end_at_once()

    def on_safe() -> None:
        nonlocal safe
        safe = True
        let_end_at_once()

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handlers: dict[int, Any] = dict.fromkeys(_taken(ENDING), on_stop) | dict.fromkeys(BACKGROUND, signal.SIG_IGN)
    handlers[signal.SIGTSTP] = lambda _number, _frame: asked.put(partial(log.warning, REFUSED))
    handlers[signal.SIGUSR1] = lambda _number, _frame: asked.put(reset)
    with _handling(handlers):
        yield on_safe


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let every ending signal end the work as Ctrl-C does, once: nothing disturbs the way out, on which all is released."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in taken:
            signal.signal(number, lambda _number, _frame: None)
        raise KeyboardInterrupt

    def refuse(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            os.write(2, f"\n{REFUSED}\n".encode())

    taken = _taken(ENDING)
    handlers: dict[int, Any] = dict.fromkeys(taken, stop) | dict.fromkeys(BACKGROUND, signal.SIG_IGN)
    with _handling(handlers | {signal.SIGTSTP: refuse}):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal end or stop what must be done; the programs that are started inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(dict.fromkeys((*_taken(ENDING), signal.SIGTSTP, *BACKGROUND), signal.SIG_IGN)):
        yield


def _taken(numbers: Iterable[int]) -> list[int]:
    """Leave out what is ignored (SIGHUP under nohup) or belongs to a library."""
    return [n for n in numbers if n in ALWAYS or signal.getsignal(n) not in (signal.SIG_IGN, None)]


@contextmanager
def _handling(handlers: dict[int, Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
