"""The safe state: every actuator released, the belt stopped, the beacon lit where somebody is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.pins import Pin, Pins, open_output
from edge.health.health import Health
from edge.health.monitors import Observer
from edge.health.state import State
from edge.interfaces import Clock
from edge.station.teaching.lesson import Lesson
from edge.types import Stroke


@dataclass(frozen=True, slots=True)
class OutputPins:
    """GPIO numbers of the belt's relay and of the beacon; None where there is none."""

    belt: int | None = None
    beacon: int | None = None


class SafeState:
    """Owns the schedule, the belt's relay and the beacon; `observer` is told of the strokes that a stop ends.

    Entering it works whatever state the rest is in, from any thread, as often as one likes.
    """

    def __init__(
        self, schedule: Schedule, pins: Pins, outputs: OutputPins, health: Health, clock: Clock, observer: Observer
    ) -> None:
        self._schedule, self._pins, self._outputs = schedule, pins, outputs
        self._health, self._clock, self._observer = health, clock, observer
        self._belt: Pin | None = None
        self._beacon: Pin | None = None

    @property
    def is_held(self) -> bool:
        """Whether the belt stands, everything is released, and new strokes are refused."""
        return self._schedule.inhibited and (self._belt is None or not self._belt.state)

    def open(self) -> None:
        """Take the pins: the belt stands still, the beacon is off.

        Raises:
            ActuatorError: one of them can't be used.
        """
        if self._outputs.belt is not None:
            self._belt = open_output(self._pins, self._outputs.belt, False, "belt.run_pin")
        if self._outputs.beacon is not None:
            self._beacon = open_output(self._pins, self._outputs.beacon, False, "safety.beacon_pin")

    def emergency_stop(self) -> None:
        """Make everything safe at once; called by the thread that saw the chain open, which waits for nobody."""
        self.enter(self._clock.now())
        self._health.estop(self._clock.now())
        self.enter(self._clock.now())  # whoever was about to let it go on, and did not know yet

    def enter(self, now: int) -> None:
        """Release every actuator and stop the belt."""
        strokes: Sequence[Stroke] = ()
        try:
            strokes = self._schedule.inhibit(now)
        finally:
            if self._belt is not None:
                self._belt.state = False
        for stroke in strokes:
            self._observer.on_stroke(stroke)

    def leave(self) -> None:
        """Take strokes again and let the belt run."""
        self._schedule.resume()
        if self._belt is not None:
            self._belt.state = True

    def follow(self, now: int, lesson: Lesson | None = None) -> None:
        """Enter or leave as the state says, and light the beacon or put it out.

        During a `lesson` the belt alone runs although everything is held.
        """
        inhibited, state = self._health.inhibited, self._health.state
        if inhibited and not self._schedule.inhibited:
            self.enter(now)
        elif inhibited and lesson is not None:
            self._run_belt_for(lesson)
        elif not inhibited:
            self.leave()
            if self._health.inhibited:  # the emergency stop was pressed in this very moment
                self.enter(now)
        if self._beacon is not None:
            self._beacon.state = state in (State.FAULT, State.ESTOP)

    def _run_belt_for(self, lesson: Lesson) -> None:
        if self._belt is None:
            return
        self._belt.state = lesson.may_run_belt
        if not lesson.may_run_belt:  # the emergency stop was pressed in this very moment
            self._belt.state = False

    def close(self) -> None:
        """Stop the belt and the beacon; the pins stay driven. May be called twice."""
        for pin in (self._belt, self._beacon):
            if pin is not None:
                pin.state = False
