"""Settings of the things that move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from edge.config.base import Ms, Name, Pin, PulseUs, Settings, Steps, TravelMs

if TYPE_CHECKING:
    from edge.config.calibration.record import DiverterStep

HARDWARE_PWM_PINS = (12, 13, 18, 19)


class ActuatorBase(Settings):
    """What every actuator has; a type says for itself what it has besides, and what calibration may change of it."""

    name: Name = Field(description="how bins refer to it")
    max_on_ms: Ms = Field(default=2000.0, le=60_000, description="it is released after this time whatever happens, ms")
    lead_ms: TravelMs = Field(default=0.0, description="from command to position reached, ms; calibration measures it")
    return_ms: TravelMs = Field(default=0.0, description="from release to safe position reached, ms")

    @property
    def position_names(self) -> tuple[str, ...]:
        """The positions that a bin may ask for; the empty name where there is one alone."""
        return ("",)

    @property
    def measured_position(self) -> str:
        """The position whose way is timed: the farthest."""
        return self.position_names[0]

    @property
    def pwm_pin(self) -> int | None:
        """The pin that needs the PWM unit."""
        return None

    def pins(self) -> dict[str, int]:
        """Return the GPIO number of every pin in use, by its key."""
        raise NotImplementedError

    def input_pins(self) -> tuple[int, ...]:
        """Return those of them that it reads; they are low while active."""
        return ()

    def levels_on(self) -> dict[int, bool]:
        """Return the level that switches it on, for each pin whose level alone does."""
        return {}

    def adjusted(self) -> dict[str, Any]:
        """Return what a person or a measurement may have adjusted, as calibration keeps it."""
        return {}

    def unfit(self, step: DiverterStep) -> Iterator[str]:
        """Yield what can't have been measured of it, as `key = value: expected ...`."""
        yield from ()

    def overlay(self, step: DiverterStep) -> dict[str, Any]:
        """Return what was measured, as its table in the station file would have it."""
        return {"lead_ms": step.lead_ms, "return_ms": step.return_ms}


class Digital(ActuatorBase):
    """An on/off output: solenoid, relay, air valve."""

    type: Literal["digital"] = Field(description="which kind of actuator")
    pin: Pin = Field(description="GPIO (BCM) number")
    active_high: bool = Field(default=True, description="false for relay boards that switch on at a low level")

    def pins(self) -> dict[str, int]:
        return {"pin": self.pin}

    def levels_on(self) -> dict[int, bool]:
        return {self.pin: self.active_high}


