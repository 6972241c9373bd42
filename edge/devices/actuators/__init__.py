"""What moves: actuators on GPIO pins, and the schedule that fires them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge.devices.actuators.actuator_type import ActuatorType
from edge.devices.actuators.digital import DIGITAL
from edge.devices.actuators.servo import SERVO
from edge.devices.actuators.stepper import STEPPER

if TYPE_CHECKING:
    from edge.config import Station
    from edge.config.actuators import ActuatorSettings
    from edge.devices.gpio.pins import Pins
    from edge.interfaces import Actuator, Clock

# By the `type` of its settings.
ACTUATOR_TYPES: Mapping[str, ActuatorType[Any]] = {
    "digital": DIGITAL,
    "servo": SERVO,
    "stepper": STEPPER,
}


def open_actuators(station: Station, pins: Pins, clock: Clock) -> dict[str, Actuator]:
    """Open all actuators of a station, each in its safe position; those already open are closed if one fails.

    Raises:
        ActuatorError: a pin refused, or a stepper did not find its home.
    """
    opened: dict[str, Actuator] = {}
    try:
        for settings in station.actuators:
            opened[settings.name] = open_actuator(settings, pins, clock)
    except BaseException:
        for actuator in opened.values():
            actuator.close()
        raise
    return opened


def open_actuator(settings: ActuatorSettings, pins: Pins, clock: Clock) -> Actuator:
    """Open one actuator in its safe position."""
    return ACTUATOR_TYPES[settings.type].open(settings, pins, clock)
