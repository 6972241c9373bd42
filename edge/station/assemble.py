"""The one builder: settings to a station that is wired and does not run yet, real and simulated alike.

Parts are made in the order in which they need each other: what is told and kept, the line, the monitors, what stops
everything, and who looks after it all. Nothing is put in later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue

from edge.clock import ms
from edge.config import Station
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.devices.gpio.inputs import InputWiring
from edge.errors import ClassifierError, ConfigError
from edge.health.faults import FaultKind
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat, Limits
from edge.health.monitors import Monitor, Observer, Observers
from edge.health.monitors.actuators import ActuatorMonitor
from edge.health.monitors.at_start import StartMonitor
from edge.health.monitors.belt import BeltMonitor
from edge.health.monitors.bin_levels import BinLevelMonitor, BinLevels
from edge.health.monitors.camera import CameraClockMonitor, PictureMonitor
from edge.health.monitors.drift import DriftMonitor
from edge.health.monitors.inference_load import InferenceLoadMonitor
from edge.health.monitors.jams import JamMonitor
from edge.health.monitors.machine import MachineMonitor
from edge.inference.slot import ClassifierSlot
from edge.interfaces import Classifier, Clock
from edge.journal.monitor import JournalMonitor
from edge.line import Line
from edge.models.loader import ActiveModel
from edge.models.switcher import ModelSwitcher
from edge.notify.channels import NotifyMonitor, open_channels
from edge.policy import Policy
from edge.sensing import BeamTrigger, build_trigger
from edge.sensing.still_view import StillView
from edge.station.assembled import AssembledStation
from edge.station.environment import Environment, Interference
from edge.station.frame_intake import FrameIntake
from edge.station.models import FixedModel, Models, at_work
from edge.station.page import Page, Server
from edge.station.recorder import Recorder, Reporting
from edge.station.safe_state import OutputPins, SafeState
from edge.station.station_io import BeamEdges, StationIO, ignore_tick
from edge.station.stops.commands import Commands
from edge.station.stops.control import StopSwitch
from edge.station.stops.latch import EstopLatch, PauseLatch
from edge.station.supervisor import Supervisor
from edge.station.teaching.classroom import Classroom
from edge.station.teaching.learner import Learner
from edge.station.teaching.lesson import Lesson
from edge.station.teaching.taught_place import TaughtPlace
from edge.transport import Conveyor, DirectDrop, build_belt, build_transport
from edge.web.station.app import build_app
from edge.web.station.token import PageToken, make_token_if_missing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """What calibrating has left besides the settings: what stood still in view, or a file that was damaged.

    `calibrated` names what was measured: with other values, what is usual is learnt anew.
    """

    view: StillView | None = None
    was_damaged: bool = False
    calibrated: str = ""


def assemble(
    station: Station,
    environment: Environment,
    reporting: Reporting,
    models: Models,
    measured: Measured,
    observers: Sequence[Observer] = (),
) -> AssembledStation:
    """Return the station; `observers` are told what goes on besides the station's own.

    Raises:
        SorterError: an actuator's pin can't be used; closing the model is left to the caller.
    """
    clock, recorder, interference = environment.clock, reporting.recorder, environment.interference
    actuators = open_actuators(station, environment.pins, clock)
    schedule = interference.schedule(actuators, {a.name: ms(a.max_on_ms) for a in station.actuators})
    latch, paused = EstopLatch(environment.state_folder), PauseLatch(environment.state_folder)
    health = _build_health(station, clock, latch, paused, has_journal=reporting.journal is not None)
    slot = ClassifierSlot(replace(models.first, classifier=interference.classifier(models.first.classifier)))
    recorder.use_model(slot.model)
    transport = build_transport(station, build_belt(station))
    line = build_line(station, transport, slot, slot.model.min_scores, clock, partial(_model_failed, health, clock))
    switcher, reopen = _follow(station, models, slot, interference)
    switch, lesson = StopSwitch(health, clock, paused, lambda: safe_state.is_held), Lesson(health)
    commands = _commands(station, environment, reporting.levels, schedule, (switch, lesson), models)
    act, folder = partial(commands.take, by="MQTT"), environment.state_folder
    channels = open_channels(station, reporting.live, clock, act, folder=folder)
    page = Page(_page_opener(station, environment, reporting, commands), interference.page_is_taken_away)
    actuator_monitor, machine = ActuatorMonitor(actuators), MachineMonitor(interference.look_at_machine)
    monitors = _monitors(station, transport, reporting, measured.view)
    drift = DriftMonitor(clock, lambda: slot.model.digest, measured.calibrated, environment.state_folder)
    monitors += [StartMonitor(calibration_damaged=measured.was_damaged), actuator_monitor, machine, drift, page]
    monitors += [NotifyMonitor(channels), *([] if switcher is None else [switcher])]
    beam = [BeamEdges(line.trigger)] if isinstance(line.trigger, BeamTrigger) else []
    observer = _observers(recorder, monitors, [*beam, lesson, *interference.observers(), *observers])
    safe_state = SafeState(schedule, environment.pins, _outputs(station), health, clock, observer)
    station_io = StationIO(
        InputWiring.of(station), environment.pins, clock, health, safe_state.emergency_stop, observer,
        _encoder(station, transport), commands.resets,
    )  # fmt: skip
    supervisor = Supervisor(
        health, monitors, observer, recorder, station_io, safe_state, line.policy, lesson, environment.notifier
    )
    intake = FrameIntake(clock, line, slot, schedule, safe_state, health, recorder, observer, lesson)
    return AssembledStation(
        station, environment, clock, line, slot, intake, actuators, schedule, safe_state, station_io, health,
        supervisor, reporting, actuator_monitor, machine, drift, page, channels, latch, switch,
        commands.teaching, lambda: interference.classifier(reopen()), switcher,
    )  # fmt: skip


def _open_classroom(environment: Environment, lesson: Lesson, switch: StopSwitch) -> Classroom | None:
    """Return what lets the station be taught from its page; None where there is no file that says what it sorts."""
    file, folder, world = environment.station_file, environment.state_folder, environment.world
    if file is None or folder is None:
        return None
    learner = Learner(environment.clock, file, folder)
    if world is None:
        return Classroom(TaughtPlace(file, folder), lesson, switch, learner)
    from edge.station.teaching.assistant import Assistant  # a real station has no simulated world

    return Classroom(TaughtPlace(file, folder, world.scene.labels), lesson, switch, learner, Assistant(world))


def build_line(
    station: Station,
    transport: Conveyor | DirectDrop,
    classifier: Classifier,
    min_scores: Mapping[str, float],
    clock: Clock,
    on_failure: Callable[[ClassifierError], None],
) -> Line:
    """Return the line of a station; `min_scores` are the thresholds by label, `on_failure` is told when the model fails."""
    policy = Policy(station.bins, min_scores, station.deciding.min_margin)
    trigger = (
        build_trigger(station, None, transport.is_moving)
        if isinstance(transport, DirectDrop)
        else build_trigger(station, transport.belt)
    )
    return Line(clock, trigger, classifier, policy, transport, on_failure)


def _build_health(
    station: Station, clock: Clock, estop: EstopLatch, paused: PauseLatch, *, has_journal: bool
) -> Health:
    return Health(
        clock.now(),
        Limits.of(station.safety.stall_ms, station.journal.batch_ms),
        watched=frozenset({Heartbeat.ACTUATION, Heartbeat.JOURNAL} if has_journal else {Heartbeat.ACTUATION}),
        estopped=estop.is_set,
        paused_by="a person before the restart" if paused.is_set else "",
    )


def _model_failed(health: Health, clock: Clock, error: ClassifierError) -> None:
    """Items go to residual from here on, and the model is opened anew."""
    log.error("%s", error)
    health.raise_fault(FaultKind.CLASSIFIER_FAILED, clock.now())


def _follow(
    station: Station, models: Models, slot: ClassifierSlot, interference: Interference
) -> tuple[ModelSwitcher | None, Callable[[], Classifier]]:
    """Return what puts other models of the store to work, if there is one, and what opens the one at work anew."""
    if isinstance(models, FixedModel):
        return None, models.reopen

    def put_to_work(serving: ActiveModel) -> None:
        model = at_work(station, serving)
        slot.swap(replace(model, classifier=interference.classifier(model.classifier)))

    switcher = ModelSwitcher(models.loader, models.watch, models.started, put_to_work)
    return switcher, switcher.reopen


def _page_opener(
    station: Station, environment: Environment, reporting: Reporting, commands: Commands
) -> Callable[[], Server] | None:
    """Return what opens the page; None where the station has none."""
    if not station.page.enabled:
        return None
    token = PageToken(station.state_folder)
    try:
        make_token_if_missing(station.state_folder)
    except ConfigError as error:
        log.warning("%s; nobody can sign in on the page", error)
    token.look()
    control = commands if station.page.controls else None
    journal = station.state_folder / "journal.db"
    return lambda: environment.open_server(
        build_app(reporting.live, station, journal, environment.clock, control, token)
    )


def _commands(
    station: Station,
    environment: Environment,
    levels: BinLevels,
    schedule: Schedule,
    held: tuple[StopSwitch, Lesson],
    models: Models,
) -> Commands:
    """Return what people may have the station do from elsewhere."""
    store = None if isinstance(models, FixedModel) else models.loader.store
    diverters = {actuator.name: actuator for actuator in station.actuators}
    switch, lesson = held
    return Commands(
        switch, switch.health, switch.clock, SimpleQueue(), levels, _sensed(station), schedule, diverters, store, lesson,
        _open_classroom(environment, lesson, switch),
    )  # fmt: skip


def _sensed(station: Station) -> list[str]:
    """Return the bins with a level sensor."""
    return [where.name for where in station.bins if where.full_pin is not None]


def _monitors(
    station: Station, transport: Conveyor | DirectDrop, reporting: Reporting, view: StillView | None
) -> list[Monitor]:
    """Return the monitors of camera, belt, model, bins and journal."""
    camera, belt = station.camera, station.belt
    # Only the pictures of a sensor, with its noise, can be told to be frozen.
    has_noise = camera.is_live or (camera.is_simulated and station.simulation.noise > 0)
    monitors: list[Monitor] = [
        PictureMonitor(view, can_freeze=has_noise),
        CameraClockMonitor(),
        InferenceLoadMonitor(transport),
        JamMonitor(transport.confirmations, reporting.recorder.on_delivery),
        BinLevelMonitor(reporting.levels, _sensed(station)),
    ]
    if belt is not None and isinstance(transport, Conveyor):
        is_driven, has_encoder = belt.run_pin is not None, belt.encoder is not None
        monitors.append(
            BeltMonitor(transport.belt, is_driven=is_driven, has_encoder=has_encoder, frames_per_s=camera.frames_per_s)
        )
    if reporting.journal is not None:
        monitors.append(JournalMonitor(reporting.journal))
    return monitors


def _observers(recorder: Recorder, monitors: Sequence[Monitor], others: Sequence[Observer]) -> Observers:
    """Have all of them told, the recorder first."""
    return Observers([recorder, *(monitor for monitor in monitors if isinstance(monitor, Observer)), *others])


def _outputs(station: Station) -> OutputPins:
    return OutputPins(None if station.belt is None else station.belt.run_pin, station.safety.beacon_pin)


def _encoder(station: Station, transport: Conveyor | DirectDrop) -> Callable[[int, int], None]:
    """Return what takes the ticks of the belt's encoder."""
    has_encoder = station.belt is not None and station.belt.encoder is not None
    return transport.belt.tick if has_encoder and isinstance(transport, Conveyor) else ignore_tick
