"""Settings of the things that move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.config.base import Ms, Name, Pin, PulseUs, Settings, Steps, TravelMs

HARDWARE_PWM_PINS = (12, 13, 18, 19)


class ActuatorBase(Settings):
    """What every actuator has."""

    name: Name = Field(description="how bins refer to it")
    max_on_ms: Ms = Field(default=2000.0, le=60_000, description="it is released after this time whatever happens, ms")
    lead_ms: TravelMs = Field(default=0.0, description="from command to position reached, ms; calibration measures it")
    return_ms: TravelMs = Field(default=0.0, description="from release to safe position reached, ms")


class Digital(ActuatorBase):
    """An on/off output: solenoid, relay, air valve."""

    type: Literal["digital"] = Field(description="which kind of actuator")
    pin: Pin = Field(description="GPIO (BCM) number")
    active_high: bool = Field(default=True, description="false for relay boards that switch on at a low level")

    def pins(self) -> dict[str, int]:
        return {"pin": self.pin}


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

    def pins(self) -> dict[str, int]:
        return {"pin": self.pin}

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

    def pins(self) -> dict[str, int]:
        named = {
            "step_pin": self.step_pin,
            "direction_pin": self.direction_pin,
            "enable_pin": self.enable_pin,
            "home_pin": self.home_pin,
        }
        return {key: pin for key, pin in named.items() if pin is not None}


ActuatorSettings = Annotated[Digital | Servo | Stepper, Field(discriminator="type")]
