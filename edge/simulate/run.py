"""A station on a virtual clock: one thread, everything in the order of its instants, the product's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.actuate.schedule import Schedule
from edge.camera.simulated import SimulatedCamera
from edge.clock import NS_PER_S, VirtualClock, ms
from edge.errors import CameraError
from edge.interfaces import Classifier
from edge.journal import Journal
from edge.line import Line, Outcome
from edge.simulate.score import Record
from edge.simulate.world import World
from edge.types import Crop, Frame, Prediction, Stroke

_RETRY_NS = ms(500)  # after the camera is gone


@dataclass
class Rig:
    """A simulated station, built but not running."""

    clock: VirtualClock
    world: World
    line: Line
    schedule: Schedule
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

    def run(self, seconds: float, drain_s: float = 0.0) -> None:
        """Run for some seconds; then let nothing more come, and run until everything that is there has landed."""
        clock, world = self.rig.clock, self.rig.world
        self._camera_at = clock.now()
        self._run_until(clock.now() + round(seconds * NS_PER_S))
        world.stop_feeding()
        self._run_until(clock.now() + round(drain_s * NS_PER_S))
        if self._camera is not None:
            self.dropped_frames += self._camera.dropped
        self._record_strokes(self.rig.schedule.hold(clock.now()))
        if self.rig.journal is not None:
            self.rig.journal.store_pending()

    def spend(self, duration_ns: int) -> None:
        """Let time pass for the vision thread while everything else goes on."""
        end = self.rig.clock.now() + duration_ns
        while (at := self._next_other()) is not None and at <= end:
            self._run_others(at)
        self.rig.clock.advance_to(end)
        self.rig.world.run_due(end)

    # -- in order ----------------------------------------------------------------------------------------------

    def _run_until(self, end: int) -> None:
        while True:
            other = self._next_other()
            camera = self._camera_at if self._camera is None else self._camera.next_at
            if min(camera, camera if other is None else other) > end:
                break
            if other is not None and other <= camera:
                self._run_others(other)
            else:
                self.rig.clock.advance_to(max(camera, self.rig.clock.now()))
                self._see()
        self.rig.clock.advance_to(max(end, self.rig.clock.now()))
        self.rig.world.run_due(self.rig.clock.now())

    def _next_other(self) -> int | None:
        """Return when the world, the actuators or the journal have something to do."""
        instants = [self.rig.world.next_at(), self.rig.schedule.next_at()]
        if self.rig.journal is not None:
            instants.append(self._store_at)
        return min((at for at in instants if at is not None), default=None)

    def _run_others(self, at: int) -> None:
        rig = self.rig
        rig.clock.advance_to(max(at, rig.clock.now()))
        now = rig.clock.now()
        rig.world.run_due(now)
        self._record_strokes(rig.schedule.run_due(now))
        if rig.journal is not None and self._store_at <= now:
            rig.journal.store_pending()
            self._store_at = now + ms(rig.journal.settings.batch_ms)

    def _see(self) -> None:
        rig = self.rig
        try:
            self._camera = self._camera or SimulatedCamera(rig.world, rig.clock)
            frame = self._camera.read()
        except CameraError:
            self._lose_camera()
            return
        if rig.schedule.held:
            rig.schedule.resume()
        self.spend(self.frame_ns)
        outcomes = rig.line.step(frame)
        for outcome in outcomes:
            if outcome.actuation is not None:
                rig.schedule.plan(outcome.actuation)
            self.records.append(Record.of(outcome))
            if rig.journal is not None:
                rig.journal.record(outcome)
        for before, after in rig.line.transport.revise(rig.clock.now()):
            rig.schedule.revise(before, after)
        self.on_frame(frame, outcomes)

    def _lose_camera(self) -> None:
        self._record_strokes(self.rig.schedule.hold(self.rig.clock.now()))
        if self._camera is not None:
            self.dropped_frames += self._camera.dropped
            self._camera.close()
            self._camera = None
        self._camera_at = self.rig.clock.now() + _RETRY_NS

    def _record_strokes(self, strokes: Sequence[Stroke]) -> None:
        if self.rig.journal is not None:
            for stroke in strokes:
                self.rig.journal.record(stroke)


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
