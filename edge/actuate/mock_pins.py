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


class MockTurntable(MockPWMPin):  # type: ignore[misc]
    """The STEP input of a motor that closes its home switch once a turn.

    Args:
        direction_pin: backwards while it is low.
        home_pin: pulled low while the table is within `width` steps of home.
        start: where the table stands, in steps from home.
    """

    def __init__(  # noqa: PLR0913 - called by gpiozero with the first two
        self, factory: Any, info: Any, direction_pin: Any, home_pin: Any, turn: int, start: int, width: int = 4
    ) -> None:
        super().__init__(factory, info)
        self.place = start
        self._direction_pin, self._home_pin, self._turn, self._width = direction_pin, home_pin, turn, width
        self._show()

    def _change_state(self, value: float) -> bool:
        rising = bool(value) and not self._state
        changed = bool(super()._change_state(value))
        if rising and hasattr(self, "place"):
            self.place += 1 if self._direction_pin.state else -1
            self._show()
        return changed

    def _show(self) -> None:
        if self._home_pin.function != "input":
            return
        if self.place % self._turn < self._width:
            self._home_pin.drive_low()
        else:
            self._home_pin.drive_high()
