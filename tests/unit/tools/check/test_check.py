"""`sorter check`: station, calibration and model together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from support.paths import STATIONS
from support.stations import BELT, make_station, shipped, varied, write_station
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import SystemClock
from edge.config import Station, load_station
from edge.config.calibration.files import save_calibration
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import Calibration, CameraStep
from edge.tools.check.check import Report, check_station
from edge.tools.check.check_settings import picture_problems, pin_problems, stroke_problems, view_problems
from edge.tools.check.problems import Problem

CONVEYOR = make_station(shipped("conveyor"))
SMALL = varied(
    BELT,
    {
        "name": "small",
        "state_folder": "state",
        "camera": {"width": 640, "height": 480, "frames_per_s": 30},
        "belt": {"speed_mm_per_s": 250, "mm_per_pixel": 0.8},
        "inference": {"bundle": "tiny.sorter"},
        "actuators": {"flap": {"lead_ms": 40}},
        "bins": [
            {"name": "paper", "labels": ["paper"], "actuator": "flap", "distance_mm": 300},
            {"name": "residual", "labels": ["glass", "metal"]},
        ],
    },
)


@pytest.fixture
def check(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Callable[..., Report]:
    """Check the small station with some tables changed; its model is the tiny one."""
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())

    def run(**changes: Any) -> Report:
        return check_station(write_station(tmp_path, SMALL, **changes), SystemClock())

    return run


def texts(problems: Any, severity: str = "error") -> list[str]:
    return [f"{p.where}: {p.text}" for p in problems if p.severity == severity]


def changed(table: str, **changes: Any) -> Station:
    part = getattr(CONVEYOR, table).model_copy(update=changes)
    return CONVEYOR.model_copy(update={table: part})


def test_a_good_station_is_ok_and_its_travel_is_shown(check: Callable[..., Report]) -> None:
    report = check()
    assert report.problems == []
    assert report.ok
    (way,) = report.travels
    assert (way.bin, way.travel_ms, way.crops) == ("paper", 1200, 3)


def test_what_is_to_spare_is_what_the_diverter_could_take_longer(check: Callable[..., Report]) -> None:
    (way,) = check().travels
    about = 50  # ms; the model is timed anew by every check
    assert check(actuators={"flap": {"lead_ms": 40 + way.spare_ms - about}}).ok
    (problem,) = texts(check(actuators={"flap": {"lead_ms": 40 + way.spare_ms + about}}).problems)
    assert "reaches its diverter" in problem


LESSON = "teach"  # whose label is taught before it works


@pytest.mark.parametrize("name", sorted({path.stem for path in STATIONS.glob("*.toml")} - {LESSON}))
def test_the_examples_have_no_errors(name: str, tmp_path: Path) -> None:
    problems = check_station(write_station(tmp_path, shipped(name), state_folder=tmp_path), SystemClock()).problems
    cameras = {"camera.device"}  # the USB camera of a station elsewhere
    assert [problem for problem in problems if problem.severity == "error" and problem.where not in cameras] == []


def test_the_station_of_the_lesson_lacks_only_the_label_that_is_taught_there() -> None:
    errors = [p for p in check_station(STATIONS / f"{LESSON}.toml", SystemClock()).problems if p.severity == "error"]
    assert [problem.where for problem in errors] == ["model"]
    assert "bin 'ball' waits for 'ball'" in errors[0].text


def test_a_broken_file_gives_each_of_its_problems_once(check: Callable[..., Report]) -> None:
    report = check(camera={"type": "simulated", "width": 1}, bets=1)
    assert report.station is None
    assert [text.split(":")[1].split()[0] for text in texts(report.problems)] == ["camera.width", "bets"]


def test_a_belt_that_is_faster_than_the_decision_is_an_error(check: Callable[..., Report]) -> None:
    report = check(belt={"speed_mm_per_s": 4000, "mm_per_pixel": 10.0})
    (problem,) = texts(report.problems)
    assert "reaches its diverter 75 ms after" in problem
    assert "slow the belt" in problem


def test_a_bin_that_waits_for_a_label_that_the_model_lacks_is_an_error(check: Callable[..., Report]) -> None:
    (problem,) = texts(check(bins={"paper": {"labels": ["paper", "wood"]}}).problems)
    assert "bin 'paper' waits for 'wood'" in problem


def test_a_label_that_no_bin_names_goes_to_residual_and_is_a_warning(check: Callable[..., Report]) -> None:
    report = check(bins={"residual": {"labels": ["glass"]}})
    assert report.ok
    assert texts(report.problems, "warning") == ["model: no bin names metal: such items go to residual"]


@pytest.mark.parametrize(
    ("belt", "where"),
    [
        ({"speed_mm_per_s": 0.3, "mm_per_pixel": 0.8}, "belt.speed_mm_per_s"),
        ({"speed_mm_per_s": 250, "mm_per_pixel": 0.0008}, "belt.mm_per_pixel"),
    ],
)
def test_metres_where_millimetres_are_meant_are_an_error(
    belt: dict[str, float], where: str, check: Callable[..., Report]
) -> None:
    problems = {problem.where: problem for problem in check(belt=belt).problems}
    assert problems[where].severity == "error"
    assert "expected millimetres" in problems[where].text


@pytest.mark.parametrize(("content", "said"), [(None, "can't read"), (b"PK\x03\x04 damaged", "sorter")])
def test_a_missing_or_damaged_model_is_an_error_among_the_others(
    content: bytes | None, said: str, check: Callable[..., Report], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "bad.sorter").write_bytes(content)
    report = check(inference={"bundle": "bad.sorter"}, region={"width": 3000})
    where = [problem.where for problem in report.problems]
    assert where == ["region", "model"]
    assert said in report.problems[1].text


def test_a_model_slower_than_the_limit_is_an_error(check: Callable[..., Report]) -> None:
    (problem,) = texts(check(inference={"bundle": "tiny.sorter", "max_invoke_ms": 1e-9}).problems)
    assert "max_invoke_ms is 1e-09" in problem


def test_missing_clips_and_folders_are_errors(check: Callable[..., Report]) -> None:
    report = check(camera={"type": "video", "path": "no.mp4"}, simulation={"photos": "no"})
    assert [problem.where for problem in report.problems] == ["camera.path", "simulation.photos"]


ARM = {"name": "flap", "type": "servo", "pin": 18, "safe_us": 1500, "positions_us": {"out": 1700}, "max_us": 1800}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("safe_us", 1900, "diverters.flap.safe_us = 1900: expected 1000 to 1800 (min_us to max_us)"),
        ("max_us", 2400, "diverters.flap.max_us = 2400: expected 1000 to 1800, the station file's limits"),
        ("safe_us", 19999, "diverters.flap.safe_us = 19999: input should be less than or equal to 2500"),
        ("lead_ms", 1e308, "diverters.flap.lead_ms = 1e+308: input should be less than or equal to 5000"),
    ],
)
def test_a_calibration_beyond_the_limits_is_refused_with_file_key_value_and_what_is_allowed(
    check: Callable[..., Report], tmp_path: Path, key: str, value: float, said: str
) -> None:
    bins = {"paper": {"position": "out"}}
    check(actuators=[ARM], bins=bins)
    of = step_digest(load_station(tmp_path / "station.toml"), "diverters", "flap")
    step = {"measured_at": "", "of": of, "lead_ms": 80.0, "lead_spread_ms": 1.0, "return_ms": 90.0, "repeats": 5}
    table = {"format_version": 1, "station": "small", "diverters": {"flap": step | {key: value}}}
    (tmp_path / "state").mkdir(exist_ok=True)
    path = tmp_path / "state" / "calibration.toml"
    path.write_text(tomli_w.dumps(table), "utf-8")
    assert f"calibration: {path}: {said}" in texts(check(actuators=[ARM], bins=bins).problems)


def test_a_calibration_that_does_not_fit_is_an_error(check: Callable[..., Report], tmp_path: Path) -> None:
    report = check()
    assert report.station is not None
    step = {"measured_at": "2026-11-01", "identity": "x", "focus": 1, "brightness": 99, "brightness_spread": 1}
    camera = CameraStep(
        **step, x=0, y=0, width=640, height=480, mm_per_pixel=0.5, of=step_digest(report.station, "camera")
    )
    save_calibration(tmp_path / "state", Calibration(station="small", camera=camera), "1")
    good = check()
    assert good.problems == []
    assert good.station is not None
    assert good.station.belt is not None
    assert good.station.belt.mm_per_pixel == 0.5

    stale = check(region={"x": 8, "width": 600})
    assert texts(stale.problems) == ["calibration: camera: settings were changed since; run `sorter calibrate camera`"]
    (tmp_path / "state" / "calibration.toml").write_text("[[", "utf-8")
    (problem,) = texts(check().problems)
    assert "damaged" in problem


# -- single checks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("station", "said"),
    [
        (changed("region", x=200, width=1200), "reaches to pixel 1400, but the picture's width is 1280"),
        (changed("region", y=800, height=200), "reaches to pixel 1000, but the picture's height is 960"),
        (changed("belt", speed_mm_per_s=5000), "an item is seen in 1.8 frames"),
    ],
)
def test_what_the_camera_can_not_see_is_an_error(station: Station, said: str) -> None:
    assert said in texts(view_problems(station))[0]


def test_motion_blur_is_a_warning() -> None:
    (warning,) = texts(view_problems(changed("camera", exposure_us=10_000)), "warning")
    assert "smear 7.5 pixels" in warning


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        (
            {"crops_max_mb": 0},
            'crops_max_mb 0 has no room for what keep_crops "useful" and random_share 0.02 would keep',
        ),
        ({"crops_max_mb": 0, "keep_crops": "none"}, None),
        ({"crops_per_label": 300, "crops_per_day": 200}, "crops_per_label 300 is never reached: crops_per_day is 200"),
    ],
)
def test_pictures_that_are_to_be_kept_without_room_are_a_warning(changes: dict[str, Any], said: str | None) -> None:
    warnings = texts(picture_problems(changed("journal", **changes)), "warning")
    assert (said is None and warnings == []) or said in warnings[0]


def pinned(**changes: Any) -> Station:
    valve = CONVEYOR.actuators[0].model_copy(update=changes)
    return CONVEYOR.model_copy(update={"actuators": (valve,)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pin": 4}, "GPIO 4 is pulled up while the Pi starts, which switches it on"),
        ({"pin": 4, "active_high": False}, None),
        ({"pin": 17, "active_high": False}, "GPIO 17 is pulled down while the Pi starts"),
        ({"pin": 17}, None),
        ({"pin": 14}, "serial console"),
    ],
)
def test_pins_that_switch_things_on_while_the_pi_starts_are_warned_of(
    changes: dict[str, Any], said: str | None
) -> None:
    warnings = [text for text in texts(pin_problems(pinned(**changes)), "warning") if "valve" in text]
    assert (said is None and warnings == []) or said in warnings[0]


def test_servos_that_would_share_a_pwm_channel_are_warned_of() -> None:
    arm = CONVEYOR.actuators[3]
    station = CONVEYOR.model_copy(update={"actuators": (arm, arm.model_copy(update={"name": "other", "pin": 12}))})
    assert "GPIO 12 and 18 share one PWM" in texts(pin_problems(station), "warning")[0]


def test_strokes_that_are_cut_short_idle_actuators_and_a_missing_stop_are_warned_of() -> None:
    bins = tuple(b.model_copy(update={"dwell_ms": 490.0}) if b.actuator == "valve" else b for b in CONVEYOR.bins[:3])
    station = CONVEYOR.model_copy(
        update={"bins": bins, "safety": CONVEYOR.safety.model_copy(update={"estop_pin": None})}
    )
    assert [problem.where for problem in stroke_problems(station)] == [
        "bin plastic",
        "actuator arm",
        "safety.estop_pin",
    ]


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_exits_2_with_all_problems_as_json(check: Callable[..., Report], tmp_path: Path) -> None:
    check(region={"width": 3000})
    result = CliRunner().invoke(root, ["check", "--station", str(tmp_path / "station.toml"), "--json"])
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"], answer["station"]) == (2, False, "small")
    assert Problem(**answer["problems"][0]).where == "region"


def test_the_command_exits_0_for_a_good_station(check: Callable[..., Report], tmp_path: Path) -> None:
    check()
    result = CliRunner().invoke(root, ["check", "--station", str(tmp_path / "station.toml")])
    assert result.exit_code == 0
    assert "ok" in result.stdout
