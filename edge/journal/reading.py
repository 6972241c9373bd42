"""Reads a journal, also while the controller writes it; never writes and never blocks the writer for long."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from edge.errors import JournalError
from edge.journal import schema
from edge.journal.disk_errors import is_damage
from edge.tally import what_happened
from edge.types import Reason, StrokeOutcome

ROWS_AT_ONCE = 2_000  # one short transaction each: a reader that takes its time must not keep the log growing


class ItemRecord(NamedTuple):
    """One item as it is shown and exported; instants are nanoseconds since that boot, None where there was none.

    `bin` is the one that it was meant for, `reason` what became of it (see edge/tally.py), `landed_in` what an exit sensor
    saw: the bin, or that it did not come, or nothing yet.
    """

    row: int
    time: str
    run_id: str
    boot_id: str
    item: int
    lane: int | None
    label: str | None
    score: float | None
    margin: float | None
    bin: str | None
    reason: str | None
    crossed_at: int | None
    decided_at: int | None
    frame_age_ns: int | None
    actuator: str | None
    position: str | None
    fire_at: int | None
    release_at: int | None
    fired_at: int | None
    released_at: int | None
    outcome: str | None
    landed_at: int | None
    landed_in: str | None
    bundle: str | None
    picture: str | None
    kept: str | None
    looks: int | None
    bin_score: float | None
    min_score: float | None
    bin_margin: float | None
    min_margin: float | None
    seen_as: str | None


class EventRecord(NamedTuple):
    """One event as it is shown and exported; `at` is nanoseconds since that boot."""

    row: int
    time: str
    run_id: str
    boot_id: str
    at: int
    kind: str
    severity: str
    code: str
    text: str


class Category(NamedTuple):
    """What the items of one sum have in common: `reason` is what became of them, `model` the digest of the bundle.

    Empty is what is not known: the item's own row is lost, or the model was not asked.
    """

    bin: str
    label: str
    reason: str
    model: str


Record = TypeVar("Record", bound=ItemRecord | EventRecord)
# Damaged text can not always be decoded, and a function is given none of it then: so as bytes.
HAPPENED = (
    "happened(CAST(t.reason AS BLOB), CAST(t.actuator AS BLOB), CAST(t.outcome AS BLOB), CAST(t.landed_in AS BLOB))"
)
_REASONS = frozenset(Reason)
_OUTCOMES = {str(outcome): outcome for outcome in StrokeOutcome}  # damaged text: nobody knows that it was fired
SET_ASIDE = "The sorter sets it aside and begins a new one at its next start"
_RUN = "LEFT JOIN runs r ON r.run = t.run"
TABLES: dict[type[Any], str] = {
    ItemRecord: f"items t {_RUN} LEFT JOIN bundles b ON b.bundle = t.bundle",
    EventRecord: f"events t {_RUN}",
}
ELSEWHERE = {
    "time": "t.wall_time",
    "run_id": "r.run_id",
    "boot_id": "r.boot_id",
    "bundle": "b.digest",
    "reason": HAPPENED,
}


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows; None: all. `since` and `until` are seconds since the epoch; bin, label and reason mean items only."""

    since: float | None = None
    until: float | None = None
    bin: str | None = None
    label: str | None = None
    reason: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition in SQL and its parameters."""
        terms = {
            "t.wall_time >= ?": self.since,
            "t.wall_time < ?": self.until,
            "t.bin = ?": self.bin,
            "t.label = ?": self.label,
            f"{HAPPENED} = ?": self.reason,
        }
        given = {term: value for term, value in terms.items() if value is not None}
        return " AND ".join(["1", *given]), list(given.values())


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that can't write, and waits for no writer.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read; also what the body finds.
    """
    try:
        connection = sqlite3.connect(_address(path), uri=True, timeout=5.0)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(_explain(path, error)) from None
    try:
        connection.text_factory = _lenient_text
        connection.create_function("happened", 4, _happened, deterministic=True)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, schema.MOST_BYTES)
        _check_version(path, connection)
        yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(_explain(path, error)) from None
    finally:
        connection.close()


def _address(path: Path) -> str:
    if not path.is_file():
        raise JournalError(f"{path}: no journal here. Expected the state folder of a station that has sorted something")
    try:
        logged = path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        logged = 0
    # Without a log nobody is writing: told so, SQLite needs no lock files and works in a folder that is not ours.
    return f"{path.resolve().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"


def _lenient_text(content: bytes) -> str:
    return content.decode(errors="replace")


