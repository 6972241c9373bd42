"""Hobby servos: one pulse width per position, no pulses at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.clock import ms
from edge.devices.actuators.actuator_type import (
    ActuatorType,
    MovingPart,
    PinState,
    SafeOutput,
    Sense,
    WrittenEntry,
    is_pulse,
)
from edge.devices.gpio.pins import SERVO_HZ, Pins, refusing
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.config.actuators import Servo
    from edge.interfaces import Clock

MICROSECONDS_PER_PERIOD = 1_000_000 / SERVO_HZ
# How long a servo is driven to its safe position where `return_ms` is not known: 90 degrees of a slow one.
TRAVEL_MS = 600.0
# Of a servo whose file says nothing else.
LIMITS_US = {"min_us": 1000, "max_us": 2000}
# Of a simulated one: play between positions, what is too little to move it, and where of its way it meets its end stops.
_PLAY_US, _STEP_US, _STOPS = 60.0, 2.0, (-0.06, 1.08)


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


def _safe(entry: WrittenEntry) -> SafeOutput | None:
    """Driven to its safe position; where that can't be read it gets no pulses, and stays where it is."""
    safe_us = entry.table.get("safe_us")
    if not is_pulse(safe_us):
        entry.problems.append(f"safe_us = {safe_us!r}; expected 500 to 2500: it gets no pulses")
    pin = entry.pin("pin")
    if pin is None:
        return None
    if not is_pulse(safe_us):
        return SafeOutput(entry.name, {pin: False})
    return SafeOutput(entry.name, {}, pin, _safe_pulse(entry), entry.table.get("hardware_pwm") is True)


def _safe_pulse(entry: WrittenEntry) -> int:
    """Return the safe position that was measured, else the written one, within the limits; measuring only narrows them."""
    measured = {key: width for key, width in entry.measured.items() if is_pulse(width)}
    written = {key: width for key, width in entry.table.items() if is_pulse(width)}
    low, high = (written.get(key, usual) for key, usual in LIMITS_US.items())
    narrow_low, narrow_high = max(low, measured.get("min_us", 0)), min(high, measured.get("max_us", high))
    if narrow_low < narrow_high:
        low, high = narrow_low, narrow_high
    return min(high, max(low, measured.get("safe_us", written["safe_us"])))


class ServoDrive:
    """Goes where the pulses say, up to its end stops a little beyond its positions; without pulses it stays where it is."""

    def __init__(self, settings: Servo, part: MovingPart, sense: Sense) -> None:
        self._safe_us = settings.safe_us
        self._positions = settings.positions_us
        self._part = part

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        if state.pulse_us <= 0:
            return
        off = state.pulse_us - self._safe_us
        if abs(off) <= _STEP_US:
            self._part.command(at, None)
        elif len(self._positions) == 1:
            ((name, width),) = self._positions.items()
            low, high = _STOPS
            self._part.command(at, name, min(high, max(low, off / (width - self._safe_us))))
        else:  # between several positions it shows none
            widths: dict[str | None, int] = dict(self._positions) | {None: self._safe_us}
            nearest = min(widths, key=lambda name: abs(widths[name] - state.pulse_us))
            if abs(widths[nearest] - state.pulse_us) <= _PLAY_US:
                self._part.command(at, nearest)


SERVO = ActuatorType(ServoActuator, _safe, ServoDrive, turns_plate=True)