class Servo(ActuatorBase):
    """A hobby servo with one pulse width per position."""

    type: Literal["servo"] = Field(description="which kind of actuator")
    pin: Pin = Field(description="GPIO (BCM) number; 12, 13, 18 and 19 have hardware PWM")
    safe_us: PulseUs = Field(description="pulse width of the safe position, microseconds")
    positions_us: dict[Name, PulseUs] = Field(
        min_length=1, description="pulse width of each named position, microseconds"
    )
    min_us: PulseUs = Field(default=1000, description="never shorter than this, microseconds")
    max_us: PulseUs = Field(default=2000, description="never longer than this, microseconds")
    hold: bool = Field(default=False, description="keep driving it in the safe position instead of letting it rest")
    hardware_pwm: bool = Field(
        default=False, description="pulses from the PWM unit (pins 12, 13, 18, 19; needs dtoverlay=pwm), free of jitter"
    )

    @property
    def position_names(self) -> tuple[str, ...]:
        return tuple(self.positions_us)

    @property
    def measured_position(self) -> str:
        return max(self.positions_us, key=lambda name: abs(self.positions_us[name] - self.safe_us))

    @property
    def pwm_pin(self) -> int | None:
        return self.pin if self.hardware_pwm else None

    def pins(self) -> dict[str, int]:
        return {"pin": self.pin}

    def adjusted(self) -> dict[str, Any]:
        return {"safe_us": self.safe_us, "positions_us": self.positions_us}

    def unfit(self, step: DiverterStep) -> Iterator[str]:
        for name, value in (("min_us", step.min_us), ("max_us", step.max_us)):
            if value is not None and not self.min_us <= value <= self.max_us:
                yield f"{name} = {value}: expected {self.min_us} to {self.max_us}, the station file's limits"
        low, high = self._limits(step)
        widths = {} if step.safe_us is None else {"safe_us": step.safe_us}
        for name, width in (widths | {f"positions_us.{at}": width for at, width in step.positions_us.items()}).items():
            if not low <= width <= high:
                yield f"{name} = {width}: expected {low} to {high} (min_us to max_us)"

    def overlay(self, step: DiverterStep) -> dict[str, Any]:
        low, high = self._limits(step)
        safe_us = self.safe_us if step.safe_us is None else step.safe_us
        positions = self.positions_us | step.positions_us
        return super().overlay(step) | {"safe_us": safe_us, "positions_us": positions, "min_us": low, "max_us": high}

    def _limits(self, step: DiverterStep) -> tuple[int, int]:
        """Return the shortest and the longest pulse: measuring narrows what is written and never widens it."""
        return max(self.min_us, step.min_us or 0), min(self.max_us, step.max_us or self.max_us)

    @model_validator(mode="after")
    def _within_limits(self) -> Servo:
        if self.hardware_pwm and self.pin not in HARDWARE_PWM_PINS:
            allowed = ", ".join(map(str, HARDWARE_PWM_PINS))
            raise ValueError(f"hardware_pwm works on pins {allowed} only, not on {self.pin}")
        if self.min_us >= self.max_us:
            raise ValueError(f"min_us ({self.min_us}) must be less than max_us ({self.max_us})")
        for name, width in {"safe": self.safe_us, **self.positions_us}.items():
            if not self.min_us <= width <= self.max_us:
                raise ValueError(f"position {name!r} is {width} us; expected {self.min_us} to {self.max_us}")
        return self


class Stepper(ActuatorBase):
    """A stepper motor behind a step/direction driver; it homes on a switch when opened."""

    type: Literal["stepper"] = Field(description="which kind of actuator")
    step_pin: Pin = Field(description="GPIO (BCM) number of the driver's STEP input")
    direction_pin: Pin = Field(description="GPIO (BCM) number of the driver's DIR input")
    enable_pin: Pin | None = Field(default=None, description="GPIO (BCM) number of the driver's EN input (low is on)")
    home_pin: Pin | None = Field(default=None, description="GPIO (BCM) number of the home switch (closed pulls low)")
    steps_per_s: float = Field(default=400.0, gt=0, le=5000, description="speed, steps per second")
    acceleration_steps_per_s2: float = Field(
        default=4000.0, gt=0, le=1e6, description="how fast it gets to its speed and stops, steps per second squared"
    )
    steps_per_turn: int = Field(
        default=200, ge=1, le=100_000, description="steps of a full turn; 0 and this are one place"
    )
    positions_steps: dict[Name, Steps] = Field(min_length=1, description="steps from home of each named position")

    @property
    def position_names(self) -> tuple[str, ...]:
        return tuple(self.positions_steps)

    def pins(self) -> dict[str, int]:
        named = {
            "step_pin": self.step_pin,
            "direction_pin": self.direction_pin,
            "enable_pin": self.enable_pin,
            "home_pin": self.home_pin,
        }
        return {key: pin for key, pin in named.items() if pin is not None}

    def input_pins(self) -> tuple[int, ...]:
        return () if self.home_pin is None else (self.home_pin,)

    def adjusted(self) -> dict[str, Any]:
        return {"positions_steps": self.positions_steps}

    def overlay(self, step: DiverterStep) -> dict[str, Any]:
        return super().overlay(step) | {"positions_steps": self.positions_steps | step.positions_steps}


ActuatorSettings = Annotated[Digital | Servo | Stepper, Field(discriminator="type")]