def _happened(reason: bytes | None, *row: bytes | None) -> str | None:
    """Return what became of an item, from the columns reason, actuator, outcome and landed_in of its row."""
    actuator, outcome, landed = (None if cell is None else _lenient_text(cell) for cell in row)
    text = None if reason is None else _lenient_text(reason)
    if text not in _REASONS:
        return text
    return what_happened(
        Reason(text), None if actuator is None else _OUTCOMES.get(outcome or "", StrokeOutcome.FAILED), landed
    ).value


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != schema.APPLICATION_ID:
        raise JournalError(f"{path}: not a sorter's journal (application id {application:#x})")
    if version > len(schema.MIGRATIONS):
        raise JournalError(
            f"{path}: written by a newer version (schema {version}; this version reads up to {len(schema.MIGRATIONS)}). "
            "Update edge-sorter: pip install --upgrade edge-sorter"
        )


def _explain(path: Path, error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", None) or 0
    if is_damage(error):
        return f"{path}: damaged ({error}). {SET_ASIDE}"
    if code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"{path}: can't be read ({error}). Try `sudo sorter journal ...`, or as the user who runs the sorter"
    return f"{path}: can't be read: {error}"


def read_categories(connection: sqlite3.Connection) -> Iterator[tuple[int, Category]]:
    """Yield the categories of the sums with their numbers."""
    for number, *values in connection.execute(
        f"SELECT t.category, CAST(t.bin AS TEXT), CAST(t.label AS TEXT), {HAPPENED}, CAST(b.digest AS TEXT) "
        "FROM (SELECT *, CASE WHEN has_stroke THEN '' END AS actuator FROM categories) t "
        "LEFT JOIN bundles b ON b.bundle = t.bundle"
    ).fetchall():
        where, label, reason, model = (value or "" for value in values)
        yield number, Category(where, label, reason, model)


def read_all(path: Path, record: type[Record], query: Query) -> Iterator[Record]:
    """Yield all matching rows, oldest first.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read.
    """
    last = -1
    while rows := _select(path, record, query, f"t.row > {last} ORDER BY t.row", ROWS_AT_ONCE):
        yield from rows
        if rows[-1].row <= last:
            raise JournalError(f"{path}: damaged (its rows are out of order). {SET_ASIDE}")
        last = rows[-1].row


def read_last(path: Path, record: type[Record], query: Query, limit: int) -> list[Record]:
    """Return the newest matching rows, oldest of them first.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read.
    """
    return _select(path, record, query, "1 ORDER BY t.row DESC", limit)[::-1]


def check_journal(path: Path) -> list[str]:
    """Return what SQLite's full integrity check finds wrong; empty if the file is sound.

    Raises:
        JournalError: it is missing, too new, can't be read, or is so damaged that it can't be checked.
    """
    with open_for_reading(path) as connection:
        lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    return [] if lines == ["ok"] else lines


def count_rows(path: Path) -> int:
    """Return how many items there are.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read.
    """
    with open_for_reading(path) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])


def _select(path: Path, record: type[Record], query: Query, order: str, limit: int) -> list[Record]:
    where, parameters = query.where()
    with open_for_reading(path) as connection:
        return selecting(connection, record)(f"{where} AND {order} LIMIT ?", [*parameters, limit])


def selecting(connection: sqlite3.Connection, record: type[Record]) -> Callable[[str, Sequence[Any]], list[Record]]:
    """Return what gives the rows `t` of a record's table for which a condition in SQL holds, with its parameters."""
    selected = f"SELECT {_columns(record, connection)} FROM {TABLES[record]} WHERE "

    def select(condition: str, parameters: Sequence[Any]) -> list[Record]:
        rows = connection.execute(selected + condition, parameters).fetchall()
        return [record(row[0], iso_time(row[1]), *row[2:]) for row in rows]

    return select


def _columns(record: type[Any], connection: sqlite3.Connection) -> str:
    """Return the columns in SQL, cast: where a bit flipped, SQLite would give a value of another type.

    What a file of an older version does not have is null.
    """
    table = TABLES[record].partition(" ")[0]
    there = {f"t.{column[1]}" for column in connection.execute(f"PRAGMA table_info({table})")} | {*ELSEWHERE.values()}
    columns = []
    for name, hint in get_type_hints(record).items():
        sql_type = {int: "INTEGER", float: "REAL"}.get(next(iter(get_args(hint)), hint), "TEXT")
        column = ELSEWHERE.get(name, f"t.{name}")
        column = column if column in there else "NULL"
        columns.append(f"CAST({column} AS {'REAL' if name == 'time' else sql_type})")
    return ", ".join(columns)


def iso_time(wall_time: float | None) -> str:
    """Return seconds since the epoch as an ISO 8601 date and time in UTC with milliseconds; empty if impossible."""
    try:
        date = datetime.fromtimestamp(wall_time or 0.0, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
