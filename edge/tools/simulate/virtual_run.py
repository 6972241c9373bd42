"""A station on a virtual clock: one thread, everything in the order of its instants, the product's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.devices.actuators.schedule import Schedule
from edge.errors import CameraError
from edge.health.faults import FaultKind, Step
from edge.health.heartbeats import Sign
from edge.health.monitors.machine import MACHINE_FAULTS, Machine
from edge.journal import Journal
from edge.line import Line, Outcome
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.faults import Disturbance
from edge.simulate.world.world import World
from edge.station.injected_faults import HANGING, SimulatedBugError, machine_state
from edge.station.station_io import Panel
from edge.station.supervisor import Supervisor
from edge.tally import what_happened
from edge.tools.simulate.fault_spans import FaultSpans
from edge.tools.simulate.score import Record
from edge.types import Frame, Stroke, StrokeOutcome

_NEVER = 1 << 62
_PAGE = frozenset({FaultKind.PAGE_DOWN})
_TURN_NS = ms(100)  # between two looks of the supervisor, as in real time


@dataclass
class Rig:
    """A simulated station, built but not running."""

    clock: VirtualClock
    world: World
    line: Line
    schedule: Schedule
    supervisor: Supervisor
    panel: Panel
    journal: Journal | None = None


@dataclass
class VirtualRun:
    """Runs a rig; what it computes costs no time but what is modelled.

    Attributes:
        frame_ns: what finding and following cost for each frame.
        on_frame: called after each frame with what came of it, for videos and tests.
    """

    rig: Rig
    frame_ns: int = 0
    on_frame: Callable[[Frame, Sequence[Outcome]], None] = lambda frame, outcomes: None
    records: list[Record] = field(default_factory=list)
    dropped_frames: int = 0
    restarts: int = 0
    _camera: SimulatedCamera | None = None
    _camera_at: int = 0
    _store_at: int = 0
    _turn_at: int = 0

    def __post_init__(self) -> None:
        self._machine = Machine(self.rig.clock)
        self._strokes: dict[int, StrokeOutcome] = {}
        self.rig.supervisor.stroke_watchers.append(self._note_stroke)
        self.faults = FaultSpans(self.rig.world.started_at)
        self.rig.supervisor.event_watchers.append(self.faults.note)
        self.rig.supervisor.actions = self.actions()
        self.rig.line.on_failure = self.rig.supervisor.classifier_failed

    def run(self, seconds: float, drain_s: float = 0.0) -> None:
        """Run for some seconds; then let nothing more come, and run until everything that is there has landed."""
        clock, world = self.rig.clock, self.rig.world
        self._camera_at = self._turn_at = self._store_at = clock.now()
        self._run_until(clock.now() + round(seconds * NS_PER_S))
        world.stop_feeding()
        self._run_until(clock.now() + round(drain_s * NS_PER_S))
        self.rig.supervisor.tell(clock.now())
        self._end_camera()
        self.rig.supervisor.make_safe()
        self.records = [self._as_it_ended(record) for record in self.records]
        if self.rig.journal is not None:
            self.rig.journal.close()

    def _note_stroke(self, stroke: Stroke) -> None:
        self._strokes.update(dict.fromkeys(stroke.actuation.item_ids, stroke.outcome))

    def _as_it_ended(self, record: Record) -> Record:
        """Return what became of the item in the place of why it was decided so."""
        stroke = None if record.fire_at is None else self._strokes.get(record.item_id, StrokeOutcome.PENDING)
        return replace(record, reason=what_happened(record.reason, stroke, None))

    def spend(self, duration_ns: int) -> None:
        """Let time pass for the vision thread while everything else goes on."""
        end = self.rig.clock.now() + duration_ns
        while (at := self._next_other()) <= end:
            self._run_others(at)
        self.rig.clock.advance_to(end)
        self.rig.world.run_due(end)

    # -- recovery ----------------------------------------------------------------------------------------------

    def actions(self) -> dict[Step, Callable[[FaultKind], object]]:
        """What the recovery steps do in a run whose program can't really be restarted."""
        return {
            Step.REOPEN_CAMERA: lambda _: self._reopen_camera(),
            Step.RESTART_CLASSIFIER: lambda _: self._restart_classifier(),
            Step.RETRY_ACTUATORS: lambda _: self.rig.supervisor.retry_actuators(),
            Step.RESTART_SERVICE: self._restart_service,
        }

    def _reopen_camera(self) -> None:
        self._end_camera()
        self._camera_at = self.rig.clock.now()

    def _restart_classifier(self) -> None:
        if not self.rig.world.is_active(Disturbance.CLASSIFIER_FAILED):
            self.rig.supervisor.health.clear_fault(FaultKind.CLASSIFIER_FAILED, self.rig.clock.now())

    def _restart_service(self, kind: FaultKind) -> None:
        self.restarts += 1
        if kind is FaultKind.PROGRAM_ERROR:
            self.rig.supervisor.health.clear_fault(kind, self.rig.clock.now())
        else:
            self._reopen_camera()
            self._restart_classifier()
            self.rig.supervisor.retry_actuators()

    def _look_at_machine(self, now: int) -> None:
        world, health = self.rig.world, self.rig.supervisor.health
        health.set_faults(MACHINE_FAULTS, self._machine.faults(machine_state(world.is_active)), now)
        health.set_faults(_PAGE, _PAGE if world.is_active(Disturbance.PAGE_DOWN) else frozenset(), now)

    # -- in order ----------------------------------------------------------------------------------------------

    def _run_until(self, end: int) -> None:
        while True:
            other = self._next_other()
            camera = self._camera_at if self._camera is None else self._camera.next_at
            if min(camera, other) > end:
                break
            if other <= camera:
                self._run_others(other)
            else:
                self.rig.clock.advance_to(max(camera, self.rig.clock.now()))
                self._see()
        self.rig.clock.advance_to(max(end, self.rig.clock.now()))
        self.rig.world.run_due(self.rig.clock.now())

    def _next_other(self) -> int:
        """Return when the world, the actuators, the supervisor or the journal have something to do."""
        rig = self.rig
        instants = [self._turn_at]
        if rig.journal is not None:
            instants.append(self._store_at)
        hung = rig.world.is_active(Disturbance.ACTUATOR_HUNG)
        for source in (rig.world, None if hung else rig.schedule, rig.panel.inputs):
            at = None if source is None else source.next_at()
            if at is not None:
                instants.append(at)
        return min(instants)

    def _run_others(self, at: int) -> None:
        rig = self.rig
        now = max(at, rig.clock.now())
        rig.clock.advance_to(now)
        rig.world.run_due(now)
        if rig.panel.inputs is not None:
            rig.panel.inputs.run_due(now)
        hung = rig.world.is_active(Disturbance.ACTUATOR_HUNG)
        if not hung:
            rig.supervisor.note_strokes(rig.schedule.run_due(now))
        if self._turn_at <= now:
            if not hung:
                rig.supervisor.health.sign(Sign.ACTUATION, now)
            if rig.journal is None:
                rig.supervisor.health.sign(Sign.JOURNAL, now)
            self._look_at_machine(now)
            rig.supervisor.turn(now)
            self._turn_at = now + _TURN_NS
        if rig.journal is not None and self._store_at <= now:
            if not any(rig.world.is_active(blocked) for blocked in HANGING):
                rig.journal.store_pending()
            self._store_at = now + ms(rig.journal.settings.batch_ms)

    def _see(self) -> None:
        rig = self.rig
        try:
            self._camera = self._camera or SimulatedCamera(rig.world, rig.clock)
            frame = self._camera.read()
        except CameraError as error:
            rig.supervisor.camera_failed(error)
            self._end_camera()
            self._camera_at = _NEVER  # until the supervisor says so
            return
        rig.supervisor.camera_works()
        self.spend(self.frame_ns)
        try:
            outcomes = rig.supervisor.take(rig.line, frame)
        except SimulatedBugError as error:
            rig.supervisor.health.raise_fault(FaultKind.PROGRAM_ERROR, rig.clock.now(), str(error))
            rig.supervisor.make_safe()
            return
        self.records += [Record.of(outcome) for outcome in outcomes]
        self.on_frame(frame, outcomes)

    def _end_camera(self) -> None:
        if self._camera is not None:
            self.dropped_frames += self._camera.dropped
            self._camera.close()
            self._camera = None
