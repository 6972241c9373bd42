"""The journal's SQLite file as its one writer sees it.

Write-ahead log with synchronous=FULL: a commit appends the changed pages to the log and syncs it
once; when COMMIT returns, the batch survives a power cut. A rollback journal is as safe and writes
every page twice.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edge.clock import NS_PER_S
from edge.journal import schema, sums
from edge.journal.disk_errors import REFUSALS, is_damage
from edge.journal.entries import DeliveryRow, EventRow, OutcomeRow, Row, StrokeRow
from edge.journal.keeping.selection import SKETCH_BYTES, KeptPictures, Remembered
from edge.journal.redating import Redating
from edge.system.files import FileCalls, open_regular, write_atomically

BYTES_PER_MB = 1_000_000
CHECKED_AT_ONCE = 16 * BYTES_PER_MB  # a larger file would keep the first batch waiting: 30 MB/s on a slow card
VERIFIED_AT_ONCE = 20_000  # rows, 3 MB
PRUNED_AT_ONCE = 512  # rows; freeing whole pages costs few writes, and a batch never waits for long
VACUUMED_AT_ONCE = 256  # pages
PRUNED_EVERY_S = 3600.0  # rows outlive their age by this, so that not every batch drops one
# Every batch rewrites the table's last page: 1.5 MB for 1000 items with pages of 1 kB, 2.2 MB with 4 kB.
PAGE_BYTES = 1024
_LAYOUT = (f"PRAGMA page_size = {PAGE_BYTES}", "PRAGMA auto_vacuum = INCREMENTAL")
LOG_BYTES = 4 * BYTES_PER_MB  # until the log goes to the main file; a larger log, fewer writes


class Cursor(Protocol):
    """What is needed of a database cursor."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """What is needed of a database connection: sqlite3's, or one over a file layer that a test controls.

    It is in autocommit mode and raises sqlite3.Error.
    """

    @property
    def in_transaction(self) -> bool: ...
    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...
    def close(self) -> None: ...


Connect = Callable[[Path], Connection]


def connect_for_writing(path: Path) -> Connection:
    """Open or create the file; used by one thread at a time, not always by the same."""
    create_if_missing(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, schema.MOST_BYTES)
    return connection


def create_if_missing(path: Path, calls: FileCalls = os) -> None:
    """Put a journal without rows in the place of no file, whole, so that a file without content is always a damaged one.

    Raises:
        OSError: the disk does not let us.
    """
    if path.exists():
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as pattern:
        for statement in _LAYOUT:
            pattern.execute(statement)
        schema.migrate(pattern, 0)
        write_atomically(path, pattern.serialize(), calls=calls)


class UnusableFileError(Exception):
    """The file is damaged or is not a journal that this version can read; it should be set aside."""


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the controller; `run_id` and `boot_id` tell rows of different starts apart."""

    run_id: str
    boot_id: str
    version: str
    started_at: int
    wall_time: float


