"""gpiozero's lgpio pins on a real Pi, without the three habits that are not fail-safe.

- LGPIOPin claims every pin as a floating input first and as a low output then: a relay board that switches
  on at a low level would click. Here a pin is claimed once, at its level, with the Pi's own pull resistor set
  towards that level.
- LGPIOPin.close() makes the pin a floating input. Here the line stays claimed and driven until the process
  ends. What the kernel does then: Raspberry Pi's kernels leave the output as it is; others, and a Pi with
  `dtparam=strict_gpiod`, make it an input, which the pull resistor holds at the level it was opened with.
- LGPIOPin rounds a duty cycle to whole percents, which are 200 microseconds of a servo's 20 milliseconds.

lgpio's own way to end servo pulses, a width of 0, stops its thread wherever it is: in the middle of a pulse the line
stays high. Here one more whole pulse is asked for, after which lgpio writes the low level itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import lgpio
from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin
from gpiozero.pins.local import LocalPiPin

from edge.clock import SystemClock, ms
from edge.devices.gpio.sysfs_pwm import SysfsPwmPin
from edge.interfaces import Clock

MICROSECONDS_PER_S = 1_000_000
# The pulse that is under way, the last one, and lgpio's thread coming round again; 20 ms each.
LAST_PULSE_MS = 100.0
LOOK_MS = 2.0


class DrivenPin(LGPIOPin):  # type: ignore[misc]  # gpiozero has no types
    """A pin that is driven from the moment it is claimed until the process ends."""

    def __init__(self, factory: Any, info: Any) -> None:
        LocalPiPin.__init__(self, factory, info)
        self._pwm: tuple[float, float] | None = None
        self._bounce = None
        self._callback = None
        self._edges = lgpio.BOTH_EDGES

    def close(self) -> None:
        """Stop listening; an output stays as it is."""
        self.when_changed = None

    def output_with_state(self, state: float) -> None:
        pull = lgpio.SET_PULL_UP if state else lgpio.SET_PULL_DOWN
        lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)), pull)

    def _get_state(self) -> float:
        return self._pwm[1] if self._pwm else float(lgpio.gpio_read(self.factory._handle, self._number))

    def _set_state(self, value: float) -> None:
        if self._pwm is None:
            lgpio.gpio_write(self.factory._handle, self._number, int(bool(value)))
            return
        frequency, before = self._pwm
        if value:
            self._send(value, frequency)
        elif before:  # where no pulses run, lgpio refuses a width of 0
            self._send(before, frequency, cycles=1)
        # After the call: pulses that could not be ended are there to be ended again.
        self._pwm = (frequency, value)

    def _send(self, duty: float, frequency: float, cycles: int = 0) -> None:
        """Have so many pulses sent, 0: until something else is asked for; they begin when the last one has ended."""
        width = round(duty * MICROSECONDS_PER_S / frequency)
        lgpio.tx_servo(self.factory._handle, self._number, width, round(frequency), 0, cycles)

    def _get_frequency(self) -> float | None:
        return self._pwm[0] if self._pwm else None

    def _set_frequency(self, value: float | None) -> None:
        if value:
            self._pwm = (value, 0.0)
        elif self._pwm:
            self._set_state(0.0)
            self._await_last_pulse()
            self._pwm = None
            lgpio.gpio_write(self.factory._handle, self._number, 0)

    def _await_last_pulse(self) -> None:
        """Wait until no pulse is under way: the process may end next, and its lines stay as they are."""
        clock: Clock = self.factory.clock
        give_up_at = clock.now() + ms(LAST_PULSE_MS)
        while lgpio.tx_busy(self.factory._handle, self._number, lgpio.TX_PWM):
            if clock.now() >= give_up_at:
                with suppress(lgpio.error):  # they ended in this very moment
                    lgpio.tx_servo(self.factory._handle, self._number, 0)
                return
            clock.sleep_until(clock.now() + ms(LOOK_MS))


class DrivenPins(LGPIOFactory):  # type: ignore[misc]
    """The Pi's GPIO chip; explicit, never gpiozero's global default."""

    def __init__(self, chip: int | None = None, clock: Clock | None = None) -> None:
        super().__init__(chip)
        self.pin_class = DrivenPin
        self.clock = clock or SystemClock()

    def servo_pin(self, name: int, hardware: bool) -> Any:
        """A pin for servo pulses: from the PWM unit, or drawn by a thread of lgpio with some 50 us of jitter."""
        return SysfsPwmPin(name) if hardware else self.pin(name)

    def close(self) -> None:
        """Stop listening to inputs; the chip stays open, because closing it would let go of the outputs."""
        for pin in self.pins.values():
            pin.close()
