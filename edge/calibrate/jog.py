"""Finding a servo's positions by hand: arrow keys move it in small steps, within its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge.actuate.pins import SERVO_HZ, Pins, refusing
from edge.actuate.servo import MICROSECONDS_PER_PERIOD
from edge.config.actuators import Servo
from edge.errors import CalibrationError

SMALL_US, LARGE_US = 5, 50
KEYS: Final = {"\x1b[D": -SMALL_US, "\x1b[C": SMALL_US, "\x1b[B": -LARGE_US, "\x1b[A": LARGE_US}
ENTER, QUIT = ("\r", "\n"), ("q", "\x1b")
HELP: Final = (
    f"left/right: {SMALL_US} us, down/up: {LARGE_US} us; Enter: this is it; q: leave it as it was. "
    "Back off a little as soon as it hums: a servo that is held against a stop burns."
)


@dataclass
class Jog:
    """One servo under the arrow keys; pulses never leave `min_us` to `max_us`, and end when it is closed."""

    settings: Servo
    pins: Pins
    width_us: int = 0

    def __post_init__(self) -> None:
        self.width_us = self.settings.safe_us
        with refusing(self._who()):
            self._pin = self.pins.servo_pin(self.settings.pin, self.settings.hardware_pwm)
            self._pin.output_with_state(0)
            self._pin.frequency = SERVO_HZ
        self._pulse()

    def move(self, step_us: int) -> bool:
        """Move by a step; False at a limit, where it stays."""
        wanted = self.width_us + step_us
        allowed = min(self.settings.max_us, max(self.settings.min_us, wanted))
        self.width_us = allowed
        self._pulse()
        return allowed == wanted

    def go(self, width_us: int) -> None:
        """Move to a pulse width within the limits."""
        self.move(width_us - self.width_us)

    def close(self) -> None:
        """End the pulses and leave the line low; it must have had the time to get where it was sent."""
        with refusing(self._who()):
            self._pin.state = 0
            self._pin.frequency = None

    def _pulse(self) -> None:
        with refusing(self._who()):
            self._pin.state = self.width_us / MICROSECONDS_PER_PERIOD

    def _who(self) -> str:
        return f"{self.settings.name}: GPIO {self.settings.pin}"


def find_positions(jog: Jog, read_key: Callable[[], str], say: Callable[[str], None]) -> tuple[int, dict[str, int]]:
    """Let a person set the safe position and every named one; return their pulse widths, microseconds.

    Raises:
        CalibrationError: the person left before all of them were set.
    """
    settings = jog.settings
    say(HELP)
    safe_us = _find(jog, "safe", settings.safe_us, read_key, say)
    positions = {name: _find(jog, name, width, read_key, say) for name, width in settings.positions_us.items()}
    return safe_us, positions


def _find(jog: Jog, name: str, start_us: int, read_key: Callable[[], str], say: Callable[[str], None]) -> int:
    jog.go(start_us)
    say(f"position {name}: {jog.width_us} us")
    while True:
        key = read_key()
        if key in ENTER:
            return jog.width_us
        if key in QUIT:
            raise CalibrationError(f"{jog.settings.name}: left at position {name}; nothing was changed")
        if key in KEYS:
            within = jog.move(KEYS[key])
            limit = "" if within else f" (limit: {jog.settings.min_us} to {jog.settings.max_us} us)"
            say(f"position {name}: {jog.width_us} us{limit}")
