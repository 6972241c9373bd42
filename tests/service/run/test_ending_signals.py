"""A station that runs on a real terminal, and what becomes of its belt when the terminal or somebody else ends it."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.stations import YARD, write_station

RELAY = "GPIO26"
# `sorter` with every level that it drives written to a file: the last one is what the hardware is left with.
DRIVING = """
import os, sys
from edge.simulate.backend.pins import WorldPin

out = os.open(os.environ["LEVELS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
report = WorldPin._report

def told(self):
    report(self)
    if self._function == "output":
        os.write(out, f"{self.info.name} {int(bool(self._state))}\\n".encode())

WorldPin._report = told
from edge.__main__ import main
main()
"""


class Terminal:
    """A terminal of its own, with a station that runs on it."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.levels = folder / "levels"
        self.levels.touch()
        command = [sys.executable, "-c", DRIVING, *words, "--state-folder", str(folder / "state")]
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, command, os.environ | {"LEVELS": str(self.levels)})

    def read_until(self, wanted: Callable[[bytes], bool]) -> bytes:
        """Read what it says, without which it would stand still in the end."""
        said = b""
        while not wanted(said):
            try:
                chunk = os.read(self.screen, 65536)
            except OSError:  # all of its end are closed
                break
            said += chunk
        return said

    @property
    def relay(self) -> str:
        """The relay's level that was driven last."""
        return next((line[-1] for line in reversed(self.levels.read_text().splitlines()) if RELAY in line), "")

    def await_belt(self) -> None:
        os.set_blocking(self.screen, True)
        said = self.read_until(lambda said: b"sorting; Ctrl-C stops" in said)
        assert b"sorting" in said, said.decode()
        while self.relay != "1":
            assert os.waitpid(self.pid, os.WNOHANG) == (0, 0)

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    station = write_station(tmp_path, YARD, belt={"run_pin": 26})
    yield from opened(Terminal(tmp_path, "run", "--station", str(station), "--port", "0"))


@pytest.fixture
def calibrating(tmp_path: Path) -> Iterator[Terminal]:
    yield from opened(Terminal(tmp_path, "calibrate", "--demo", "--yes"))


def opened(terminal: Terminal) -> Iterator[Terminal]:
    """Give it to a test, and leave nothing of it."""
    yield terminal
    if terminal.pid:
        os.kill(terminal.pid, signal.SIGKILL)
        terminal.wait()


def test_a_terminal_that_is_closed_ends_the_station_with_its_belt_off(terminal: Terminal) -> None:
    terminal.await_belt()
    os.close(terminal.screen)
    assert (terminal.wait(), terminal.relay) == (0, "0")


def test_after_a_refused_ctrl_z_ctrl_backslash_ends_it_with_its_belt_off(terminal: Terminal) -> None:
    terminal.await_belt()
    os.write(terminal.screen, b"\x1a")
    said = terminal.read_until(lambda said: b"Ctrl-Z is refused" in said)
    assert b"Ctrl-Z is refused" in said
    assert terminal.relay == "1"
    os.write(terminal.screen, b"\x1c")
    terminal.read_until(lambda _: False)
    assert (terminal.wait(), terminal.relay) == (0, "0")


def test_a_terminal_that_is_held_with_ctrl_s_keeps_nobody_from_ending_the_station(terminal: Terminal) -> None:
    terminal.await_belt()
    os.write(terminal.screen, b"\x13")
    for sent in (signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU):  # each of which it logs
        os.kill(terminal.pid, sent)
    while terminal.relay != "0":
        assert os.waitpid(terminal.pid, os.WNOHANG) == (0, 0)
    os.write(terminal.screen, b"\x11")
    terminal.read_until(lambda _: False)
    assert (terminal.wait(), terminal.relay) == (0, "0")


def test_a_terminal_that_is_closed_ends_a_calibration_as_ctrl_c_does(calibrating: Terminal) -> None:
    said = calibrating.read_until(lambda _: calibrating.relay == "1")
    assert calibrating.relay == "1", said.decode()
    os.close(calibrating.screen)
    assert (calibrating.wait(), calibrating.relay) == (130, "0")
