"""The calibration file: whole or not at all, and only for the station that it belongs to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.paths import STATIONS
from support.stations import BIN, make_station

from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.config.actuators import Servo, Stepper
from edge.config.base import Settings
from edge.config.belt import Belt, Encoder
from edge.config.calibration.files import history, load_calibration, parse_calibration, save_calibration
from edge.config.calibration.overlay import (
    UnfitCalibrationError,
    apply_calibration,
    check_camera,
    stale_steps,
    step_digest,
    without_stale,
)
from edge.config.calibration.record import (
    BackgroundStep,
    BeltStep,
    Calibration,
    CameraStep,
    DiverterStep,
    SensorStep,
    ThresholdStep,
    VerifyStep,
)
from edge.config.cameras import Picamera2Camera, V4l2Camera
from edge.config.inputs import Input, InputName
from edge.config.sorting import Region
from edge.devices.actuators.servo import ServoActuator
from edge.devices.gpio.mock_pins import MockPins
from edge.errors import CalibrationError
from edge.sensing.still_view import stored_view
from edge.tools.calibrate.operator.jog import Jog

DEMO = STATIONS / "demo.toml"


@pytest.fixture(scope="module")
def station() -> Station:
    return load_station(DEMO)


def calibrated(station: Station) -> Calibration:
    when = "2026-01-02T03:04:05Z"
    return Calibration(
        station=station.name,
        camera=CameraStep(
            measured_at=when, of=step_digest(station, "camera"), identity="cam-1", x=4, y=6, width=600, height=400,
            focus=120.0, exposure_us=900, brightness=80.0, brightness_spread=0.4, mm_per_pixel=0.75,
        ),
        belt=BeltStep(
            measured_at=when, of=step_digest(station, "belt"), speed_mm_per_s=248.5, speed_spread=0.3,
            direction="right", repeats=5,
        ),
        diverters={
            "flap-1": DiverterStep(
                measured_at=when, of=step_digest(station, "diverters", "flap-1"), lead_ms=37.5, lead_spread_ms=0.4,
                return_ms=41.0, repeats=5,
            )
        },
    )  # fmt: skip


def test_what_was_saved_is_what_is_loaded(station: Station, tmp_path: Path) -> None:
    save_calibration(tmp_path, calibrated(station), "20260102T030405Z")
    assert load_calibration(tmp_path) == calibrated(station)


def test_a_station_that_was_never_calibrated_is_used_as_written(station: Station, tmp_path: Path) -> None:
    assert load_calibration(tmp_path) is None
    assert apply_calibration(station, None) is station


def test_measured_values_take_the_place_of_written_ones_and_nothing_else_changes(station: Station) -> None:
    applied = apply_calibration(station, calibrated(station))
    assert applied.belt is not None
    assert station.belt is not None
    assert (applied.belt.speed_mm_per_s, applied.belt.mm_per_pixel) == (248.5, 0.75)
    assert (applied.region.x, applied.region.width) == (4, 600)
    assert applied.actuator("flap-1").lead_ms == 37.5
    assert applied.actuator("flap-2") == station.actuator("flap-2")
    assert applied.bins == station.bins
    assert applied.belt.decision_line == station.belt.decision_line


def test_what_sensors_were_learnt_to_do_is_used_and_hangs_on_their_pins() -> None:
    station = load_station(DEMO.with_name("practice.toml"))
    learnt = SensorStep(
        measured_at="2026-01-02T03:04:05Z", of=step_digest(station, "sensors", "full:metal"), active_low=False,
        debounce_ms=12.5,
    )  # fmt: skip
    calibration = Calibration(station=station.name, sensors={"full:metal": learnt})
    assert apply_calibration(station, calibration).input(InputName.parse("full:metal")) == Input(
        active_low=False, debounce_ms=12.5
    )
    bins = [b.model_copy(update={"full_pin": 25}) if b.name == "metal" else b for b in station.bins]
    assert stale_steps(station.model_copy(update={"bins": tuple(bins)}), calibration) == ["sensors"]


def arm_station() -> Station:
    arm = {"type": "servo", "pin": 18, "safe_us": 1500, "positions_us": {"out": 1700}, "max_us": 1800}
    paper = {"actuator": "arm", "position": "out"}
    return make_station(BIN, camera={"type": "simulated"}, actuators={"flap": None, "arm": arm}, bins={"paper": paper})


def arm_measured(station: Station, **found: Any) -> Calibration:
    step = DiverterStep(
        measured_at="", of=step_digest(station, "diverters", "arm"), lead_ms=80.0, lead_spread_ms=1.0, return_ms=90.0,
        repeats=5, **found,
    )  # fmt: skip
    return Calibration(station=station.name, diverters={"arm": step})


PULSES = st.integers(500, 2500)
FOUND = st.fixed_dictionaries(
    {},
    optional={
        "min_us": PULSES,
        "max_us": PULSES,
        "safe_us": PULSES,
        "positions_us": st.dictionaries(st.sampled_from(["out", "other"]), PULSES),
    },
)


@given(FOUND)
def test_whatever_was_measured_a_servo_stays_within_the_limits_of_the_station_file(found: dict[str, Any]) -> None:
    station = arm_station()
    try:
        applied: Any = apply_calibration(station, arm_measured(station, **found)).actuator("arm")
    except UnfitCalibrationError:
        return
    assert 1000 <= applied.min_us < applied.max_us <= 1800
    assert all(applied.min_us <= width <= applied.max_us for width in (applied.safe_us, *applied.positions_us.values()))


@given(FOUND)
def test_whatever_its_settings_say_no_pulse_that_reaches_a_servo_leaves_its_limits(found: dict[str, Any]) -> None:
    unchecked: Any = (
        arm_station()
        .actuator("arm")
        .model_copy(
            update={
                **found,
                "min_us": 1200,
                "max_us": 1800,
                "positions_us": {"out": 2400, **found.get("positions_us", {})},
            }
        )
    )
    clock, pins = VirtualClock(), MockPins()
    servo = ServoActuator(unchecked, pins, clock)
    for position in servo.positions:
        servo.fire(position)
        servo.release()
    servo.close()
    jog = Jog(unchecked.model_copy(update={"pin": 12}), pins)
    for step_us in (-5000, 9000, -50):
        jog.move(step_us)
    driven = [state.state * 20_000 for number in (12, 18) for state in pins.pin(number).states if state.state]
    assert driven
    assert all(1199.9 <= width <= 1800.1 for width in driven)


def test_values_beyond_the_limits_are_named_with_what_is_allowed() -> None:
    station = arm_station()
    with pytest.raises(UnfitCalibrationError) as refused:
        apply_calibration(station, arm_measured(station, positions_us={"out": 1900}, max_us=2200))
    assert str(refused.value).splitlines()[1:] == [
        "  diverters.arm.max_us = 2200: expected 1000 to 1800, the station file's limits",
        "  diverters.arm.positions_us.out = 1900: expected 1000 to 1800 (min_us to max_us)",
    ]


def test_limits_that_were_measured_narrow_those_that_were_written() -> None:
    station = arm_station()
    applied: Any = apply_calibration(station, arm_measured(station, min_us=1300, max_us=1750)).actuator("arm")
    assert (applied.min_us, applied.max_us) == (1300, 1750)


def test_a_region_that_does_not_fit_into_the_picture_is_refused(station: Station) -> None:
    seen = calibrated(station)
    assert seen.camera is not None
    whole = station.camera.width
    wider = seen.with_values(camera=seen.camera.with_values(width=whole))
    with pytest.raises(UnfitCalibrationError, match=f"width = {whole}: expected at most {whole - 4}"):
        apply_calibration(station, wider)


def test_a_colour_gain_without_the_other_is_refused(station: Station) -> None:
    seen = calibrated(station)
    assert seen.camera is not None
    with pytest.raises(UnfitCalibrationError, match="red_gain and blue_gain belong together"):
        apply_calibration(station, seen.with_values(camera=seen.camera.with_values(red_gain=1.5)))


def bounded_fields() -> list[tuple[type[Settings], str]]:
    """Every number of the file."""
    steps = (CameraStep, BackgroundStep, BeltStep, DiverterStep, SensorStep, ThresholdStep, VerifyStep)
    taken = {*Region.model_fields, *Belt.model_fields, *Encoder.model_fields, *Input.model_fields}
    taken |= {*Servo.model_fields, *Stepper.model_fields, *Picamera2Camera.model_fields, *V4l2Camera.model_fields}
    return [
        (step, name) for step in steps for name, field in step.model_fields.items()
        if name in taken and ("int" in str(field.annotation) or "float" in str(field.annotation))
    ]  # fmt: skip


@pytest.mark.parametrize(("step", "name"), bounded_fields())
def test_every_measured_number_that_a_station_takes_over_is_bounded_at_both_ends(
    step: type[Settings], name: str
) -> None:
    for value in (1e308, -1e308, float("nan")):
        number = value if "float" in str(step.model_fields[name].annotation) or value != value else int(value)
        for wrong in (number, {"out": number}):
            with pytest.raises(ValidationError) as refused:
                step.model_validate({name: wrong})
            assert any(problem["loc"][0] == name for problem in refused.value.errors())


def test_a_changed_setting_makes_stale_what_hangs_on_it_and_nothing_else(station: Station) -> None:
    first, *others = station.actuators
    moved = station.model_copy(update={"actuators": (first.model_copy(update={"pin": 26}), *others)})
    assert stale_steps(moved, calibrated(station)) == ["diverters"]
    with pytest.raises(CalibrationError, match="sorter calibrate diverters"):
        apply_calibration(moved, calibrated(station))


def test_an_outdated_verification_keeps_nothing_from_running(station: Station) -> None:
    verified = VerifyStep(
        measured_at="2026-01-02T03:04:05Z", of=step_digest(station, "verify"), items=40, right=38, least_margin_ms=90.0,
        verdict="good",
    )  # fmt: skip
    calibration = calibrated(station).model_copy(update={"verify": verified})
    surer = station.model_copy(update={"deciding": station.deciding.model_copy(update={"min_score": 0.8})})
    assert stale_steps(surer, calibration) == ["verify"]
    assert apply_calibration(surer, calibration).deciding.min_score == 0.8
    assert without_stale(surer, calibration).verify is None
    assert without_stale(surer, calibration).belt == calibration.belt


def test_the_calibration_of_another_station_or_camera_is_refused(station: Station) -> None:
    with pytest.raises(CalibrationError, match="belongs to station 'demo'"):
        apply_calibration(station.model_copy(update={"name": "line-2"}), calibrated(station))
    check_camera(calibrated(station), "cam-1")
    with pytest.raises(CalibrationError, match="cam-2"):
        check_camera(calibrated(station), "cam-2")


def test_older_calibrations_are_kept(station: Station, tmp_path: Path) -> None:
    old = calibrated(station)
    save_calibration(tmp_path, old, "1")
    save_calibration(tmp_path, old.model_copy(update={"diverters": {}}), "2")
    assert [path.name for path in history(tmp_path)] == ["2.toml"]
    assert parse_calibration(history(tmp_path)[0].read_bytes(), history(tmp_path)[0]) == old


@given(st.data())
def test_a_damaged_file_ends_in_one_kind_of_error(data: st.DataObject) -> None:
    import tomli_w

    whole = tomli_w.dumps(calibrated(load_station(DEMO)).model_dump(exclude_none=True)).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 20)) :]
    with contextlib.suppress(CalibrationError):
        assert isinstance(parse_calibration(damaged, Path("calibration.toml")), Calibration)


def test_a_stored_view_that_is_damaged_keeps_no_station_from_starting(caplog: pytest.LogCaptureFixture) -> None:
    step = BackgroundStep(measured_at="", of="", seconds=20, separability=9, false_items=0, view="bm90IGEgdmlldw==")
    assert stored_view(Calibration(station="demo", background=step)) is None
    assert "sorter calibrate background" in caplog.text
    assert stored_view(None) is None
