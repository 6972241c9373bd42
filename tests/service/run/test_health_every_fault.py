"""Every fault that has a name is raised by the simulator, holds or lets go as it should, and ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.stations import BELT, BIN, make_station

from edge.clock import NS_PER_S
from edge.config import Station
from edge.health.faults import SPECS, FaultKind
from edge.health.health import ENDED_BY_RESET
from edge.simulate.world.faults import parse_fault
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.virtual_run import VirtualRun

FLAP = {"type": "digital", "lead_ms": 40}


def conveyor(**belt: Any) -> Station:
    """A belt with everything that can be at fault: two flaps, full bins, all buttons and lamps."""
    return make_station(
        BELT,
        belt={"speed_mm_per_s": 250, "mm_per_pixel": 3.2, "run_pin": 21, **belt},
        actuators={"flap": FLAP, "other": {**FLAP, "pin": 27}},
        bins=[
            {"name": "glass", "labels": ["glass", "metal"], "actuator": "flap", "distance_mm": 300, "full_pin": 16},
            {"name": "paper", "labels": ["paper", "plastic"], "actuator": "other", "distance_mm": 600},
            {"name": "residual", "full_pin": 19},
        ],
        safety={"estop_pin": 5, "reset_pin": 6, "jam_pin": 13, "beacon_pin": 26},
        simulation={"items_per_min": 90},
        page={"enabled": True},
    )


CONVEYOR = conveyor()
FAST = conveyor(speed_mm_per_s=800)
LENS = make_station(BIN, camera=BELT["camera"])


@dataclass(frozen=True)
class Scenario:
    """What is done to which station, and for how long, seconds."""

    faults: tuple[str, ...]
    seconds: float = 30.0
    station: Station = CONVEYOR
    damaged_journal: bool = False


def scenario_of(kind: FaultKind) -> Scenario:
    """By default the disturbance of the same name, for 8 of 30 seconds."""
    return SCENARIOS.get(kind, Scenario((f"{kind}@8+8",)))


SCENARIOS = {
    FaultKind.BIN_FULL: Scenario(("bin-full:glass@8+8",)),
    FaultKind.RESIDUAL_FULL: Scenario(("bin-full:residual@8+8",)),
    FaultKind.EMERGENCY_STOP: Scenario(("emergency-stop@8+4", "reset@15")),
    FaultKind.JOURNAL_BLOCKED: Scenario(("journal-blocked@5+25",), 40.0),
    FaultKind.JOURNAL_DAMAGED: Scenario(("reset@10",), damaged_journal=True),
    FaultKind.CLASSIFIER_SLOW: Scenario(("classifier-slow@20+25",), 80.0),
    FaultKind.OVERLOADED: Scenario(("overloaded@8+30",), 70.0, FAST),
    FaultKind.CAMERA_MOVED: Scenario(("camera-moved@40+30",), 100.0, LENS),
    FaultKind.BELT_SLIPPING: Scenario(("belt-slipping@8+20",), 60.0),
    FaultKind.BELT_STOPPED: Scenario(("belt-stopped@8+10",), 50.0),
    FaultKind.ACTUATOR_REFUSED: Scenario(("actuator-refused@8+8",), 60.0),
}
AT_LENGTH = {FaultKind.DRIFT}  # what is usual is learnt first: see tests/line/test_drift_on_the_belt.py
# Of servers elsewhere, which no simulated world has: see tests/contract/test_channels.py.
ELSEWHERE = {FaultKind.NOTIFY_DOWN}
# Found when the program is put together, before anything runs: see test_health_at_start.py.
AT_START = {FaultKind.MODEL_DAMAGED, FaultKind.CALIBRATION_DAMAGED, FaultKind.BIN_LEVELS_DAMAGED}


class Onlooker:
    """Looks on after every tick of the supervisor."""

    def __init__(self, run: VirtualRun, kind: FaultKind) -> None:
        self.run, self.kind = run, kind
        self.was_there = False
        self.turns_there = 0
        self.wrong: list[int] = []

    @property
    def is_there(self) -> bool:
        return any(fault.kind is self.kind for fault in self.run.station.health.faults)

    def look(self, now: int) -> None:
        there = self.is_there
        self.turns_there += there
        if there and self.was_there and SPECS[self.kind].inhibits and not self.run.station.schedule.inhibited:
            self.wrong.append(now)
        self.was_there = there


@pytest.mark.parametrize("kind", sorted(set(FaultKind) - AT_START - AT_LENGTH - ELSEWHERE))
def test_the_simulator_raises_it_and_it_ends(kind: FaultKind, tmp_path: Path) -> None:
    scenario = scenario_of(kind)
    if scenario.damaged_journal:
        (tmp_path / "journal.db").write_bytes(b"not a database at all" * 500)
    injected_faults = [parse_fault(text) for text in scenario.faults]
    run = build_virtual_run(scenario.station, Conditions(injected_faults=injected_faults, journal_folder=tmp_path))
    onlooker = Onlooker(run, kind)
    run.run(scenario.seconds, on_tick=onlooker.look)
    health = run.station.health
    assert health.counts[kind] >= 1
    assert onlooker.turns_there >= 5, "gone as soon as it came"
    assert onlooker.wrong == [], "strokes were not held"
    assert not onlooker.is_there, [fault.text for fault in health.faults]
    assert run.station.reporting.journal is not None
    assert run.station.reporting.journal.counts.lost == 0


def test_what_a_reset_ends_is_known() -> None:
    assert FaultKind.EMERGENCY_STOP in ENDED_BY_RESET
    assert AT_START < ENDED_BY_RESET


def test_two_minutes_without_faults_have_none() -> None:
    run = build_virtual_run(conveyor(), Conditions())
    run.run(120.0)
    assert dict(run.station.health.counts) == {}
    assert run.clock.now() >= 120 * NS_PER_S
