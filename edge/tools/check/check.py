"""Station, calibration and model looked at together, before anything moves: every problem at once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.archive import Bundle
from edge.config import RESIDUAL, Station, load_station
from edge.config.calibration.files import FILE_NAME, load_calibration
from edge.config.calibration.overlay import UnfitCalibrationError, apply_calibration, stale_steps
from edge.config.calibration.record import Calibration
from edge.errors import BundleError, CalibrationError, ConfigError, SetupError, SorterError, StoreError
from edge.inference.golden import prove_golden
from edge.inference.thresholds import fitted
from edge.interfaces import Clock
from edge.models.fit import check_fit, homeless_labels
from edge.models.select import open_station_bundle
from edge.system.privileges import leave_root, unreadable_by_service
from edge.tools.check.check_machine import machine_problems
from edge.tools.check.check_notify import notify_problems
from edge.tools.check.check_settings import (
    Travel,
    picture_problems,
    pin_problems,
    stroke_problems,
    travel_problems,
    travel_to,
    view_problems,
)
from edge.tools.check.problems import Problem, Severity


@dataclass
class Report:
    """What `check` found; `station` is None when not even the file could be read."""

    path: Path
    station: Station | None = None
    bundle: Bundle | None = None
    invoke_ms: float | None = None
    travels: list[Travel] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(problem.severity != "error" for problem in self.problems)

    def add(self, where: str, error: SorterError, file: Path | None = None) -> None:
        """Take an error over as problems, one for each line; the first of several only counts them."""
        lines = str(error).splitlines()
        prefix = "" if file is None or len(lines) == 1 else f"{file}: "
        self.problems += [Problem("error", where, f"{prefix}{line.strip()}") for line in lines[1:] or lines]


def check_station(path: Path, clock: Clock, root: Path = Path("/")) -> Report:
    """Load and cross-check everything that a station file names; never raises a SorterError.

    `root` is where this machine's /dev and /proc are looked for.
    """
    report = Report(path)
    try:
        report.station = station = load_station(path)
    except ConfigError as error:
        report.add("station", error)
        return report
    report.problems += view_problems(station)
    report.problems += [*pin_problems(station), *picture_problems(station)]
    report.problems += [*stroke_problems(station), *machine_problems(station, root), *_photo_problems(station)]
    report.problems += [*_reading_problems(path, station), *notify_problems(station)]
    try:
        leave_root(station.state_folder)  # from here on what lies there is looked at, and its model run
    except SetupError as error:
        report.add("state_folder", error)
        return report
    calibration = _check_calibration(report, station)
    if calibration is not None:
        report.station = station = _calibrated(report, station, calibration)
    _check_bundle(report, station, calibration, clock)
    if station.belt is not None:
        report.travels = [t for where in station.bins if (t := travel_to(station, where, report.invoke_ms)) is not None]
        report.problems += [p for t in report.travels for p in travel_problems(t, station)]
    return report


def _reading_problems(path: Path, station: Station) -> Iterator[Problem]:
    reader, closed = unreadable_by_service(path, station.inference.bundle)
    for at in closed:
        yield Problem("error", "files", f"{reader.name} can't read {at}: sudo chmod a+rX {shlex.quote(str(at))}")


def _photo_problems(station: Station) -> Iterator[Problem]:
    photos = station.simulation.photos
    if photos is not None and not (photos.is_file() if photos.suffix == ".txt" else photos.is_dir()):
        yield Problem("error", "simulation.photos", f"{photos}: no such folder, or list (.txt)")


def _check_calibration(report: Report, station: Station) -> Calibration | None:
    try:
        calibration = load_calibration(station.state_folder)
    except CalibrationError as error:
        report.add("calibration", error, station.state_folder / FILE_NAME)
        return None
    if calibration is None:
        if station.camera.is_live:
            report.problems.append(
                Problem("warning", "calibration", "this station was never calibrated: run `sorter calibrate`")
            )
        return None
    for step in stale_steps(station, calibration):
        severity: Severity = "warning" if step == "verify" else "error"  # what was verified is no setting
        report.problems.append(
            Problem(severity, "calibration", f"{step}: settings were changed since; run `sorter calibrate {step}`")
        )
    return calibration


def _calibrated(report: Report, station: Station, calibration: Calibration) -> Station:
    try:
        return apply_calibration(station, calibration)
    except CalibrationError as error:
        if calibration.station != station.name or isinstance(
            error, UnfitCalibrationError
        ):  # stale ones are named already
            report.add("calibration", error, station.state_folder / FILE_NAME)
        return station


def _check_bundle(report: Report, station: Station, calibration: Calibration | None, clock: Clock) -> None:
    try:
        report.bundle = bundle = fitted(open_station_bundle(station), calibration)
    except (BundleError, StoreError) as error:
        report.add("model", error)
        return
    try:
        check_fit(bundle, station)
    except BundleError as error:
        report.add("model", error)
    if homeless := homeless_labels(bundle, station):
        what = f"no bin names {', '.join(homeless)}: such items go to {RESIDUAL}"
        report.problems.append(Problem("warning", "model", what))
    try:
        inference = station.inference
        report.invoke_ms = prove_golden(bundle, inference.threads, inference.runtime, clock.now).milliseconds
    except (BundleError, SetupError) as error:
        report.add("model", error)
        return
    limit = station.inference.max_invoke_ms
    if limit is not None and report.invoke_ms > limit:
        report.problems.append(
            Problem("error", "model", f"one inference takes {report.invoke_ms:.1f} ms here; max_invoke_ms is {limit:g}")
        )
