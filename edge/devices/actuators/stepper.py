"""Stepper motors behind a step/direction driver: carousels and turntables."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.clock import NS_PER_S
from edge.devices.actuators.actuator_type import ActuatorType, MovingPart, PinState, SafeOutput, Sense, WrittenEntry
from edge.devices.actuators.ramp import Ramp
from edge.devices.gpio.pins import Pin, Pins, open_output, refusing
from edge.errors import ActuatorError

if TYPE_CHECKING:
    from edge.config.actuators import Stepper
    from edge.interfaces import Clock

log = logging.getLogger(__name__)

# Homing goes slowly, so that the switch is met at the same step every time.
HOMING_SHARE = 0.25
# A home switch that is still closed after this share of a turn is stuck or bridged.
SWITCH_SHARE = 0.25
_SAFE_LEVELS = {"step_pin": False, "direction_pin": False, "enable_pin": True}
_UNKNOWN_START = 7  # of a simulated one: steps from home at power-on, where a switch can find home


class StepperActuator:
    """Steps when the actuation thread says so: `next_at` is the instant of the next step, `run_due` makes it.

    A step that comes late delays the ones after it; none is ever made up for in a burst, which would lose it. The time to
    the next one counts from when it was made, not from when it was due: a thread that is put aside between the two would
    else be followed by a step too soon.
    With a home switch its place is proven each time it comes home, so that lost steps never add up.
    """

    def __init__(self, settings: Stepper, pins: Pins, clock: Clock) -> None:
        """Claim the pins and, where there is a switch, go home (blocking, at most a turn and a quarter).

        Raises:
            ActuatorError: a pin refused, or the switch never closed or never opened.
        """
        self._settings, self._clock = settings, clock
        self._step = open_output(pins, settings.step_pin, False, settings.name)
        self._direction = open_output(pins, settings.direction_pin, False, settings.name)
        self._enable: Pin | None = None
        if settings.enable_pin is not None:
            # Claimed switched off, so that its pull resistor holds it so when the process is gone.
            self._enable = open_output(pins, settings.enable_pin, True, settings.name)
            with refusing(settings.name):
                self._enable.state = False
        self._switch: Pin | None = None
        if settings.home_pin is not None:
            with refusing(f"{settings.name}: GPIO {settings.home_pin}"):
                self._switch = pins.pin(settings.home_pin)
                self._switch.input_with_pull("up")
        self._ramp = Ramp(settings.steps_per_s, settings.acceleration_steps_per_s2)
        self._homing_ns = round(NS_PER_S / (settings.steps_per_s * HOMING_SHARE))
        self._position = self._target = 0
        self._next_at: int | None = None
        self._seeking = 0
        self._lost = False
        self._closed = False
        if self._switch is not None:
            self._home()

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def positions(self) -> tuple[str, ...]:
        return tuple(self._settings.positions_steps)

    @property
    def position(self) -> int:
        """Steps from home, counted; 0 up to a full turn once it stands still."""
        return self._position

    def fire(self, position: str) -> None:
        if position not in self._settings.positions_steps:
            raise ValueError(f"{self.name} has no position {position!r}; it has {', '.join(self.positions)}")
        if self._closed:
            raise ActuatorError(f"{self.name} is closed")
        if self._lost:
            raise ActuatorError(
                f"{self.name} does not know where it is: it lost its home switch or a pin; free it and restart"
            )
        self._go(self._settings.positions_steps[position])

    def turn_to(self, steps: int) -> None:
        """Start moving to a place that has no name, steps from home; returns at once."""
        if not self._closed and not self._lost:
            self._go(steps)

    def release(self) -> None:
        if not self._closed and not self._lost:
            self._go(0)

    def next_at(self) -> int | None:
        """Return when the next step is due, in nanoseconds of the clock; None: it stands still."""
        return self._next_at

    def run_due(self, now: int) -> None:
        """Make the next step if it is due; after a refused one it does not know its place and takes no more strokes."""
        if self._next_at is None or now < self._next_at:
            return
        try:
            if self._seeking:
                self._seek(now)
            else:
                self._approach(now)
        except ActuatorError:
            self._lost, self._next_at = True, None
            raise

    def close(self) -> None:
        """Go home, then switch the motor off; all its pins stay driven low, EN high."""
        if self._closed:
            return
        self.release()
        self._wait_until_still()
        self._closed = True
        with refusing(self.name):
            self._step.state = self._direction.state = False
            if self._enable is not None:
                self._enable.state = True

    # -- moving ------------------------------------------------------------------------------------------------

    def _go(self, place: int) -> None:
        """Turn to a place on the circle the short way round."""
        turn = self._settings.steps_per_turn
        target = self._position + (place - self._position + turn // 2) % turn - turn // 2
        if target == self._target and not self._seeking:
            return
        self._target = target
        if self._next_at is None:
            self._next_at = self._clock.now()

    def _approach(self, now: int) -> None:
        direction = self._ramp.step(self._target - self._position)
        if direction == 0:
            self._arrive(now)
            return
        self._make_step(direction)
        self._next_at = self._clock.now() + self._ramp.interval_ns()

    def _make_step(self, direction: int) -> None:
        with refusing(self.name):
            self._direction.state = direction > 0
            # Each write takes microseconds; drivers ask for 1 to 2 us of pulse and 0.2 us of set-up.
            self._step.state = True
            self._step.state = False
        self._position += direction

    def _arrive(self, now: int) -> None:
        self._position %= self._settings.steps_per_turn
        self._target = self._position
        self._next_at = None
        if self._position == 0 and self._switch is not None and not self._at_home():
            log.error("%s came home and the switch is open: it has lost steps and looks for home", self.name)
            self._start_seeking(now)

    # -- home --------------------------------------------------------------------------------------------------

    def _at_home(self) -> bool:
        assert self._switch is not None
        with refusing(f"{self.name}: GPIO {self._settings.home_pin}"):
            return not self._switch.state

    def _home(self) -> None:
        """Leave the switch forwards, then meet it backwards: always from the same side."""
        for _ in range(round(self._settings.steps_per_turn * SWITCH_SHARE)):
            if not self._at_home():
                break
            self._make_step(1)
            self._clock.sleep_until(self._clock.now() + self._homing_ns)
        if self._at_home():
            raise ActuatorError(
                f"{self.name}: the home switch on GPIO {self._settings.home_pin} stays closed; is it stuck or bridged?"
            )
        self._start_seeking(self._clock.now())
        self._wait_until_still()
        if self._lost:
            raise ActuatorError(
                f"{self.name}: the home switch on GPIO {self._settings.home_pin} did not close within a turn; "
                "is the motor powered and the switch connected?"
            )

    def _start_seeking(self, now: int) -> None:
        self._lost = True
        self._seeking = self._settings.steps_per_turn + round(self._settings.steps_per_turn * SWITCH_SHARE)
        self._next_at = now + self._homing_ns

    def _seek(self, now: int) -> None:
        self._make_step(-1)
        self._seeking -= 1
        self._next_at = self._clock.now() + self._homing_ns
        if self._at_home():
            self._position = self._target = self._seeking = 0
            self._lost, self._next_at = False, None
        elif not self._seeking:
            self._next_at = None

    def _wait_until_still(self) -> None:
        while self._next_at is not None:
            self._clock.sleep_until(self._next_at)
            self.run_due(self._clock.now())


def _safe(entry: WrittenEntry) -> SafeOutput:
    """Switched off where it stands."""
    return SafeOutput(entry.name, entry.levels(_SAFE_LEVELS, optional=("enable_pin",)))


class StepperDrive:
    """Counts steps; its switch closes at home."""

    def __init__(self, settings: Stepper, part: MovingPart, sense: Sense) -> None:
        self._settings = settings
        self._part, self._sense = part, sense
        self._steps = 0 if settings.home_pin is None else _UNKNOWN_START
        self._forward = True
        self._enabled = settings.enable_pin is None
        # The place the product calls 0 may be any number of whole turns away.
        self._at = {steps % settings.steps_per_turn: name for name, steps in settings.positions_steps.items()}

    @property
    def _home(self) -> bool:
        return self._steps % self._settings.steps_per_turn == 0

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        if pin == self._settings.direction_pin:
            self._forward = state.is_high
        elif pin == self._settings.enable_pin:
            self._enabled = state.level is not None and not state.is_high
        elif pin == self._settings.step_pin and state.is_high and self._enabled:
            was_home = self._home
            self._steps += 1 if self._forward else -1
            self._part.command(at, self._at.get(self._steps % self._settings.steps_per_turn))
            if self._home != was_home:
                self._sense(self._settings.home_pin, not self._home)


STEPPER = ActuatorType(StepperActuator, _safe, StepperDrive, steps_itself=True)
