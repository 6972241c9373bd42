"""Whether the station is well, and was: its faults, machine and camera, the age of model and calibration, and what runs."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge import __version__
from edge.clock import NS_PER_S
from edge.config import Station
from edge.errors import JournalError, StoreError
from edge.interfaces import Clock
from edge.models.records import Evidence, Generation
from edge.models.stored import StoredModels
from edge.status.live import LiveView
from edge.status.metrics import brightness_of, measured_at
from edge.status.snapshot import Snapshot
from edge.web.station.bins import as_date
from edge.web.station.history import DAYS, PastFault, describe_history, read_history
from edge.web.station.remembered import Remembered
from edge.web.station.status import rounded

KEEP_MS: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the disk tells: the faults, newest first, or why they can't be read, and what is active in the model store."""

    faults: list[PastFault]
    unreadable: str
    active: Generation | None
    evidence: Evidence | None


class HealthPage:
    """Answers about the station's health; `journal_path` is where the events of days are."""

    def __init__(self, live: LiveView, station: Station, journal_path: Path | None, clock: Clock) -> None:
        self._live, self._station, self._clock, self._journal = live, station, clock, journal_path
        self._kept = Remembered(self._read, clock, KEEP_MS)
        self._system = _system()

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [Route("/api/health", self.health)]

    async def health(self, _request: Request) -> Response:
        """JSON: the faults of the last week, the machine, the camera beside its calibration, ages and versions."""
        kept, snapshot = await self._kept.get(), self._live.snapshot()
        started = self._clock.wall_time() - snapshot.uptime_ns / NS_PER_S
        history = describe_history(kept.faults, datetime.fromtimestamp(started, UTC))
        return JSONResponse(
            {
                "history": {"days": DAYS, "faults": history, "unreadable": kept.unreadable},
                "machine": _describe_machine(snapshot),
                "camera": self._describe_camera(snapshot),
                "calibration": _describe_calibration(snapshot),
                "model": _describe_model(snapshot, kept),
                "versions": {"edge-sorter": __version__, "Python": platform.python_version(), "system": self._system},
                "started": as_date(started),
            }
        )

    def _read(self) -> _Kept:
        faults, unreadable = [], ""
        try:
            faults = [] if self._journal is None else read_history(self._journal)
        except JournalError as error:
            unreadable = str(error)
        active, evidence = self._read_store()
        return _Kept(faults, unreadable, active, evidence)

    def _read_store(self) -> tuple[Generation | None, Evidence | None]:
        """Return what is active in the model store; nothing where the station file names a model for good."""
        if self._station.inference.bundle is not None:
            return None, None
        store = StoredModels(self._station.state_folder / "models")
        try:
            active = store.active()
        except StoreError:
            return None, None
        evidence = None if active is None else next((m for m in store.models() if m.digest == active.current), None)
        return active, evidence

    def _describe_camera(self, snapshot: Snapshot) -> dict[str, Any]:
        newest, settings, appearance = self._live.newest(), self._station.camera, snapshot.appearance
        calibrated = None if snapshot.calibration is None else snapshot.calibration.camera
        brightness = None if newest is None else brightness_of(newest, self._station.region)
        return {
            "brightness": rounded(brightness),
            "brightness_calibrated": None if calibrated is None else rounded(calibrated.brightness),
            "brightness_change": rounded(appearance.brightness_change, 3),
            "sharpness_change": rounded(appearance.sharpness_change, 3),
            "exposure_us": getattr(settings, "exposure_us", None),
            "gain": getattr(settings, "gain", None),
        }


def _describe_machine(snapshot: Snapshot) -> dict[str, Any]:
    machine, rows = snapshot.machine, snapshot.journal_rows
    return {
        "throttled": machine.throttled,
        "under_voltage": machine.under_voltage,
        "load": rounded(machine.load, 2),
        "memory_available_mb": rounded(machine.memory_available_mb, 0),
        "date_is_set": machine.date_is_set,
        "journal_lost": rows.get("lost"),
        "journal_waiting": rows.get("waiting"),
    }


def _describe_calibration(snapshot: Snapshot) -> dict[str, Any]:
    """Return when each step was measured, the oldest of several actuators or sensors, and what the last check said."""
    calibration = snapshot.calibration
    if calibration is None:
        return {"steps": {}, "verdict": None}
    steps = {name: as_date(instant) for name, instant in measured_at(calibration).items()}
    return {"steps": steps, "verdict": None if calibration.verify is None else calibration.verify.verdict}


def _describe_model(snapshot: Snapshot, kept: _Kept) -> dict[str, Any]:
    """Return which model works, when it was installed and since when it works; null where it came with the program."""
    name, version = snapshot.model
    active, evidence = kept.active, kept.evidence
    return {
        "name": name,
        "version": version,
        "installed": None if evidence is None else evidence.installed,
        "active_since": None if active is None else active.since,
        "signer": None if evidence is None else evidence.signer,
        "can_roll_back": active is not None and active.previous is not None,
    }


def _system() -> str:
    """Return the system's name, its kernel and the processor's kind."""
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = platform.system()
    return f"{name}, Linux {platform.release()}, {platform.machine()}"
