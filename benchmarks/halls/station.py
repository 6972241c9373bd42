"""A station without camera, model and actuators: the product's page, metrics and messages over items that are made up."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from edge.clock import SystemClock, ms
from edge.config import RESIDUAL, Station, load_station
from edge.config.calibration.record import Calibration, CameraStep
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.line import Outcome
from edge.notify.channels import open_channels
from edge.status.live import LiveView
from edge.types import Actuation, Box, Crop, Decision, Frame, Item, Reason, Stroke
from edge.web.serving.server import PageServer
from edge.web.station.app import build_app
from halls.engines import Mosquitto

PIXELS = np.full((48, 64, 3), 118, np.uint8)
ITEMS_PER_MIN = 40


class LightStation:
    """One of them: a thread for its page, and one for its broker."""

    def __init__(self, station: Station, seed: int, calibrated_at: str) -> None:
        camera = CameraStep(
            measured_at=calibrated_at, of="", identity="made up", x=0, y=0, width=64, height=48, focus=0.4,
            brightness=118.0, brightness_spread=0.5,
        )  # fmt: skip
        self.station, self.clock, self.count = station, SystemClock(), 0
        self.live = LiveView(self.clock, ("waste", "2.0"), Calibration(station=station.name, camera=camera))
        self._random, self._owed = Random(seed), 0.0
        self._quiet = threading.Event()
        self._levels = {where.name: 0 for where in station.bins if where.capacity is not None}
        self._server = PageServer(build_app(self.live, station, None, self.clock), "127.0.0.1", 0)
        self._work = [
            self._server.serve,
            *(lambda c=c: c.run(self._quiet) for c in open_channels(station, self.live, self.clock)),
        ]
        self._threads = [threading.Thread(target=work, daemon=True) for work in self._work]
        self.live.publish_state(State.RUNNING)
        self.live.publish_machine(MachineState(temperature_c=55.0, throttled=False, under_voltage=False))

    @property
    def name(self) -> str:
        return self.station.name

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def raise_fault(self, kind: FaultKind, detail: str = "") -> None:
        fault = Fault(kind, self.clock.now(), detail)
        self.live.publish_state(State.FAULT if fault.spec.inhibits else State.DEGRADED, [fault])

    def sort(self, seconds: float) -> None:
        """Let so much time's items pass."""
        self.live.publish_frame(Frame(PIXELS, self.clock.now(), self.count), ())
        self._owed += ITEMS_PER_MIN * seconds / 60
        while self._owed >= 1:
            self._owed -= 1
            self._pass_one()
        self.live.publish_levels(dict(self._levels))
        self.live.publish_journal({"stored": self.count, "waiting": 0, "lost": 0})

    def _pass_one(self) -> None:
        self.count += 1
        where = self._random.choice(self.station.bins)
        is_sure = where.actuator is not None and self._random.random() > 0.1
        now = self.clock.now()
        plan = Actuation(str(where.actuator), now + ms(300), now + ms(400), (self.count,)) if is_sure else None
        label = where.labels[0] if where.labels else "trash"
        name, reason = (where.name, Reason.SORTED) if is_sure else (RESIDUAL, Reason.UNSURE)
        decision = Decision(self.count, name, reason, now, label, 0.9 if is_sure else 0.5)
        crop = Crop(PIXELS, Box(8, 8, 24, 24), now, self._random.uniform(80, 120), 1.0)
        item = Item(self.count, now - ms(self._random.uniform(20, 60)), (crop,))
        self.live.publish_outcome(Outcome(item, None, decision, plan, ms(self._random.uniform(10, 20))))
        if plan is not None:
            self.live.publish_stroke(Stroke(plan, plan.fire_at, plan.release_at))
        if name in self._levels:
            self._levels[name] += 1

    def stop(self) -> None:
        """Switch it off: nothing of it answers any more."""
        self._quiet.set()
        self._server.stop()
        for thread in self._threads:
            with suppress(RuntimeError):  # it never began
                thread.join(10)


def light_station(station: Path, name: str, broker: Mosquitto, seed: int, calibrated_at: str) -> LightStation:
    """Return a station like that of a file, under another name, that tells a broker on this machine."""
    shipped = load_station(station)
    bins = [where if where.full_pin is not None else where.with_values(capacity=2000) for where in shipped.bins]
    account = {"username": broker.USER, "password_file": broker.password_file}
    notify = {"mqtt": {"host": "127.0.0.1", "port": broker.port, **account}}
    return LightStation(shipped.with_values(name=name, bins=bins, notify=notify), seed, calibrated_at)
