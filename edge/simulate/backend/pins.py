"""gpiozero's mock pins, soldered to the simulated world."""

from __future__ import annotations

from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.clock import NS_PER_S
from edge.devices.actuators.actuator_type import PinState
from edge.devices.gpio.mock_pins import PI_4
from edge.interfaces import Clock
from edge.simulate.world.world import World


class WorldPin(MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """Tells the world what it is driven to, and shows the level that a sensor of the world gives it.

    It keeps no list of its states as gpiozero's own does: hours of belt would fill the memory.
    """

    _state: float

    def _change_state(self, value: float) -> bool:
        if self.number in self.factory.world.refusing_pins:
            raise OSError("the simulated pin refuses")
        if self._state == value:
            return False
        self._state = value
        self._last_change = self.factory.ticks()
        self._report()
        return True

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        self._report()

    def _set_frequency(self, value: float | None) -> None:
        super()._set_frequency(value)
        self._report()

    def _set_pull(self, value: str) -> None:
        level = self.factory.world.inputs.get(self.number)
        if level is None:
            super()._set_pull(value)
        else:
            self._pull = value
            self.sense(level)

    @property
    def number(self) -> int:
        return int(self.info.name.removeprefix("GPIO"))

    def sense(self, level: bool) -> None:
        """Take the level that the world gives an input."""
        if self._function == "input":
            if level:
                self.drive_high()
            else:
                self.drive_low()

    def _report(self) -> None:
        driven = self._function == "output"
        self.factory.world.report_pin(
            self.number, PinState(float(self._state) if driven else None, self._frequency if driven else None)
        )


class WorldPins(MockFactory):  # type: ignore[misc]
    """The pins of a simulated station; edges carry the instant of the world, in seconds like a Pi's."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._sensed: dict[int, WorldPin] = {}
        super().__init__(revision=PI_4, pin_class=WorldPin)
        world.input_pins.connect(self._sense)

    def servo_pin(self, name: int, hardware: bool) -> Any:
        return self.pin(name)

    def ticks(self) -> float:
        at = self.world.input_pins.telling_at
        return (self._clock.now() if at is None else at) / NS_PER_S

    def ticks_diff(self, later: float, earlier: float) -> float:
        return later - earlier

    def _sense(self, number: int, level: bool) -> None:
        if number not in self._sensed:
            self._sensed[number] = self.pin(number)
        self._sensed[number].sense(level)
