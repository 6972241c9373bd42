"""Remembers a stop over restarts and power cuts: nothing moves again before a person says so."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge.system.files import quarantine, sync_folder, write_atomically

log = logging.getLogger(__name__)


class Latch:
    """A file that is there from a stop until its end; waits for the disk, so not for the control path.

    Without a folder nothing outlives the run.
    """

    def __init__(self, folder: Path | None, name: str, ended_by: str) -> None:
        self._path = None if folder is None else folder / name
        self._ended_by = ended_by
        self._keeping = threading.Lock()
        # Whatever lies there (a damaged file, a folder), and whatever can't be looked at: nothing moves without a reset.
        self._kept = self._path is not None and _is_there(self._path)

    @property
    def is_set(self) -> bool:
        return self._kept

    def save(self, stopped: bool) -> None:
        """Store whether the station is stopped; tried again by the next call if the disk refuses."""
        with self._keeping:
            if stopped != self._kept and (self._path is None or self._store(self._path, stopped)):
                self._kept = stopped

    def _store(self, path: Path, stopped: bool) -> bool:
        try:
            if stopped:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, f"stopped; removed by {self._ended_by}\n".encode())
            else:
                if path.is_dir():
                    quarantine(path)
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
        except OSError as error:
            log.warning("%s could not be stored (%s); tried again", path, error.strerror)
            return False
        return True


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        log.error("%s can't be read (%s): the station counts as stopped", path, error.strerror)
    return True


class EstopLatch(Latch):
    """From an emergency stop until its reset."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder, "emergency-stop", "a reset")


class PauseLatch(Latch):
    """From a person's stop until a person resumes."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder, "paused", "`sorter resume`")
