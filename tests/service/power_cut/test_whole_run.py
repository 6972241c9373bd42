"""The whole controller over power cuts: journal, calibration, models and pins' program together.

Killed at random instants over one state folder, and, from a trace of the kernel's calls, cut at every point with
what was not synced lost. SORTER_POWER_CUTS=all: 500 kills and every cut; otherwise a sample.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.power_cut import THOROUGH, TIME_LIMIT, TreeMedium, by_chance, everything, nothing_more
from support.traced import trace
from support.whole_run import FACTS, Confirmed, count_items, prepare, what_is_wrong, work

pytestmark = [pytest.mark.realtime, *TIME_LIMIT]

KILLS = 500 if THOROUGH else 12
# Of all points of a recorded run, how many are cut, and of these cuts the ones on which the controller is started too.
POINTS, START_EVERY = (None, 20) if THOROUGH else (14, 4)
# So many items, calibrations and generations of models are stored in that run, however long it takes.
ENOUGH = 6
UP_S = 120.0


@pytest.fixture
def place(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Path:
    """A folder with the station file and two models."""
    prepare(tmp_path, [tiny_bundle(version="99.0"), tiny_bundle(version="99.1")])
    return tmp_path


class Controller:
    """The controller in a process of its own, whose reports are read."""

    def __init__(self, place: Path) -> None:
        self._reading, writing = os.pipe()
        self.said: list[str] = []
        self._rest = b""
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reading)  # so that it ends when nobody listens any more
            try:
                log = os.open(place / "controller.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(log, 1)
                os.dup2(log, 2)
                work(place, writing)
            except BaseException:  # noqa: BLE001 - a forked process must not go back into pytest
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writing)

    def wait(self, seconds: float, word: str | None = None) -> bool:
        """Listen for so long, or until a report with that word; False if it ended by itself."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self._reading], [], [], left)[0] and not self._listen():
                return False
            if word is not None and any(line.startswith(word) for line in self.said):
                return True
        return word is None

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        while self._listen():
            pass
        os.close(self._reading)

    def _listen(self) -> bool:
        content = os.read(self._reading, 65536)
        *lines, self._rest = (self._rest + content).split(b"\n")
        self.said += [line.decode() for line in lines]
        return content != b""


def taken_in(confirmed: Confirmed, lines: list[str], before: int = 0) -> Confirmed:
    """What is confirmed after these reports; items are counted from each start."""
    for line in lines:
        fact, _, number = line.partition(" ")
        if fact in FACTS:
            confirmed = replace(confirmed, **{fact: int(number) + (before if fact == "items" else 0)})
    return confirmed


def damaged(lines: list[str]) -> list[str]:
    return [line for line in lines if "damaged" in line]


def test_killed_at_random_instants_it_loses_nothing_and_comes_up_again(place: Path) -> None:
    chance, confirmed, state = random.Random(5), Confirmed(), place / "state"
    for kill in range(KILLS):
        items = count_items(state) if confirmed.items else 0  # before, the file may be half begun
        controller = Controller(place)
        # One kill in four falls into the start; the others when something more is stored, of each kind in its turn.
        fact = (*FACTS, None)[kill % 4]
        up = fact is None or controller.wait(UP_S, fact)
        alive = controller.wait(chance.uniform(0.0, 0.5))
        controller.kill()
        assert up, (kill, controller.said, (place / "controller.log").read_text()[-3000:])
        assert alive, (kill, (place / "controller.log").read_text()[-3000:])
        assert damaged(controller.said) == []
        confirmed = taken_in(confirmed, controller.said, items)
        assert what_is_wrong(state, confirmed) == [], kill
    (state / "models" / ".shadow.0123abcd.tmp").touch()  # so that there is one, wherever the kills fell
    left_over = set(state.rglob(".*.tmp"))
    last = Controller(place)
    came_up = last.wait(UP_S, "items")
    still_there = left_over & set(state.rglob(".*.tmp"))
    last.kill()
    assert came_up
    assert still_there == set()
    assert min(confirmed.items, confirmed.calibration, confirmed.generation) >= KILLS / 4


def cuts(place: Path) -> Iterator[tuple[int, TreeMedium, Confirmed]]:
    """Record a run of the controller; yield (operations done, the medium, what was confirmed by then) for points of it."""
    state = place / "state"
    program = [sys.executable, str(Path(__file__).parents[2] / "support" / "whole_run.py"), str(place), str(ENOUGH)]
    recorded = trace(program, state, place / "strace.log")
    assert [line for _, line in recorded.said if line.startswith("up")]
    medium, said = TreeMedium(), sorted(recorded.said, reverse=True, key=lambda entry: entry[0])
    confirmed = Confirmed()
    apart = 1 if POINTS is None else len(recorded.operations) // (POINTS - 1)
    for done, operation in enumerate([*recorded.operations, None]):
        while said and said[-1][0] <= done:
            confirmed = taken_in(confirmed, [said.pop()[1]])
        if done % apart == 0:
            yield done, medium, confirmed
        if operation is not None:
            medium.take(operation)
    assert min(confirmed.items, confirmed.calibration, confirmed.generation) >= ENOUGH


def test_cut_off_at_any_point_it_loses_nothing_that_was_confirmed_and_comes_up(
    place: Path, memory_folder: Path
) -> None:
    problems, looked_at = [], 0
    for done, medium, confirmed in cuts(place):
        for n, survives in enumerate((nothing_more(), everything(), by_chance(done))):
            left = memory_folder / "left"
            shutil.copytree(place, left, ignore=shutil.ignore_patterns("state", "*.log"))
            medium.write_into(left / "state", survives)
            wrong = what_is_wrong(left / "state", confirmed)
            looked_at += 1
            if looked_at % START_EVERY == 0:
                controller = Controller(left)
                if not controller.wait(UP_S, "up"):
                    wrong.append("it does not come up: " + (left / "controller.log").read_text()[-500:])
                controller.kill()
                wrong += damaged(controller.said)
            problems += [f"cut after {done} operations, survival {n}: {problem}" for problem in wrong]
            shutil.rmtree(left)
    assert problems == []
    assert looked_at >= 3 * (POINTS or 100)
