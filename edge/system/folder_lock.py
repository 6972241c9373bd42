"""One controller to a state folder: two would write each other's rows."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from edge.errors import JournalError


def claim_folder(folder: Path) -> int | None:
    """Lock the folder until the returned descriptor is closed or the process ends, however it ends.

    Returns None where the disk does not even let us look: that must not keep a sorter from starting.

    Raises:
        JournalError: another process has the folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise JournalError(
            f"{folder}: another sorter keeps its journal here. Stop it (`sudo systemctl stop sorter`), "
            "or use another state folder"
        ) from None
    except OSError:  # a network file system without locks
        os.close(descriptor)
        return None
    return descriptor
