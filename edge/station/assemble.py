"""Settings to working parts: the one place that knows which class serves which setting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.archive import Bundle
from edge.clock import SystemClock, ms
from edge.config import Station
from edge.config.calibration.overlay import apply_calibration, check_camera
from edge.config.calibration.record import Calibration
from edge.config.calibration.recover import load_or_set_aside
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.camera import open_camera
from edge.devices.gpio.pins import Pins, open_pins
from edge.errors import ConfigError, SorterError
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.heartbeats import Limits
from edge.health.monitors.belt import BeltWatch
from edge.health.monitors.bin_levels import BinLevels, counted_bins
from edge.health.monitors.camera import CameraWatch
from edge.health.monitors.machine import Machine
from edge.inference.classifier import BundleClassifier
from edge.inference.metered import TimedClassifier
from edge.inference.process import open_apart
from edge.inference.thresholds import fitted
from edge.interfaces import Camera, Classifier, Clock
from edge.journal import Journal, open_journal
from edge.journal.database import connect_for_writing
from edge.line import Line
from edge.models.fit import check_fit
from edge.models.select import open_station_bundle
from edge.models.switcher import Changeover, Serving, build_changeover
from edge.policy import Policy
from edge.sensing import build_trigger
from edge.sensing.still_view import stored_view
from edge.station.control import StopSwitch, serve
from edge.station.exit_sensors import watch_sensors
from edge.station.latch import EstopLatch, PauseLatch
from edge.station.parts import Parts
from edge.station.runtime import Runtime
from edge.station.safe_outputs import NOTE, note_outputs
from edge.station.station_io import Panel
from edge.status.live import LiveView
from edge.system.files import remove_leftovers
from edge.system.realtime import Priority
from edge.system.systemd_notify import Notifier
from edge.transport import Chute, build_belt, build_transport
from edge.transport.conveyor import Conveyor
from edge.web import PageServer, build_app

if TYPE_CHECKING:
    from edge.config.cameras import CameraSettings
    from edge.simulate.world.faults import Planned
    from edge.simulate.world.world import World
    from edge.station.practice import Practice

log = logging.getLogger(__name__)

# A replayed or simulated picture must not move real things: only a camera that looks at the place drives real pins.
LIVE_CAMERAS = frozenset({"picamera2", "v4l2"})
# How long a model may take to answer, of the time after which the station counts as stuck: a model that hangs is ended
# and opened anew before the whole service would be.
ANSWER_SHARE = 0.75


def build_line(station: Station, classifier: Classifier, min_scores: Mapping[str, float], clock: Clock) -> Line:
    """Return the line of a station; `min_scores` are the model's own thresholds, by label."""
    belt = build_belt(station)
    min_scores = _thresholds(station, min_scores)
    policy = Policy(station=station, min_scores=min_scores, min_margin=station.deciding.min_margin)
    transport = build_transport(station, belt)
    trigger = (
        build_trigger(station, belt, transport.is_moving)
        if isinstance(transport, Chute)
        else build_trigger(station, belt)
    )
    return Line(clock, trigger, classifier, policy, transport)


def _thresholds(station: Station, models_own: Mapping[str, float]) -> Mapping[str, float]:
    """Return the least score of each label: the model's own, or the station's one for all."""
    wanted = station.deciding.min_score
    return models_own if wanted is None else dict.fromkeys(models_own, wanted)


def build_runtime(station: Station, clock: Clock | None = None, faults: Sequence[Planned] = ()) -> Runtime:
    """Open everything that a station names and return it, ready to run.

    `faults` are what goes wrong at a simulated station, to practise it.

    Raises:
        SorterError: something is missing, damaged or does not fit; what was opened is safe and closed.
    """
    clock = clock or SystemClock()
    calibration, was_damaged = load_or_set_aside(station)
    station = apply_calibration(station, calibration)
    practice = _plan_practice(station, faults, clock)
    connect = connect_for_writing if practice is None else practice.connect()
    journal = open_journal(station.state_folder, station.journal, clock, connect=connect)
    # After the journal: it makes sure that no other process works here, which would look like a crashed one.
    models = build_changeover(station, clock)
    if models is not None:
        models.fit, models.open_classifier = partial(_fit, calibration), partial(_open_classifier, station)
    try:
        if station.camera.type in LIVE_CAMERAS:
            _note_outputs(station)
        serving = _open_named(station, clock, calibration) if models is None else models.begin()
        ground = Ground(clock, *open_world(station, clock), calibration, practice)
        runtime = _build(station, ground, journal, serving, models)
    except SorterError:
        if models is not None:
            models.end()  # a camera or a pin that is missing is not the model's fault
        raise
    if was_damaged:
        runtime.parts.health.raise_fault(FaultKind.CALIBRATION_DAMAGED, clock.now())
    return runtime


