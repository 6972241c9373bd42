"""What a disk's refusal means, in words that an operator understands."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass

from edge.health.faults import FaultKind

_SQLITE = {
    sqlite3.SQLITE_FULL: FaultKind.DISK_FULL,
    sqlite3.SQLITE_READONLY: FaultKind.DISK_READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: FaultKind.DISK_READ_ONLY,
    sqlite3.SQLITE_PERM: FaultKind.DISK_READ_ONLY,
}
_SYSTEM = {
    errno.ENOSPC: FaultKind.DISK_FULL,
    errno.EDQUOT: FaultKind.DISK_FULL,
    errno.EROFS: FaultKind.DISK_READ_ONLY,
    errno.EACCES: FaultKind.DISK_READ_ONLY,
    errno.EPERM: FaultKind.DISK_READ_ONLY,
    # Something else is in the state folder's place: the card is well.
    errno.EEXIST: FaultKind.DISK_READ_ONLY,
    errno.ENOTDIR: FaultKind.DISK_READ_ONLY,
    errno.ELOOP: FaultKind.DISK_READ_ONLY,
}
_MEANING = {
    FaultKind.DISK_FULL: "the disk is full; make room and it goes on by itself",
    FaultKind.DISK_READ_ONLY: "the journal can't be written; check the folder's owner and that the disk is not read-only",
    FaultKind.DISK_ERROR: "the disk reports an error; the card may be dying",
}


# sqlite3 itself fails to decode SQLite's message where that quotes damaged text.
REFUSALS = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What is raised where a disk does not let us, or gives back something else than was stored."""


@dataclass(frozen=True, slots=True)
class DiskError:
    """Why nothing can be stored at the moment; no fault and no text while all is well."""

    fault: FaultKind | None = None
    text: str = ""


NO_ERROR = DiskError()


def is_damage(error: Exception) -> bool:
    """Say whether an error means that the file's content is wrong, not that the disk failed to read it."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return isinstance(error, UnicodeDecodeError) or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: Exception) -> DiskError:
    """Return the fault that the error stands for and a sentence for the operator."""
    if isinstance(error, OSError):
        fault = _SYSTEM.get(error.errno or 0, FaultKind.DISK_ERROR)
    else:
        code = getattr(error, "sqlite_errorcode", None) or 0
        fault = _SQLITE.get(code & 0xFF, FaultKind.DISK_ERROR)
    return DiskError(fault, f"{_MEANING[fault]} ({error})")
