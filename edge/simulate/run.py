"""A station on a virtual clock: one thread, everything in the order of its instants, the product's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.actuate.schedule import Schedule
from edge.camera.simulated import SimulatedCamera
from edge.clock import NS_PER_S, VirtualClock, ms
from edge.errors import CameraError
from edge.faults import FaultKind
from edge.health import Sign
from edge.interfaces import Classifier
from edge.journal import Journal
from edge.line import Line, Outcome
from edge.panel import Panel
from edge.simulate.score import Record
from edge.simulate.world import World
from edge.supervise import Supervisor
from edge.types import Crop, Frame, Prediction

_RETRY_NS = ms(500)  # after the camera is gone
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
    _camera: SimulatedCamera | None = None
    _camera_at: int = 0
    _store_at: int = 0
    _turn_at: int = 0

    def run(self, seconds: float, drain_s: float = 0.0) -> None:
        """Run for some seconds; then let nothing more come, and run until everything that is there has landed."""
        clock, world = self.rig.clock, self.rig.world
        self._camera_at = self._turn_at = self._store_at = clock.now()
        self._run_until(clock.now() + round(seconds * NS_PER_S))
        world.stop_feeding()
        self._run_until(clock.now() + round(drain_s * NS_PER_S))
        self._end_camera()
        self.rig.supervisor.make_safe()
        if self.rig.journal is not None:
            self.rig.journal.close()

    def spend(self, duration_ns: int) -> None:
        """Let time pass for the vision thread while everything else goes on."""
        end = self.rig.clock.now() + duration_ns
        while (at := self._next_other()) <= end:
            self._run_others(at)
        self.rig.clock.advance_to(end)
        self.rig.world.run_due(end)

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
        for source in (rig.world, rig.schedule, rig.panel.inputs):
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
        strokes = rig.schedule.run_due(now)
        if strokes:
            rig.supervisor.note_strokes(strokes)
        if self._turn_at <= now:
            rig.supervisor.health.sign(Sign.ACTUATION, now)
            if rig.journal is None:
                rig.supervisor.health.sign(Sign.JOURNAL, now)
            rig.supervisor.turn(now)
            self._turn_at = now + _TURN_NS
        if rig.journal is not None and self._store_at <= now:
            rig.journal.store_pending()
            self._store_at = now + ms(rig.journal.settings.batch_ms)

    def _see(self) -> None:
        rig = self.rig
        try:
            self._camera = self._camera or SimulatedCamera(rig.world, rig.clock)
            frame = self._camera.read()
        except CameraError as error:
            rig.supervisor.health.raise_fault(FaultKind.CAMERA_LOST, rig.clock.now(), str(error))
            rig.supervisor.make_safe()
            self._end_camera()
            self._camera_at = rig.clock.now() + _RETRY_NS
            return
        rig.supervisor.health.sign(Sign.FRAME, rig.clock.now())
        rig.supervisor.health.clear_fault(FaultKind.CAMERA_LOST, rig.clock.now())
        self.spend(self.frame_ns)
        outcomes = rig.line.step(frame)
        for outcome in outcomes:
            if outcome.actuation is not None:
                rig.schedule.plan(outcome.actuation)
            self.records.append(Record.of(outcome))
            if rig.journal is not None:
                rig.journal.record(outcome)
            rig.supervisor.note_outcome(outcome)
        for before, after in rig.line.transport.revise(rig.clock.now()):
            rig.schedule.revise(before, after)
        rig.supervisor.health.beat(rig.clock.now())
        self.on_frame(frame, outcomes)

    def _end_camera(self) -> None:
        if self._camera is not None:
            self.dropped_frames += self._camera.dropped
            self._camera.close()
            self._camera = None


class TimedClassifier:
    """A classifier whose inferences take a modelled time."""

    def __init__(self, inner: Classifier, invoke_ns: int, spend: Callable[[int], None]) -> None:
        self._inner = inner
        self._invoke_ns = invoke_ns
        self._spend = spend

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        prediction = self._inner.classify(crops, budget)
        self._spend(prediction.crops_used * self._invoke_ns)
        return prediction
