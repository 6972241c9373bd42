"""Servo pulses from the Pi's PWM unit through /sys/class/pwm: no jitter, whatever the processor does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import NS_PER_S, SystemClock, ms
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.interfaces import Clock

# The unit behind the header's pins: at offset 20c000 on a Pi 0 to 4, at 98000 in the RP1 of a Pi 5. The Pi 5's
# other unit turns the fan.
_UNIT = re.compile(r"(20c|98)000\.pwm$")
_CHANNELS = {2: {12: 0, 13: 1, 18: 0, 19: 1}, 4: {12: 0, 13: 1, 18: 2, 19: 3}}  # by number of channels
# udev gives a channel's files to the group gpio only after the kernel has made them.
WAIT_FOR_UDEV_MS = 1000.0


def find_pwm_unit(number: int, root: Path = Path("/sys/class/pwm")) -> Path:
    """Return the folder of the PWM unit behind the header's pins.

    Raises:
        ActuatorError: it is not switched on; the message has the line that does it for GPIO `number`.
    """
    for chip in sorted(root.glob("pwmchip*")):
        if _UNIT.search((chip / "device").resolve().name):
            return chip
    # The PWM unit is alternate function 0 of GPIO 12 and 13 (4 in the overlay's numbering), 5 of 18 and 19 (2).
    overlay = f"dtoverlay=pwm,pin={number},func={4 if number < 18 else 2}"
    raise ActuatorError(
        f"GPIO {number}: hardware_pwm is set, but the PWM unit is off; add the line `{overlay}` "
        "(pwm-2chan for two servos) to /boot/firmware/config.txt and restart the Pi"
    )


class SysfsPwmPin:
    """Looks like a gpiozero pin with PWM. The unit goes on pulsing when the process dies: see `sorter safe`."""

    def __init__(self, number: int, root: Path = Path("/sys/class/pwm"), clock: Clock | None = None) -> None:
        """Take the channel of a GPIO.

        Raises:
            ActuatorError: the PWM unit is not switched on, or may not be used.
        """
        self._number = number
        self._clock = clock or SystemClock()
        self._frequency: float | None = None
        self._duty = 0.0
        chip = find_pwm_unit(number, root)
        channel = _CHANNELS[int((chip / "npwm").read_text("ascii"))][number]
        self._folder = chip / f"pwm{channel}"
        if not self._folder.is_dir():
            self._write(chip / "export", str(channel))

    @property
    def when_changed(self) -> Callable[[float, bool], None] | None:
        """Nobody: it is an output, whose level nothing else changes."""
        return None

    @when_changed.setter
    def when_changed(self, listener: Callable[[float, bool], None] | None) -> None:
        """Tell nobody."""

    @property
    def state(self) -> float:
        return self._duty

    @state.setter
    def state(self, duty: float) -> None:
        """Set the share of the period that the level is high, 0 to 1."""
        if self._frequency is None:
            raise OSError(f"GPIO {self._number} has no frequency yet")
        self._duty = duty
        self._put("duty_cycle", round(duty * NS_PER_S / self._frequency))
        self._put("enable", 1)

    @property
    def frequency(self) -> float | None:
        return self._frequency

    @frequency.setter
    def frequency(self, hertz: float | None) -> None:
        self._put("duty_cycle", 0)  # the kernel refuses a period shorter than the duty cycle
        self._duty = 0.0
        if hertz is None and self._frequency is not None:
            self._put("enable", 0)
        elif hertz is not None:
            self._put("period", round(NS_PER_S / hertz))
        self._frequency = hertz

    def output_with_state(self, state: float) -> None:
        """Stop pulsing; the line is low then."""
        self._put("duty_cycle", 0)

    def input_with_pull(self, pull: str) -> None:
        raise OSError(f"GPIO {self._number} belongs to the PWM unit and can't be an input")

    def _put(self, name: str, value: int) -> None:
        self._write(self._folder / name, str(value))

    def _write(self, path: Path, text: str) -> None:
        give_up_at = self._clock.now() + ms(WAIT_FOR_UDEV_MS)
        while True:
            try:
                path.write_text(text, "ascii")
                return
            except (PermissionError, FileNotFoundError):
                if self._clock.now() >= give_up_at:
                    raise
                self._clock.sleep_until(self._clock.now() + ms(20))
