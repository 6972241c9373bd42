"""What is different for actuators of some types when they are calibrated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.config.actuators import ActuatorSettings
from edge.tools.calibrate.measure.end_stops import Limits, keep_off_stops
from edge.tools.calibrate.measure.stepper_timing import measure_steps
from edge.tools.calibrate.measure.timing import Measured
from edge.tools.calibrate.operator.jog import jog_servo, jog_stepper, jog_switch
from edge.tools.calibrate.operator.operator import Operator, Progress
from edge.tools.calibrate.rig import MeasurementRig


def _without_stops(
    rig: MeasurementRig, operator: Operator, settings: ActuatorSettings
) -> tuple[Limits | None, list[str]]:
    return None, []


@dataclass(frozen=True)
class Procedure:
    """How an actuator is moved by hand, kept off its end stops and timed; the defaults serve any that fires and releases.

    Attributes:
        jog: lets a person move it with the arrow keys; returns its settings with what was found.
        keep_off_stops: finds its end stops; returns them and what is to be said.
        measure: times it in its own way; None: the camera sees it, or the exit sensor of its bin.
    """

    jog: Callable[[MeasurementRig, Operator, Any], ActuatorSettings] = jog_switch
    keep_off_stops: Callable[[MeasurementRig, Operator, Any], tuple[Limits | None, list[str]]] = _without_stops
    measure: Callable[[MeasurementRig, Any, int | None, Progress], Measured] | None = None


# By the `type` of the settings; types that are not here have nothing to adjust.
PROCEDURES: Final[Mapping[str, Procedure]] = {
    "servo": Procedure(jog=jog_servo, keep_off_stops=keep_off_stops),
    "stepper": Procedure(jog=jog_stepper, measure=measure_steps),
}


def procedure_of(settings: ActuatorSettings) -> Procedure:
    """Return how an actuator is calibrated."""
    return PROCEDURES.get(settings.type, Procedure())


def jog_all(rig: MeasurementRig, operator: Operator, names: Iterable[str]) -> None:
    """Let a person move these actuators with the arrow keys; the station goes on with the positions that were found.

    A position that the person leaves stays as it was; those found before and after it count.
    """
    rig.close_actuators()
    for settings in [rig.station.actuator(name) for name in names]:
        operator.warn(f"{settings.name} will move. Hands off!")
        rig.replace_actuator(procedure_of(settings).jog(rig, operator, settings))
