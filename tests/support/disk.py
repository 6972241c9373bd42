"""A disk that a test controls, under the real SQLite and the real atomic writes.

SQLite reaches it through apsw, which lets Python stand between SQLite and the files. Every call that
changes a file is told to a Recorder and may be refused or held up by a Mood.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from edge.journal.database import Connection, Cursor, create_if_missing


@dataclass(frozen=True, slots=True)
class Write:
    name: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """The file's content is on the medium."""

    name: str


@dataclass(frozen=True, slots=True)
class Create:
    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """The folder's names are on the medium."""


Operation = Write | Truncate | Sync | Create | Delete | Rename | SyncFolder


@dataclass
class Disk:
    """What happened to the files, in order, and the disk's present mood: `refuse` raises before anything is done.

    `refuse` is called with the kind of call (open, write, sync, truncate) and the file's name.
    """

    operations: list[Operation] = field(default_factory=list)
    refuse: Callable[[str, str], None] = lambda call, name: None

    def connect(self, path: Path) -> Connection:
        """Open the file through this disk; takes the place of `connect_for_writing`."""
        with _as_sqlite3():
            create_if_missing(path, RecordedCalls(self))
            return _ApswConnection(apsw.Connection(str(path), vfs=_Vfs(self).name))


class _Vfs(apsw.VFS):
    """SQLite's own file layer with the disk's ear at it."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"disk-{id(self)}"
        self.disk = disk
        super().__init__(self.name, base="unix")
        _alive[self.name] = self

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.disk.refuse("open", Path(path).name)
        if flags[0] & apsw.SQLITE_OPEN_CREATE and not Path(path).exists():
            self.disk.operations.append(Create(Path(path).name))
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.disk.operations.append(Delete(Path(filename).name))
        if syncdir:
            self.disk.operations.append(SyncFolder())


# SQLite keeps no reference to a Python VFS.
_alive: dict[str, _Vfs] = {}

_SYNCS_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.disk = disk
        self.file = Path(path).name
        # SQLite's unix layer syncs the folder too at the first sync of a log or rollback journal that it created.
        self.folder_unsynced = bool(flags[0] & _SYNCS_FOLDER)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.refuse("write", self.file)
        super().xWrite(data, offset)
        self.disk.operations.append(Write(self.file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self.disk.refuse("truncate", self.file)
        super().xTruncate(newsize)
        self.disk.operations.append(Truncate(self.file, newsize))

    def xSync(self, flags: int) -> None:
        self.disk.refuse("sync", self.file)
        super().xSync(flags)
        self.disk.operations.append(Sync(self.file))
        if self.folder_unsynced:
            self.disk.operations.append(SyncFolder())
            self.folder_unsynced = False


@dataclass
class _ApswConnection:
    """An apsw connection that raises what sqlite3 raises."""

    connection: apsw.Connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        with _as_sqlite3():
            return _Rows(self.connection.execute(sql, parameters).fetchall())

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        with _as_sqlite3():
            return _Rows(self.connection.executemany(sql, parameters).fetchall())

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def close(self) -> None:
        with _as_sqlite3():
            self.connection.close()


@dataclass
class _Rows:
    rows: list[Any]

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows


@contextlib.contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        translated = sqlite3.OperationalError(str(error))
        translated.sqlite_errorcode = getattr(error, "result", sqlite3.SQLITE_IOERR)
        raise translated from error


@dataclass
class RecordedCalls:
    """The calls of `edge.system.files.FileCalls`, done for real and recorded."""

    disk: Disk
    names: dict[int, str] = field(default_factory=dict)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        new = flags & os.O_CREAT and not path.exists()
        descriptor = os.open(path, flags, mode)
        self.names[descriptor] = "" if path.is_dir() else path.name
        if new:
            self.disk.operations.append(Create(path.name))
        return descriptor

    def write(self, fd: int, data: memoryview, /) -> int:
        self.disk.refuse("write", self.names[fd])
        offset = os.lseek(fd, 0, os.SEEK_CUR)
        # In parts, as a kernel may do it.
        written = os.write(fd, data[:700])
        self.disk.operations.append(Write(self.names[fd], offset, bytes(data[:written])))
        return written

    def fsync(self, fd: int) -> None:
        self.disk.refuse("sync", self.names[fd])
        os.fsync(fd)
        self.disk.operations.append(Sync(self.names[fd]) if self.names[fd] else SyncFolder())

    def close(self, fd: int) -> None:
        os.close(fd)

    def replace(self, src: Path, dst: Path) -> None:
        src.replace(dst)
        self.disk.operations.append(Rename(src.name, dst.name))

    def unlink(self, path: Path) -> None:
        path.unlink()
        self.disk.operations.append(Delete(path.name))
