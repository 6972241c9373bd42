"""The whole way of a frame, around `edge/line.py`: camera -> checked -> line -> recorded, planned and shown.

The vision thread brings each frame in turn, and nobody else does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.devices.actuators.schedule import Schedule
from edge.errors import CameraClockError, CameraError, CameraStalledError
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat
from edge.health.monitors import Observer
from edge.inference.slot import ClassifierSlot
from edge.interfaces import Clock
from edge.line import Line, Outcome
from edge.station.recorder import Recorder
from edge.station.safe_state import SafeState
from edge.station.teaching.lesson import Lesson
from edge.types import Frame

log = logging.getLogger(__name__)

CAMERA_FAULTS = {CameraStalledError: FaultKind.CAMERA_STALLED, CameraClockError: FaultKind.CAMERA_CLOCK}
ODD_FRAMES = "frames of another size or form"
LEAST_PX = 64


@dataclass
class FrameIntake:
    """Takes frames all the way through; `observer` is told of frames and outcomes: the recorder and the monitors.

    What comes while a person teaches the station is for the `lesson`, and has no outcome.
    """

    clock: Clock
    line: Line
    slot: ClassifierSlot
    schedule: Schedule
    safe_state: SafeState
    health: Health
    recorder: Recorder
    observer: Observer
    lesson: Lesson
    _shape: tuple[int, ...] | None = field(default=None, init=False)

    def process(self, frame: Frame) -> Sequence[Outcome]:
        """Take one frame all the way through the line, into schedule, journal and page."""
        self._change_model()
        now = self.clock.now()
        self.health.clear_fault(FaultKind.CAMERA_LOST, now, "")
        if not self._is_usable(frame):
            self.health.raise_fault(FaultKind.CAMERA_LOST, now, ODD_FRAMES)
            return ()
        self.health.clear_fault(FaultKind.CAMERA_LOST, now, ODD_FRAMES)
        self.health.heartbeat(Heartbeat.FRAME, now)
        self.observer.on_frame(frame, now)
        outcomes = self._teach(frame) if self.lesson.is_on else self.line.step(frame)
        for outcome in outcomes:
            self.health.item_seen(self.clock.now())
            self.observer.on_outcome(outcome, self.clock.now())
            if outcome.actuation is not None:
                self.schedule.plan(outcome.actuation)
        for before, after in self.line.transport.revise(self.clock.now()):
            self.schedule.revise(before, after)
        self.recorder.show_frame(frame, self.line.trigger.sightings())
        self.health.beat(self.clock.now())
        return outcomes

    def _teach(self, frame: Frame) -> Sequence[Outcome]:
        items = self.line.trigger.observe(frame)
        self.lesson.take(items, self.line.trigger.sightings())
        if items:
            self.health.item_seen(self.clock.now())
        return ()

    def camera_failed(self, error: CameraError) -> None:
        """A camera gives no frames: make everything safe until one comes."""
        log.error("%s", error)
        now = self.clock.now()
        self.health.raise_fault(CAMERA_FAULTS.get(type(error), FaultKind.CAMERA_LOST), now)
        self.safe_state.enter(now)
        self.observer.on_camera_failed(error)

    def _change_model(self) -> None:
        model = self.slot.settle()
        if model is not None:
            self.line.policy.use_thresholds(model.min_scores)
            self.recorder.use_model(model)

    def _is_usable(self, frame: Frame) -> bool:
        """Say whether the frame is a picture of the first one's size: (height, width, 3), 8 bits."""
        shape = frame.pixels.shape
        self._shape = shape if self._shape is None else self._shape
        has_form = len(shape) == 3 and shape[2] == 3 and frame.pixels.dtype == np.uint8
        return shape == self._shape and has_form and min(shape[:2]) >= LEAST_PX
