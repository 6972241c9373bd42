"""Every actuator keeps the same promises: on gpiozero's mock pins and without hardware."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from gpiozero.exc import PinInvalidState
from gpiozero.pins.mock import MockPWMPin
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import VirtualClock, ms
from edge.config.actuators import Digital, Servo, Stepper
from edge.config.station import Station
from edge.devices.actuators import open_actuator, open_actuators
from edge.devices.actuators.fake import FakeActuator
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.mock_pins import MockPins
from edge.errors import ActuatorError
from edge.interfaces import Actuator, Polled
from edge.types import Actuation

VALVE = Digital(type="digital", name="valve", pin=17)
RELAY = Digital(type="digital", name="relay", pin=17, active_high=False)
FLAP = Servo(type="servo", name="flap", pin=18, safe_us=1500, positions_us={"left": 1100, "right": 1900})
TABLE = Stepper(
    type="stepper",
    name="table",
    step_pin=5,
    direction_pin=6,
    enable_pin=13,
    steps_per_turn=200,
    positions_steps={"glass": 50, "metal": 150},
)
HOMING_TABLE = TABLE.model_copy(update={"home_pin": 19})


class Turntable(MockPWMPin):  # type: ignore[misc]
    """The STEP input of a motor that starts `place` steps from home and loses its steps while it is stuck."""

    place = 0
    stuck = False
    direction: Any = None

    def _change_state(self, value: float) -> bool:
        rising = bool(value) and not self._state
        changed = bool(super()._change_state(value))
        if rising and not self.stuck and self.direction is not None:
            self.place += 1 if self.direction.state else -1
        return changed


class HomeSwitch(MockPWMPin):  # type: ignore[misc]
    """Pulled low by the table's cam, 4 steps wide."""

    table: Turntable

    def _get_state(self) -> bool:
        return self.table.place % 200 >= 4


def _mount_turntable(pins: MockPins, place: int) -> Turntable:
    table: Turntable = pins.pin(HOMING_TABLE.step_pin, pin_class=Turntable)
    table.place, table.direction = place, pins.pin(HOMING_TABLE.direction_pin)
    pins.pin(HOMING_TABLE.home_pin, pin_class=HomeSwitch).table = table
    return table


class Broken(MockPWMPin):  # type: ignore[misc]
    """A pin that goes out of order when told to."""

    broken = False

    def _set_state(self, value: float) -> None:
        if self.broken:
            raise PinInvalidState("out of order")
        super()._set_state(value)


@dataclass
class Rig:
    """One actuator on a bench: `safe` says whether its pins are driven at their safe levels."""

    actuator: Actuator
    clock: VirtualClock
    positions: tuple[str, ...]
    is_safe: Callable[[], bool]
    break_pin: Callable[[], None]

    def run(self, milliseconds: float) -> None:
        """Let time pass as the actuation thread does."""
        until = self.clock.now() + ms(milliseconds)
        if isinstance(self.actuator, Polled):
            while (at := self.actuator.next_at()) is not None and at <= until:
                self.clock.advance_to(max(at, self.clock.now()))
                self.actuator.run_due(self.clock.now())
        self.clock.advance_to(until)


def _digital(settings: Digital) -> Rig:
    pins, clock = MockPins(), VirtualClock()
    pin = pins.pin(settings.pin, pin_class=Broken)
    actuator = open_actuator(settings, pins, clock)
    off = 0.0 if settings.active_high else 1.0
    return Rig(
        actuator,
        clock,
        ("",),
        lambda: bool(pin.function == "output" and pin.state == off),
        lambda: setattr(pin, "broken", True),
    )


def _servo() -> Rig:
    pins, clock = MockPins(), VirtualClock()
    pin = pins.pin(FLAP.pin, pin_class=Broken)
    actuator = open_actuator(FLAP, pins, clock)
    rests = (0.0, FLAP.safe_us / 20_000)
    return Rig(
        actuator,
        clock,
        ("left", "right"),
        lambda: bool(pin.function == "output" and pin.state in rests),
        lambda: setattr(pin, "broken", True),
    )


def _stepper(settings: Stepper) -> Rig:
    pins, clock = MockPins(), VirtualClock()
    direction = pins.pin(settings.direction_pin, pin_class=Broken)
    step = _mount_turntable(pins, 33) if settings.home_pin is not None else pins.pin(settings.step_pin)
    outputs = [step, direction, pins.pin(settings.enable_pin)]
    actuator: Any = open_actuator(settings, pins, clock)

    def is_safe() -> bool:
        return all(pin.function == "output" for pin in outputs) and step.state == 0 and actuator.position == 0

    return Rig(actuator, clock, ("glass", "metal"), is_safe, lambda: setattr(direction, "broken", True))


