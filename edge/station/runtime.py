"""Runs a station for real: threads, signals, the watchdog and the way into the safe state.

Processes: the model at work has one of its own, and so has one that looks on (started in edge/inference/process.py). The
vision thread sends it pictures; loading it, its hanging and its crash keep nothing here from running.
The main thread supervises: health, recovery, watchdog, signals. This is the only module that starts a thread
and the only one that catches every exception: whatever happens, it ends with the pins in their safe position.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue

from edge.clock import ms
from edge.errors import CameraError, RestartError, SorterError
from edge.health.faults import FaultKind, Step
from edge.health.heartbeats import Sign
from edge.health.monitors.machine import MACHINE_FAULTS
from edge.inference.classifier import Watched
from edge.interfaces import Camera, Classifier
from edge.journal import run_writer
from edge.station.parts import Parts
from edge.station.supervisor import Supervisor
from edge.system.realtime import Priority, lock_memory, real_time, settled_memory
from edge.system.signals import Asked, taking_signals
from edge.types import Frame

log = logging.getLogger(__name__)

SUPERVISE_MS = 100
# A thread that does not end within this time is left behind: the pins are safe already, and systemd ends the rest.
JOIN_S = 3.0
# How long a thread that computes keeps Python's lock from one that wakes. Python's own 5 ms would keep the emergency
# stop waiting that long. Measured in the demo with the page open, the wait of a real-time thread at p99.9: 1.4 ms with
# 0.5 ms, 0.6 ms with this.
SWITCH_INTERVAL_S = 0.0001
CHORES_MS = 1000.0
MODELS_MS = 1000.0
LOOK_EVERY = 10  # chores


class ThreadName(StrEnum):
    """The threads beside the main one, none of which waits for another."""

    VISION = "vision"  # camera -> Line.step -> schedule; the only one that touches frames
    ACTUATION = "actuation"  # fires and releases what is planned, at real-time priority
    JOURNAL = "journal"  # stores what the others recorded; the only one that waits for the disk
    CHORES = "chores"  # the machine's temperature, the latches of stops: slow things that nobody waits for
    MODELS = "models"  # looks after the model: reads disks, loads another one
    CONTROL = "control"  # lets a person stop the station and resume, from another process
    PAGE = "page"  # serves the browser
    WORLD = "world"  # lets a simulated station's belt, flaps and sensors go on
    CLASSIFIER = "classifier"  # opens the model anew after it failed
    REPLACED = "replaced"  # closes the model that another took the place of


PRIORITIES = {
    ThreadName.ACTUATION: Priority.ACTUATION,
    ThreadName.VISION: Priority.VISION,
    ThreadName.PAGE: Priority.PAGE,
}


class Runtime:
    """One run of a station, from the first frame until a signal, the end of the source or a bug."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._stop = threading.Event()
        self._reopen = threading.Event()
        self._asked: Asked = SimpleQueue()
        self._failure: BaseException | None = None
        self._between_frames: deque[Callable[[], object]] = deque()
        self._replaced: deque[Classifier] = deque()
        self._background: list[threading.Thread] = []
        self.panel = parts.build_panel(self._emergency_stop)
        self.supervisor = Supervisor(
            clock=parts.clock,
            health=parts.health,
            schedule=parts.schedule,
            policy=parts.line.policy,
            journal=parts.journal,
            live=parts.live,
            notifier=parts.notifier,
            panel=self.panel,
            belt=parts.watch_belt(self.panel),
            camera_watch=parts.camera_watch,
            actuators=parts.actuators,
            actions={
                Step.REOPEN_CAMERA: lambda _: self._reopen.set(),
                Step.RESTART_CLASSIFIER: lambda _: self._start_once(ThreadName.CLASSIFIER, self._restart_classifier),
                Step.RETRY_ACTUATORS: lambda _: self.supervisor.retry_actuators(),
                Step.RESTART_PAGE: lambda _: self._start_once(ThreadName.PAGE, self._restart_page),
                Step.RESTART_SERVICE: self._restart_service,
            },
            watchers=parts.watchers,
        )
        parts.line.classifier = Watched(parts.line.classifier)
        parts.line.on_failure = self.supervisor.classifier_failed

    def stop(self) -> None:
        """Ask for the end, from any thread."""
        self._stop.set()
        self._asked.put(lambda: None)  # wakes the main thread

    def swap_classifier(self, classifier: Classifier, introduce: Callable[[], object] = lambda: None) -> None:
        """Put another model to work between two frames, so that no item is seen by both.

        `introduce` changes with it all else that belongs to the model, before the next frame.
        """

        def swap() -> None:
            self._replaced.append(self.parts.line.classifier)
            self.parts.line.classifier = Watched(classifier)
            introduce()

        self._between_frames.append(swap)

    def run(self, seconds: float | None = None) -> None:
        """Run until stopped, or for some seconds.

        Raises:
            RestartError: it has to be started anew to go on.
            Exception: whatever a thread died of, after the pins were made safe.
        """
        parts = self.parts
        writer_stop = threading.Event()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if parts.is_live and not lock_memory():
            log.warning("memory can't be locked (ulimit -l): short of memory, a stroke may wait for the disk")
        with taking_signals(self._asked, self._stop.set, self._reset) as pins_are_safe, settled_memory():
            try:
                with real_time(Priority.EMERGENCY_STOP) as granted:  # the pin backend's threads inherit it
                    self.panel.open()
                if not granted:
                    log.warning("no real-time priority: strokes may be some ms late; see `sorter doctor`")
                self._start(ThreadName.JOURNAL, lambda: run_writer(parts.journal, parts.clock, writer_stop))
                for name, work in (
                    (ThreadName.ACTUATION, self._actuate),
                    (ThreadName.VISION, self._see),
                    (ThreadName.CHORES, self._do_chores),
                ):
                    self._start(name, work)
                if parts.models is not None:
                    self._start(ThreadName.MODELS, self._follow_models)
                if parts.follow_world is not None:
                    self._start(ThreadName.WORLD, partial(parts.follow_world, self._stop))
                if parts.serve_control is not None:
                    self._start(ThreadName.CONTROL, partial(parts.serve_control, self._stop))
                if parts.page is not None:
                    self._start(ThreadName.PAGE, parts.page.run)
                self._supervise(None if seconds is None else parts.clock.now() + ms(1000 * seconds))
            finally:
                self._stop.set()
                self._guarded(self.supervisor.make_safe)
                pins_are_safe()
                self._wind_up(writer_stop)
        if self._failure is not None:
            raise self._failure
        if parts.models is not None:
            parts.models.end()

    # -- threads -----------------------------------------------------------------------------------------------

    def _start(self, name: ThreadName, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guard, args=(name, work), name=name, daemon=True)
        self._background = [other for other in self._background if other.is_alive()] + [thread]
        thread.start()
        return thread

    def _start_once(self, name: ThreadName, work: Callable[[], None]) -> None:
        """Start a thread unless the last one of its name is still at it."""
        if not any(thread.name == name and thread.is_alive() for thread in self._background):
            self._start(name, work)

    def _guard(self, name: ThreadName, work: Callable[[], None]) -> None:
        """Run a thread's work; a bug in one that sorting needs makes the pins safe at once and ends the run."""
        now = self.parts.clock.now
        try:
            with self._priority_of(name):
                work()
        except BaseException as error:
            log.exception("the %s thread failed", name)
            if name is ThreadName.PAGE:
                self.parts.health.raise_fault(FaultKind.PAGE_DOWN, now())
                return
            self._failure = self._failure or error
            self.parts.health.raise_fault(FaultKind.PROGRAM_ERROR, now(), name)
            self.stop()
            self.supervisor.make_safe()
        finally:
            if name in (ThreadName.VISION, ThreadName.ACTUATION):
                self.stop()

    def _priority_of(self, name: ThreadName) -> AbstractContextManager[bool]:
        """Give the actuation thread its priority; the others get theirs only where real things move."""
        if name is ThreadName.ACTUATION or self.parts.is_live:
            return real_time(PRIORITIES.get(name, Priority.RECORDS))
        return nullcontext(False)

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do one step of winding up; the next ones are done whatever becomes of it."""
        try:
            work()
        except BaseException as error:
            log.exception("winding up went wrong")
            self._failure = self._failure or error

    def _see(self) -> None:
        """Take frames all the way through; a camera that is lost is opened again when the supervisor says so."""
        camera: Camera | None = None
        try:
            while not self._stop.is_set():
                try:
                    if self._reopen.is_set() and camera is not None:
                        camera.close()
                        camera = None
                    self._reopen.clear()
                    camera = camera or self.parts.open_camera()
                    frame = camera.read()
                except CameraError as error:
                    self.supervisor.camera_failed(error)
                    if camera is not None:
                        camera.close()
                        camera = None
                    while not (self._stop.is_set() or self._reopen.is_set()):
                        self._pause(SUPERVISE_MS)
                    continue
                if frame is None:
                    log.info("the camera's source has ended")
                    return
                self.supervisor.camera_works()
                self._step(frame)
        finally:
            if camera is not None:
                camera.close()

    def _step(self, frame: Frame) -> None:
        while self._between_frames:
            self._between_frames.popleft()()
        outcomes = self.supervisor.take(self.parts.line, frame)
        if self.parts.models is not None:
            for outcome in outcomes:
                self.parts.models.note(outcome)

    def _actuate(self) -> None:
        """Fire and release on time; this thread alone touches the actuators while the station runs well."""
        parts = self.parts
        while not self._stop.is_set():
            parts.schedule.wait(parts.clock, self._stop)
            parts.health.sign(Sign.ACTUATION, parts.clock.now())
            self.supervisor.note_strokes(parts.schedule.run_due(parts.clock.now()))

    def _do_chores(self) -> None:
        parts = self.parts
        parts.tidy()
        count = 0
        while not self._stop.is_set():
            self._keep_latches()
            self.panel.levels.keep(parts.clock.now())
            if count % LOOK_EVERY == 0:
                machine = parts.machine.look()
                parts.live.publish_machine(machine)
                parts.health.set_faults(MACHINE_FAULTS, parts.machine.faults(machine), parts.clock.now())
            count += 1
            self._pause(CHORES_MS)
        self._keep_latches()
        self.panel.levels.keep(parts.clock.now(), at_once=True)

    def _keep_latches(self) -> None:
        parts = self.parts
        parts.latch.keep(any(fault.kind is FaultKind.EMERGENCY_STOP for fault in parts.health.faults))
        parts.switch.keep()

    def _follow_models(self) -> None:
        """Look after the model: a changeover reads disks and loads for a second, so no other thread can do it."""
        models = self.parts.models
        while models is not None and not self._stop.is_set():
            models.turn()
            models.rest(self.parts.clock.now() + ms(MODELS_MS))
            self._pause(MODELS_MS if models.idle else 0.0)
        if models is not None:
            models.dismiss_shadow()

    def _supervise(self, until: int | None) -> None:
        parts = self.parts
        parts.notifier.ready("starting")
        while not self._stop.is_set():
            now = parts.clock.now()
            if until is not None and now >= until:
                return
            self.supervisor.turn(now)
            while self._replaced:
                self._start(ThreadName.REPLACED, self._replaced.popleft().close)
            with suppress(Empty):
                self._asked.get(timeout=SUPERVISE_MS / 1000)()

    def _wind_up(self, writer_stop: threading.Event) -> None:
        parts = self.parts
        parts.notifier.stopping()
        if parts.page is not None:
            parts.page.stop()
        for thread in [thread for thread in self._background if thread.name != ThreadName.JOURNAL]:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.error("the %s thread did not end within %.0f s", thread.name, JOIN_S)
        while self._between_frames:
            self._guarded(self._between_frames.popleft())
        for classifier in (*self._replaced, parts.line.classifier):
            self._guarded(classifier.close)
        for actuator in parts.actuators.values():
            self._guarded(actuator.close)
        self._guarded(self.panel.close)
        if self._failure is None:
            parts.health.stop(parts.clock.now())
        self._guarded(lambda: self.supervisor.tell(parts.clock.now()))
        writer_stop.set()
        for thread in [thread for thread in self._background if thread.name == ThreadName.JOURNAL]:
            thread.join(JOIN_S)
        self._guarded(parts.journal.close)

    # -- recovery ----------------------------------------------------------------------------------------------

    def _restart_classifier(self) -> None:
        try:
            self.swap_classifier(self.parts.open_classifier())
        except SorterError as error:
            log.error("the model can't be opened anew: %s", error)
        else:
            self.parts.health.clear_fault(FaultKind.CLASSIFIER_FAILED, self.parts.clock.now())

    def _restart_page(self) -> None:
        if self.parts.open_page is None:
            return
        try:
            page = self.parts.page = self.parts.open_page()
        except SorterError as error:
            log.error("the page can't be opened: %s", error)
            return
        self.parts.health.clear_fault(FaultKind.PAGE_DOWN, self.parts.clock.now())
        log.info("the page is back: %s", page.url)
        if self._stop.is_set():  # it may have been missed by the one who winds up
            page.stop()
        page.run()

    def _restart_service(self, kind: FaultKind) -> None:
        self._failure = self._failure or RestartError(f"starting anew because of: {kind}")
        self._stop.set()

    # -- small things ------------------------------------------------------------------------------------------

    def _emergency_stop(self) -> None:
        self.supervisor.emergency_stop()

    def _reset(self) -> None:
        self.panel.reset(self.parts.clock.now())

    def _pause(self, milliseconds: float) -> None:
        self.parts.clock.sleep_until(self.parts.clock.now() + ms(milliseconds), self._stop)
