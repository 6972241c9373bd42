"""Remembers a stop over restarts and power cuts: nothing moves again before a person says so."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge.system.files import quarantine, sync_folder, write_atomically

log = logging.getLogger(__name__)


class Latch:
    """A file that is there from a stop until its end; waits for the disk, so not for the control path."""

    def __init__(self, folder: Path, name: str, ended_by: str) -> None:
        self._path = folder / name
        self._ended_by = ended_by
        self._keeping = threading.Lock()
        # Whatever lies there (a damaged file, a folder), and whatever can't be looked at: nothing moves without a reset.
        try:
            self._path.lstat()
            self._kept = True
        except (FileNotFoundError, NotADirectoryError):
            self._kept = False
        except OSError as error:
            log.error("%s can't be read (%s): the station counts as stopped", self._path, error.strerror)
            self._kept = True

    @property
    def is_set(self) -> bool:
        return self._kept

    def keep(self, stopped: bool) -> None:
        """Store whether the station is stopped; tried again by the next call if the disk refuses."""
        with self._keeping:
            if stopped != self._kept:
                self._store(stopped)

    def _store(self, stopped: bool) -> None:
        try:
            if stopped:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, f"stopped; removed by {self._ended_by}\n".encode())
            else:
                if self._path.is_dir():
                    quarantine(self._path)
                self._path.unlink(missing_ok=True)
                sync_folder(self._path.parent)
        except OSError as error:
            log.warning("%s could not be stored (%s); tried again", self._path, error.strerror)
        else:
            self._kept = stopped


class EstopLatch(Latch):
    """From an emergency stop until its reset."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "emergency-stop", "a reset")


class PauseLatch(Latch):
    """From a person's stop until a person resumes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "paused", "`sorter resume`")
