"""What a visit takes up of an old calibration, and what a new measurement makes worthless."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.paths import STATIONS

from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import BackgroundStep, BeltStep, Calibration, CameraStep
from edge.errors import CalibrationError
from edge.tools.calibrate.operator.operator import Onlooker
from edge.tools.calibrate.report import step_state
from edge.tools.calibrate.rig import MeasurementRig, open_rig
from edge.tools.calibrate.session import CalibrationSession
from edge.tools.calibrate.step_result import Outcome
from edge.tools.calibrate.steps.table import CalibrationStep, Options, StepContext

WHEN = "2026-01-02T03:04:05Z"


@pytest.fixture(scope="module")
def station() -> Station:
    return load_station(STATIONS / "practice.toml")


@pytest.fixture
def rig(station: Station) -> Iterator[MeasurementRig]:
    with open_rig(station, VirtualClock()) as rig:
        yield rig


class Hearing(Onlooker):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


def calibrated(station: Station, identity: str, **belt: Any) -> Calibration:
    return Calibration(
        station=station.name,
        camera=CameraStep(
            measured_at=WHEN, of=step_digest(station, "camera"), identity=identity, x=0, y=0, width=420, height=480,
            focus=0.7, brightness=80.0, brightness_spread=0.4, mm_per_pixel=0.8,
        ),
        background=BackgroundStep(
            measured_at=WHEN, of=step_digest(station, "background"), seconds=20, separability=9, false_items=0
        ),
        belt=BeltStep(
            measured_at=WHEN, of=step_digest(station, "belt"), speed_mm_per_s=200, speed_spread=0.1, direction="right",
            repeats=5, **belt,
        ),
    )  # fmt: skip


def test_what_still_holds_is_taken_up(station: Station, rig: MeasurementRig) -> None:
    old = calibrated(station, rig.identity)
    session = CalibrationSession.begin(station, rig, Onlooker(), old, Options())
    assert session.calibration == old
    assert session.due() == ["diverters", "sensors", "verify"]


def test_another_camera_is_told_and_measured_anew(station: Station, rig: MeasurementRig) -> None:
    operator = Hearing()
    session = CalibrationSession.begin(station, rig, operator, calibrated(station, "another one"), Options())
    assert session.due()[:2] == ["camera", "background"]
    assert session.calibration.belt is not None
    assert any("This is another camera" in text for text in operator.heard)


def test_the_calibration_of_another_station_is_told_and_measured_anew(station: Station, rig: MeasurementRig) -> None:
    operator = Hearing()
    other = calibrated(station, rig.identity).model_copy(update={"station": "line-9"})
    session = CalibrationSession.begin(station, rig, operator, other, Options())
    assert session.calibration == Calibration(station=station.name)
    assert step_state(station, other, "belt") == "stale"
    assert any("belongs to station line-9" in text for text in operator.heard)


@pytest.mark.parametrize(("source", "kept"), [("sheet", True), ("items", False)])
def test_a_camera_that_is_measured_anew_takes_along_what_was_measured_in_its_pictures(
    station: Station, rig: MeasurementRig, source: str, kept: bool
) -> None:
    session = CalibrationSession.begin(
        station, rig, Onlooker(), calibrated(station, rig.identity, measured_from=source), Options()
    )
    session.accept("camera", {"camera": calibrated(station, rig.identity).camera}, WHEN)
    assert session.calibration.background is None
    assert (session.calibration.belt is not None) is kept


def test_steps_that_need_somebody_are_left_out_where_nobody_is(station: Station, rig: MeasurementRig) -> None:
    session = CalibrationSession.begin(station, rig, Onlooker(), None, Options())
    assert "verify" in session.all_steps()  # the simulated world does it by itself
    rig.world = None
    assert "verify" not in session.all_steps()
    assert "thresholds" not in session.all_steps()
    session.options = Options(photos=Path("photos"))
    assert "thresholds" in session.all_steps()


def _measure_wrongly(context: StepContext) -> Outcome:
    """Measure a belt that is faster than any."""
    belt = BeltStep(measured_at=WHEN, of="", speed_mm_per_s=9999, speed_spread=0.1, direction="right", repeats=5)
    return Outcome({"belt": belt}, (), ())


def test_a_measurement_beyond_what_a_station_can_have_ends_in_a_sentence(station: Station, rig: MeasurementRig) -> None:
    session = CalibrationSession.begin(station, rig, Onlooker(), calibrated(station, rig.identity), Options())
    session.steps = {"belt": CalibrationStep(_measure_wrongly)}
    before = session.calibration
    with pytest.raises(CalibrationError, match=r"belt: what was measured is out of range \(speed_mm_per_s = 9999"):
        session.run("belt", 0.0)
    assert session.calibration == before
