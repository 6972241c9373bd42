"""A station on a virtual clock: one thread, everything in the order of its instants, the product's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.errors import CameraError
from edge.health.faults import FaultKind, RecoveryAction
from edge.health.heartbeats import Heartbeat
from edge.health.monitors import Observer
from edge.line import Outcome
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.world import World
from edge.station.assembled import AssembledStation
from edge.station.faults.injected import HANGING, SimulatedBugError
from edge.tally import what_happened
from edge.tools.simulate.fault_spans import FaultSpans
from edge.tools.simulate.score import Record
from edge.tools.simulate.virtual_time import VirtualTime
from edge.types import Event, Frame, Stroke, StrokeOutcome

_NEVER = 1 << 62
_TICK_NS = ms(100)  # between two looks of the supervisor, as in real time

OnFrame = Callable[[Frame, Sequence[Outcome]], object]
OnTick = Callable[[int], object]


class RunLog(Observer):
    """What a run is judged by afterwards: what became of each stroke, and which faults there were."""

    def __init__(self, started_at: int) -> None:
        self.faults = FaultSpans(started_at)
        self.strokes: list[Stroke] = []
        self._became: dict[int, StrokeOutcome] = {}

    def on_stroke(self, stroke: Stroke) -> None:
        self.strokes.append(stroke)
        self._became.update(dict.fromkeys(stroke.actuation.item_ids, stroke.outcome))

    def on_event(self, event: Event) -> None:
        self.faults.note(event)

    def as_it_ended(self, record: Record) -> Record:
        """Return what became of the item in the place of why it was decided so."""
        stroke = None if record.fire_at is None else self._became.get(record.item_id, StrokeOutcome.PENDING)
        return replace(record, reason=what_happened(record.reason, stroke, None))


@dataclass
class VirtualRun:
    """Runs a station in its world; what it computes costs no time but what is modelled.

    Attributes:
        log: is told what goes on at the station.
        time: what the station's classifier spends its time of.
        frame_ns: what finding and following cost for each frame.
    """

    station: AssembledStation
    clock: VirtualClock
    world: World
    time: VirtualTime
    open_camera: Callable[[], SimulatedCamera]
    log: RunLog
    frame_ns: int = 0
    records: list[Record] = field(default_factory=list)
    dropped_frames: int = 0
    restarts: int = 0
    _camera: SimulatedCamera | None = None
    _camera_at: int = 0
    _store_at: int = 0
    _tick_at: int = 0
    _on_frame: OnFrame | None = field(default=None, init=False)
    _on_tick: OnTick | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.time.run_beside(self)
        self.station.safe_state.open()
        self.station.station_io.open()

    def run(
        self, seconds: float, drain_s: float = 0.0, on_frame: OnFrame | None = None, on_tick: OnTick | None = None
    ) -> None:
        """Run for some seconds; then let nothing more come, and run until everything that is there has landed.

        `on_frame` is called after each frame with what came of it, `on_tick` after each tick of the supervisor.
        """
        clock, station = self.clock, self.station
        self._on_frame, self._on_tick = on_frame, on_tick
        self._camera_at = self._tick_at = self._store_at = clock.now()
        self._run_until(clock.now() + round(seconds * NS_PER_S))
        self.world.stop_feeding()
        self._run_until(clock.now() + round(drain_s * NS_PER_S))
        station.supervisor.publish(clock.now())
        self._end_camera()
        station.safe_state.enter(clock.now())
        self.records = [self.log.as_it_ended(record) for record in self.records]
        if station.reporting.journal is not None:
            station.reporting.journal.close()

    def spend(self, duration_ns: int) -> None:
        """Let time pass for the vision thread while everything else goes on."""
        self.time.spend(duration_ns)

    # -- recovery ----------------------------------------------------------------------------------------------

    def _recover(self, kind: FaultKind, step: RecoveryAction) -> None:
        """Do what a recovery step does in a run whose program can't really be restarted."""
        if step is RecoveryAction.REOPEN_CAMERA:
            self._reopen_camera()
        elif step is RecoveryAction.RESTART_CLASSIFIER:
            self._restart_classifier()
        elif step is RecoveryAction.RETRY_ACTUATORS:
            self.station.actuator_monitor.retry()
        elif step is RecoveryAction.RESTART_PAGE:
            self.station.page.reopen()
        else:
            self._restart_service(kind)

    def _reopen_camera(self) -> None:
        self._end_camera()
        self._camera_at = self.clock.now()

    def _restart_classifier(self) -> None:
        if not self.world.is_active(InjectedFault.CLASSIFIER_FAILED):
            self.station.health.clear_fault(FaultKind.CLASSIFIER_FAILED, self.clock.now())

    def _restart_service(self, kind: FaultKind) -> None:
        self.restarts += 1
        if kind is FaultKind.PROGRAM_ERROR:
            self.station.health.clear_fault(kind, self.clock.now())
        else:
            self._reopen_camera()
            self._restart_classifier()
            self.station.actuator_monitor.retry()

    # -- in order ----------------------------------------------------------------------------------------------

    def _run_until(self, end: int) -> None:
        while True:
            other = self.next_at()
            camera = self._camera_at if self._camera is None else self._camera.next_at
            if min(camera, other) > end:
                break
            if other <= camera:
                self.run_due(other)
            else:
                self.clock.advance_to(max(camera, self.clock.now()))
                self._see()
        self.clock.advance_to(max(end, self.clock.now()))
        self.world.run_due(self.clock.now())

    def next_at(self) -> int:
        """Return when the world, the actuators, the supervisor or the journal have something to do."""
        station = self.station
        instants = [self._tick_at]
        if station.reporting.journal is not None:
            instants.append(self._store_at)
        hung = self.world.is_active(InjectedFault.ACTUATOR_HUNG)
        for source in (self.world, None if hung else station.schedule, station.station_io.inputs):
            at = None if source is None else source.next_at()
            if at is not None:
                instants.append(at)
        return min(instants)

    def run_due(self, at: int) -> None:
        """Do all of that which is due, at that instant or now if it is past."""
        station = self.station
        now = max(at, self.clock.now())
        self.clock.advance_to(now)
        self.world.run_due(now)
        if station.station_io.inputs is not None:
            station.station_io.inputs.run_due(now)
        hung = self.world.is_active(InjectedFault.ACTUATOR_HUNG)
        for stroke in () if hung else station.schedule.run_due(now):
            station.supervisor.observer.on_stroke(stroke)
        if self._tick_at <= now:
            self._tick(now, hung=hung)
        journal = station.reporting.journal
        if journal is not None and self._store_at <= now:
            if not any(self.world.is_active(blocked) for blocked in HANGING):
                journal.store_pending()
            self._store_at = now + ms(journal.settings.batch_ms)

    def _tick(self, now: int, *, hung: bool) -> None:
        station = self.station
        if not hung:
            station.health.heartbeat(Heartbeat.ACTUATION, now)
        station.machine.refresh()
        for kind, step in station.supervisor.tick(now):
            self._recover(kind, step)
        for classifier in station.slot.take_replaced():
            classifier.close()
        if self._on_tick is not None:
            self._on_tick(now)
        self._tick_at = now + _TICK_NS

    def _see(self) -> None:
        station = self.station
        try:
            self._camera = self._camera or self.open_camera()
            frame = self._camera.read()
        except CameraError as error:
            station.intake.camera_failed(error)
            self._end_camera()
            self._camera_at = _NEVER  # until the supervisor says so
            return
        self.spend(self.frame_ns)
        try:
            outcomes = station.intake.process(frame)
        except SimulatedBugError as error:
            station.health.raise_fault(FaultKind.PROGRAM_ERROR, self.clock.now(), str(error))
            station.safe_state.enter(self.clock.now())
            return
        self.records += [Record.of(outcome) for outcome in outcomes]
        if self._on_frame is not None:
            self._on_frame(frame, outcomes)

    def _end_camera(self) -> None:
        if self._camera is not None:
            self.dropped_frames += self._camera.dropped
            self._camera.close()
            self._camera = None
