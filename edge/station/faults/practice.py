"""Faults at a simulated station that runs in real time, so that people can practise them on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event

from edge.clock import ms
from edge.config import Station
from edge.devices.actuators.schedule import Schedule
from edge.errors import ConfigError
from edge.health.monitors import Observer
from edge.health.monitors.machine import MachineState
from edge.interfaces import Actuator, Classifier, Clock
from edge.journal.database import Connect
from edge.simulate.world.faults import InjectedFault, Planned, check_target
from edge.simulate.world.world import World
from edge.station.environment import Interference
from edge.station.faults.injected import (
    Bug,
    FaultyClassifier,
    IsActive,
    faulty_connect,
    machine_state,
)

INVOKE_NS = ms(8)  # what an inference takes besides, so that a slower one can be three times as long
_LOOK_NS = ms(100)


class Practice(Interference):
    """What shall go wrong and when, counted from the start: the world does most of it, the rest is done here.

    Raises:
        ConfigError: the station is not simulated, or it has nothing of that name.
    """

    def __init__(self, station: Station, planned: Sequence[Planned], clock: Clock) -> None:
        super().__init__(clock)
        if not station.camera.is_simulated:
            raise ConfigError('--fault needs a simulated station: use --demo, or one with [camera] type = "simulated"')
        for fault in planned:
            check_target(station, fault.kind, fault.target)
        self._planned = planned
        self._world: World | None = None

    def begin(self, world: World) -> None:
        """Let the time count from now."""
        for fault in self._planned:
            world.plan(fault)
        self._world = world

    def is_active(self, kind: InjectedFault) -> bool:
        """Say whether that goes wrong now."""
        return self._world is not None and self._world.is_active(kind)

    def connect(self) -> Connect:
        """Return what opens the journal's file on a disk that refuses, or hangs, while told so."""
        return faulty_connect(self.is_active, lambda: self._spend(_LOOK_NS))

    def observers(self) -> Sequence[Observer]:
        return [Bug(self.is_active)]

    def classifier(self, classifier: Classifier) -> Classifier:
        return FaultyClassifier(classifier, INVOKE_NS, self._spend, self.is_active)

    def schedule(self, actuators: Mapping[str, Actuator], max_on_ns: Mapping[str, int]) -> Schedule:
        return _Schedule(actuators, max_on_ns, self.is_active)

    def look_at_machine(self) -> MachineState:
        return machine_state(self.is_active)

    def page_is_taken_away(self) -> bool:
        return self.is_active(InjectedFault.PAGE_DOWN)

    def _spend(self, duration_ns: int) -> None:
        self.clock.sleep_until(self.clock.now() + duration_ns)


class _Schedule(Schedule):
    """A schedule on which the actuation thread hangs while told so."""

    def __init__(self, actuators: Mapping[str, Actuator], max_on_ns: Mapping[str, int], is_active: IsActive) -> None:
        super().__init__(actuators, max_on_ns)
        self._is_active = is_active

    def wait(self, clock: Clock, stop: Event) -> None:
        while self._is_active(InjectedFault.ACTUATOR_HUNG) and clock.sleep_until(clock.now() + _LOOK_NS, stop):
            pass
        super().wait(clock, stop)
