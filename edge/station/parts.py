"""Everything that one station consists of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.devices.actuators.schedule import Schedule
from edge.health.health import Health
from edge.health.monitors.belt import BeltWatch
from edge.health.monitors.camera import CameraWatch
from edge.health.monitors.machine import Machine
from edge.interfaces import Actuator, Camera, Classifier, Clock
from edge.journal import Journal
from edge.line import Line
from edge.models.switcher import Changeover
from edge.station.control import StopSwitch
from edge.station.latch import EstopLatch
from edge.station.station_io import Panel
from edge.status.live import LiveView
from edge.system.systemd_notify import Notifier
from edge.web import PageServer


@dataclass
class Parts:
    """A station, built but not running."""

    clock: Clock
    line: Line
    open_camera: Callable[[], Camera]
    actuators: dict[str, Actuator]
    schedule: Schedule
    journal: Journal
    live: LiveView
    health: Health
    notifier: Notifier
    # Takes what makes everything safe when the emergency stop opens.
    build_panel: Callable[[Callable[[], None]], Panel]
    latch: EstopLatch
    switch: StopSwitch
    machine: Machine
    # Opens the active model anew and tries it; takes seconds.
    open_classifier: Callable[[], Classifier]
    # Has the belt watched, with the encoder of the panel; None for a station without one.
    watch_belt: Callable[[Panel], BeltWatch | None] = lambda panel: None
    camera_watch: CameraWatch | None = None
    # Takes what people ask a running station for, until the event is set.
    serve_control: Callable[[threading.Event], None] | None = None
    page: PageServer | None = None
    open_page: Callable[[], PageServer] | None = None
    models: Changeover | None = None
    # Lets a simulated world go on until the event is set; a real one needs nobody.
    follow_world: Callable[[threading.Event], None] | None = None
    # Real camera, real pins: not a simulated or replayed station on somebody's desk.
    is_live: bool = False
    # Removes what cut off writes left in the state folder; waits for the disk.
    tidy: Callable[[], object] = lambda: None
    # Called once a turn by the supervisor: inputs, probation. Must return at once.
    watchers: list[Callable[[int], None]] = field(default_factory=list)
