"""Stepper motors on pins that are slow to write, and what their lines are like when nobody drives them any more."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

from gpiozero.pins.mock import MockPWMPin

from edge.clock import VirtualClock, ms
from edge.config.actuators import Stepper
from edge.devices.actuators import open_actuator
from edge.devices.actuators.ramp import Ramp
from edge.devices.gpio.mock_pins import MockPins

TABLE = Stepper(
    type="stepper", name="table", step_pin=5, direction_pin=6, enable_pin=13, positions_steps={"quarter": 50}
)


class HeldUpPin(MockPWMPin):  # type: ignore[misc]
    """A STEP input whose thread is put aside for a while before each third write; it knows when it rose."""

    clock: ClassVar[VirtualClock]
    rises: ClassVar[list[int]]
    writes = 0

    def _set_state(self, value: float) -> None:
        if value:
            self.writes += 1
            if self.writes % 3 == 0:
                self.clock.advance_to(self.clock.now() + ms(6))
            self.rises.append(self.clock.now())
        super()._set_state(value)


def test_a_thread_that_is_put_aside_between_due_and_made_is_not_followed_by_a_step_too_soon() -> None:
    pins, clock = MockPins(), VirtualClock()
    HeldUpPin.clock, HeldUpPin.rises = clock, []
    pins.pin(TABLE.step_pin, pin_class=HeldUpPin)
    table: Any = open_actuator(TABLE, pins, clock)
    table.fire("quarter")
    while (at := table.next_at()) is not None:
        clock.advance_to(max(at, clock.now()))
        table.run_due(clock.now())
    ramp, allowed = Ramp(TABLE.steps_per_s, TABLE.acceleration_steps_per_s2), []
    for remaining in range(50, 0, -1):
        ramp.step(remaining)
        allowed.append(ramp.interval_ns())
    waited = [later - sooner for sooner, later in pairwise(HeldUpPin.rises)]
    assert len(waited) == 49
    assert all(waited_ns >= allowed_ns for waited_ns, allowed_ns in zip(waited, allowed, strict=False))


def test_a_motor_is_claimed_switched_off_so_that_its_pull_holds_it_so_when_the_process_is_gone() -> None:
    pins = MockPins()
    open_actuator(TABLE, pins, VirtualClock())
    assert [bool(state.state) for state in pins.pin(TABLE.enable_pin).states][-2:] == [True, False]
