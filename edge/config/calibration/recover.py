"""A calibration that can't be read must not keep the station from starting: it is set aside and named."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from edge.config import Station
from edge.config.calibration.files import FILE_NAME, MOST_BYTES, load_calibration
from edge.config.calibration.overlay import apply_calibration, without_stale
from edge.config.calibration.record import FORMAT_VERSION, Calibration
from edge.errors import CalibrationError
from edge.system.files import quarantine, read_regular
from edge.system.toml import parse_toml

log = logging.getLogger(__name__)


def load_or_quarantine(station: Station) -> tuple[Calibration | None, bool]:
    """Read the calibration of a station; return it and whether one that can't be used was set aside.

    Without it the station file's own values are used, which is safe: they are what one starts calibrating with.

    Raises:
        CalibrationError: it is not damaged, but written by a newer program.
    """
    path = station.state_folder / FILE_NAME
    try:
        calibration = load_calibration(station.state_folder)
        if calibration is not None:  # what is stale is for its user to hear of
            apply_calibration(station, without_stale(station, calibration))
        return calibration, False
    except CalibrationError as error:
        if _is_newer(path):
            raise
        log.error("%s: %s", path, str(error).removeprefix(f"{path}: "))
        with suppress(OSError):  # a read-only disk keeps it where it is; it is not used all the same
            aside = quarantine(path)
            log.error("it was set aside as %s; the station file's own values are in use", aside)
        return None, True


def usable_calibration(station: Station) -> Calibration | None:
    """Read what was measured at a station as far as it still holds; None if nothing does, or it can't be used."""
    try:
        calibration = load_calibration(station.state_folder)
    except CalibrationError:
        return None
    return None if calibration is None else without_stale(station, calibration)


def _is_newer(path: Path) -> bool:
    try:
        version = parse_toml(read_regular(path, MOST_BYTES)).get("format_version")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(version, int) and version > FORMAT_VERSION