@dataclass
class Database:
    """An open journal file as it was found.

    `first_item` and `first_event` are the numbers of the last rows of earlier runs, `remembered` what they kept lately.
    """

    connection: Connection
    run: int
    first_item: int
    first_event: int
    max_bytes: int
    dating: Redating
    remembered: Sequence[Remembered]
    _verified: int = -1
    _batches: int = 0

    def store(self, rows: Sequence[Row], kept: Sequence[KeptPictures], cutoff: float, date_known: bool) -> None:
        """Store the rows (and what is kept of them, one for each) and drop the oldest, all in one commit.

        Rows that are older than `cutoff`, seconds since the epoch, for certain go; `date_known` marks the date of this
        boot's runs as known. Once it returns a power cut can't undo it.

        Raises:
            sqlite3.Error: nothing was stored, or all was: storing the same rows again is safe.
        """
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._write(rows, kept)
            if date_known and not self.dating.is_due:
                execute(schema.MARK_DATED, (self.dating.boot_id,))
            self._prune(cutoff)
            if self._batches % sums.TRIMMED_EVERY == 0:
                sums.trim(self.connection, self.max_bytes)
            execute("COMMIT")
        except REFUSALS:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._batches += 1

    def verify_some(self) -> None:
        """Read the next rows of earlier runs, so that damage in a large file is found within minutes of the start.

        Raises:
            sqlite3.Error: the file is damaged or can't be read.
        """
        if self._verified < self.first_item:
            last = self.connection.execute(schema.VERIFY_ITEMS, (self._verified, VERIFIED_AT_ONCE)).fetchone()[0]
            self._verified = self.first_item if last is None else last

    def close(self) -> None:
        """Close the file; the write-ahead log goes into the main file."""
        self.connection.close()

    def _write(self, rows: Sequence[Row], kept: Sequence[KeptPictures]) -> None:
        run, item, event = self.run, self.first_item, self.first_event
        self._upsert(
            schema.INSERT_BUNDLE,
            [(bundle,) for bundle in sorted({r.bundle for r in rows if isinstance(r, OutcomeRow)})],
        )
        self._upsert(
            schema.UPSERT_OUTCOME,
            [(run, item + r.item, *k[:3], *r) for r, k in zip(rows, kept, strict=True) if isinstance(r, OutcomeRow)],
        )
        remembered = [
            (item + r.item, *k.remembered)
            for r, k in zip(rows, kept, strict=True)
            if isinstance(r, OutcomeRow) and k.remembered is not None
        ]
        self._upsert(schema.INSERT_KEPT, remembered)
        if remembered:
            self.connection.execute(schema.FORGET_KEPT)
        self._upsert(schema.UPSERT_STROKE, [(run, item + r.item, *r) for r in rows if isinstance(r, StrokeRow)])
        self._upsert(schema.UPSERT_LANDING, [(run, item + r.item, *r) for r in rows if isinstance(r, DeliveryRow)])
        self._upsert(schema.INSERT_EVENT, [(run, event + r.number, *r[1:]) for r in rows if isinstance(r, EventRow)])

    def _upsert(self, statement: str, parameters: list[tuple[Any, ...]]) -> None:
        if parameters:
            self.connection.executemany(statement, parameters)

    def _prune(self, cutoff: float) -> None:
        """Drop some of the oldest rows if there are too many or too old ones; a bounded amount of work."""
        size, pages, free = (
            _number(self.connection, f"PRAGMA {name}") for name in ("page_size", "page_count", "freelist_count")
        )
        oldest = {name: row for name in schema.OLDEST if (row := self._oldest(name)) is not None}
        aged = [
            name for name, (_, _, latest) in oldest.items() if latest is not None and latest < cutoff - PRUNED_EVERY_S
        ]
        if oldest and (pages - free) * size > self.max_bytes:
            table = min(oldest, key=lambda name: oldest[name][:2])
            self.connection.execute(schema.DELETE_OLDEST[table], (PRUNED_AT_ONCE,))
        elif aged:
            self.connection.execute(schema.DELETE_AGED[aged[0]], (PRUNED_AT_ONCE, cutoff))
        if free and pages * size > self.max_bytes:
            for _ in range(min(free, VACUUMED_AT_ONCE)):
                # One at a time: sqlite3 takes a single step of this statement, whatever number it is given.
                self.connection.execute("PRAGMA incremental_vacuum(1)")

    def _oldest(self, table: str) -> tuple[int, float, float | None] | None:
        """Return the run and the date of the oldest row, and the latest date that it may have; None where there is none."""
        row = self.connection.execute(schema.OLDEST[table]).fetchone()
        return None if row is None else (row[0], row[1] or 0.0, row[2])


