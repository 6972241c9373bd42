"""lgpio makes a pipe in its working folder when it is imported: that folder is ours, wherever the program was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT, STATIONS

# What lgpio 0.2.2 does when it is imported, and how it refuses a machine without GPIO.
LGPIO = """
import os

if "LG_WD" in os.environ:
    os.chdir(os.environ["LG_WD"])
os.mkfifo(".lgd-nfy0")
_file = os.open(".lgd-nfy0", os.O_RDONLY | os.O_NONBLOCK)

class error(Exception):
    pass

def gpiochip_open(chip):
    raise error("can not open gpiochip")

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return 0
"""
# As on a Pi, where gpiozero knows the board before it opens the chip.
OPEN_PINS = """
import os, sys
from edge.devices.gpio.pins import open_pins
from edge.errors import SorterError
try:
    open_pins()
except SorterError as error:
    print(type(error).__name__, error)
print(os.getcwd(), os.environ.get("LG_WD"))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Finds the imitation of lgpio, and may write one folder alone."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "lgpio.py").write_text(LGPIO)
    (tmp_path / "place").mkdir()
    root = ROOT
    kept = {
        key: value for key, value in os.environ.items() if not key.endswith(("_DIR", "_DIRECTORY")) and key != "LG_WD"
    }
    return kept | {"PYTHONPATH": f"{tmp_path / 'lib'}:{root}", "TMPDIR": str(tmp_path / "place")}


def run(environment: dict[str, str], *words: str, cwd: str = "/proc") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "words", [("safe",), ("run", "--port", "0", "--seconds", "1", "--state-folder", "STATE")], ids=["safe", "run"]
)
def test_a_command_says_what_is_wrong_with_the_pins_in_a_folder_that_nobody_can_write(
    environment: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    words = tuple(word.replace("STATE", str(tmp_path / "state")) for word in words)
    done = run(environment, "-m", "edge", words[0], "--station", str(STATIONS / "conveyor.toml"), *words[1:])
    assert (done.returncode, "GPIO can't be used" in done.stderr) == (6, True)
    assert "Traceback" not in done.stderr


def test_the_working_folder_and_the_environment_are_as_before_and_nothing_is_left(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"LG_WD": str(tmp_path / "place"), "TMPDIR": "/nowhere"}
    done = run(environment, "-c", OPEN_PINS, cwd=str(tmp_path))
    *_, last = done.stdout.splitlines()
    assert last == f"{tmp_path} {tmp_path / 'place'}"
    assert list((tmp_path / "place").iterdir()) == []
    assert not (tmp_path / ".lgd-nfy0").exists()


def test_a_working_folder_that_was_removed_keeps_nothing_from_opening(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    program = f"import os; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir({str(tmp_path / 'gone')!r})\n" + OPEN_PINS
    done = run(environment, "-c", program.replace("print(os.getcwd()", "print('end'"))
    assert done.stdout.splitlines()[-1] == "end None"


def test_without_any_folder_the_setting_that_helps_is_named(environment: dict[str, str]) -> None:
    nowhere = "import edge.devices.gpio.pins as p; p.PLACES = ('$NOWHERE', '/proc/no')\n"
    done = run(environment, "-c", nowhere + OPEN_PINS)
    assert done.stdout.startswith("SetupError GPIO needs a folder that can be written, and none of /proc/no can")
    assert "LG_WD=/run/sorter" in done.stdout
