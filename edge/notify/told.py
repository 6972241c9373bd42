"""What people were told of, kept over restarts: a fault that outlives the service is not told of again and again."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from edge.health.faults import FaultKind
from edge.health.retry import FaultKey
from edge.system.files import read_regular, write_atomically

log = logging.getLogger(__name__)

_LARGEST_FILE = 1 << 16


class ToldFaults:
    """The faults whose beginning was delivered and whose end was not; `path` is where they are kept, None: nowhere.

    Waits for the disk. One that can't be read or written costs a message too many, and no more.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> set[FaultKey]:
        """Return what an earlier run has told."""
        if self._path is None:
            return set()
        try:
            return {
                (FaultKind(kind), str(detail)) for kind, detail in json.loads(read_regular(self._path, _LARGEST_FILE))
            }
        except FileNotFoundError:
            return set()
        except (OSError, ValueError, TypeError, RecursionError) as error:
            log.warning("%s can't be read (%s): what is still wrong is told of again", self._path, error)
            return set()

    def save(self, faults: set[FaultKey]) -> None:
        """Keep these."""
        if self._path is None:
            return
        try:
            write_atomically(self._path, json.dumps(sorted(faults)).encode())
        except OSError as error:
            log.warning("%s can't be written (%s)", self._path, error.strerror)
