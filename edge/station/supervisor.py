"""Looks after a station many times a second: faults, recovery, the safe state, the watchdog. Starts no thread itself.

`edge/station/runtime.py` turns it in real time, `edge/tools/simulate/` on a virtual clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL
from edge.devices.actuators.schedule import Schedule
from edge.errors import ActuatorError, CameraClockError, CameraError, CameraStalledError, ClassifierError
from edge.health.faults import FaultKind, Step
from edge.health.health import Health
from edge.health.heartbeats import Sign
from edge.health.monitors.belt import BeltWatch
from edge.health.monitors.camera import CameraWatch
from edge.health.monitors.inference_load import Overload
from edge.interfaces import Actuator, Clock
from edge.journal import Journal, Landing
from edge.line import Line, Outcome
from edge.policy import Policy
from edge.station.station_io import Panel
from edge.status.item_log import ItemLog
from edge.status.live import LiveView
from edge.system.systemd_notify import Notifier
from edge.transport import Arrival
from edge.types import Event, Frame, Reason, Severity, Stroke, StrokeOutcome

log = logging.getLogger(__name__)

DISK_FAULTS = frozenset({FaultKind.DISK_FULL, FaultKind.DISK_READ_ONLY, FaultKind.DISK_ERROR})
PICTURE_FAULTS = frozenset(
    {FaultKind.CAMERA_FROZEN, FaultKind.CAMERA_BLACK, FaultKind.CAMERA_OVEREXPOSED, FaultKind.CAMERA_MOVED}
)
CLOCK_FAULTS = frozenset({FaultKind.CAMERA_CLOCK})
# A frame from the future, or one that is older than any camera's buffers can make it, is timed by another clock.
FUTURE_NS = ms(5)
OLDEST_NS = ms(10_000)  # a starved machine may be seconds late; another clock is off by far more
CAMERA_FAULTS = {CameraStalledError: FaultKind.CAMERA_STALLED, CameraClockError: FaultKind.CAMERA_CLOCK}
# Turns come every 100 ms. What is missing beyond this, every thread of a starved machine may have missed.
LATE_TURN_NS = ms(300)
# So many pictures missing in a row: things on a belt are no longer followed, but found anew.
MISSING_FRAMES = 6
LEVELS = {Severity.NOTE: logging.INFO, Severity.WARNING: logging.WARNING, Severity.FAULT: logging.ERROR}


@dataclass
class Supervisor:
    """One station's keeper.

    Attributes:
        actions: what to do for a recovery step; each must return at once.
        watchers: called at every turn; each must return at once.
        event_watchers: called with every event of the station's health; each must return at once.
        stroke_watchers: called with every stroke that ended, by the thread that ended it; each must return at once.
    """

    clock: Clock
    health: Health
    schedule: Schedule
    policy: Policy
    journal: Journal | None = None
    live: LiveView | None = None
    notifier: Notifier = field(default_factory=Notifier)
    panel: Panel | None = None
    actuators: Mapping[str, Actuator] = field(default_factory=dict)
    belt: BeltWatch | None = None
    camera_watch: CameraWatch | None = None
    actions: Mapping[Step, Callable[[FaultKind], object]] = field(default_factory=dict)
    watchers: list[Callable[[int], None]] = field(default_factory=list)
    event_watchers: list[Callable[[Event], None]] = field(default_factory=list)
    stroke_watchers: list[Callable[[Stroke], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.overload = Overload(self.health)
        self._item_log = ItemLog()
        self._sent: dict[int, str] = {}  # the bins of items whose strokes are still to come
        self._size: tuple[int, ...] | None = None
        self._turned_at: int | None = None
        self._captured_at: int | None = None
        if self.journal is not None:
            self.journal.on_event = self.note_event

    def turn(self, now: int) -> None:
        """Look at everything once and do what has to be done."""
        self._excuse_lost_time(now)
        if self.journal is not None:
            self.health.sign(Sign.JOURNAL, self.journal.turned_at)
            counts = self.journal.counts
            error = counts.error.fault
            self.health.set_faults(DISK_FAULTS, frozenset({error} if error else ()), now)
            if self.live is not None:
                self.live.publish_journal({"stored": counts.stored, "waiting": counts.pending, "lost": counts.lost})
        if self.panel is not None:
            self.panel.watch(now)
        self.overload.watch(now)
        if self.belt is not None:
            self.belt.watch(now)
        for watch in self.watchers:
            watch(now)
        self.tell(now)
        self.hold_or_resume(now)
        for kind, step in self.health.take_steps(now):
            if step in self.actions:
                self.actions[step](kind)
        if self.health.watchdog_due(now):
            self.notifier.feed_watchdog(now)

    def _excuse_lost_time(self, now: int) -> None:
        """Blame neither camera nor model nor belt for time in which this program itself was not let run."""
        lost = 0 if self._turned_at is None else now - self._turned_at - LATE_TURN_NS
        self._turned_at = now
        if lost > 0:
            log.debug("the machine was too busy for %d ms", lost / ms(1))
            self.health.excuse(lost, now)
            if self.belt is not None:
                self.belt.disturbed(now)

    def emergency_stop(self) -> None:
        """Make everything safe at once; called by the thread that saw the chain open."""
        self.make_safe()
        self.health.estop(self.clock.now())

    def make_safe(self) -> None:
        """Release every actuator and stop the belt; must work whatever state the rest is in, and may be called twice."""
        strokes: Sequence[Stroke] = ()
        try:
            strokes = self.schedule.hold(self.clock.now())
        finally:
            if self.panel is not None:
                self.panel.stop_outputs()
        self._record_strokes(strokes)

    def hold_or_resume(self, now: int) -> None:
        """Make the actuators do what the state says."""
        held, state = self.health.held, self.health.state
        if held and not self.schedule.held:
            self.make_safe()
        elif not held and self.schedule.held:
            self.schedule.resume()
        self.policy.held = held
        full = {fault.detail for fault in self.health.faults if fault.kind is FaultKind.BIN_FULL}
        self.policy.unavailable = dict.fromkeys(full, Reason.BIN_FULL)
        if self.panel is not None:
            self.panel.show(state, held)

    def take(self, line: Line, frame: Frame) -> Sequence[Outcome]:
        """Take one frame all the way through the line, into schedule, journal and page."""
        if self._size is None:
            self._size = frame.pixels.shape
        if not is_usable(frame, self._size):
            self.health.raise_fault(FaultKind.CAMERA_LOST, self.clock.now(), "frames of another size or form")
            return ()
        self.health.clear_fault(FaultKind.CAMERA_LOST, self.clock.now(), "frames of another size or form")
        self.note_frame(frame)
        if self.overload.relearn:
            self.overload.relearn = False
            line.transport.relearn()
        outcomes = line.step(frame)
        for outcome in outcomes:
            if outcome.actuation is not None:
                self._sent[outcome.item.item_id] = outcome.decision.bin
                self.schedule.plan(outcome.actuation)
            if self.journal is not None:
                self.journal.record(outcome)
            if self.live is not None:
                self.live.publish_outcome(outcome)
            self.note_outcome(outcome, line.transport.invoke_ns)
            self._item_log.note(outcome)
        for before, after in line.transport.revise(self.clock.now()):
            self.schedule.revise(before, after)
        if self.live is not None:
            self.live.publish_frame(frame, line.trigger.sightings())
        self.health.beat(self.clock.now())
        return outcomes

    def camera_failed(self, error: CameraError) -> None:
        """A camera gives no frames: make everything safe until one comes."""
        log.error("%s", error)
        self.health.raise_fault(CAMERA_FAULTS.get(type(error), FaultKind.CAMERA_LOST), self.clock.now())
        self.make_safe()

    def classifier_failed(self, error: ClassifierError) -> None:
        """The model can't be run: items go to residual, and it is opened anew."""
        log.error("%s", error)
        self.health.raise_fault(FaultKind.CLASSIFIER_FAILED, self.clock.now())

    def retry_actuators(self) -> None:
        """Release every actuator whose pin refused, to see whether it does so still."""
        for name in [fault.detail for fault in self.health.faults if fault.kind is FaultKind.ACTUATOR_REFUSED]:
            with suppress(ActuatorError, KeyError):
                self.actuators[name].release()
                self.health.clear_fault(FaultKind.ACTUATOR_REFUSED, self.clock.now(), name)

    def record_event(self, event: Event) -> None:
        """Journal what another part says of itself."""
        if self.journal is not None:
            self.journal.record(event)
        self.note_event(event)

    def note_event(self, event: Event) -> None:
        """Take note of what another part has journalled about itself: what has a fault's name is one."""
        if event.code in set(FaultKind) and event.severity is not Severity.NOTE:
            self.health.raise_fault(FaultKind(event.code), event.at)

    def camera_works(self) -> None:
        """A frame came."""
        self.health.clear_fault(FaultKind.CAMERA_LOST, self.clock.now(), "")

    def note_frame(self, frame: Frame) -> None:
        """Take note of a frame that came, before it is looked at."""
        now = self.clock.now()
        self.health.sign(Sign.FRAME, now)
        fits = -FUTURE_NS <= now - frame.captured_at <= OLDEST_NS
        self.health.set_faults(CLOCK_FAULTS, frozenset() if fits else CLOCK_FAULTS, now)
        before, self._captured_at = self._captured_at, frame.captured_at
        longest = MISSING_FRAMES * NS_PER_S / self.policy.station.camera.frames_per_s
        if self.belt is not None and before is not None and frame.captured_at - before > longest:
            self.belt.pictures_missed(now)
        if self.camera_watch is not None:
            self.health.set_faults(PICTURE_FAULTS, self.camera_watch.observe(frame), now)

    def note_outcome(self, outcome: Outcome, invoke_ns: float) -> None:
        """Take note of a decided item; `invoke_ns` is what an inference takes, as a running mean."""
        now = self.clock.now()
        self.health.item_seen(now)
        if self.panel is not None and outcome.actuation is None:
            self.panel.levels.note(outcome.decision.bin)
        if all(fault.kind is not FaultKind.CLASSIFIER_FAILED for fault in self.health.faults):
            self.overload.note(outcome, invoke_ns, now)
        if self.belt is not None:
            self.belt.item_passed(outcome.item.speed_mm_per_s, now)

    def note_strokes(self, strokes: Sequence[Stroke]) -> None:
        """Take note of strokes that ended: one that a pin refused is a fault, one that worked ends it."""
        now = self.clock.now()
        for stroke in strokes:
            if stroke.outcome is StrokeOutcome.FAILED:
                self.health.raise_fault(FaultKind.ACTUATOR_REFUSED, now, stroke.actuation.actuator)
            elif stroke.outcome is StrokeOutcome.FIRED:
                self.health.clear_fault(FaultKind.ACTUATOR_REFUSED, now, stroke.actuation.actuator)
        self._record_strokes(strokes)

    def watch_exits(self, exit_bins: frozenset[str]) -> None:
        """Have items for these bins count as sorted only when the exit sensor has seen them."""
        for counting in (self.journal, self.live):
            if counting is not None:
                counting.exit_bins = exit_bins

    def note_arrival(self, arrival: Arrival) -> None:
        """Take note of what an exit sensor saw, or should have seen."""
        if self.journal is not None:
            self.journal.record(Landing(arrival.item_id, arrival.bin, arrival.at))
        if self.live is not None:
            self.live.publish_arrival(arrival.item_id, arrival.at is not None)

    def _record_strokes(self, strokes: Sequence[Stroke]) -> None:
        for stroke in strokes:
            if self.journal is not None:
                self.journal.record(stroke)
            if self.live is not None:
                self.live.publish_stroke(stroke)
            self._note_levels(stroke)
            self._item_log.note(stroke)
            for watch in self.stroke_watchers:
                watch(stroke)

    def _note_levels(self, stroke: Stroke) -> None:
        """Count an item into its bin when its stroke was fired; without a stroke it ran on to residual."""
        if stroke.outcome is StrokeOutcome.MOVED:
            return
        for where in [self._sent.pop(item_id, None) for item_id in stroke.actuation.item_ids]:
            if self.panel is not None and where is not None:
                self.panel.levels.note(where if stroke.outcome is StrokeOutcome.FIRED else RESIDUAL)

    def tell(self, now: int) -> None:
        """Tell the log, the journal, the page and systemd what has changed."""
        self._item_log.write()
        for event in self.health.tick(now):
            log.log(LEVELS[event.severity], "%s", event.text)
            if self.journal is not None:
                self.journal.record(event)
            for watch in self.event_watchers:
                watch(event)
        state, faults = self.health.state, self.health.faults
        if self.live is not None:
            self.live.publish_state(state, faults, self.health.paused_by)
            if self.panel is not None:
                self.live.publish_levels(self.panel.levels.counts)
        self.notifier.status(f"{state}: {faults[0].text} {faults[0].nature.advice}" if faults else str(state))
        self.notifier.set_watchdog_span(self.health.watchdog_span())


def is_usable(frame: Frame, size: tuple[int, ...]) -> bool:
    """Say whether the frame is a picture of that size: (height, width, 3), at least 64 pixels a side, 8 bits."""
    shape = frame.pixels.shape
    return (
        shape == size and len(shape) == 3 and shape[2] == 3 and min(shape[:2]) >= 64 and frame.pixels.dtype == np.uint8
    )
