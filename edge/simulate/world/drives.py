"""From the level of a pin to the movement of a simulated flap: nothing else moves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.clock import ms
from edge.config import Station
from edge.config.actuators import ActuatorSettings, Digital, Servo, Stepper
from edge.simulate.world.flap import Flap

US_PER_S = 1_000_000
_SERVO_PLAY_US = 60.0
_SERVO_STEP_US = 2.0  # less does not move it
_SERVO_STOPS = (-0.06, 1.08)  # of its way, where a servo meets its end stops
_UNKNOWN_START = 7  # steps from home at power-on, where a switch can find home


@dataclass(frozen=True, slots=True)
class PinState:
    """What a meter at the pin shows: `level` from 0 to 1 is its mean, None while nobody drives it.

    `frequency` is that of pulse-width modulation in hertz, None for a plain level.
    """

    level: float | None
    frequency: float | None = None

    @property
    def pulse_us(self) -> float:
        """Length of one pulse in microseconds; 0 where there are none."""
        return 0.0 if not self.frequency or not self.level else self.level / self.frequency * US_PER_S


class Drive(Protocol):
    """The motor between pins and flap."""

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        """Take a new state of one of its pins over."""
        ...


class DigitalDrive:
    """A magnet or a valve: on is out, off or floating is back."""

    def __init__(self, settings: Digital, flap: Flap) -> None:
        self._active_high = settings.active_high
        self._flap = flap

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        on = state.level is not None and (state.level > 0.5) == self._active_high
        self._flap.command(at, "" if on else None)


class ServoDrive:
    """Goes where the pulses say, up to its end stops a little beyond its positions; without pulses it stays where it is."""

    def __init__(self, settings: Servo, flap: Flap) -> None:
        self._safe_us = settings.safe_us
        self._positions = settings.positions_us
        self._flap = flap

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        if state.pulse_us <= 0:
            return
        off = state.pulse_us - self._safe_us
        if abs(off) <= _SERVO_STEP_US:
            self._flap.command(at, None)
        elif len(self._positions) == 1:
            ((name, width),) = self._positions.items()
            low, high = _SERVO_STOPS
            self._flap.command(at, name, min(high, max(low, off / (width - self._safe_us))))
        else:  # between several positions it shows none
            widths: dict[str | None, int] = dict(self._positions) | {None: self._safe_us}
            nearest = min(widths, key=lambda name: abs(widths[name] - state.pulse_us))
            if abs(widths[nearest] - state.pulse_us) <= _SERVO_PLAY_US:
                self._flap.command(at, nearest)


class StepperDrive:
    """Counts steps; its switch closes at home.

    `on_home` is called when the switch closes (True) or opens (False).
    """

    def __init__(self, settings: Stepper, flap: Flap) -> None:
        self._settings = settings
        self._flap = flap
        self._steps = 0 if settings.home_pin is None else _UNKNOWN_START
        self._forward = True
        self._enabled = settings.enable_pin is None
        self.on_home: Callable[[bool], None] = lambda home: None
        # The place the product calls 0 may be any number of whole turns away.
        self._at = {steps % settings.steps_per_turn: name for name, steps in settings.positions_steps.items()}

    @property
    def home(self) -> bool:
        return self._steps % self._settings.steps_per_turn == 0

    def on_pin(self, pin: int, state: PinState, at: int) -> None:
        high = state.level is not None and state.level > 0.5
        if pin == self._settings.direction_pin:
            self._forward = high
        elif pin == self._settings.enable_pin:
            self._enabled = state.level is not None and not high
        elif pin == self._settings.step_pin and high and self._enabled:
            was_home = self.home
            self._steps += 1 if self._forward else -1
            self._flap.command(at, self._at.get(self._steps % self._settings.steps_per_turn))
            if self.home != was_home:
                self.on_home(self.home)


def build_drive(settings: ActuatorSettings, flap: Flap) -> Drive:
    """Return what moves the flap of one actuator."""
    if isinstance(settings, Digital):
        return DigitalDrive(settings, flap)
    if isinstance(settings, Servo):
        return ServoDrive(settings, flap)
    return StepperDrive(settings, flap)


def build_flap(settings: ActuatorSettings, start: int) -> Flap:
    """Return the moving part of one actuator; a stepper's own steps take the time that its way takes."""
    if isinstance(settings, Stepper):
        return Flap(start, settings.positions_steps, 0, 0)
    positions = list(settings.positions_us) if isinstance(settings, Servo) else [""]
    return Flap(start, positions, ms(settings.lead_ms), ms(settings.return_ms))


def resting_inputs(station: Station) -> dict[int, bool]:
    """Every input is high while nothing is there, unless the station says otherwise; the emergency stop's chain is closed."""
    pins = [station.safety.estop_pin, station.safety.reset_pin, station.safety.jam_pin, station.sensing.beam_pin]
    pins += [pin for where in station.bins for pin in (where.full_pin, where.exit_pin)]
    pins += [a.pins().get("home_pin") for a in station.actuators]
    levels = {pin: True for pin in pins if pin is not None}
    levels |= {pin: station.input(name).active_low for name, pin in station.input_pins().items()}
    if station.belt is not None and station.belt.encoder is not None:
        levels |= {station.belt.encoder.pin_a: False, station.belt.encoder.pin_b: False}
    return levels
