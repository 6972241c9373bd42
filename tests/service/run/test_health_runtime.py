"""The real threads: what is stuck, dead or wrong leads to the safe state, a name, and the smallest step that helps."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.assembled import build_in_real_time, journal_of
from support.running import AT_MOST_S, run_until
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, ms
from edge.config import Station
from edge.errors import RestartError
from edge.health.faults import FaultKind, RecoveryAction
from edge.health.retry import Backoff
from edge.health.state import State
from edge.station.assembled import AssembledStation
from edge.station.build import build_station
from edge.station.runtime import Runtime
from edge.types import Crop, Frame, Item, Prediction

pytestmark = pytest.mark.realtime


@pytest.fixture
def settings(tmp_path: Path) -> Station:
    """A small simulated belt."""
    return make_station(BELT, state_folder=tmp_path)


def impatient(built: AssembledStation) -> AssembledStation:
    """Let a second do for what takes a station many."""
    built.health.heartbeats.limits = replace(built.health.heartbeats.limits, stall=ms(1500), startup=ms(2500))
    built.health.retries.backoff = Backoff(first=ms(100), longest=ms(400), reset_time=60 * NS_PER_S)
    return built


@pytest.fixture
def runtime(settings: Station) -> Runtime:
    return Runtime(impatient(build_station(settings)))


class LockThatTells:
    """A lock that raises where a thread would wait for itself for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking and self._owner == threading.get_ident():
            raise AssertionError("this thread waits for itself")
        got = self._lock.acquire(blocking, timeout)
        if got:
            self._owner = threading.get_ident()
        return got

    def release(self) -> None:
        self._owner = None
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_whatever_lock_the_main_thread_holds_just_then(
    runtime: Runtime, sent: signal.Signals
) -> None:
    own = threading.Condition(LockThatTells())  # type: ignore[arg-type]
    runtime._stop._cond = own  # type: ignore[attr-defined]  # what an Event holds for moments of set and wait
    turns = 0

    def interrupt(_now: int) -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            with own:
                signal.raise_signal(sent)

    runtime.run(AT_MOST_S, interrupt)
    assert turns == 1


def is_there(runtime: Runtime, kind: FaultKind) -> bool:
    return any(fault.kind is kind for fault in runtime.station.health.faults)


def journalled(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "journal.db") as connection:
        return [row[0] for row in connection.execute("SELECT code FROM events ORDER BY row")]


class StuckCamera:
    """Never answers until it is let go."""

    identity, size = "stuck", (160, 120)

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def read(self) -> Frame | None:
        self.let_go.wait(AT_MOST_S)
        return None

    def close(self) -> None:
        self.let_go.set()


def test_a_camera_that_never_answers_is_named_and_everything_held(settings: Station) -> None:
    camera = StuckCamera()
    runtime = Runtime(impatient(build_in_real_time(settings, open_camera=lambda: camera)))

    def reached() -> bool:
        if is_there(runtime, FaultKind.CAMERA_STALLED) and runtime.station.schedule.inhibited:
            camera.let_go.set()
            return True
        return False

    run_until(runtime, reached)
    assert not runtime.station.health.watchdog_due(runtime.station.clock.now())


def test_a_bug_in_a_stage_ends_the_run_with_safe_pins(runtime: Runtime, tmp_path: Path) -> None:
    class Broken:
        def observe(self, frame: Frame) -> Sequence[Item]:
            raise ZeroDivisionError("a bug")

        def sightings(self) -> Sequence[Any]:
            return ()

    runtime.station.line.trigger = Broken()
    with pytest.raises(ZeroDivisionError):
        runtime.run(AT_MOST_S)
    assert runtime.station.schedule.inhibited
    assert FaultKind.PROGRAM_ERROR in journalled(tmp_path)


def test_a_page_that_dies_does_not_stop_sorting_and_comes_back(settings: Station) -> None:
    class DeadPage:
        url, port = "http://localhost/", 1

        def __init__(self, dies: bool) -> None:
            self.dies, self.stopped = dies, threading.Event()

        def run(self) -> None:
            if self.dies:
                raise OSError("the page died")
            self.stopped.wait(AT_MOST_S)

        def stop(self) -> None:
            self.stopped.set()

    pages = [DeadPage(False), DeadPage(True)]
    with_page = settings.with_values(page=settings.page.with_values(enabled=True))
    runtime = Runtime(impatient(build_in_real_time(with_page, open_server=lambda app: pages.pop())))
    health = runtime.station.health
    run_until(
        runtime,
        lambda: (
            health.retries.counts[RecoveryAction.RESTART_PAGE] == 1 and health.state in (State.RUNNING, State.STARVED)
        ),
    )
    assert health.counts[FaultKind.PAGE_DOWN] == 1


def test_a_fault_that_only_a_restart_mends_asks_for_one(runtime: Runtime, tmp_path: Path) -> None:
    runtime.station.health.raise_fault(FaultKind.ACTUATOR_HUNG, runtime.station.clock.now(), "flap")
    with pytest.raises(RestartError, match="actuator-hung") as asked:
        runtime.run(AT_MOST_S)
    assert asked.value.exit_code == 75
    assert runtime.station.schedule.inhibited
    assert FaultKind.ACTUATOR_HUNG in journalled(tmp_path)


def test_a_model_that_fails_is_opened_anew(runtime: Runtime) -> None:
    class Dead:
        labels = ("glass",)

        def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
            raise RuntimeError("the interpreter is broken")

        def close(self) -> None:
            pass

    runtime.station.slot.replace_classifier(Dead())
    health = runtime.station.health
    health.retries.backoff = Backoff()  # a process starts slowly on a busy machine
    run_until(
        runtime,
        lambda: health.counts[FaultKind.CLASSIFIER_FAILED] > 0 and not is_there(runtime, FaultKind.CLASSIFIER_FAILED),
    )
    assert health.retries.counts[RecoveryAction.RESTART_CLASSIFIER] >= 1


def test_an_emergency_stop_outlives_the_process(runtime: Runtime, settings: Station) -> None:
    health = runtime.station.health
    run_until(runtime, lambda: health.state is State.RUNNING)
    runtime.station.latch.save(stopped=True)
    again = build_station(settings)
    assert again.health.state is State.ESTOP
    journal_of(again).close()
    assert again.health.reset(again.clock.now())
