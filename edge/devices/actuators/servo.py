"""Hobby servos: one pulse width per position, no pulses at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.clock import ms
from edge.config.actuators import Servo
from edge.devices.gpio.pins import SERVO_HZ, Pins, refusing
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.interfaces import Clock

MICROSECONDS_PER_PERIOD = 1_000_000 / SERVO_HZ
# How long a servo is driven to its safe position where `return_ms` is not known: 90 degrees of a slow one.
TRAVEL_MS = 600.0


def limited(settings: Servo, width_us: int) -> int:
    """Return the pulse width that a servo may get in the place of the one that is wanted; 0, no pulses, is always allowed."""
    return width_us and min(settings.max_us, max(settings.min_us, width_us))


class ServoActuator:
    """Its very first pulse is that of the safe position: never the middle, and no move if it rests there.

    Once back it gets no more pulses, unless `hold` is set: pulses drawn by software jitter, and a held servo
    hums, heats and wears. Whatever its settings say, no pulse leaves `min_us` to `max_us`.
    """

    def __init__(self, settings: Servo, pins: Pins, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._travel_ns = ms(settings.return_ms or TRAVEL_MS)
        self._rests_at: int | None = None
        self._width_us = 0
        with refusing(self._who()):
            self._pin = pins.servo_pin(settings.pin, settings.hardware_pwm)
            self._pin.output_with_state(0)
            self._pin.frequency = SERVO_HZ
        self._go_safe()

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def positions(self) -> tuple[str, ...]:
        return tuple(self._settings.positions_us)

    def fire(self, position: str) -> None:
        width = self._settings.positions_us.get(position)
        if width is None:
            raise ValueError(f"{self.name} has no position {position!r}; it has {', '.join(self.positions)}")
        self._rests_at = None
        self._pulse(width)

    def release(self) -> None:
        if self._width_us not in (0, self._settings.safe_us):
            self._go_safe()

    def next_at(self) -> int | None:
        """Return when `run_due` has something to do, in nanoseconds of the clock; None: nothing until it is fired."""
        return self._rests_at

    def run_due(self, now: int) -> None:
        """Stop the pulses once the servo is back."""
        if self._rests_at is not None and now >= self._rests_at:
            self._rests_at = None
            if not self._settings.hold:
                self._pulse(0)

    def close(self) -> None:
        """Go back, wait until it is there (well under a second), and leave the line low without pulses."""
        if self._pin.frequency is None:
            return
        self.release()
        if self._rests_at is not None:
            self._clock.sleep_until(self._rests_at)
            self._rests_at = None
        self._pulse(0)
        with refusing(self._who()):
            self._pin.frequency = None

    def _go_safe(self) -> None:
        self._pulse(self._settings.safe_us)
        self._rests_at = self._clock.now() + self._travel_ns

    def _pulse(self, width_us: int) -> None:
        if self._pin.frequency is None:
            raise ActuatorError(f"{self._who()} is closed")
        self._width_us = width_us  # before the write: after a refused one the servo may be anywhere
        with refusing(self._who()):
            self._pin.state = limited(self._settings, width_us) / MICROSECONDS_PER_PERIOD

    def _who(self) -> str:
        return f"{self._settings.name}: GPIO {self._settings.pin}"
