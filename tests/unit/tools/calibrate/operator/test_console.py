"""What a person types at a real terminal counts from the moment at which it was asked for."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

# Says that it is ready for what is typed too early, then warns; `heard` is what the warning took for agreement.
WARNING = """
import sys, termios, tty
from edge.tools.calibrate.operator.console import ConsoleOperator
from edge.system.terminal import Terminal

class Listening(Terminal):
    def input(self, *words, **options):
        heard = super().input(*words, **options)
        print("heard", repr(heard))
        return heard

person = ConsoleOperator(Listening(), hurry=False)
print("type ahead", flush=True)
waiting = b""
import array, fcntl
while True:  # until the terminal holds what was typed ahead, as while a step before is measured
    count = array.array("i", [0])
    fcntl.ioctl(0, termios.FIONREAD, count)
    if count[0]:
        break
ASK
print("moved")
"""
ASKED = {
    "warning": 'person.warn("flap will move. Hands off!")',
    "choice": 'print("chose", person.choose("Which?", ["a", "b"]))',
}


@pytest.fixture
def spawned() -> Iterator[list[pexpect.spawn]]:
    processes: list[pexpect.spawn] = []
    yield processes
    for process in processes:
        process.close(force=True)


def begin(spawned: list[pexpect.spawn], ask: str) -> pexpect.spawn:
    terminal = pexpect.spawn(sys.executable, ["-c", WARNING.replace("ASK", ask)], timeout=60, encoding="utf-8")
    spawned.append(terminal)
    terminal.expect("type ahead")
    return terminal


def test_an_enter_that_was_typed_ahead_does_not_say_that_all_hands_are_off(spawned: list[pexpect.spawn]) -> None:
    terminal = begin(spawned, ASKED["warning"])
    terminal.send("early\n\n\n")
    terminal.expect("Enter to go on")
    terminal.send("late\n")
    terminal.expect("heard '(.*)'")
    assert terminal.match[1] == "late"
    terminal.expect("moved")


def test_an_answer_that_was_typed_ahead_chooses_nothing(spawned: list[pexpect.spawn]) -> None:
    terminal = begin(spawned, ASKED["choice"])
    terminal.send("1\n1\n")
    terminal.expect("Number")
    terminal.send("2\n")
    terminal.expect("chose (.)")
    assert terminal.match[1] == "b"


GONE = """
import os, select, signal
from edge.tools.calibrate.operator.console import ConsoleOperator
from edge.errors import CalibrationError
from edge.system.terminal import Terminal

signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
person = ConsoleOperator(Terminal(), hurry=False)
os.write(1, b"ready")  # at once: the terminal is gone as soon as this is read
gone = select.poll()
gone.register(0, 0)
gone.poll()
told = os.open(os.environ["TOLD"], os.O_WRONLY | os.O_CREAT)
for way in (person.key, lambda: person.warn("x"), lambda: person.choose("Which?", ["a"])):
    try:
        way()
    except (CalibrationError, OSError) as error:
        os.write(told, f"{type(error).__name__} ".encode())
os._exit(0)
"""


def test_a_terminal_that_is_gone_is_nobody_and_is_not_asked_for_ever(tmp_path: Path) -> None:
    pid, screen = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", GONE], os.environ | {"TOLD": str(tmp_path / "told")})
    said = b""
    while b"ready" not in said:
        said += os.read(screen, 1024)
    os.close(screen)
    os.waitpid(pid, 0)
    told = (tmp_path / "told").read_text().split()
    assert len(told) == 3
    assert set(told) <= {"CalibrationError", "OutputError", "OSError"}
