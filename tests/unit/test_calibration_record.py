"""The calibration file: whole or not at all, and only for the station that it belongs to."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibrate.apply import apply_calibration, check_camera, stale_steps, step_digest, without_stale
from edge.calibrate.files import history, load_calibration, parse_calibration, save_calibration
from edge.calibrate.record import (
    BackgroundStep,
    BeltStep,
    Calibration,
    CameraStep,
    DiverterStep,
    SensorStep,
    VerifyStep,
)
from edge.calibrate.still import stored_view
from edge.config import Station, load_station
from edge.config.inputs import Input
from edge.errors import CalibrationError

DEMO = Path(__file__).resolve().parents[2] / "edge" / "stations" / "demo.toml"


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
    assert apply_calibration(station, calibration).input("full:metal") == Input(active_low=False, debounce_ms=12.5)
    bins = [b.model_copy(update={"full_pin": 25}) if b.name == "metal" else b for b in station.bins]
    assert stale_steps(station.model_copy(update={"bins": tuple(bins)}), calibration) == ["sensors"]


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


@settings(deadline=None)
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
