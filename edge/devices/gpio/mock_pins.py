"""Pins in memory: gpiozero's mock factory, whose pins record what they are driven to."""

from __future__ import annotations

from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

PI_4 = "c03111"  # the board whose pins are imitated


class MockPins(MockFactory):  # type: ignore[misc]  # gpiozero has no types
    """One kind of pin for everything, which can do servo pulses too."""

    def __init__(self) -> None:
        super().__init__(revision=PI_4, pin_class=MockPWMPin)

    def servo_pin(self, name: int, hardware: bool) -> Any:
        return self.pin(name)


class RestingPin(MockPWMPin):  # type: ignore[misc]
    """An input with nothing wired to it that reads as if all were well: high, whichever way it is pulled."""

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.drive_high()


class RestingPins(MockPins):
    """For replays: the emergency stop's chain is closed, and no sensor sees anything."""

    def __init__(self) -> None:
        MockFactory.__init__(self, revision=PI_4, pin_class=RestingPin)