def open_database(path: Path, run: Run, max_bytes: int, connect: Connect = connect_for_writing) -> Database:
    """Open or create the journal file and begin a run in it.

    Raises:
        UnusableFileError: the file is there but must not be written to; set it aside and call again.
        sqlite3.Error, OSError: the disk does not let us; try again later.
    """
    _check_header(path)
    connection = connect(path)
    try:
        _check(connection)
        log_pages = min(LOG_BYTES, max_bytes // 10) // PAGE_BYTES
        _prepare(connection, log_pages)
        return _begin_run(connection, run, max_bytes - 3 * log_pages * PAGE_BYTES)
    except REFUSALS as error:
        connection.close()
        # SQLITE_ERROR: not a statement of ours, which never change, but a file that SQLite can't make sense of.
        if is_damage(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            raise UnusableFileError(str(error)) from None
        raise
    except UnusableFileError:
        connection.close()
        raise


def _number(connection: Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])


def _check_header(path: Path) -> None:
    """Look for what SQLite would call a file that is read-only, as if the disk were."""
    _check_companions(path)
    if not path.exists():
        if path.with_name(path.name + "-wal").exists():
            raise UnusableFileError("it is gone and its log is there")
        return
    if not path.is_file():
        raise UnusableFileError("it is no file")
    with open_regular(path) as file:
        header = file.read(100)
    if not header:
        raise UnusableFileError("it is empty")
    if not header.startswith(b"SQLite format 3\0") or header[18:19] not in (b"\1", b"\2"):
        raise UnusableFileError("its first bytes are not those of a database")


def _check_companions(path: Path) -> None:
    """SQLite would wait for ever for what a named pipe in the place of one of its own files has to say."""
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.with_name(path.name + suffix).lstat().st_mode):
                raise UnusableFileError(f"{path.name}{suffix} is no file")


def _check(connection: Connection) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables:
        return
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != schema.APPLICATION_ID:
        raise UnusableFileError("it is another program's database")
    if version > len(schema.MIGRATIONS):
        raise UnusableFileError(
            f"it was written by a newer version (schema {version}, known up to {len(schema.MIGRATIONS)})"
        )
    if connection.execute(schema.TABLES).fetchall() != schema.expected_tables(version):
        raise UnusableFileError("its tables are not those of a journal")
    size = _number(connection, "PRAGMA page_size") * _number(connection, "PRAGMA page_count")
    if size > CHECKED_AT_ONCE:
        return  # `verify_some` looks at it in parts, between batches
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise UnusableFileError(str(verdict).splitlines()[-1])


def _prepare(connection: Connection, log_pages: int) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"wal_autocheckpoint = {log_pages}",
        f"journal_size_limit = {log_pages * PAGE_BYTES}",
        "mmap_size = 0",  # a read error in mapped memory is a SIGBUS, not an exception
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < len(schema.MIGRATIONS):
        schema.migrate(connection, version)


def _begin_run(connection: Connection, run: Run, max_bytes: int) -> Database:
    connection.execute(schema.INSERT_RUN, (run.run_id, run.boot_id, run.version, run.started_at, run.wall_time))
    number = connection.execute("SELECT run FROM runs WHERE run_id = ?", (run.run_id,)).fetchone()[0]
    first_item, first_event = (
        connection.execute(f"SELECT coalesce(max(row), 0) FROM {table} WHERE run < ?", (number,)).fetchone()[0]
        for table in ("items", "events")
    )
    connection.execute(schema.DELETE_EMPTY_RUNS, (number,))
    dating = Redating(connection, run.boot_id, run.wall_time - run.started_at / NS_PER_S)
    return Database(connection, number, first_item, first_event, max_bytes, dating, _remembered(connection))


def _remembered(connection: Connection) -> list[Remembered]:
    """Return what was kept lately, oldest first; a part of it that was damaged is as good as empty."""
    return [
        Remembered(
            day or 0, (label or b"").decode(errors="replace"), None if len(sketch or b"") != SKETCH_BYTES else sketch
        )
        for day, label, sketch in connection.execute(schema.SELECT_KEPT).fetchall()
    ]
