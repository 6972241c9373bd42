"""The screen of `sorter top`: asked anew every second, drawn anew as large as the terminal is then."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from edge.clock import ms
from edge.errors import ConfigError, ControlError
from edge.interfaces import Clock
from edge.system.terminal import Terminal, styled
from edge.tools.status.screen import bins, head, items, reasons
from edge.tools.status.told import read_status


def watch(folder: Path, every_s: float, clock: Clock) -> None:
    """Show the station of a state folder until Ctrl-C, or until the terminal is gone.

    Raises:
        ConfigError: standard output is no terminal that can be drawn on.
    """
    terminal = Terminal(highlight=False)
    if not terminal.is_terminal or terminal.is_dumb_terminal:
        raise ConfigError(
            "`sorter top` draws on a terminal, and here is none: use `sorter status`, or `--json` for programs"
        )
    with _ending_signals(), Live(console=terminal, screen=True, auto_refresh=False) as live:
        # A terminal that was closed denies that it is one; with nohup no signal says so.
        while sys.stdout.isatty():
            live.update(_screen(folder), refresh=True)
            clock.sleep_until(clock.now() + ms(1000 * every_s))


def _screen(folder: Path) -> RenderableType:
    try:
        status = read_status(folder)
    except ControlError as error:
        return Group(
            styled("No station", "bold red"), styled(str(error), ""), Text("Looking again; Ctrl-C ends.", "dim")
        )
    parts: list[RenderableType] = [*head(status), Text(), bins(status)]
    if status.reasons:
        parts += [Text(), Text("not sorted, because", "dim"), *reasons(status)]
    parts += [Text(), Text("last items", "dim"), items(status)]
    return Group(*parts)


@contextmanager
def _ending_signals() -> Iterator[None]:
    """Leave the screen as it was on Ctrl-C, SIGTERM and SIGHUP; Ctrl-C is how a person ends it, so no failure."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    taken = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)
