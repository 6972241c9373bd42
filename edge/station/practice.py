"""Faults at a simulated station that runs in real time, so that people can practise them on its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event

from edge.clock import ms
from edge.config import Station
from edge.devices.actuators.schedule import Schedule
from edge.errors import ConfigError
from edge.health.faults import FaultKind
from edge.health.monitors.machine import Machine, MachineState
from edge.interfaces import Actuator, Camera, Classifier, Clock
from edge.journal.database import Connect
from edge.simulate.world.faults import Disturbance, Planned, check_target
from edge.simulate.world.world import World
from edge.station.injected_faults import (
    IsActive,
    SimulatedBugError,
    TroubledClassifier,
    machine_state,
    troubled_connect,
)
from edge.station.parts import Parts
from edge.types import Frame
from edge.web import PageServer

INVOKE_NS = ms(8)  # what an inference takes besides, so that a slower one can be three times as long
_LOOK_NS = ms(100)


class Practice:
    """What shall go wrong and when, counted from the start: the world does most of it, the rest is done here.

    Raises:
        ConfigError: the station is not simulated, or it has nothing of that name.
    """

    def __init__(self, station: Station, planned: Sequence[Planned], clock: Clock) -> None:
        if station.camera.type != "simulated":
            raise ConfigError('--fault needs a simulated station: use --demo, or one with [camera] type = "simulated"')
        for fault in planned:
            check_target(station, fault.kind, fault.target)
        self._max_on_ns = {actuator.name: ms(actuator.max_on_ms) for actuator in station.actuators}
        self._planned, self._clock = planned, clock
        self._world: World | None = None

    def begin(self, world: World) -> None:
        """Let the time count from now."""
        for fault in self._planned:
            world.plan(fault)
        self._world = world

    def is_active(self, kind: Disturbance) -> bool:
        """Say whether that goes wrong now."""
        return self._world is not None and self._world.is_active(kind)

    def connect(self) -> Connect:
        """Return what opens the journal's file on a disk that refuses, or hangs, while told so."""
        return troubled_connect(self.is_active, lambda: self._spend(_LOOK_NS))

    def trouble(self, parts: Parts) -> None:
        """Put what goes wrong between the parts of a station that is built and not running."""
        open_camera, open_classifier, open_page = parts.open_camera, parts.open_classifier, parts.open_page
        parts.open_camera = lambda: _Camera(open_camera(), self.is_active)
        parts.line.classifier = self._classifier(parts.line.classifier)
        parts.open_classifier = lambda: self._classifier(open_classifier())
        parts.schedule = _Schedule(parts.actuators, self._max_on_ns, self.is_active)
        parts.machine = _Machine(self._clock, self.is_active)
        if open_page is not None:
            parts.open_page = lambda: self._page(open_page)
        parts.watchers.append(lambda now: self._take_page_away(parts, now))

    def _spend(self, duration_ns: int) -> None:
        self._clock.sleep_until(self._clock.now() + duration_ns)

    def _classifier(self, inner: Classifier) -> Classifier:
        return TroubledClassifier(inner, INVOKE_NS, self._spend, self.is_active)

    def _page(self, open_page: Callable[[], PageServer]) -> PageServer:
        if self.is_active(Disturbance.PAGE_DOWN):
            raise ConfigError("its port is taken, in this practice")
        return open_page()

    def _take_page_away(self, parts: Parts, now: int) -> None:
        if parts.page is not None and self.is_active(Disturbance.PAGE_DOWN):
            parts.page.stop()
            parts.page = None
            parts.health.raise_fault(FaultKind.PAGE_DOWN, now)


class _Camera:
    """A camera that meets a bug while told so."""

    def __init__(self, inner: Camera, is_active: IsActive) -> None:
        self._inner, self._is_active = inner, is_active

    @property
    def identity(self) -> str:
        return self._inner.identity

    @property
    def size(self) -> tuple[int, int]:
        return self._inner.size

    def read(self) -> Frame | None:
        if self._is_active(Disturbance.PROGRAM_ERROR):
            raise SimulatedBugError("a simulated bug")
        return self._inner.read()

    def close(self) -> None:
        self._inner.close()


class _Schedule(Schedule):
    """A schedule on which the actuation thread hangs while told so."""

    def __init__(self, actuators: Mapping[str, Actuator], max_on_ns: Mapping[str, int], is_active: IsActive) -> None:
        super().__init__(actuators, max_on_ns)
        self._is_active = is_active

    def wait(self, clock: Clock, stop: Event) -> None:
        while self._is_active(Disturbance.ACTUATOR_HUNG) and clock.sleep_until(clock.now() + _LOOK_NS, stop):
            pass
        super().wait(clock, stop)


class _Machine(Machine):
    """A machine that is what the practice says."""

    def __init__(self, clock: Clock, is_active: IsActive) -> None:
        super().__init__(clock)
        self._is_active = is_active

    def look(self) -> MachineState:
        return machine_state(self._is_active)
