"""On/off outputs: solenoids, relays, air valves."""

from __future__ import annotations

from edge.config.actuators import Digital
from edge.devices.gpio.pins import Pins, open_output, refusing
from edge.errors import ActuatorError


class DigitalActuator:
    """Off from the moment the pin is claimed; `active_high = false` turns both levels round."""

    def __init__(self, settings: Digital, pins: Pins) -> None:
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
