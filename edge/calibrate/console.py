"""The person at the terminal: prompts, warnings and progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from edge.calibrate.person import WISH_TEXT, Progress, Wish
from edge.errors import CalibrationError

# The inputs themselves say when these are done.
_NO_KEY = (Wish.ACTIVATE, Wish.CLEAR)


class ConsolePerson:
    """Asks at a terminal and waits for Enter; with `hurry` all is prepared and nothing is waited for."""

    def __init__(self, console: Console, *, hurry: bool) -> None:
        self._console, self._hurry = console, hurry

    def ask(self, wish: Wish, subject: str = "") -> None:
        text = WISH_TEXT[wish] + (f" ({subject})" if subject else "")
        self._console.print(f"  [bold]{text}[/]", soft_wrap=True)
        if wish not in _NO_KEY:
            self._wait("  Enter when it is so")

    def warn(self, text: str) -> None:
        self._console.print(f"  [bold yellow]Careful:[/] {text}", soft_wrap=True)
        self._wait("  Enter to go on")

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        columns = (TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn())
        with Bars(*columns, console=self._console, transient=False) as bars:
            task = bars.add_task(title, total=1.0)

            def move(share: float) -> None:
                bars.update(task, completed=share)

            yield move

    def say(self, text: str) -> None:
        self._console.print(f"  {text}", soft_wrap=True)

    def key(self) -> str:
        if self._hurry or not sys.stdin.isatty():
            raise CalibrationError("nobody is there to press a key: run it at a terminal, without --yes and --json")
        return str(typer.getchar())

    def _wait(self, prompt: str) -> None:
        if self._hurry:
            return
        try:
            self._console.input(f"[dim]{prompt} (Ctrl-C stops): [/]")
        except EOFError:
            raise CalibrationError(
                "nobody is there to answer: run it at a terminal, or with --yes when all is prepared"
            ) from None
