"""A signal may come between any two steps of the main thread: whatever it holds then, the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.stations import BELT, write_station

from edge.system.signals import (
    ALWAYS,
    BACKGROUND,
    ENDING,
    FAULTS,
    HARMLESS,
    REFUSED,
    UNTAKEABLE,
    Asked,
    interrupted_by_signals,
    name_of,
    taking_signals,
    undisturbed,
)

# Python itself ignores the two others.
TAKEN = [number for number in ENDING if number not in (signal.SIGPIPE, signal.SIGXFSZ)]


@pytest.fixture
def done() -> list[str]:
    """What was carried out, in its order."""
    return []


@pytest.fixture
def asked() -> Asked:
    """What signals ask for."""
    return SimpleQueue()


@pytest.fixture
def pins_are_safe(asked: Asked, done: list[str]) -> Iterator[Callable[[], object]]:
    """Signals are taken; called when the pins are safe."""
    with taking_signals(asked, lambda: done.append("stop"), lambda: done.append("reset")) as safe:
        yield safe


def carry_out(asked: Asked) -> None:
    while not asked.empty():
        asked.get()()


def test_each_signal_that_would_end_or_stop_a_process_is_thought_of() -> None:
    thought_of = {*ENDING, *UNTAKEABLE, *FAULTS, *HARMLESS, *BACKGROUND, signal.SIGTSTP, signal.SIGUSR1}
    assert thought_of == signal.valid_signals()
    wanted = ("HUP", "INT", "QUIT", "USR2", "ALRM", "TERM", "XCPU", "VTALRM", "PROF", "IO", "PWR", "RTMIN", "RTMAX")
    assert {signal.Signals[f"SIG{name}"] for name in wanted} <= set(TAKEN)


@pytest.mark.parametrize("sent", TAKEN, ids=name_of)
@pytest.mark.usefixtures("pins_are_safe")
def test_a_signal_changes_nothing_until_the_main_thread_looks(
    asked: Asked, done: list[str], sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(sent)
    assert (done, caplog.messages) == ([], [])
    carry_out(asked)
    assert (done, caplog.messages) == (["reset", "stop"], [f"stopping on {name_of(sent)}"])


@pytest.mark.usefixtures("pins_are_safe")
def test_nothing_makes_the_station_stand_still(asked: Asked, done: list[str], caplog: pytest.LogCaptureFixture) -> None:
    for number in (signal.SIGTSTP, *BACKGROUND):
        signal.raise_signal(number)
    carry_out(asked)
    assert (done, caplog.messages) == ([], [REFUSED])


@pytest.mark.parametrize("sent", ALWAYS)
def test_before_the_pins_are_safe_no_second_signal_ends_the_process(
    asked: Asked, done: list[str], pins_are_safe: Callable[[], object], sent: signal.Signals
) -> None:
    for _ in range(3):
        signal.raise_signal(sent)
        assert signal.getsignal(sent) is not signal.SIG_DFL
    carry_out(asked)
    assert set(done) == {"stop"}
    pins_are_safe()
    assert [signal.getsignal(number) for number in ALWAYS] == [signal.SIG_DFL] * len(ALWAYS)


@pytest.mark.parametrize("sent", ALWAYS)
def test_when_the_pins_are_safe_the_second_one_ends_the_process_at_once(
    pins_are_safe: Callable[[], object], sent: signal.Signals
) -> None:
    pins_are_safe()
    assert signal.getsignal(sent) is not signal.SIG_DFL
    signal.raise_signal(sent)
    assert signal.getsignal(sent) is signal.SIG_DFL


@pytest.mark.parametrize("sent", [n for n in TAKEN if n not in ALWAYS], ids=name_of)
def test_what_was_ignored_before_stays_so_as_under_nohup(sent: int) -> None:
    asked: Asked = SimpleQueue()
    before = signal.signal(sent, signal.SIG_IGN)
    try:
        with taking_signals(asked, lambda: None, lambda: None):
            signal.raise_signal(sent)
        with interrupted_by_signals():
            signal.raise_signal(sent)
    finally:
        signal.signal(sent, before)
    assert asked.empty()


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    numbers = sorted(signal.valid_signals() - UNTAKEABLE)
    before = [signal.getsignal(number) for number in numbers]
    with taking_signals(SimpleQueue(), lambda: None, lambda: None):
        assert all(signal.getsignal(number) not in before for number in (*TAKEN, signal.SIGUSR1, signal.SIGTSTP))
    assert [signal.getsignal(number) for number in numbers] == before
    for way in (interrupted_by_signals, undisturbed):
        with way():
            assert [signal.getsignal(number) for number in numbers] != before
        assert [signal.getsignal(number) for number in numbers] == before


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def elsewhere() -> None:
        with taking_signals(SimpleQueue(), lambda: None, lambda: None), undisturbed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("sent", TAKEN, ids=name_of)
def test_measuring_is_interrupted_once_and_nothing_disturbs_its_way_out(sent: int) -> None:
    steps: list[str] = []

    def measure() -> None:
        try:
            steps.append("moving")
            signal.raise_signal(sent)
            steps.append("went on")
        finally:
            for number in (sent, *ALWAYS, signal.SIGHUP, signal.SIGTSTP):
                signal.raise_signal(number)
            steps.append("released")

    with interrupted_by_signals(), pytest.raises(KeyboardInterrupt):
        measure()
    assert steps == ["moving", "released"]


def test_what_must_be_done_is_done_whatever_comes() -> None:
    with undisturbed():
        for number in (*TAKEN, signal.SIGTSTP, *BACKGROUND):
            signal.raise_signal(number)


BENCH = """
import sys
from pathlib import Path
from edge.devices.gpio.mock_pins import RestingPins
from edge.tools.calibrate.rig import MeasurementRig
from edge.clock import SystemClock
from edge.config import load_station
from edge.system.signals import interrupted_by_signals

station = load_station(Path(sys.argv[1]))
pins = RestingPins()
try:
    with interrupted_by_signals(), MeasurementRig(station, pins, SystemClock()) as bench:
        bench.run_belt(on=True)
        with bench.fired("valve", ""), bench.fired("arm", "out"):
            print("moving", flush=True)
            bench.wait(60)
except KeyboardInterrupt:
    print({n: pins.pin(n).state for n in (26, 17, 18)}, [round(s.state * 20000) for s in pins.pin(18).states][-2:])
"""


def test_a_lost_connection_and_an_impatient_person_leave_nothing_switched_on(tmp_path: Path) -> None:
    arm = {"type": "servo", "pin": 18, "safe_us": 1500, "positions_us": {"out": 1900}, "return_ms": 400}
    station = write_station(
        tmp_path,
        BELT,
        camera={"type": "folder", "path": "."},
        belt={"run_pin": 26},
        actuators={"flap": None, "valve": {"type": "digital", "pin": 17}, "arm": arm},
        bins={
            "glass": {"actuator": "valve"},
            "paper": {"labels": ["paper"], "actuator": "arm", "position": "out", "distance_mm": 500},
        },
    )
    process = subprocess.Popen([sys.executable, "-c", BENCH, str(station)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "moving\n"
    for sent in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP):
        os.kill(process.pid, sent)
    said, _ = process.communicate(timeout=60)
    assert said == "{26: 0.0, 17: 0.0, 18: 0.0} [1500, 0]\n"