def _note_outputs(station: Station) -> None:
    """Leave a note for `sorter safe`, which may find another station file than this one, or none."""
    try:
        note_outputs(station.state_folder, station.model_dump())
    except OSError as error:
        log.warning("%s can't be written (%s)", station.state_folder / NOTE, error.strerror)


def _plan_practice(station: Station, faults: Sequence[Planned], clock: Clock) -> Practice | None:
    if not faults:
        return None
    from edge.station.practice import Practice

    return Practice(station, faults, clock)


@dataclass(frozen=True)
class Ground:
    """What a station stands on; `world` is the simulated one behind its pins and its camera, None on a real one."""

    clock: Clock
    pins: Pins
    world: World | None
    calibration: Calibration | None
    practice: Practice | None = None


def build_trial(station: Station, ground: Ground, bundle: Bundle, folder: Path) -> Runtime:
    """Return a station that sorts as it would after `calibration` was kept, with its journal in a folder of its own.

    Raises:
        SorterError: something is missing or does not fit; what was opened is safe and closed.
    """
    serving = _open_bundle(fitted(bundle, ground.calibration), station, ground.clock)
    closed = station.with_values(page=station.page.with_values(enabled=False))
    return _build(closed, ground, open_journal(folder, station.journal, ground.clock), serving, None)


def _build(station: Station, ground: Ground, journal: Journal, serving: Serving, models: Changeover | None) -> Runtime:
    try:
        check_fit(serving.bundle, station)
        parts = _open_parts(station, ground, journal, serving)
    except SorterError:
        serving.classifier.close()
        raise
    if models is not None:
        parts.models, parts.open_classifier = models, models.reopen
    if ground.practice is not None and ground.world is not None:
        ground.practice.begin(ground.world)
        ground.practice.trouble(parts)
    runtime = Runtime(parts)
    line, live = parts.line, parts.live
    watch_sensors(line, runtime.supervisor)

    def put_to_work(another: Serving) -> None:
        """Everything that belongs to a model changes in one go: thresholds, the journal's digest, the page."""
        runtime.swap_classifier(another.classifier, lambda: _introduce(station, line, journal, live, another))

    _introduce(station, line, journal, live, serving)
    if models is not None:
        models.tell, models.put_to_work = runtime.supervisor.record_event, put_to_work
    return runtime


def _open_parts(station: Station, ground: Ground, journal: Journal, serving: Serving) -> Parts:
    clock, calibration = ground.clock, ground.calibration
    actuators = open_actuators(station, ground.pins, clock)
    live = LiveView(clock)
    notifier = Notifier.from_environment()
    latch = EstopLatch(station.state_folder)
    paused = PauseLatch(station.state_folder)
    health = Health(
        clock.now(),
        Limits.of(station.safety.stall_ms, station.journal.batch_ms),
        estopped=latch.is_set,
        paused_by="a person before the restart" if paused.is_set else "",
    )
    schedule = Schedule(actuators, {a.name: ms(a.max_on_ms) for a in station.actuators})
    switch = StopSwitch(health, clock, paused, lambda: schedule.held)
    line = build_line(station, serving.classifier, serving.bundle.manifest.thresholds.minimum_score, clock)
    levels = BinLevels(counted_bins(station), station.state_folder)
    if levels.was_damaged:
        health.raise_fault(FaultKind.BIN_LEVELS_DAMAGED, clock.now())

    def open_page() -> PageServer:
        press = switch.press if station.page.controls else None
        app = build_app(live, station, station.state_folder / "journal.db", clock, press)
        return PageServer(app, station.page.host, station.page.port)

    def open_checked() -> Camera:
        opened = open_station_camera(station.camera, clock, ground.world)
        check_camera(calibration, opened.identity)
        return opened

    return Parts(
        clock=clock,
        line=line,
        open_camera=open_checked,
        actuators=actuators,
        schedule=schedule,
        journal=journal,
        live=live,
        health=health,
        notifier=notifier,
        build_panel=partial(Panel, station, ground.pins, clock, health, levels=levels),
        latch=latch,
        switch=switch,
        serve_control=partial(serve, station.state_folder, switch),
        machine=Machine(clock),
        open_classifier=partial(_open_named_classifier, station, clock, calibration),
        watch_belt=partial(watch_belt, station, line, health),
        camera_watch=watch_camera(station, calibration),
        page=_first_page(open_page, health, clock) if station.page.enabled else None,
        open_page=open_page,
        follow_world=None if ground.world is None else ground.world.follow,
        is_live=station.camera.type in LIVE_CAMERAS,
        tidy=partial(remove_leftovers, station.state_folder),
    )


