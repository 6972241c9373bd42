"""What a command of minutes is doing: bars at a terminal, lines in a log, from its first second on."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from edge.system.output import HarmlessFormatter, say, silence_native_logs
from edge.system.terminal import Terminal

_MANY = 50
Show = Callable[[str, int, int], None]  # what, done, of how many: 0 where that is not known


class _Count(ProgressColumn):
    """`12/36`, or nothing where the number is not known."""

    def render(self, task: Any) -> Text:
        return Text(f"{int(task.completed)}/{int(task.total)}" if task.total else "")


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._open_ended: TaskID | None = None

    def show(self, what: str, done: int, count: int) -> None:
        if what not in self._tasks:
            if self._open_ended is not None:  # it is over when something else begins
                self._bars.update(self._open_ended, total=1, completed=1, visible=False)
            self._tasks[what] = self._bars.add_task(what, total=count or None)
            self._open_ended = None if count else self._tasks[what]
        self._bars.update(self._tasks[what], completed=done, total=count or None)


class _Lines:
    """For a log or a pipe: a line when something begins, and, where it has many steps, one each tenth of it."""

    def __init__(self, silent_s: float) -> None:
        self._tenths: dict[str, int] = {}
        self._from = time.monotonic() + silent_s

    def show(self, what: str, done: int, count: int) -> None:
        if time.monotonic() < self._from:
            return
        if what not in self._tenths:
            say(f"{what} ...", err=True)
            self._tenths[what] = 10 * done // count if count else 0
        elif count >= _MANY and (tenth := 10 * done // count) > self._tenths[what]:
            self._tenths[what] = tenth
            say(f"{what}: {done} of {count}", err=True)


@contextlib.contextmanager
def progress(silent_s: float = 0.0) -> Iterator[Show]:
    """Yield what is to be called with each step; what the training logs appears between or above.

    `silent_s` is for commands that are mostly quick: a log gets no lines of the first so many seconds.
    """
    silence_native_logs()
    console = Terminal(stderr=True)
    logger = logging.getLogger("training")
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if console.is_terminal:  # a log has no width to break lines for
        handler = RichHandler(console=console, show_time=False, show_level=False, show_path=False)
    handler.setFormatter(HarmlessFormatter("%(message)s"))
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False  # a library that gives the root logger a handler would print every line again
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), _Count(), TimeRemainingColumn())
    try:
        if console.is_terminal:
            with Progress(*columns, console=console, transient=True) as bars:
                yield _Bars(bars).show
        else:
            yield _Lines(silent_s).show
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
