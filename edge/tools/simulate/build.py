"""Station settings to a run on the virtual clock: the station that ships, on another ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge.bundle.archive import Bundle
from edge.clock import VirtualClock, ms
from edge.config import Station
from edge.health.monitors import Observer
from edge.health.monitors.bin_levels import BinLevels, capacities_of
from edge.health.monitors.machine import MachineState
from edge.inference.classifier import BundleClassifier
from edge.inference.slot import ModelAtWork
from edge.interfaces import Classifier
from edge.journal import Journal, open_journal
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.backend.pins import WorldPins
from edge.simulate.world.faults import InjectedFault, Planned
from edge.simulate.world.world import World
from edge.station.assemble import Measured, assemble
from edge.station.environment import Environment, Interference
from edge.station.faults.injected import Bug, FaultyClassifier, faulty_connect, machine_state
from edge.station.models import FixedModel, fixed_model
from edge.station.recorder import build_reporting
from edge.tools.simulate.perfect_classifier import PerfectClassifier
from edge.tools.simulate.score import Score, place_in_time, score
from edge.tools.simulate.virtual_run import OnFrame, RunLog, VirtualRun
from edge.tools.simulate.virtual_time import VirtualTime

PERFECT_LABELS = ("cardboard", "glass", "metal", "organic", "paper", "plastic", "trash")


@dataclass(frozen=True)
class Conditions:
    """How a run is made.

    Attributes:
        bundle: the model; None: the perfect classifier, which is always right.
        invoke_ms: what one inference takes; given, not measured, so that the same seed gives the same run.
        frame_ms: what finding and following take for each frame.
        journal_folder: where a journal is kept; None: nowhere.
        truth: what the world is like, where that is not what the station believes.
    """

    bundle: Bundle | None = None
    invoke_ms: float = 8.0
    frame_ms: float = 1.0
    injected_faults: Sequence[Planned] = ()
    journal_folder: Path | None = None
    truth: Station | None = None


class VirtualInterference(Interference):
    """What goes wrong in a run on the virtual clock, and the time that an inference takes there."""

    def __init__(self, world: World, clock: VirtualClock, time: VirtualTime, invoke_ns: int) -> None:
        super().__init__(clock)
        self._world, self._time, self._invoke_ns = world, time, invoke_ns

    def observers(self) -> Sequence[Observer]:
        return [Bug(self._world.is_active)]

    def classifier(self, classifier: Classifier) -> Classifier:
        return FaultyClassifier(classifier, self._invoke_ns, self._time.spend, self._world.is_active)

    def look_at_machine(self) -> MachineState:
        return machine_state(self._world.is_active)

    def page_is_taken_away(self) -> bool:
        return self._world.is_active(InjectedFault.PAGE_DOWN)


class NoVisitors:
    """The server of a page that nobody can visit: there are no others on a virtual clock."""

    url, port = "", 0
    urls: Sequence[str] = ()

    def run(self) -> None:
        """Serve nobody, which is soon done."""

    def stop(self) -> None:
        """Nothing to end."""


def build_virtual_run(station: Station, conditions: Conditions, observers: Sequence[Observer] = ()) -> VirtualRun:
    """Assemble a simulated station as it ships; `observers` are told what goes on.

    Raises:
        SorterError: the station, its photos or its bundle are not usable.
    """
    clock = VirtualClock()
    world = World(conditions.truth or station, clock, conditions.injected_faults)
    time = VirtualTime(clock, world)
    log = RunLog(world.started_at)
    environment = Environment(
        clock=clock,
        pins=WorldPins(world, clock),
        open_camera=lambda: SimulatedCamera(world, clock),
        open_server=lambda app: NoVisitors(),
        interference=VirtualInterference(world, clock, time, ms(conditions.invoke_ms)),
        world=world,
    )
    journal = _open_journal(station, conditions, clock, world)
    reporting = build_reporting(journal, BinLevels(capacities_of(station), wall_time=clock.wall_time), clock)
    model = _open_model(station, conditions, clock, world)
    built = assemble(station, environment, reporting, model, Measured(), [log, *observers])
    open_camera = partial(SimulatedCamera, world, clock)
    return VirtualRun(built, clock, world, time, open_camera, log, frame_ns=ms(conditions.frame_ms))


def run_and_score(station: Station, run: VirtualRun, seconds: float, on_frame: OnFrame | None = None) -> Score:
    """Run for some seconds of virtual time, let what is under way land, and hold the outcome against the truth."""
    run.run(seconds, drain_s(station), on_frame)
    world = run.world
    place = place_in_time if station.belt is None else world.surface.position
    counted = score(station, world.items, run.records, place, seconds, run.dropped_frames)
    return replace(counted, faults=run.log.faults.spans)


def drain_s(station: Station) -> float:
    """Return how long the last item needs into its bin at the most."""
    if station.belt is None:
        return 12.0
    length = max((b.distance_mm for b in station.bins if b.distance_mm is not None), default=0.0)
    view = max(station.camera.width, station.camera.height) * station.belt.mm_per_pixel
    return (length + view + 500.0) / station.belt.speed_mm_per_s + 1.0


def _open_model(station: Station, conditions: Conditions, clock: VirtualClock, world: World) -> FixedModel:
    """Open the model in this process: there is one thread, which would only wait for another."""
    bundle = conditions.bundle
    if bundle is None:
        perfect = PerfectClassifier(world, PERFECT_LABELS)
        return FixedModel(ModelAtWork(perfect, dict.fromkeys(PERFECT_LABELS, 0.5)), lambda: perfect)
    threads, runtime = station.inference.threads, station.inference.runtime
    return fixed_model(station, clock, lambda: bundle, lambda chosen: BundleClassifier(chosen, threads, runtime))


def _open_journal(station: Station, conditions: Conditions, clock: VirtualClock, world: World) -> Journal | None:
    if conditions.journal_folder is None:
        return None
    # Named by the seed: the same run leaves the same journal, byte for byte.
    name = f"{station.simulation.seed:032x}"
    connect = faulty_connect(world.is_active)
    return open_journal(conditions.journal_folder, station.journal, clock, name, "virtual", connect)