def _fake() -> Rig:
    clock = VirtualClock()
    fake = FakeActuator("fake", clock, ("left", "right"))
    return Rig(
        fake,
        clock,
        ("left", "right"),
        lambda: fake.position is None,
        lambda: setattr(fake, "broken", frozenset({"fire"})),
    )


RIGS: dict[str, Callable[[], Rig]] = {
    "digital": lambda: _digital(VALVE),
    "digital-active-low": lambda: _digital(RELAY),
    "servo": _servo,
    "stepper": lambda: _stepper(TABLE),
    "stepper-homing": lambda: _stepper(HOMING_TABLE),
    "fake": _fake,
}


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]()


def test_it_is_safe_when_opened(rig: Rig) -> None:
    assert rig.is_safe()
    rig.run(2000)
    assert rig.is_safe()


def test_it_names_itself_and_its_positions(rig: Rig) -> None:
    assert rig.actuator.name
    assert rig.actuator.positions == rig.positions


def test_firing_leaves_the_safe_position_and_releasing_comes_back(rig: Rig) -> None:
    for position in rig.positions:
        rig.actuator.fire(position)
        rig.run(2000)
        assert not rig.is_safe()
        rig.actuator.release()
        rig.run(2000)
        assert rig.is_safe()


def test_release_may_come_twice_and_without_a_fire(rig: Rig) -> None:
    rig.actuator.release()
    rig.actuator.release()
    rig.run(2000)
    assert rig.is_safe()


def test_closing_in_the_middle_of_a_stroke_ends_safe_and_driven(rig: Rig) -> None:
    rig.run(2000)
    rig.actuator.fire(rig.positions[0])
    rig.run(40)
    rig.actuator.close()
    assert rig.is_safe()
    rig.actuator.close()
    assert rig.is_safe()


def test_a_closed_actuator_does_not_fire(rig: Rig) -> None:
    rig.actuator.close()
    with pytest.raises(ActuatorError):
        rig.actuator.fire(rig.positions[0])
    assert rig.is_safe()


def test_an_unknown_position_is_a_mistake_of_the_caller(rig: Rig) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        rig.actuator.fire("nowhere")
    assert rig.is_safe()


def test_a_refused_pin_is_an_actuator_error(rig: Rig) -> None:
    rig.run(2000)
    rig.break_pin()
    with pytest.raises(ActuatorError, match=rig.actuator.name):
        _fire_and_step(rig)


def _fire_and_step(rig: Rig) -> None:
    rig.actuator.fire(rig.positions[0])
    if isinstance(rig.actuator, Polled):  # a stepper meets its pin when it steps
        rig.actuator.run_due(rig.clock.now())


def test_a_refused_pin_leaves_nothing_that_is_due_for_ever(rig: Rig) -> None:
    rig.run(2000)
    rig.break_pin()
    with pytest.raises(ActuatorError):
        _fire_and_step(rig)
    assert not isinstance(rig.actuator, Polled) or rig.actuator.next_at() is None


def test_nothing_is_left_to_do_at_rest(rig: Rig) -> None:
    if isinstance(rig.actuator, Polled):
        rig.actuator.fire(rig.positions[0])
        rig.run(200)
        rig.actuator.release()
        rig.run(2000)
        assert rig.actuator.next_at() is None


@pytest.mark.parametrize("kind", list(RIGS))
@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.sampled_from(["fire 0", "fire 1", "release", "wait"]), st.integers(0, 900))))
def test_after_any_history_closing_ends_safe(kind: str, steps: list[tuple[str, int]]) -> None:
    rig = RIGS[kind]()
    for action, milliseconds in steps:
        if action == "release":
            rig.actuator.release()
        elif action.startswith("fire"):
            rig.actuator.fire(rig.positions[int(action[-1]) % len(rig.positions)])
        rig.run(milliseconds)
    rig.actuator.close()
    assert rig.is_safe()


# -- what one kind alone promises --------------------------------------------------------------------------------


def test_a_relay_that_switches_on_low_never_sees_a_low_level_before_it_is_fired() -> None:
    pins = MockPins()
    pin = pins.pin(17)
    pin.drive_high()
    pin.clear_states()
    open_actuator(RELAY, pins, VirtualClock())
    assert [bool(state.state) for state in pin.states] == [True]


def test_a_servo_starts_with_its_safe_pulse_and_then_rests() -> None:
    pins, clock = MockPins(), VirtualClock()
    servo: Any = open_actuator(FLAP, pins, clock)
    pin = pins.pin(FLAP.pin)
    assert [state.state for state in pin.states if state.state] == [1500 / 20_000]
    clock.advance_to(servo.next_at())
    servo.run_due(clock.now())
    assert pin.state == 0
    servo.fire("right")
    assert pin.state == 1900 / 20_000


