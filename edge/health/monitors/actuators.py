"""Pins that refuse to be driven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from edge.errors import ActuatorError
from edge.health.faults import FaultKind
from edge.health.monitors import Observer
from edge.interfaces import Actuator
from edge.types import Stroke, StrokeOutcome


class ActuatorMonitor(Observer):
    """Knows which actuators refused their last stroke; one that works again is well."""

    kinds = frozenset({FaultKind.ACTUATOR_REFUSED})

    def __init__(self, actuators: Mapping[str, Actuator]) -> None:
        self._actuators = actuators
        self._refused: dict[str, None] = {}  # in the order in which they refused

    def on_stroke(self, stroke: Stroke) -> None:
        if stroke.outcome is StrokeOutcome.FAILED:
            self._refused[stroke.actuation.actuator] = None
        elif stroke.outcome is StrokeOutcome.FIRED:
            self._refused.pop(stroke.actuation.actuator, None)

    def faults(self, now: int) -> Iterator[tuple[FaultKind, str]]:
        for name in list(self._refused):
            yield FaultKind.ACTUATOR_REFUSED, name

    def retry(self) -> None:
        """Release every actuator whose pin refused, to see whether it does so still."""
        for name in list(self._refused):
            with suppress(ActuatorError, KeyError):
                self._actuators[name].release()
                self._refused.pop(name, None)
