"""Everything that one station consists of, wired and not running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.config import Station
from edge.devices.actuators.schedule import Schedule
from edge.health.health import Health
from edge.health.monitors.actuators import ActuatorMonitor
from edge.health.monitors.drift import DriftMonitor
from edge.health.monitors.machine import MachineMonitor
from edge.inference.slot import ClassifierSlot
from edge.interfaces import Actuator, Classifier, Clock
from edge.line import Line
from edge.models.switcher import ModelSwitcher
from edge.notify.channel import Channel
from edge.station.environment import Environment
from edge.station.frame_intake import FrameIntake
from edge.station.page import Page
from edge.station.recorder import Reporting
from edge.station.safe_state import SafeState
from edge.station.station_io import StationIO
from edge.station.stops.control import StopSwitch
from edge.station.stops.latch import EstopLatch
from edge.station.supervisor import Supervisor
from edge.station.teaching.classroom import Classroom


@dataclass(frozen=True)
class AssembledStation:
    """One station as `assemble` leaves it: whoever runs it calls its parts, and changes none.

    Attributes:
        settings: the station file with the calibration over it.
        classroom: lets it be taught from its page; None where it is in no file.
        reopen_classifier: opens the model at work anew, after it failed; takes seconds.
        switcher: follows the store's active model; None where the station file names one for good.
    """

    settings: Station
    environment: Environment
    clock: Clock
    line: Line
    slot: ClassifierSlot
    intake: FrameIntake
    actuators: Mapping[str, Actuator]
    schedule: Schedule
    safe_state: SafeState
    station_io: StationIO
    health: Health
    supervisor: Supervisor
    reporting: Reporting
    actuator_monitor: ActuatorMonitor
    machine: MachineMonitor
    drift: DriftMonitor
    page: Page
    channels: Sequence[Channel]
    latch: EstopLatch
    switch: StopSwitch
    classroom: Classroom | None
    reopen_classifier: Callable[[], Classifier]
    switcher: ModelSwitcher | None
