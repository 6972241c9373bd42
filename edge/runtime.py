"""Runs a station for real: threads, signals, the watchdog and the way into the safe state.

Four threads, none of which waits for another:
  vision     camera -> Line.step -> schedule; the only one that touches frames
  actuation  fires and releases what is planned, at real-time priority
  journal    stores what the others recorded; the only one that waits for the disk
  page       serves the browser
The main thread supervises: health, watchdog, signals. This is the only module that starts a thread and
the only one that catches every exception: whatever happens, it ends with the pins in their safe position.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from edge.actuate.schedule import Schedule
from edge.clock import ms
from edge.errors import CameraError
from edge.faults import FaultKind
from edge.health import Health, Sign
from edge.interfaces import Actuator, Camera, Classifier, Clock
from edge.journal import Journal, run_writer
from edge.line import Line
from edge.live import LiveView
from edge.service.notify import Notifier
from edge.types import Event, Frame
from edge.web import PageServer

log = logging.getLogger(__name__)

SUPERVISE_MS = 100
# A thread that does not end within this time is left behind: the pins are safe already, and systemd ends the rest.
JOIN_S = 3.0
ACTUATION_PRIORITY = 20


@dataclass
class Parts:
    """Everything that one station consists of, built but not running."""

    clock: Clock
    line: Line
    open_camera: Callable[[], Camera]
    actuators: dict[str, Actuator]
    schedule: Schedule
    journal: Journal
    live: LiveView
    health: Health
    notifier: Notifier
    page: PageServer | None = None
    # Called once a tick by the supervisor: temperature, inputs, probation. Must return at once.
    watchers: list[Callable[[int], None]] = field(default_factory=list)


class Runtime:
    """One run of a station, from the first frame until a signal, the end of the source or a bug."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._next_classifier: Classifier | None = None

    def stop(self) -> None:
        """Ask for the end; safe to call from a signal and from any thread."""
        self._stop.set()

    def swap_classifier(self, classifier: Classifier) -> None:
        """Put another model to work between two frames, so that no item is seen by both."""
        self._next_classifier = classifier

    def run(self, seconds: float | None = None) -> None:
        """Run until stopped, or for some seconds.

        Raises:
            Exception: whatever a thread died of, after the pins were made safe.
        """
        parts = self.parts
        writer_stop = threading.Event()
        threads = [
            threading.Thread(target=self._guard, args=(self._see,), name="vision", daemon=True),
            threading.Thread(target=self._guard, args=(self._actuate,), name="actuation", daemon=True),
        ]
        writer = threading.Thread(
            target=self._guard,
            args=(lambda: run_writer(parts.journal, parts.clock, writer_stop),),
            name="journal",
            daemon=True,
        )
        if parts.page is not None:
            threads.append(threading.Thread(target=self._guard, args=(parts.page.run,), name="page", daemon=True))
        with self._signals():
            try:
                writer.start()
                for thread in threads:
                    thread.start()
                self._supervise(None if seconds is None else parts.clock.now() + ms(1000 * seconds))
            finally:
                self._stop.set()
                self._make_safe()
                self._wind_up(threads, writer, writer_stop)
        if self._failure is not None:
            raise self._failure

    # -- threads -----------------------------------------------------------------------------------------------

    def _guard(self, work: Callable[[], None]) -> None:
        """Run a thread's work; a bug in it makes the pins safe at once and ends the run."""
        try:
            work()
        except BaseException as error:
            log.exception("the %s thread failed", threading.current_thread().name)
            self._failure = self._failure or error
            self._make_safe()
        finally:
            if threading.current_thread().name in ("vision", "actuation"):
                self._stop.set()

    def _see(self) -> None:
        """Take frames all the way through; a lost camera is opened again with back-off."""
        camera: Camera | None = None
        attempt = 0
        try:
            while not self._stop.is_set():
                try:
                    camera = camera or self.parts.open_camera()
                    frame = camera.read()
                except CameraError as error:
                    self._camera_lost(error)
                    if camera is not None:
                        camera.close()
                        camera = None
                    self._pause(min(30_000.0, 500.0 * 2**attempt))
                    attempt += 1
                    continue
                if frame is None:
                    log.info("the camera's source has ended")
                    return
                if attempt:
                    attempt = 0
                    self._camera_back()
                self._step(frame)
        finally:
            if camera is not None:
                camera.close()

    def _step(self, frame: Frame) -> None:
        parts = self.parts
        if self._next_classifier is not None:
            parts.line.classifier, self._next_classifier = self._next_classifier, None
        parts.line.policy.held = parts.schedule.held
        for outcome in parts.line.step(frame):
            if outcome.actuation is not None:
                parts.schedule.plan(outcome.actuation)
            parts.journal.record(outcome)
            parts.live.publish_outcome(outcome)
            parts.health.item_seen(parts.clock.now())
        for before, after in parts.line.transport.revise(parts.clock.now()):
            parts.schedule.revise(before, after)
        parts.live.publish_frame(frame, parts.line.trigger.sightings())
        parts.health.beat(parts.clock.now())

    def _actuate(self) -> None:
        """Fire and release on time; this thread alone touches the actuators while the station runs."""
        _ask_for_real_time()
        parts = self.parts
        while not self._stop.is_set():
            parts.schedule.wait(parts.clock, self._stop)
            parts.health.sign(Sign.ACTUATION, parts.clock.now())
            for stroke in parts.schedule.run_due(parts.clock.now()):
                parts.journal.record(stroke)
                parts.live.publish_stroke(stroke)

    def _supervise(self, until: int | None) -> None:
        parts = self.parts
        parts.notifier.ready("sorting")
        while not self._stop.is_set():
            now = parts.clock.now()
            if until is not None and now >= until:
                return
            for watch in parts.watchers:
                watch(now)
            for event in parts.health.tick(now):
                self._tell(event)
            self._hold_or_resume(now)
            parts.live.publish_state(parts.health.state, parts.health.faults)
            parts.notifier.set_watchdog_span(parts.health.watchdog_span())
            if parts.health.watchdog_due(now):
                parts.notifier.feed_watchdog(now)
            self._pause(SUPERVISE_MS)

    # -- the way into the safe state ---------------------------------------------------------------------------

    def _hold_or_resume(self, now: int) -> None:
        if self.parts.health.held and not self.parts.schedule.held:
            for stroke in self.parts.schedule.hold(now):
                self.parts.journal.record(stroke)
        elif not self.parts.health.held and self.parts.schedule.held:
            self.parts.schedule.resume()

    def _make_safe(self) -> None:
        """Release everything; must work whatever state the rest is in, and may be called twice."""
        for stroke in self.parts.schedule.hold(self.parts.clock.now()):
            self.parts.journal.record(stroke)

    def _wind_up(self, threads: list[threading.Thread], writer: threading.Thread, writer_stop: threading.Event) -> None:
        parts = self.parts
        parts.notifier.stopping()
        if parts.page is not None:
            parts.page.stop()
        for thread in threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.error("the %s thread did not end within %.0f s", thread.name, JOIN_S)
        for actuator in parts.actuators.values():
            actuator.close()
        writer_stop.set()
        writer.join(JOIN_S)
        parts.journal.close()

    # -- small things ------------------------------------------------------------------------------------------

    def _camera_lost(self, error: CameraError) -> None:
        log.error("%s", error)
        self.parts.health.raise_fault(FaultKind.CAMERA_LOST, self.parts.clock.now(), str(error))
        self._make_safe()

    def _camera_back(self) -> None:
        self.parts.health.clear_fault(FaultKind.CAMERA_LOST, self.parts.clock.now())

    def _tell(self, event: Event) -> None:
        level = {"note": logging.INFO, "warning": logging.WARNING, "fault": logging.ERROR}[event.severity]
        log.log(level, "%s", event.text)
        self.parts.journal.record(event)

    def _pause(self, milliseconds: float) -> None:
        self.parts.clock.sleep_until(self.parts.clock.now() + ms(milliseconds), self._stop)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the run; a second one of them ends the process at once."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            signal.signal(number, signal.SIG_DFL)
            log.info("stopping on %s", signal.Signals(number).name)
            self._stop.set()

        if threading.current_thread() is not threading.main_thread():
            yield  # a test runs the station in a thread of its own; signals belong to the main thread
            return
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _ask_for_real_time() -> None:
    """Ask for SCHED_FIFO: on two busy cores a plain thread woke 3.9 ms late at p99, a SCHED_FIFO one 0.13 ms."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(ACTUATION_PRIORITY))
    except OSError as error:
        log.warning(
            "no real-time priority for the actuators (%s): strokes may be some ms late; see `sorter doctor`",
            error.strerror,
        )
