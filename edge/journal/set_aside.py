"""Takes a file that can't be used out of the way without destroying it."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from edge.system.files import sync_folder

KEPT = 3  # set-aside journals; a card that damages one after the other must not fill up with them


def set_aside(path: Path, wall_time: float) -> Path:
    """Rename the journal (and its write-ahead log) to a name with the date; return the new path.

    The oldest ones beyond KEPT are removed.

    Raises:
        OSError: the folder can't be written.
    """
    date = datetime.fromtimestamp(wall_time, UTC).strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"{path.stem}-damaged-{date}{path.suffix}")
    number = 1
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{path.stem}-damaged-{date}-{number}{path.suffix}")
    # The log first: SQLite would delete a log that it finds beside a new, empty file.
    log = path.with_name(path.name + "-wal")
    if os.path.lexists(log):
        log.rename(target.with_name(target.name + "-wal"))
    if os.path.lexists(path):
        path.rename(target)
    for companion in ("-shm", "-journal"):
        _remove(path.with_name(path.name + companion))
    for old in sorted(path.parent.glob(f"{path.stem}-damaged-*{path.suffix}"), key=_modified)[:-KEPT]:
        _remove(old)
        _remove(old.with_name(old.name + "-wal"))
    sync_folder(path.parent)
    return target


def _modified(path: Path) -> int:
    return path.lstat().st_mtime_ns


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
