"""Remembers an emergency stop over restarts and power cuts: nothing moves again without a person's reset."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.durable import put_aside, sync_folder, write_atomically

log = logging.getLogger(__name__)


class EstopLatch:
    """A file that is there from an emergency stop until its reset; waits for the disk, so not for the control path."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "emergency-stop"
        # Whatever lies there (a damaged file, a folder), and whatever can't be looked at: nothing moves without a reset.
        try:
            self._path.lstat()
            self._kept = True
        except (FileNotFoundError, NotADirectoryError):
            self._kept = False
        except OSError as error:
            log.error("%s can't be read (%s): the station counts as stopped until a reset", self._path, error.strerror)
            self._kept = True

    @property
    def is_set(self) -> bool:
        return self._kept

    def keep(self, stopped: bool) -> None:
        """Store whether the station is in an emergency stop; tried again by the next call if the disk refuses."""
        if stopped == self._kept:
            return
        try:
            if stopped:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, b"stopped; removed by a reset\n")
            else:
                if self._path.is_dir():
                    put_aside(self._path)
                self._path.unlink(missing_ok=True)
                sync_folder(self._path.parent)
        except OSError as error:
            log.warning("%s could not be stored (%s); tried again", self._path, error.strerror)
        else:
            self._kept = stopped
