"""Moving an actuator by hand with the arrow keys: a servo or a stepper to its positions, a valve on and off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from edge.clock import ms
from edge.config.actuators import ActuatorSettings, Servo, Stepper
from edge.devices.actuators.servo import MICROSECONDS_PER_PERIOD, limited
from edge.devices.actuators.stepper import StepperActuator
from edge.devices.gpio.pins import SERVO_HZ, Pins, refusing
from edge.errors import CalibrationError
from edge.tools.calibrate.operator.operator import NOBODY, Operator
from edge.tools.calibrate.rig import MeasurementRig

SMALL_US, LARGE_US = 5, 50
SMALL_STEPS, LARGE_STEPS = 1, 10
LEFT, RIGHT, DOWN, UP = "\x1b[D", "\x1b[C", "\x1b[B", "\x1b[A"
KEYS: Final = {LEFT: -SMALL_US, RIGHT: SMALL_US, DOWN: -LARGE_US, UP: LARGE_US}
STEP_KEYS: Final = {LEFT: -SMALL_STEPS, RIGHT: SMALL_STEPS, DOWN: -LARGE_STEPS, UP: LARGE_STEPS}
ENTER, QUIT = ("\r", "\n"), ("q", "\x1b")
HELP: Final = (
    f"left/right: {SMALL_US} us, down/up: {LARGE_US} us; Enter: this is it; q: leave this position as it was. "
    "Back off a little as soon as it hums: a servo that is held against a stop burns."
)

STEP_HELP: Final = f"left/right: {SMALL_STEPS} step, down/up: {LARGE_STEPS} steps; Enter: this is it; q: leave this position as it was."
SWITCH_HELP: Final = "up: on, down: off; Enter: it works; q: leave it. It goes off by itself after max_on_ms."
TURN_S: Final = 0.02
# A servo is back by then.
REST_S: Final = 0.9


@dataclass
class Jog:
    """One servo under the arrow keys; pulses never leave `min_us` to `max_us`, and end when it is closed."""

    settings: Servo
    pins: Pins
    width_us: int = 0

    def __post_init__(self) -> None:
        self.width_us = limited(self.settings, self.settings.safe_us)
        with refusing(self._who()):
            self._pin = self.pins.servo_pin(self.settings.pin, self.settings.hardware_pwm)
            self._pin.output_with_state(0)
            self._pin.frequency = SERVO_HZ
        self._pulse()

    def move(self, step_us: int) -> bool:
        """Move by a step; False at a limit, where it stays."""
        wanted = self.width_us + step_us
        allowed = limited(self.settings, wanted)
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
    """Let a person set the safe position and every named one; return their pulse widths, microseconds."""
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
            jog.go(start_us)
            say(f"position {name}: {jog.width_us} us, as it was")
            return start_us
        if key in KEYS:
            within = jog.move(KEYS[key])
            limit = "" if within else f" (limit: {jog.settings.min_us} to {jog.settings.max_us} us)"
            say(f"position {name}: {jog.width_us} us{limit}")


def jog_servo(rig: MeasurementRig, operator: Operator, settings: Servo) -> Servo:
    """Let a person set its positions; one that the person leaves stays as it was."""
    jog = Jog(settings, rig.pins)
    try:
        safe_us, positions = find_positions(jog, operator.key, operator.say)
        jog.go(safe_us)
    except BaseException:
        jog.go(settings.safe_us)
        raise
    finally:
        try:
            rig.wait(REST_S)
        finally:
            jog.close()
    return settings.with_values(safe_us=safe_us, positions_us=positions)


def jog_stepper(rig: MeasurementRig, operator: Operator, settings: Stepper) -> Stepper:
    """Let a person set its positions, a few steps at a time; it is at home first, and goes back there."""
    operator.say(STEP_HELP)
    actuator = StepperActuator(settings, rig.pins, rig.clock)
    try:
        found = {}
        for name, steps in settings.positions_steps.items():
            place = steps
            while True:
                actuator.turn_to(place)
                while (at := actuator.next_at()) is not None:
                    rig.wait_until(at)
                    actuator.run_due(rig.clock.now())
                operator.say(f"position {name}: {place} steps from home")
                key = operator.key()
                if key in ENTER:
                    break
                if key in QUIT:
                    place = steps
                    operator.say(f"position {name}: {place} steps from home, as it was")
                    break
                place = (place + STEP_KEYS.get(key, 0)) % settings.steps_per_turn
            found[name] = place
    finally:
        actuator.close()
    return settings.with_values(positions_steps=found)


def jog_switch(rig: MeasurementRig, operator: Operator, settings: ActuatorSettings) -> ActuatorSettings:
    """Fire it, its positions in turn, and let it go back; on for no longer than it may be. Nothing is changed."""
    if not operator.is_there:
        raise CalibrationError(NOBODY)
    operator.say(SWITCH_HELP)
    actuator = rig.actuator(settings.name)
    turn = cycle(settings.position_names)
    off_at: int | None = None
    try:
        with operator.keys() as poll:
            while (key := poll()) not in ENTER:
                now = rig.clock.now()
                if key in QUIT:
                    break
                if key == UP:
                    position = next(turn)
                    operator.say(f"{settings.name}: {position or 'on'}")  # before: a terminal may be slow to take it
                    if off_at is not None and len(settings.position_names) > 1:
                        actuator.release()
                    actuator.fire(position)
                    off_at = rig.clock.now() + ms(settings.max_on_ms)
                elif off_at is not None and (key == DOWN or now >= off_at):
                    actuator.release()
                    off_at = None
                    operator.say(f"{settings.name}: off")
                rig.wait(TURN_S)
    finally:
        rig.close_actuators()
    return settings