def test_a_held_servo_keeps_its_safe_pulse() -> None:
    pins, clock = MockPins(), VirtualClock()
    servo: Any = open_actuator(FLAP.model_copy(update={"hold": True}), pins, clock)
    clock.advance_to(servo.next_at())
    servo.run_due(clock.now())
    assert pins.pin(FLAP.pin).state == 1500 / 20_000
    assert servo.next_at() is None


def test_a_servo_that_is_fired_again_on_its_way_back_does_not_rest_there() -> None:
    rig = _servo()
    rig.run(2000)
    rig.actuator.fire("left")
    rig.actuator.release()
    rig.actuator.fire("right")
    rig.run(5000)
    assert not rig.is_safe()


def _steps(pins: MockPins, number: int) -> int:
    return sum(1 for state in pins.pin(number).states if state.state)


def test_a_stepper_takes_the_short_way_round() -> None:
    pins, clock = MockPins(), VirtualClock()
    table: Any = open_actuator(TABLE, pins, clock)
    rig = Rig(table, clock, (), bool, lambda: None)
    table.fire("metal")  # 150 of 200: 50 backwards
    rig.run(2000)
    assert _steps(pins, TABLE.step_pin) == 50
    assert table.position == 150


@pytest.mark.parametrize("start", [0, 1, 3, 4, 33, 199])
def test_homing_ends_at_the_same_step_from_anywhere(start: int) -> None:
    pins, clock = MockPins(), VirtualClock()
    step = _mount_turntable(pins, start)
    open_actuator(HOMING_TABLE, pins, clock)
    assert step.place % 200 == 3


@pytest.mark.parametrize(("place", "complaint"), [(33, "did not close"), (1, "stays closed")])
def test_a_motor_that_does_not_turn_is_found_out_at_once(place: int, complaint: str) -> None:
    pins = MockPins()
    step = _mount_turntable(pins, place)
    step.stuck = True
    with pytest.raises(ActuatorError, match=complaint):
        open_actuator(HOMING_TABLE, pins, VirtualClock())


def test_lost_steps_are_noticed_at_home_and_made_good() -> None:
    pins, clock = MockPins(), VirtualClock()
    step = _mount_turntable(pins, 33)
    table: Any = open_actuator(HOMING_TABLE, pins, clock)
    rig = Rig(table, clock, (), bool, lambda: None)
    table.fire("glass")
    rig.run(500)
    step.place += 60  # a jam pushed it on
    table.release()
    rig.run(500)
    with pytest.raises(ActuatorError, match="does not know where it is"):
        table.fire("glass")
    rig.run(5000)
    assert step.place % 200 == 3
    table.fire("glass")


def test_a_stepper_never_makes_up_for_late_steps_in_a_burst() -> None:
    pins, clock = MockPins(), VirtualClock()
    table: Any = open_actuator(TABLE, pins, clock)
    table.fire("glass")
    clock.advance_to(clock.now() + ms(500))
    before = _steps(pins, TABLE.step_pin)
    table.run_due(clock.now())
    table.run_due(clock.now())
    assert _steps(pins, TABLE.step_pin) - before == 1


def test_the_schedule_moves_steppers_and_rests_servos() -> None:
    pins, clock = MockPins(), VirtualClock()
    actuators = {s.name: open_actuator(s, pins, clock) for s in (FLAP, TABLE)}
    schedule = Schedule(actuators, dict.fromkeys(actuators, ms(3000)))
    start = clock.now() + ms(1000)
    schedule.plan(Actuation("table", start, start + ms(800), (1,), "glass"))
    schedule.plan(Actuation("flap", start, start + ms(300), (2,), "left"))
    strokes = []
    seen = set()
    while (at := schedule.next_at()) is not None:
        clock.advance_to(max(at, clock.now()))
        strokes += schedule.run_due(clock.now())
        seen.add(actuators["table"].position)  # type: ignore[attr-defined]
    assert [stroke.outcome for stroke in strokes] == ["fired", "fired"]
    assert {0, 25, 50} <= seen
    assert actuators["table"].position == 0  # type: ignore[attr-defined]
    assert pins.pin(FLAP.pin).state == 0


def test_if_one_actuator_fails_to_open_the_others_are_closed() -> None:
    pins = MockPins()
    broken = pins.pin(27, pin_class=Broken)
    broken.broken = True
    second = Digital(type="digital", name="second", pin=27)
    station = Station.model_construct(actuators=(RELAY, second))
    with pytest.raises(ActuatorError, match="second: GPIO 27"):
        open_actuators(station, pins, VirtualClock())
    assert (pins.pin(17).function, pins.pin(17).state) == ("output", 1)
