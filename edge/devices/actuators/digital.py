"""On/off outputs: solenoids, relays, air valves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.devices.actuators.actuator_type import ActuatorType, MovingPart, PinState, SafeOutput, Sense, WrittenEntry
from edge.devices.gpio.pins import Pins, open_output, refusing
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.config.actuators import Digital
    from edge.interfaces import Clock


class DigitalActuator:
    """Off from the moment the pin is claimed; `active_high = false` turns both levels round."""

    def __init__(self, settings: Digital, pins: Pins, clock: Clock) -> None:
        self._settings = settings
        self._closed = False
        self._pin = open_output(pins, settings.pin, not settings.active_high, settings.name)

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def positions(self) -> tuple[str, ...]:
        return ("",)

    def fire(self, position: str) -> None:
        if position:
            raise ValueError(f"{self.name} is on or off; it has no position {position!r}")
        if self._closed:
            raise ActuatorError(f"{self.name} is closed")
        self._drive(self._settings.active_high)

    def release(self) -> None:
        self._drive(not self._settings.active_high)

    def close(self) -> None:
        self._closed = True
        self.release()

    def _drive(self, level: bool) -> None:
        with refusing(f"{self.name}: GPIO {self._settings.pin}"):
            self._pin.state = level


def _safe(entry: WrittenEntry) -> SafeOutput | None:
    """Off; a pin whose active level is unknown is left alone."""
    active_high = entry.table.get("active_high", True)
    if not isinstance(active_high, bool):
        entry.problems.append(f"active_high = {active_high!r}; expected true or false: its pin is left alone")
    pin = entry.pin("pin")
    return None if pin is None or not isinstance(active_high, bool) else SafeOutput(entry.name, {pin: not active_high})


class DigitalDrive:
    """A magnet or a valve: on is out, off or floating is back."""

    def __init__(self, settings: Digital, part: MovingPart, sense: Sense) -> None:
        self._active_high = settings.active_high
        self._part = part

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        on = state.level is not None and state.is_high == self._active_high
        self._part.command(at, "" if on else None)


DIGITAL = ActuatorType(DigitalActuator, _safe, DigitalDrive)
