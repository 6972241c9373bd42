"""The person at the terminal: prompts, warnings, progress bars and levels that change in place."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import typer
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.prompt import IntPrompt
from rich.text import Text

from edge.errors import CalibrationError
from edge.system.terminal import Terminal, styled
from edge.tools.calibrate.operator.operator import NOBODY, PROMPTS, Progress, Prompt, Show

# The station itself sees when these are done.
_NO_KEY = (Prompt.ACTIVATE, Prompt.CLEAR, Prompt.KNOWN_ITEM)


class ConsoleOperator:
    """Asks at a terminal and waits for Enter; with `hurry` all is prepared and nothing is waited for."""

    def __init__(self, console: Terminal, *, hurry: bool) -> None:
        self._console, self._hurry = console, hurry

    @property
    def is_there(self) -> bool:
        return not self._hurry and sys.stdin.isatty()

    def ask(self, prompt: Prompt, subject: str = "") -> None:
        if prompt is Prompt.NEXT_ITEM:
            return  # the bar shows how many are to come
        text = PROMPTS[prompt] + (f" ({subject})" if subject else "")
        self._console.print(styled(f"  {text}", "bold"), soft_wrap=True)
        if prompt not in _NO_KEY:
            self._wait("  Enter when it is so")

    def warn(self, text: str) -> None:
        self._console.print(styled("  Careful:", "bold yellow", f" {text}"), soft_wrap=True)
        self._wait("  Enter to go on")

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        columns = (TextColumn("  {task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Bars(*columns, console=self._console, transient=False) as bars:
            task = bars.add_task(title, total=1.0)

            def move(share: float) -> None:
                bars.update(task, completed=share)

            yield move

    @contextmanager
    def watching(self, title: str) -> Iterator[Show]:
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            shown: dict[str, bool] = {}

            def show(levels: Mapping[str, bool]) -> None:
                if levels != shown:
                    shown.update(levels)
                    live.update(_levels(title, levels), refresh=True)

            yield show

    def say(self, text: str) -> None:
        self._console.print(f"  {text}", soft_wrap=True)

    def key(self) -> str:
        self._need_somebody()
        try:
            key = str(typer.getchar())
        except (EOFError, OSError, termios.error):
            key = ""
        if not key:  # the terminal is gone, and would be asked for ever
            raise CalibrationError(NOBODY)
        return key

    @contextmanager
    def keys(self) -> Iterator[Callable[[], str]]:
        if not self.is_there:
            yield lambda: ""
            return
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)  # Ctrl-C still is one

        def poll() -> str:
            ready, _, _ = select.select([descriptor], [], [], 0)
            return os.read(descriptor, 8).decode("ascii", "ignore") if ready else ""

        try:
            yield poll
        finally:
            with suppress(termios.error):  # the terminal is gone
                # At once: what is still to be written may be held back with Ctrl-S, while something is switched on.
                termios.tcsetattr(descriptor, termios.TCSANOW, before)

    def choose(self, question: str, answers: Sequence[str]) -> str:
        self._need_somebody()
        self._console.print(styled(f"  {question}", "bold"), soft_wrap=True)
        for number, answer in enumerate(answers, start=1):
            self._console.print(styled(f"    {number}", "cyan", f" {answer}"), soft_wrap=True)
        numbers = [str(number) for number in range(1, len(answers) + 1)]
        _forget_keys()
        try:
            return answers[IntPrompt.ask("  Number", console=self._console, choices=numbers, default=1) - 1]
        except (EOFError, OSError):
            raise CalibrationError(NOBODY) from None

    def _need_somebody(self) -> None:
        if not self.is_there:
            raise CalibrationError(NOBODY)

    def _wait(self, prompt: str) -> None:
        if self._hurry:
            return
        _forget_keys()
        try:
            self._console.input(styled(f"{prompt} (Ctrl-C stops): ", "dim"))
        except (EOFError, OSError):
            raise CalibrationError(
                "nobody is there to answer: run it at a terminal, or with --yes when all is prepared"
            ) from None


def _forget_keys() -> None:
    """Throw away what was typed before it was asked for: an Enter too many does not say that all hands are off."""
    if sys.stdin.isatty():
        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _levels(title: str, levels: Mapping[str, bool]) -> Text:
    line = Text(f"  {title}: ", style="dim")
    for name, high in levels.items():
        line.append(f" {name} ")
        line.append("high" if high else "low", style="green" if high else "yellow")
    return line
