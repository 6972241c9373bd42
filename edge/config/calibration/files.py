"""The calibration's file: read whole, written whole and atomically, older ones kept."""

from __future__ import annotations

import os
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from edge.config import explain_problems
from edge.config.calibration.record import FORMAT_VERSION, Calibration
from edge.errors import CalibrationError
from edge.system.files import UnusableFileError, quarantine, read_regular, write_atomically
from edge.system.text import NotTextError
from edge.system.toml import parse_toml

FILE_NAME = "calibration.toml"
HISTORY_FOLDER = "calibrations"
HISTORY_KEPT = 20
# Far more than a calibration with the view of its camera has.
MOST_BYTES = 4_000_000


def load_calibration(folder: Path) -> Calibration | None:
    """Read the calibration in a state folder; None when the station was never calibrated.

    Raises:
        CalibrationError: the file is damaged, or newer than this program.
    """
    path = folder / FILE_NAME
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except OSError:  # a file in the folder's place: told by who reads it
        pass
    return read_calibration(path)


def read_calibration(path: Path) -> Calibration:
    """Read a calibration's file, without waiting for what may be in its place.

    Raises:
        CalibrationError: it can't be read, is damaged, or newer than this program.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise CalibrationError(f"{path}: can't be read: {error.strerror}") from None
    return parse_calibration(content, path)


def parse_calibration(content: bytes, path: Path) -> Calibration:
    """Read a calibration's text; `path` names it in the error.

    Raises:
        CalibrationError: it is damaged, or newer than this program.
    """
    fix = "restore an older one with `sorter calibrate restore`, or measure again with `sorter calibrate`"
    try:
        table = parse_toml(content)
    except NotTextError as error:
        raise CalibrationError(f"{path}: damaged ({error}); {fix}") from None
    version = table.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CalibrationError(
            f"{path}: written by a newer edge-sorter (format {version}, this one reads {FORMAT_VERSION}); update, or {fix}"
        )
    try:
        return Calibration.model_validate(table)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in explain_problems(error, Calibration, table))
        raise CalibrationError(f"{path}: not a calibration; {fix}\n{problems}") from None


def save_calibration(folder: Path, calibration: Calibration, stamp: str) -> Path:
    """Write the calibration whole, keeping the one before in the history folder under `stamp`."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            _keep_older(path, folder / HISTORY_FOLDER, stamp)
        write_atomically(path, tomli_w.dumps(calibration.model_dump(exclude_none=True)).encode())
    except OSError as error:
        raise CalibrationError(
            f"{path}: can't be written: {error.strerror}; the old calibration is unchanged"
        ) from None
    return path


def _keep_older(path: Path, history: Path, stamp: str) -> None:
    try:
        before = read_regular(path, MOST_BYTES, follow=False)
    except UnusableFileError:
        quarantine(path)
        return
    history.mkdir(exist_ok=True)
    write_atomically(history / f"{stamp}.toml", before)
    for old in sorted(history.glob("*.toml"))[:-HISTORY_KEPT]:
        old.unlink()


def history(folder: Path) -> list[Path]:
    """Return the older calibrations that are kept, newest first."""
    return sorted((folder / HISTORY_FOLDER).glob("*.toml"), reverse=True)
