"""`sorter teach` at a simulated station as a technician sees it: through a terminal, with the keyboard, and stopped anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from support.drawn_place import ITEMS, write_place

from edge.config import load_station
from edge.inference.classifier import open_shipped_bundle
from edge.models.select import open_store
from edge.teaching.shown import ShownItems

pytestmark = pytest.mark.realtime

SORTER = [sys.executable, "-m", "edge"]
# A loaded machine renders slowly; what is waited for comes as soon as it is there.
PATIENCE_S = 240
ENTER = r"Enter (when it is so|to go on)"
Place = tuple[Path, Path]


@pytest.fixture
def place(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Place:
    return write_place(tmp_path, tiny_bundle)


def counts(place: Place) -> dict[str, int]:
    return {label: told.items for label, told in ShownItems(place[0].parent / "state").labels().items()}


def at_terminal(place: Place) -> pexpect.spawn:
    station, base = place
    words = ["teach", "--station", str(station), "--bundle", str(base), "--items", str(ITEMS)]
    return pexpect.spawn(
        SORTER[0],
        [*SORTER[1:], *words],
        timeout=PATIENCE_S,
        encoding="utf-8",
        dimensions=(40, 120),
        # A shell that runs the tests in the background has Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def enter_until(terminal: pexpect.spawn, wanted: str) -> None:
    while terminal.expect([ENTER, wanted]) == 0:
        terminal.sendline("")


def test_a_person_is_led_through_stops_goes_on_and_is_asked_before_anything_is_installed(place: Place) -> None:
    terminal = at_terminal(place)
    enter_until(terminal, "paper: 6 of 6")
    terminal.expect(ENTER)
    terminal.sendintr()
    terminal.expect("what was shown is kept")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert counts(place) == {"paper": 6}
    terminal = at_terminal(place)
    enter_until(terminal, "metal: 1 of 6")  # and not paper again
    enter_until(terminal, "cup: 6 of 6")
    terminal.expect("Number")
    terminal.sendline("1")
    terminal.expect(r"Installed: tiny-2.0\+belt.1 .*on probation")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_a_killed_one_loses_nothing_that_it_had_counted(place: Place) -> None:
    terminal = at_terminal(place)
    enter_until(terminal, "paper: 2 of 6")
    terminal.kill(signal.SIGKILL)
    terminal.expect(pexpect.EOF)
    terminal.close()
    kept = counts(place)["paper"]
    assert kept >= 2
    terminal = at_terminal(place)
    enter_until(terminal, f"paper: {kept + 1} of 6" if kept < 6 else "metal: 1 of 6")
    terminal.sendline("q")
    stopped = "Stopped: what was shown is kept"
    # Where the label was complete before the key came, the question for the next one has thrown the key away.
    by_key = terminal.expect([ENTER, stopped]) == 1
    if not by_key:
        terminal.sendintr()
        terminal.expect(stopped)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == (0 if by_key else 130)
    assert counts(place)["paper"] > kept or kept == 6
    assert open_store(load_station(place[0])).active() is None


@pytest.mark.slow
def test_the_demo_teaches_its_new_label_unattended_or_says_why_what_ships_can_not_be_taught(tmp_path: Path) -> None:
    command = [*SORTER, "teach", "--demo", "--yes", "--json", "--items", "6", "--state-folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    if open_shipped_bundle().manifest.head is None:
        assert (done.returncode, "install a model of format 2" in done.stderr) == (4, True)
        return
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["new_labels"] == ["ball"]
    assert answer["installed"].endswith("+lesson.1")
    assert answer["labels"]["ball"]["after"]["top1"]["right"] > 0
