"""Station settings to a run on the virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.bundle.archive import Bundle
from edge.clock import VirtualClock, ms
from edge.config import Station
from edge.devices.actuators import open_actuators
from edge.devices.actuators.schedule import Schedule
from edge.health.health import Health
from edge.health.heartbeats import Limits
from edge.health.monitors.bin_levels import BinLevels, counted_bins
from edge.inference.classifier import BundleClassifier
from edge.interfaces import Classifier
from edge.journal import Journal, open_journal
from edge.simulate.backend.pins import WorldPins
from edge.simulate.world.faults import Planned
from edge.simulate.world.world import World
from edge.station.assemble import build_line, watch_belt, watch_camera
from edge.station.exit_sensors import watch_sensors
from edge.station.injected_faults import TroubledClassifier, troubled_connect
from edge.station.station_io import Panel
from edge.station.supervisor import Supervisor
from edge.tools.simulate.perfect_classifier import Oracle
from edge.tools.simulate.score import Score, place_in_time, score
from edge.tools.simulate.virtual_run import Rig, VirtualRun

ORACLE_LABELS = ("cardboard", "glass", "metal", "organic", "paper", "plastic", "trash")


@dataclass(frozen=True)
class Conditions:
    """How a run is made.

    Attributes:
        bundle: the model; None: the oracle, which is always right.
        invoke_ms: what one inference takes; given, not measured, so that the same seed gives the same run.
        frame_ms: what finding and following take for each frame.
        journal_folder: where a journal is kept; None: nowhere.
        truth: what the world is like, where that is not what the station believes.
    """

    bundle: Bundle | None = None
    invoke_ms: float = 8.0
    frame_ms: float = 1.0
    disturbances: Sequence[Planned] = ()
    journal_folder: Path | None = None
    truth: Station | None = None


def build_virtual_run(station: Station, conditions: Conditions) -> VirtualRun:
    """Open a simulated station with the product's own parts.

    Raises:
        SorterError: the station, its photos or its bundle are not usable.
    """
    clock = VirtualClock()
    world = World(conditions.truth or station, clock, conditions.disturbances)
    pins = WorldPins(world, clock)
    actuators = open_actuators(station, pins, clock)
    schedule = Schedule(actuators, {a.name: ms(a.max_on_ms) for a in station.actuators})
    classifier: Classifier
    if conditions.bundle is None:
        classifier, min_scores = Oracle(world, ORACLE_LABELS), dict.fromkeys(ORACLE_LABELS, 0.5)
    else:
        classifier = BundleClassifier(conditions.bundle, station.inference.threads, station.inference.runtime)
        min_scores = dict(conditions.bundle.manifest.thresholds.minimum_score)
    line = build_line(station, classifier, min_scores, clock)
    journal = _open_journal(station, conditions, clock, world)
    health = Health(clock.now(), Limits.of(station.safety.stall_ms, station.journal.batch_ms))
    levels = BinLevels(counted_bins(station))
    panel = Panel(station, pins, clock, health, lambda: supervisor.emergency_stop(), levels)
    belt = watch_belt(station, line, health, panel)
    supervisor = Supervisor(clock, health, schedule, line.policy, journal, panel=panel, belt=belt, actuators=actuators)
    supervisor.camera_watch = watch_camera(station)
    watch_sensors(line, supervisor)
    panel.open()
    run = VirtualRun(Rig(clock, world, line, schedule, supervisor, panel, journal), frame_ns=ms(conditions.frame_ms))
    line.classifier = TroubledClassifier(classifier, ms(conditions.invoke_ms), run.spend, world.is_active)
    return run


def run_and_score(station: Station, run: VirtualRun, seconds: float) -> Score:
    """Run for some seconds of virtual time, let what is under way land, and hold the outcome against the truth."""
    run.run(seconds, drain_s(station))
    world = run.rig.world
    place = place_in_time if station.belt is None else world.surface.position
    counted = score(station, world.items, run.records, place, seconds, run.dropped_frames)
    return replace(counted, faults=run.faults.spans)


def drain_s(station: Station) -> float:
    """Return how long the last item needs into its bin at the most."""
    if station.belt is None:
        return 12.0
    length = max((b.distance_mm for b in station.bins if b.distance_mm is not None), default=0.0)
    view = max(station.camera.width, station.camera.height) * station.belt.mm_per_pixel
    return (length + view + 500.0) / station.belt.speed_mm_per_s + 1.0


def _open_journal(station: Station, conditions: Conditions, clock: VirtualClock, world: World) -> Journal | None:
    if conditions.journal_folder is None:
        return None
    # Named by the seed: the same run leaves the same journal, byte for byte.
    name = f"{station.simulation.seed:032x}"
    connect = troubled_connect(world.is_active)
    journal = open_journal(conditions.journal_folder, station.journal, clock, name, "virtual", connect)
    if conditions.bundle is not None:
        journal.bundle = conditions.bundle.digest
    return journal
