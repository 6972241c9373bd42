"""What moves: actuators on GPIO pins, and the schedule that fires them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Station
    from edge.config.actuators import ActuatorSettings
    from edge.devices.gpio.pins import Pins
    from edge.interfaces import Actuator, Clock


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
    if settings.type == "digital":
        from edge.devices.actuators.digital import DigitalActuator

        return DigitalActuator(settings, pins)
    if settings.type == "servo":
        from edge.devices.actuators.servo import ServoActuator

        return ServoActuator(settings, pins, clock)
    from edge.devices.actuators.stepper import StepperActuator

    return StepperActuator(settings, pins, clock)
