"""The report that a person can send: what the machine is, what `sorter doctor` found, and how fast things are here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, SorterError
from edge.system.files import write_atomically
from edge.system.privileges import leave_root
from edge.tools.check.doctor import Doctor
from edge.tools.check.findings import Answer, Finding, ask
from edge.tools.report.machine import MachineFacts, ask_system
from edge.tools.report.sieve import Sieve, build_sieve

FORMAT = 1
ABOUT = (
    "Written by `sorter doctor --report`. No pin was moved. Nothing names this machine, its people, its network or its "
    "station: [...] stands for words that are not the program's own. Please read it over before you send it."
)
WHERE_TO_SEND = "read it over, then open an issue with the form 'A real device' (.github/ISSUE_TEMPLATE/device.yml) and paste it there"
# Slower than this, a machine answers "took too long" instead.
LONGEST_S = 240.0
STATE_FOLDER = Path("/var/lib/sorter")

Measure = Callable[[str, dict[str, Any]], Answer]


def _measure(question: str, wanted: dict[str, Any]) -> Answer:
    return ask(question, json.dumps(wanted), LONGEST_S, "edge.tools.report.measure")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Puts one report together; `measure` and `tool` are replaced in tests.

    Args:
        doctor: who looked at the machine, with its station.
    """

    doctor: Doctor
    measure: Measure = _measure
    tool: Callable[[Sequence[str]], str] = ask_system
    sieve: Sieve = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sieve", build_sieve(self.doctor.station, self.doctor.root))

    def report(self, findings: Sequence[Finding]) -> dict[str, Any]:
        """Return everything; takes a minute on a Pi."""
        doctor = self.doctor
        facts = MachineFacts(doctor.clock, self.sieve, doctor.root, self.tool)
        written_at = datetime.fromtimestamp(doctor.clock.wall_time(), UTC)
        folder = STATE_FOLDER if doctor.station is None else doctor.station.state_folder
        return {
            "about": ABOUT,
            "format": FORMAT,
            "written": f"{written_at:%Y-%m-%d}",
            "versions": facts.versions(),
            "machine": facts.hardware(),
            "now": facts.state(),
            "disks": facts.disks(folder),
            "station": self._station(),
            "doctor": [
                {"name": finding.name, "status": finding.status, "text": self.sieve.text(finding.text)}
                for finding in findings
            ],
            "timings": self._timings(findings, folder),
            "service": facts.service(),
            "journal": self._ask("journal", {"folder": str(folder)}) if folder.exists() else {},
        }

    def _station(self) -> dict[str, Any]:
        """Return of which parts the station is made; none of its names."""
        station = self.doctor.station
        if station is None:
            return {}
        return {
            "kind": station.kind,
            "camera": station.camera.type,
            "actuators": dict(Counter(actuator.type for actuator in station.actuators)),
            "bins": len(station.bins),
            "page": station.page.enabled,
            "own_model": station.inference.bundle is not None,
        }

    def _timings(self, findings: Sequence[Finding], folder: Path) -> dict[str, Any]:
        if any(finding.name == "numpy, opencv" and finding.status == "fail" for finding in findings):
            return {}  # what is asked for needs both
        timings = {"model": self._model(), "timer": self._ask("timer", {})}
        if folder.exists():
            timings["state folder"] = self._ask("sync", {"folder": str(folder)})
        station = self.doctor.station
        if station is not None and not station.camera.is_simulated:
            timings["camera"] = self._ask("camera", {"station": str(self.doctor.station_path)})
        return timings

    def _model(self) -> dict[str, Any]:
        from edge.inference.classifier import open_shipped_bundle
        from edge.models.select import open_station_bundle

        station = self.doctor.station
        try:
            shipped = open_shipped_bundle()
            bundle = shipped if station is None else open_station_bundle(station)
        except SorterError as error:
            return {"error": self.sieve.text(str(error))}
        threads, runtime = (1, "auto") if station is None else (station.inference.threads, station.inference.runtime)
        wanted = {"bundle": str(bundle.source), "threads": threads, "runtime": runtime}
        measured = self._ask("model", {**wanted, "started_at": self.doctor.clock.now()})
        # The name of a model of their own may be that of a customer.
        name = shipped.manifest.title if bundle.digest == shipped.digest else "their own"
        return {"name": name, **measured}

    def _ask(self, question: str, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = self.measure(question, wanted)
        return {"error": self.sieve.text(answer.error)} if answer.error else self._sieved(answer.values)

    def _sieved(self, values: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, dict):
                kept[name] = self._sieved(value)
            elif isinstance(value, str):
                kept[name] = self.sieve.product(value) if name == "sensor" else self.sieve.text(value)
            else:
                kept[name] = value
        return kept


def check_place(path: Path, measure: Measure = _measure) -> None:
    """Refuse a file that can't be written before a minute is spent on what goes into it.

    Raises:
        ConfigError: a folder or something else is in its place, or its folder is missing or closed.
    """
    answer = measure("place", {"file": str(path.absolute())})
    if answer.error:
        raise ConfigError(f"--report {path}: {answer.error}")


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the report, as whoever the folder belongs to.

    Raises:
        ConfigError: it can't be written.
        SetupError: root does not work in this folder.
    """
    path = path.absolute()
    leave_root(path.parent)
    try:
        write_atomically(path, (json.dumps(report, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"--report {path}: can't be written ({error.strerror or error})") from None
