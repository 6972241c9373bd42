"""A calibration that can't be read must not keep the station from starting: it is set aside and named."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from edge.calibrate.files import FILE_NAME, load_calibration
from edge.calibrate.record import FORMAT_VERSION, Calibration
from edge.durable import put_aside
from edge.errors import CalibrationError
from edge.toml import parse_toml

log = logging.getLogger(__name__)


def load_or_set_aside(folder: Path) -> tuple[Calibration | None, bool]:
    """Read the calibration of a state folder; return it and whether a damaged one was set aside.

    Without it the station file's own values are used, which is safe: they are what one starts calibrating with.

    Raises:
        CalibrationError: it is not damaged, but written by a newer program.
    """
    path = folder / FILE_NAME
    try:
        return load_calibration(folder), False
    except CalibrationError as error:
        if _is_newer(path):
            raise
        log.error("%s", error)
        with suppress(OSError):  # a read-only disk keeps it where it is; it is not used all the same
            aside = put_aside(path)
            log.error("it was set aside as %s; the station file's own values are in use", aside)
        return None, True


def _is_newer(path: Path) -> bool:
    try:
        version = parse_toml(path.read_bytes()).get("format_version")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(version, int) and version > FORMAT_VERSION
