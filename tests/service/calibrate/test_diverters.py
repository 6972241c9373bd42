"""Diverters that the camera can't see, steppers, and the end stops of servos, against the simulated station."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.paths import STATIONS
from support.stations import make_station, shipped

from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.errors import ActuatorError, CalibrationError
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.flap import IN_PATH
from edge.simulate.world.world import World
from edge.tools.calibrate.operator.jog import DOWN, LEFT, RIGHT, UP
from edge.tools.calibrate.operator.operator import Onlooker, SimulatedOperator
from edge.tools.calibrate.rig import MeasurementRig, open_rig
from edge.tools.calibrate.steps.diverters import measure_diverters
from edge.tools.calibrate.steps.procedures import jog_all


def open_station(written: Station, **true: Any) -> MeasurementRig:
    """A bench at a station that differs from its file in what is given for each actuator."""
    table = written.model_dump()
    for actuator in table["actuators"]:
        actuator |= true.get(actuator["name"], {})
    clock = VirtualClock()
    return open_rig(written, clock, World(Station.model_validate(table), clock))


def simulated(name: str, tmp_path: Path, **changes: Any) -> Station:
    return make_station(shipped(name), state_folder=tmp_path, camera={"type": "simulated"}, region=None, **changes)


def technician(rig: MeasurementRig, operator: Onlooker | None = None) -> SimulatedOperator:
    assert rig.world is not None
    rig.world.stop_feeding()
    return SimulatedOperator(rig.world, operator or Onlooker())


@pytest.fixture
def far(tmp_path: Path) -> Station:
    """A conveyor whose first arm stands beyond the camera's view, with an exit sensor in its bin."""
    return make_station(shipped("practice"), state_folder=tmp_path, bins={"plastic": {"distance_mm": 420}})


def test_an_arm_out_of_view_is_timed_by_the_exit_sensor_of_its_bin(far: Station) -> None:
    with open_station(far, **{"arm-1": {"lead_ms": 118.0}}) as rig:
        step = measure_diverters(rig, technician(rig), {"arm-1": "x"}).changes["diverters"]["arm-1"]
    assert step.measured_with == "exit-sensor"
    # An arm takes the whole item along once it is all but out; where an item begins is known to a few millimetres.
    assert step.lead_ms == pytest.approx(IN_PATH * 118, abs=15)
    assert step.return_ms == far.actuator("arm-1").return_ms
    assert 6 <= step.repeats <= 12


def test_an_arm_out_of_view_without_its_plug_is_named(far: Station) -> None:
    with open_station(far) as rig:
        assert rig.world is not None
        rig.world.disturb(InjectedFault.DIVERTER_UNPLUGGED, "arm-1")
        with pytest.raises(CalibrationError, match="nothing came past exit:plastic although arm-1 was fired"):
            measure_diverters(rig, technician(rig), {"arm-1": "x"})


def test_an_arm_that_nothing_sees_is_named(far: Station) -> None:
    blind = far.model_copy(update={"bins": tuple(b.model_copy(update={"exit_pin": None}) for b in far.bins)})
    with open_station(blind) as rig, pytest.raises(CalibrationError, match="can be measured with an exit sensor"):
        measure_diverters(rig, technician(rig), {"arm-1": "x"})


def test_a_steppers_time_is_that_of_its_steps(tmp_path: Path) -> None:
    with open_station(simulated("bin-carousel", tmp_path)) as rig:
        name = rig.station.actuators[0].name
        step = measure_diverters(rig, technician(rig), {name: "x"}).changes["diverters"][name]
    assert step.measured_with == "steps"
    assert step.lead_ms > 100
    assert step.return_ms == pytest.approx(step.lead_ms, rel=0.1)
    assert step.lead_spread_ms < 1
    assert step.positions_steps == rig.station.actuators[0].positions_steps  # type: ignore[union-attr]


def test_a_stepper_that_does_not_turn_is_named(tmp_path: Path) -> None:
    with open_station(simulated("bin-carousel", tmp_path)) as rig:
        actuator = rig.station.actuators[0]
        assert actuator.type == "stepper"
        stuck = actuator.model_copy(update={"home_pin": 4})  # a switch that never closes
        rig.station = rig.station.model_copy(update={"actuators": (stuck,)})
        with pytest.raises(ActuatorError, match="home switch on GPIO 4"):
            measure_diverters(rig, technician(rig), {actuator.name: "x"})


def test_a_servos_end_stops_are_found_and_kept_away_from() -> None:
    with open_station(load_station(STATIONS / "practice.toml")) as rig:
        rig.open_camera(exposure_us=1500, gain=1.0)
        outcome = measure_diverters(rig, technician(rig), {"arm-2": "x"})
    step = outcome.changes["diverters"]["arm-2"]
    # The simulated arm meets stops at 1100 - 0.06 * 700 and 1100 + 1.08 * 700 us.
    assert 1058 < step.min_us <= 1100
    assert 1800 <= step.max_us < 1856
    assert step.positions_us == {"out": 1800}


def test_a_position_beyond_the_stop_is_taken_back() -> None:
    written = load_station(STATIONS / "practice.toml")
    with open_station(written, **{"arm-2": {"positions_us": {"out": 1600}}}) as rig:
        rig.open_camera(exposure_us=1500, gain=1.0)
        outcome = measure_diverters(rig, technician(rig), {"arm-2": "x"})
    step = outcome.changes["diverters"]["arm-2"]
    assert 1590 < step.max_us < 1640
    assert step.positions_us == {"out": step.max_us}
    assert any("out was set to 1800 us, which is beyond its end stop" in line for line in outcome.lines)


class Presses(Onlooker):
    """Somebody who presses these keys, one after the other."""

    def __init__(self, *keys: str) -> None:
        self.left, self.said = list(keys), list[str]()

    @property
    def is_there(self) -> bool:
        return True

    def key(self) -> str:
        return self.left.pop(0)

    @contextmanager
    def keys(self) -> Iterator[Callable[[], str]]:
        yield lambda: self.left.pop(0) if self.left else ""

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_stepper_is_moved_with_the_arrow_keys(tmp_path: Path) -> None:
    with open_station(simulated("bin-carousel", tmp_path)) as rig:
        actuator = rig.station.actuators[0]
        assert actuator.type == "stepper"
        positions = list(actuator.positions_steps)
        operator = Presses(UP, RIGHT, LEFT, LEFT, "\r", *["\r"] * (len(positions) - 1))
        jog_all(rig, technician(rig, operator), [actuator.name])
        changed = rig.station.actuators[0]
    assert changed.type == "stepper"
    turn = actuator.steps_per_turn
    expected = dict(actuator.positions_steps) | {
        positions[0]: (actuator.positions_steps[positions[0]] + 10 + 1 - 1 - 1) % turn
    }
    assert changed.positions_steps == expected


def test_a_valve_is_switched_with_the_arrow_keys_and_goes_off_by_itself() -> None:
    with open_station(load_station(STATIONS / "practice.toml")) as rig:
        operator = Presses(UP, DOWN, UP, *[""] * 110, "\r")
        jog_all(rig, technician(rig, operator), ["arm-1"])
        said = [text for text in operator.said if text.startswith("arm-1:")]
        assert said == ["arm-1: on", "arm-1: off", "arm-1: on", "arm-1: off"]
        with pytest.raises(CalibrationError, match="nobody is there"):
            jog_all(rig, technician(rig), ["arm-1"])
