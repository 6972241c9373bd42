"""The actuator type that docs/extending.md defines, taken from that page, drives pins wherever the shipped types do."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field, ValidationError
from support.paths import ROOT

from edge.clock import VirtualClock, ms
from edge.config import Station
from edge.config.actuators import ActuatorBase, ActuatorSettings, Digital
from edge.config.base import Pin
from edge.config.cameras import CameraSettings
from edge.devices.actuators import ACTUATOR_TYPES, open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.camera import CAMERA_TYPES
from edge.devices.gpio.mock_pins import MockPins
from edge.simulate.backend.pins import WorldPins
from edge.simulate.world.world import World
from edge.station.stops.safe_outputs import drive_safe, outputs_of
from edge.tools.calibrate.steps.procedures import PROCEDURES
from edge.tools.check.check_settings import pin_problems
from edge.types import Actuation, StrokeOutcome

PAGE = ROOT / "docs" / "extending.md"
LEFT, RIGHT = 5, 23


def _types(union: Any) -> set[str]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


def test_every_type_that_a_station_may_have_has_its_row() -> None:
    assert set(ACTUATOR_TYPES) == _types(ActuatorSettings)
    assert {*CAMERA_TYPES, "simulated"} == _types(CameraSettings)
    assert set(PROCEDURES) < _types(ActuatorSettings)


@pytest.fixture
def bridge_station(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a class of stations that know the page's type too, which has its one row for as long as the test runs."""
    module: Any = ModuleType("page_example")
    vars(module).update(ActuatorBase=ActuatorBase, Field=Field, Literal=Literal, Pin=Pin)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for file in ("edge/config/actuators.py", "edge/devices/actuators/bridge.py"):
        (code,) = re.findall(rf"```python\n# {file}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        exec(compile(code, file, "exec"), vars(module))
    monkeypatch.setitem(ACTUATOR_TYPES, "bridge", module.BRIDGE)  # type: ignore[arg-type]

    class WiderStation(Station):
        actuators: tuple[Annotated[Digital | module.Bridge, Field(discriminator="type")], ...] = ()  # type: ignore[valid-type]

    return WiderStation


def _table(position: str = "left") -> dict[str, Any]:
    return {
        "name": "sides",
        "kind": "conveyor",
        "camera": {"type": "simulated"},
        "belt": {"speed_mm_per_s": 200, "mm_per_pixel": 0.5},
        "bins": [
            {"name": "residual"},
            {"name": "paper", "labels": ["paper"], "actuator": "flap", "position": position, "distance_mm": 300},
        ],
        "actuators": [{"name": "flap", "type": "bridge", "left_pin": LEFT, "right_pin": RIGHT}],
    }


def test_a_schedule_fires_it_and_lets_it_go(bridge_station: Any) -> None:
    pins, clock = MockPins(), VirtualClock()
    schedule = Schedule(open_actuators(bridge_station(**_table()), pins, clock), {"flap": ms(1000)})
    schedule.plan(Actuation("flap", clock.now() + ms(10), clock.now() + ms(50), (1,), "left"))
    clock.advance_to(clock.now() + ms(10))
    schedule.run_due(clock.now())
    assert (pins.pin(LEFT).state, pins.pin(RIGHT).state) == (1, 0)
    clock.advance_to(clock.now() + ms(40))
    (stroke,) = schedule.run_due(clock.now())
    assert (pins.pin(LEFT).state, stroke.outcome) == (0, StrokeOutcome.FIRED)


def test_check_names_a_position_that_it_has_not_and_a_pin_that_switches_it_on_while_the_pi_starts(
    bridge_station: Any,
) -> None:
    with pytest.raises(ValidationError, match="position 'middle' of 'flap'; expected one of 'left', 'right'"):
        bridge_station(**_table("middle"))
    (problem,) = pin_problems(bridge_station(**_table()))
    assert f"GPIO {LEFT} is pulled up while the Pi starts" in problem.text


def test_sorter_safe_switches_it_off_and_says_which_pin_it_could_not_read(bridge_station: Any) -> None:
    pins, table = MockPins(), _table()
    table["camera"] = {"type": "v4l2"}
    pins.pin(LEFT).output_with_state(1)
    table["actuators"][0]["right_pin"] = "23"
    reading = outputs_of(table, {})
    assert drive_safe(reading.outputs, pins, VirtualClock()) == []
    assert pins.pin(LEFT).state == 0
    assert reading.problems == ["flap: right_pin = '23'; expected a GPIO number, 0 to 27"]


def test_in_a_simulated_station_its_pins_move_a_flap(bridge_station: Any) -> None:
    clock = VirtualClock()
    world = World(bridge_station(**_table()), clock)
    (actuator,) = open_actuators(world.station, WorldPins(world, clock), clock).values()

    def extended(side: str) -> float:
        clock.advance_to(clock.now() + ms(10))
        world.run_due(clock.now())
        return world.flaps["flap"].extension(side, clock.now())

    actuator.fire("right")
    assert (extended("right"), extended("left")) == (1.0, 0.0)
    actuator.fire("left")
    assert (extended("right"), extended("left")) == (0.0, 1.0)
    actuator.release()
    assert (extended("right"), extended("left")) == (0.0, 0.0)
