"""What a station stands on: pins, camera, server, the disk that it keeps things on, and what is made to go wrong there.

The parts of a station are the same on a Pi, in the simulator and while somebody practises; this is what differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config.calibration.overlay import check_camera
from edge.devices.actuators.schedule import Schedule
from edge.devices.camera import open_camera
from edge.devices.gpio.pins import Pins, open_pins
from edge.health.monitors import Observer
from edge.health.monitors.machine import Machine, MachineState
from edge.system.systemd_notify import Notifier
from edge.web.serving.server import PageServer
from edge.web.serving.tls import TlsFiles

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from edge.config import Station
    from edge.config.calibration.record import Calibration
    from edge.config.cameras import CameraSettings
    from edge.config.service import Page
    from edge.interfaces import Actuator, Camera, Classifier, Clock
    from edge.simulate.world.world import World
    from edge.station.page import Server

log = logging.getLogger(__name__)


class Interference:
    """What is made to go wrong between the parts of a station: here nothing. Who practises faults overrides some of it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def observers(self) -> Sequence[Observer]:
        """Return who is told what goes on, besides those of the station itself."""
        return ()

    def classifier(self, classifier: Classifier) -> Classifier:
        """Return the classifier as the station has it."""
        return classifier

    def schedule(self, actuators: Mapping[str, Actuator], max_on_ns: Mapping[str, int]) -> Schedule:
        """Return the schedule of these actuators."""
        return Schedule(actuators, max_on_ns)

    def look_at_machine(self) -> MachineState:
        """Return how the machine is; takes milliseconds."""
        return Machine(self.clock).look()

    def page_is_taken_away(self) -> bool:
        """Say whether the page's port belongs to another program now."""
        return False


@dataclass(frozen=True)
class Environment:
    """What one run of a station stands on.

    Attributes:
        open_camera: opens the camera, anew after each close.
        open_server: listens for the page's visitors.
        station_file: where the station's settings were read from; None: they are in no file.
        world: the simulated one behind pins and camera; None where they are real, or a replay.
        state_folder: where what outlives the run is kept; None: nowhere.
    """

    clock: Clock
    pins: Pins
    open_camera: Callable[[], Camera]
    open_server: Callable[[Starlette], Server]
    interference: Interference
    world: World | None = None
    state_folder: Path | None = None
    station_file: Path | None = None
    notifier: Notifier = field(default_factory=Notifier)


def stand_on(
    station: Station,
    clock: Clock,
    calibration: Calibration | None,
    pins: Pins,
    world: World | None,
    interference: Interference,
) -> Environment:
    """Return an environment in real time on pins that are open already."""

    def open_checked() -> Camera:
        opened = open_station_camera(station.camera, clock, world)
        check_camera(calibration, opened.identity)
        return opened

    return Environment(
        clock=clock,
        pins=pins,
        open_camera=open_checked,
        open_server=lambda app: PageServer(app, station.page.host, station.page.port, tls=tls_of(station.page)),
        interference=interference,
        world=world,
        state_folder=station.state_folder,
        notifier=Notifier.from_environment(),
    )


def tls_of(page: Page) -> TlsFiles | None:
    """Return what the page is served with; None: plain HTTP."""
    return None if page.certificate is None or page.key is None else TlsFiles(page.certificate, page.key)


def open_station_camera(settings: CameraSettings, clock: Clock, world: World | None) -> Camera:
    """Open the camera of a station; a simulated one looks at the world.

    Raises:
        CameraError: it is absent, busy, or gives something other than what was asked for.
    """
    if world is None or settings.type != "simulated":
        return open_camera(settings, clock)
    from edge.simulate.backend.camera import SimulatedCamera  # a real station never needs it

    return SimulatedCamera(world, clock, settings)


def open_world(station: Station, clock: Clock) -> tuple[Pins, World | None]:
    """Return the pins of a station, and the simulated world that they and its camera belong to, if it is simulated."""
    if station.camera.is_simulated:
        from edge.simulate.backend.pins import WorldPins  # a real station never needs it, nor its photos
        from edge.simulate.world.world import World

        world = World(station, clock)
        return WorldPins(world, clock), world
    if station.camera.is_live:
        return open_pins(), None
    from edge.devices.gpio.mock_pins import RestingPins  # gpiozero is installed on a Pi, and for the simulator

    return RestingPins(), None
