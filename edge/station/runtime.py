"""Runs a station for real: threads, signals, the watchdog and the way into the safe state.

Processes: the model at work has one of its own, and so has a shadow model (started in edge/inference/process.py). The
vision thread sends it pictures; loading it, its hanging and its crash keep nothing here from running.
The main thread supervises: health, recovery, watchdog, signals. This is the only module that starts a thread, and
whatever happens to one, the run ends with the pins in their safe position.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue

from edge.clock import ms
from edge.errors import RestartError, SorterError
from edge.health.faults import FaultKind, RecoveryAction
from edge.health.heartbeats import Heartbeat
from edge.journal import run_writer
from edge.models.switcher import ModelSwitcher
from edge.station.assembled import AssembledStation
from edge.station.chores import Chores
from edge.station.stops.control import serve
from edge.station.vision import VisionLoop
from edge.system.realtime import Priority, lock_memory, real_time, settled_memory
from edge.system.signals import Asked, taking_signals
from edge.web.station.status import status_line

log = logging.getLogger(__name__)

SUPERVISE_MS = 100
# A thread that does not end within this time is left behind: the pins are safe already, and systemd ends the rest.
JOIN_S = 3.0
# How long a thread that computes keeps Python's lock from one that wakes. Python's own 5 ms would keep the emergency
# stop waiting that long. Measured in the demo with the page open, the wait of a real-time thread at p99.9: 1.4 ms with
# 0.5 ms, 0.6 ms with this.
SWITCH_INTERVAL_S = 0.0001
MODELS_MS = 1000.0


class ThreadName(StrEnum):
    """The threads beside the main one, none of which waits for another."""

    VISION = "vision"  # camera -> FrameIntake -> schedule; the only one that touches frames
    ACTUATION = "actuation"  # fires and releases what is planned, at real-time priority
    JOURNAL = "journal"  # stores what the others recorded; the only one that waits for the disk
    CHORES = "chores"  # the machine's temperature, the latches of stops: slow things that nobody waits for
    MODELS = "models"  # looks after the model: reads disks, loads another one
    CONTROL = "control"  # lets a person stop the station, resume, and ask how it is, from another process
    PAGE = "page"  # serves the browser
    TEACHING = "teaching"  # keeps what a person shows to the station, and follows the process that learns from it
    NOTIFY = "notify"  # tells brokers and people what goes on, one thread each; they wait for servers
    WORLD = "world"  # lets a simulated station's belt, flaps and sensors go on
    CLASSIFIER = "classifier"  # opens the model anew after it failed
    REPLACED = "replaced"  # closes the model that another took the place of


PRIORITIES = {
    ThreadName.ACTUATION: Priority.ACTUATION,
    ThreadName.VISION: Priority.VISION,
    ThreadName.PAGE: Priority.PAGE,
}
# When one of these ends, for whatever reason, the run is over.
VITAL = (ThreadName.VISION, ThreadName.ACTUATION)


class Threads:
    """The threads of one run; `on_end` is told of each that ended, with the error that it died of, if any."""

    def __init__(
        self,
        priority_of: Callable[[ThreadName], AbstractContextManager[bool]],
        on_end: Callable[[ThreadName, BaseException | None], None],
    ) -> None:
        self._priority_of, self._on_end = priority_of, on_end
        self._started: list[threading.Thread] = []

    def start(self, name: ThreadName, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=self._guard, args=(name, work), name=name, daemon=True)
        self._started = [other for other in self._started if other.is_alive()] + [thread]
        thread.start()

    def start_once(self, name: ThreadName, work: Callable[[], object]) -> None:
        """Start a thread unless the last one of its name is still at it."""
        if not any(thread.name == name and thread.is_alive() for thread in self._started):
            self.start(name, work)

    def join(self, chosen: Callable[[str], bool]) -> None:
        """Wait a while for the threads with these names to end."""
        for thread in [thread for thread in self._started if chosen(thread.name)]:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.error("the %s thread did not end within %.0f s", thread.name, JOIN_S)

    def _guard(self, name: ThreadName, work: Callable[[], object]) -> None:
        failure: BaseException | None = None
        try:
            with self._priority_of(name):
                work()
        except BaseException as error:
            log.exception("the %s thread failed", name)
            failure = error
        finally:
            self._on_end(name, failure)


class Runtime:
    """One run of a station, from the first frame until a signal, the end of the source or a bug."""

    def __init__(self, station: AssembledStation) -> None:
        self.station = station
        self._is_live = station.settings.camera.is_live
        self._stop = threading.Event()
        self._asked: Asked = SimpleQueue()
        self._failure: BaseException | None = None
        self._threads = Threads(self._priority_of, self._thread_ended)
        self._vision = VisionLoop(station.environment.open_camera, station.intake, station.clock, self._stop)

    def stop(self) -> None:
        """Ask for the end, from any thread."""
        self._stop.set()
        self._asked.put(lambda: None)  # wakes the main thread

    def run(self, seconds: float | None = None, on_tick: Callable[[int], object] | None = None) -> None:
        """Run until stopped, or for some seconds; `on_tick` is called after each tick of the supervisor.

        Raises:
            RestartError: it has to be started anew to go on.
            Exception: whatever a thread died of, after the pins were made safe.
        """
        station, clock = self.station, self.station.clock
        writer_stop = threading.Event()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if self._is_live and not lock_memory():
            log.warning("memory can't be locked (ulimit -l): short of memory, a stroke may wait for the disk")
        with taking_signals(self._asked, self._stop.set, self._reset) as pins_are_safe, settled_memory():
            try:
                self._open_pins()
                self._start_threads(writer_stop)
                self._supervise(None if seconds is None else clock.now() + ms(1000 * seconds), on_tick)
            finally:
                self._stop.set()
                self._guarded(lambda: station.safe_state.enter(clock.now()))
                pins_are_safe()
                self._wind_up(writer_stop)
        if self._failure is not None:
            raise self._failure
        if station.switcher is not None:
            station.switcher.end()

    # -- threads -----------------------------------------------------------------------------------------------

    def _open_pins(self) -> None:
        with real_time(Priority.EMERGENCY_STOP) as granted:  # whatever else a pin backend starts inherits it
            self.station.safe_state.open()
            self.station.station_io.open()
        if not granted:
            log.warning("no real-time priority: strokes may be some ms late; see `sorter doctor`")

    def _start_threads(self, writer_stop: threading.Event) -> None:
        station, environment = self.station, self.station.environment
        journal, world, folder = station.reporting.journal, environment.world, environment.state_folder
        if journal is not None:
            self._threads.start(ThreadName.JOURNAL, partial(run_writer, journal, station.clock, writer_stop))
        self._threads.start(ThreadName.ACTUATION, self._actuate)
        self._threads.start(ThreadName.VISION, self._vision.run)
        self._threads.start(ThreadName.CHORES, Chores(station, self._stop).run)
        if station.switcher is not None:
            self._threads.start(ThreadName.MODELS, partial(self._follow_models, station.switcher))
        if world is not None:
            self._threads.start(ThreadName.WORLD, partial(world.follow, self._stop))
        if folder is not None:
            self._threads.start(ThreadName.CONTROL, partial(serve, folder, station.switch, self._describe, self._stop))
        if station.classroom is not None:
            self._threads.start(ThreadName.TEACHING, partial(station.classroom.run, self._stop))
        self._threads.start(ThreadName.PAGE, station.page.run)
        for channel in station.channels:
            self._threads.start(ThreadName.NOTIFY, partial(channel.run, self._stop))

    def _thread_ended(self, name: ThreadName, failure: BaseException | None) -> None:
        """A bug in a thread makes the pins safe at once and ends the run."""
        if failure is not None:
            now = self.station.clock.now()
            self._failure = self._failure or failure
            self.station.health.raise_fault(FaultKind.PROGRAM_ERROR, now, name)
            self.stop()
            self.station.safe_state.enter(now)
        elif name in VITAL:
            self.stop()

    def _priority_of(self, name: ThreadName) -> AbstractContextManager[bool]:
        """Give the actuation thread its priority; the others get theirs only where real things move."""
        if name is ThreadName.ACTUATION or self._is_live:
            return real_time(PRIORITIES.get(name, Priority.RECORDS))
        return nullcontext(False)

    def _actuate(self) -> None:
        """Fire and release on time; this thread alone touches the actuators while the station runs well."""
        station, schedule, observer = self.station, self.station.schedule, self.station.supervisor.observer
        while not self._stop.is_set():
            schedule.wait(station.clock, self._stop)
            station.health.heartbeat(Heartbeat.ACTUATION, station.clock.now())
            for stroke in schedule.run_due(station.clock.now()):
                observer.on_stroke(stroke)

    def _follow_models(self, switcher: ModelSwitcher) -> None:
        """Look after the model: a changeover reads disks and loads for a second, so no other thread can do it."""
        while not self._stop.is_set():
            switcher.tick()
            switcher.rest(self.station.clock.now() + ms(MODELS_MS))
            self._pause(MODELS_MS if switcher.idle else 0.0)
        switcher.dismiss_shadow()

    # -- the main thread ---------------------------------------------------------------------------------------

    def _supervise(self, until: int | None, on_tick: Callable[[int], object] | None) -> None:
        station, recovery = self.station, self._recovery()
        station.environment.notifier.ready("starting")
        while not self._stop.is_set():
            now = station.clock.now()
            if until is not None and now >= until:
                return
            for kind, step in station.supervisor.tick(now):
                recovery[step](kind)
            if on_tick is not None:
                on_tick(now)
            for classifier in station.slot.take_replaced():
                self._threads.start(ThreadName.REPLACED, classifier.close)
            with suppress(Empty):
                self._asked.get(timeout=SUPERVISE_MS / 1000)()

    def _recovery(self) -> Mapping[RecoveryAction, Callable[[FaultKind], object]]:
        """What is done for each step; all return at once."""
        page = self.station.page
        return {
            RecoveryAction.REOPEN_CAMERA: lambda _: self._vision.reopen(),
            RecoveryAction.RESTART_CLASSIFIER: lambda _: self._threads.start_once(
                ThreadName.CLASSIFIER, self._restart_classifier
            ),
            RecoveryAction.RETRY_ACTUATORS: lambda _: self.station.actuator_monitor.retry(),
            RecoveryAction.RESTART_PAGE: lambda _: self._threads.start_once(ThreadName.PAGE, page.reopen),
            RecoveryAction.RESTART_SERVICE: self._restart_service,
        }

    def _restart_classifier(self) -> None:
        station = self.station
        try:
            station.slot.replace_classifier(station.reopen_classifier())
        except SorterError as error:
            log.error("the model can't be opened anew: %s", error)
        else:
            station.health.clear_fault(FaultKind.CLASSIFIER_FAILED, station.clock.now())

    def _restart_service(self, kind: FaultKind) -> None:
        self._failure = self._failure or RestartError(f"starting anew because of: {kind}")
        self._stop.set()

    def _wind_up(self, writer_stop: threading.Event) -> None:
        station, clock = self.station, self.station.clock
        station.environment.notifier.stopping()
        station.page.stop()
        self._threads.join(lambda name: name not in (ThreadName.JOURNAL, ThreadName.NOTIFY))
        self._guarded(station.slot.close)
        for actuator in station.actuators.values():
            self._guarded(actuator.close)
        self._guarded(station.station_io.close)
        self._guarded(station.safe_state.close)
        if self._failure is None:
            station.health.stop(clock.now())
        self._guarded(lambda: station.supervisor.publish(clock.now()))
        writer_stop.set()
        self._threads.join(lambda name: name == ThreadName.JOURNAL)
        if station.reporting.journal is not None:
            self._guarded(station.reporting.journal.close)
        self._threads.join(lambda name: name == ThreadName.NOTIFY)  # a server that hangs keeps them; nothing else waits

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do one step of winding up; the next ones are done whatever becomes of it."""
        try:
            work()
        except BaseException as error:
            log.exception("winding up went wrong")
            self._failure = self._failure or error

    def _describe(self) -> str:
        """Return how the station is as a line of JSON, for another process; a bug in that stops no station."""
        try:
            return status_line(self.station.reporting.live.snapshot(), self.station.settings)
        except Exception:
            log.exception("the status can't be told")
            return ""

    # -- small things ------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self.station.station_io.reset(self.station.clock.now())

    def _pause(self, milliseconds: float) -> None:
        self.station.clock.sleep_until(self.station.clock.now() + ms(milliseconds), self._stop)
