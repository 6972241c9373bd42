"""Calibrating against the simulated station: what is measured is what is true there, not what the station file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import pytest
from support.paths import STATIONS

from edge.bundle.geometry import InputGeometry
from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.config.inputs import Input
from edge.errors import CalibrationError
from edge.health.faults import FaultKind
from edge.health.monitors.camera import PictureMonitor
from edge.interfaces import Controls
from edge.sensing.still_view import unpack_view
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.world import World
from edge.tools.calibrate.measure.exposure import Chosen, refuse_wandering
from edge.tools.calibrate.measure.followers import Source
from edge.tools.calibrate.measure.region import find_region
from edge.tools.calibrate.operator.operator import Onlooker, Prompt, SimulatedOperator
from edge.tools.calibrate.rig import MeasurementRig, open_rig
from edge.tools.calibrate.steps.background import measure_background
from edge.tools.calibrate.steps.belt import measure_belt
from edge.tools.calibrate.steps.camera import CameraOptions, measure_camera
from edge.tools.calibrate.steps.diverters import measure_diverters
from edge.tools.calibrate.steps.sensors import live_levels, measure_sensors
from edge.types import Frame

PRACTICE = STATIONS / "practice.toml"
SHOWN = InputGeometry(height=96, width=96, margin=0.15)  # of an item 74 pixels
SPEED, SCALE, LEADS = 231.7, 0.87, {"arm-1": (73.0, 96.0), "arm-2": (171.0, 118.0)}


@pytest.fixture(scope="module")
def written() -> Station:
    return load_station(PRACTICE)


@pytest.fixture(scope="module")
def true(written: Station) -> Station:
    """The station as it really is: nothing that is measured is as the file says."""
    table: dict[str, Any] = written.model_dump()
    table["belt"] |= {"speed_mm_per_s": SPEED, "mm_per_pixel": SCALE}
    table["belt"]["encoder"]["ticks_per_mm"] = 1.87
    table["simulation"] |= {"noise": 4.0}
    for actuator in table["actuators"]:
        actuator["lead_ms"], actuator["return_ms"] = LEADS[actuator["name"]]
    return Station.model_validate(table)


@pytest.fixture
def rig(written: Station, true: Station):  # type: ignore[no-untyped-def]
    clock = VirtualClock()
    with open_rig(written, clock, World(true, clock)) as rig:
        yield rig


def technician(rig: MeasurementRig) -> SimulatedOperator:
    assert rig.world is not None
    return SimulatedOperator(rig.world, Onlooker())


def surround(rig: MeasurementRig, **values: object) -> None:
    assert rig.world is not None
    for name, value in values.items():
        setattr(rig.world.surroundings, name, value)


CROOKED: dict[str, object] = {"roll_degrees": 4.0, "pitch_degrees": 5.0, "uneven": 0.4}


@pytest.mark.parametrize("around", [{}, CROOKED], ids=["straight", "crooked-and-uneven"])
def test_the_scale_is_right_to_one_percent_and_the_exposure_is_locked(
    rig: MeasurementRig, around: dict[str, object]
) -> None:
    surround(rig, **around)
    step = measure_camera(rig, technician(rig), "x", SPEED, CameraOptions()).changes["camera"]
    assert step.mm_per_pixel == pytest.approx(SCALE, rel=0.01)
    assert step.exposure_us is not None
    assert step.exposure_us * 1e-6 * SPEED / SCALE <= 1.01  # pixels of blur
    assert step.brightness_spread < 1
    assert (step.x, step.y, step.width, step.height) == (0, 0, 420, 480)


def test_white_paper_is_white_whatever_the_lamps(rig: MeasurementRig) -> None:
    surround(rig, tint=(1.31, 0.64))
    step = measure_camera(rig, technician(rig), "x", SPEED, CameraOptions(frames=20)).changes["camera"]
    assert step.red_gain == pytest.approx(1 / 1.31, rel=0.02)
    assert step.blue_gain == pytest.approx(1 / 0.64, rel=0.02)
    assert step.tint < 0.02


class Wandering(SimulatedCamera):
    """A camera whose driver turns the gain up a little with every picture."""

    @property
    def controls(self) -> Controls:
        self.steps = getattr(self, "steps", 0) + 1
        return replace(super().controls, digital_gain=1 + self.steps / 100)


def test_a_camera_that_does_not_stay_as_it_was_set_is_named(rig: MeasurementRig) -> None:
    assert rig.world is not None
    camera = Wandering(rig.world, rig.clock)
    seen = [camera.controls for _ in range(5)]
    with pytest.raises(CalibrationError, match="changes its digital gain by itself"):
        refuse_wandering(seen, Chosen())
    with pytest.raises(CalibrationError, match="exposure of 8000 instead of 2000"):
        refuse_wandering([Controls(exposure_us=8000)], Chosen(exposure_us=2000))


def test_the_belts_edges_are_found(rig: MeasurementRig) -> None:
    surround(rig, rails_px=44, uneven=0.3)
    rig.open_camera(exposure_us=1500, gain=1.0)
    rig.run_belt(on=True)
    assert rig.world is not None
    rig.world.stop_feeding()
    found = find_region([f.pixels for f in rig.frames(30)], rig.region, sideways=True)
    assert (found.x, found.width) == (0, 420)
    assert found.y == pytest.approx(44, abs=8)
    assert found.y + found.height == pytest.approx(480 - 44, abs=8)


def test_no_edges_are_found_where_nothing_moves(rig: MeasurementRig) -> None:
    rig.open_camera(exposure_us=1500, gain=1.0)
    pictures = [cv2.blur(f.pixels, (15, 15)) for f in rig.frames(10)]
    with pytest.raises(CalibrationError, match="is the belt running"):
        find_region(pictures, rig.region, sideways=True)


def test_a_dim_workshop_is_warned_of(rig: MeasurementRig) -> None:
    surround(rig, lamp=0.019)
    outcome = measure_camera(rig, technician(rig), "x", SPEED, CameraOptions())
    assert any("too weak for a belt at 232 mm/s" in warning for warning in outcome.warnings)


@pytest.mark.parametrize("around", [{}, CROOKED], ids=["straight", "crooked-and-uneven"])
def test_the_belts_speed_is_right_to_half_a_percent_and_the_encoder_too(
    rig: MeasurementRig, around: dict[str, object]
) -> None:
    surround(rig, **around)
    rig.open_camera(exposure_us=1500, gain=1.0)
    step = measure_belt(rig, technician(rig), "x", repeats=2).changes["belt"]
    assert step.speed_mm_per_s == pytest.approx(SPEED, rel=0.005)
    assert step.ticks_per_mm == pytest.approx(1.87, rel=0.005)
    assert step.direction == "right"
    assert step.stop_distance_mm == pytest.approx(0, abs=2)


def test_without_a_sheet_items_give_the_belts_speed(rig: MeasurementRig) -> None:
    table: dict[str, Any] = rig.station.model_dump()
    table["belt"]["mm_per_pixel"] = SCALE  # as the camera step leaves it
    rig.station = Station.model_validate(table)
    rig.open_camera(exposure_us=1500, gain=1.0)
    step = measure_belt(rig, technician(rig), "x", repeats=3, source="items").changes["belt"]
    assert step.speed_mm_per_s == pytest.approx(SPEED, rel=0.005)
    assert step.ticks_per_mm == pytest.approx(1.87, rel=0.005)
    assert (step.direction, step.measured_from) == ("right", "items")


@pytest.mark.parametrize("source", ["sheet", "items"])
def test_how_far_the_belt_runs_on_is_measured(rig: MeasurementRig, source: Source) -> None:
    surround(rig, coasting_s=0.25)
    rig.open_camera(exposure_us=1500, gain=1.0)
    step = measure_belt(rig, technician(rig), "x", repeats=2, source=source).changes["belt"]
    scale = 1.0 if source == "sheet" else 0.8 / SCALE  # items have the station file's scale here
    assert step.stop_distance_mm == pytest.approx(0.25 * SPEED * scale, abs=3)


def test_the_time_of_every_diverter_is_right_to_two_milliseconds(rig: MeasurementRig) -> None:
    rig.open_camera(exposure_us=1500, gain=1.0)
    steps = measure_diverters(rig, technician(rig), dict.fromkeys(LEADS, "x")).changes["diverters"]
    for name, (lead_ms, return_ms) in LEADS.items():
        assert steps[name].lead_ms == pytest.approx(lead_ms, abs=2), name
        assert steps[name].return_ms == pytest.approx(return_ms, abs=2), name
        assert steps[name].lead_spread_ms < 2, name


def test_the_empty_belt_is_empty_and_items_stand_out(rig: MeasurementRig) -> None:
    rig.open_camera(exposure_us=1500, gain=1.0)
    step = measure_background(rig, technician(rig), "x", SHOWN, seconds=4).changes["background"]
    assert step.false_items == 0
    assert step.separability > 5


def test_items_are_measured_in_pixels_and_too_few_of_them_are_said(rig: MeasurementRig) -> None:
    rig.open_camera(exposure_us=1500, gain=1.0)
    outcome = measure_background(rig, technician(rig), "x", SHOWN, seconds=4)
    simulation, mm = rig.station.simulation, SCALE
    assert simulation.smallest_mm / mm - 4 < outcome.changes["background"].item_pixels < simulation.largest_mm / mm + 4
    assert not any("too small" in warning for warning in outcome.warnings)
    larger = InputGeometry(height=448, width=448, margin=0.15)
    outcome = measure_background(rig, technician(rig), "x", larger, seconds=4)
    assert any(warning.startswith("Items are too small") and "camera.width" in warning for warning in outcome.warnings)


def seen(watch: PictureMonitor, frame: Frame) -> set[FaultKind]:
    """Show it a frame; return what it says of it."""
    watch.on_frame(frame, frame.captured_at)
    return {kind for kind, _ in watch.faults(frame.captured_at)}


def test_a_camera_that_is_moved_after_calibrating_is_noticed(rig: MeasurementRig) -> None:
    rig.open_camera(exposure_us=1500, gain=1.0)
    step = measure_background(rig, technician(rig), "x", SHOWN, seconds=4).changes["background"]
    watch = PictureMonitor(unpack_view(step.view))
    assert watch.can_see_movement
    operator = technician(rig)
    rig.run_belt(on=True)
    operator.ask(Prompt.EMPTY)
    found = [seen(watch, frame) for frame in rig.frames_for(12)]
    assert set().union(*found) == set()
    surround(rig, roll_degrees=8.0)
    found = [seen(watch, frame) for frame in rig.frames_for(30)]
    assert FaultKind.CAMERA_MOVED in set().union(*found)


def test_sensors_are_learnt_by_one_action_each(rig: MeasurementRig) -> None:
    names = ("estop", "full:metal", "exit:plastic")
    steps = measure_sensors(rig, technician(rig), dict.fromkeys(names, "x")).changes["sensors"]
    assert set(steps) == set(names)
    assert all(step.active_low and 3 < step.debounce_ms < 10 for step in steps.values())
    assert all(live_levels(rig).values())  # let go of again


def test_a_sensor_that_is_high_while_active_is_learnt_as_that(written: Station, true: Station) -> None:
    reversed_one = true.model_copy(update={"inputs": {"full:metal": Input(active_low=False)}})
    clock = VirtualClock()
    with open_rig(written, clock, World(reversed_one, clock)) as rig:
        steps = measure_sensors(rig, technician(rig), {"full:metal": "x", "exit:plastic": "x"}).changes["sensors"]
    assert {name: step.active_low for name, step in steps.items()} == {"full:metal": False, "exit:plastic": True}


class Absent(Onlooker):
    """Somebody who does not do what is asked for."""


WRONG: list[tuple[str, Callable[[MeasurementRig], object], str]] = [
    ("lens-covered", lambda b: b.world.disturb(InjectedFault.CAMERA_BLACK), "take the cap off the lens"),  # type: ignore[union-attr]
    ("lamps-flicker", lambda b: surround(b, flicker=0.3), "the lamps flicker"),
]


@pytest.mark.parametrize(("spoil", "named"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_picture_is_recognised_and_named(
    rig: MeasurementRig, spoil: Callable[[MeasurementRig], object], named: str
) -> None:
    spoil(rig)
    with pytest.raises(CalibrationError, match=named):
        measure_camera(rig, technician(rig), "x", SPEED, CameraOptions())


def test_a_missing_sheet_is_recognised_and_named(rig: MeasurementRig) -> None:
    with pytest.raises(CalibrationError, match="the printed sheet is not in the picture"):
        measure_camera(rig, Absent(), "x", SPEED, CameraOptions())


def test_a_belt_that_stands_is_recognised_and_named(rig: MeasurementRig) -> None:
    assert rig.world is not None
    rig.world.disturb(InjectedFault.BELT_STOPPED)
    with pytest.raises(CalibrationError, match="the belt does not move"):
        measure_belt(rig, technician(rig), "x", repeats=2)


def test_a_diverter_without_its_plug_is_recognised_and_named(rig: MeasurementRig) -> None:
    assert rig.world is not None
    rig.world.disturb(InjectedFault.DIVERTER_UNPLUGGED, "arm-2")
    with pytest.raises(CalibrationError, match="arm-2 was fired, but nothing moved"):
        measure_diverters(rig, technician(rig), {"arm-2": "x"})


def test_a_sensor_that_says_nothing_is_recognised_and_named(rig: MeasurementRig) -> None:
    with pytest.raises(CalibrationError, match=r"nothing came from full:metal \(GPIO 24\)"):
        measure_sensors(rig, Absent(), {"full:metal": "x"})


def test_the_emergency_stop_ends_it(rig: MeasurementRig) -> None:
    assert rig.world is not None
    rig.world.disturb(InjectedFault.EMERGENCY_STOP)
    with pytest.raises(CalibrationError, match="emergency stop is pressed"):
        measure_diverters(rig, technician(rig), {"arm-1": "x"})


def test_everything_is_released_on_the_way_out(rig: MeasurementRig) -> None:
    assert rig.world is not None
    arm = rig.world.flaps["arm-1"]

    def interrupted() -> None:
        with rig.fired("arm-1", ""):
            rig.run_belt(on=True)
            rig.wait(0.3)
            assert arm.extension("", rig.clock.now()) == 1.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    rig.close()
    now = rig.clock.now()
    rig.world.run_due(now)
    assert arm.extension("", now + 200_000_000) == 0.0
    assert rig.world.surface.speed == 0.0