def _introduce(station: Station, line: Line, journal: Journal, live: LiveView, serving: Serving) -> None:
    manifest = serving.bundle.manifest
    line.policy.min_scores = _thresholds(station, manifest.thresholds.minimum_score)
    journal.bundle = serving.bundle.digest
    live.publish_model(manifest.name, manifest.version)


def watch_camera(station: Station, calibration: Calibration | None = None) -> CameraWatch:
    """Have the camera's pictures watched, against what stood still when it was calibrated.

    Only the pictures of a sensor, with its noise, can be told to be frozen.
    """
    camera = station.camera.type
    has_noise = camera in LIVE_CAMERAS or (camera == "simulated" and station.simulation.noise > 0)
    return CameraWatch(stored_view(calibration), can_freeze=has_noise)


def _first_page(open_page: Callable[[], PageServer], health: Health, clock: Clock) -> PageServer | None:
    """Open the page; one that can't be opened is a fault that is tried to be mended, and no reason not to sort."""
    try:
        return open_page()
    except ConfigError as error:
        log.error("%s; sorting goes on without it, and it is tried again", error)
        health.raise_fault(FaultKind.PAGE_DOWN, clock.now())
        return None


def watch_belt(station: Station, line: Line, health: Health, panel: Panel) -> BeltWatch | None:
    """Let the encoder feed the belt's model, and have both watched; None for a station without a belt."""
    if station.belt is None or not isinstance(line.transport, Conveyor):
        return None
    belt = line.transport.belt
    has_encoder = station.belt.encoder is not None
    if has_encoder:
        panel.on_tick = belt.tick
    return BeltWatch(belt, health, station.belt.run_pin is not None, belt.speed if has_encoder else None)


def open_station_camera(settings: CameraSettings, clock: Clock, world: World | None) -> Camera:
    """Open the camera of a station; a simulated one looks at the world.

    Raises:
        CameraError: it is absent, busy, or gives something other than what was asked for.
    """
    if world is None or settings.type != "simulated":
        return open_camera(settings, clock)
    from edge.simulate.backend.camera import SimulatedCamera

    return SimulatedCamera(world, clock, settings)


def open_world(station: Station, clock: Clock) -> tuple[Pins, World | None]:
    """Return the pins of a station, and the simulated world that they and its camera belong to, if it is simulated."""
    if station.camera.type == "simulated":
        from edge.simulate.backend.pins import WorldPins
        from edge.simulate.world.world import World

        world = World(station, clock)
        return WorldPins(world, clock), world
    if station.camera.type in LIVE_CAMERAS:
        return open_pins(), None
    from edge.devices.gpio.mock_pins import RestingPins

    return RestingPins(), None


def _fit(calibration: Calibration | None, bundle: Bundle) -> Bundle:
    """Return the bundle with the thresholds that were fitted at this station, if any were fitted for it."""
    if (
        calibration is not None
        and calibration.thresholds is not None
        and calibration.thresholds.bundle != bundle.digest
    ):
        log.warning(
            "the thresholds of this station were fitted for another model; the model's own are used: "
            "run `sorter calibrate thresholds`"
        )
    return fitted(bundle, calibration)


def _open_named(station: Station, clock: Clock, calibration: Calibration | None) -> Serving:
    """Open the bundle that the station file names."""
    return _open_bundle(_fit(calibration, open_station_bundle(station)), station, clock)


def _open_bundle(bundle: Bundle, station: Station, clock: Clock) -> Serving:
    return Serving(bundle, TimedClassifier(_open_classifier(station, bundle), clock), None)


def _open_classifier(station: Station, bundle: Bundle) -> BundleClassifier:
    """Load a model as a station does that runs for real: in a process of its own."""
    is_live = station.camera.type in LIVE_CAMERAS
    open_model = partial(
        open_apart,
        answer_s=ANSWER_SHARE * station.safety.stall_ms / 1000,
        priority=Priority.VISION if is_live else 0,
    )
    return BundleClassifier(bundle, station.inference.threads, station.inference.runtime, open_model)


def _open_named_classifier(station: Station, clock: Clock, calibration: Calibration | None) -> Classifier:
    return _open_named(station, clock, calibration).classifier
