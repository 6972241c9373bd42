"""The tables of the journal and the statements that write them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any, Protocol

from edge.journal import sums

APPLICATION_ID = 0x534F5254  # "SORT": tells our file from any other SQLite file

# `row` is the number of the item or event over all runs: new rows go to the end of the table's one
# B-tree, so that a batch touches few pages. No further index for the same reason.
MOST_BYTES = 1_000_000  # of one value; a damaged length must not make SQLite ask for a gigabyte

MOST_REMEMBERED = 1000
"""Rows of the table `kept`: the newest."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, boot_id TEXT NOT NULL, version TEXT NOT NULL,
            started_at INTEGER NOT NULL, wall_time REAL NOT NULL
        )""",
        """
        CREATE TABLE bundles (bundle INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE)""",
        """
        CREATE TABLE items (
            row INTEGER PRIMARY KEY, run INTEGER NOT NULL, item INTEGER NOT NULL, wall_time REAL NOT NULL,
            crossed_at INTEGER, decided_at INTEGER, frame_age_ns INTEGER, lane INTEGER,
            label TEXT, score REAL, margin REAL, bin TEXT, reason TEXT, bundle INTEGER,
            actuator TEXT, position TEXT, fire_at INTEGER, release_at INTEGER, picture TEXT,
            fired_at INTEGER, released_at INTEGER, outcome TEXT, landed_at INTEGER, landed_in TEXT
        )""",
        """
        CREATE TABLE events (
            row INTEGER PRIMARY KEY, run INTEGER NOT NULL, wall_time REAL NOT NULL, at INTEGER NOT NULL,
            kind TEXT NOT NULL, severity TEXT NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL
        )""",
    ),
    ("ALTER TABLE runs ADD COLUMN dated INTEGER NOT NULL DEFAULT 0",),  # 1: its date was known, see DateWatch
    (
        "ALTER TABLE items ADD COLUMN kept TEXT",
        "ALTER TABLE items ADD COLUMN looks INTEGER",
        """
        CREATE TABLE kept (row INTEGER PRIMARY KEY, day INTEGER NOT NULL, label TEXT NOT NULL, sketch BLOB)""",
    ),
    sums.MIGRATION,
    (
        "ALTER TABLE items ADD COLUMN bin_score REAL",
        "ALTER TABLE items ADD COLUMN min_score REAL",
        "ALTER TABLE items ADD COLUMN bin_margin REAL",
        "ALTER TABLE items ADD COLUMN min_margin REAL",
        "ALTER TABLE items ADD COLUMN seen_as TEXT",
        *sums.WITH_ROWS,
    ),
)
"""The statements that lead from version N to N + 1, for every N; version 0 is an empty file."""

KEYS = {"runs": "run", "bundles": "bundle", "items": "row", "events": "row", "kept": "row"}
"""Each table's key, in an order in which a copy of the journal is complete at every instant."""

_SINCE = "nanoseconds since that boot"
MEANINGS = {
    "runs": {
        "run": "number of the start, counted up",
        "run_id": "name of the start, never used again",
        "boot_id": "the boot of the machine that it was in, as Linux names it",
        "version": "edge-sorter's version",
        "started_at": f"when it started, {_SINCE}",
        "wall_time": "when it started, seconds since 1970",
        "dated": "1: the machine's date was known",
    },
    "bundles": {"bundle": "number of the model, counted up", "digest": "SHA-256 of the bundle file"},
    "items": {
        "row": "number of the item over all runs",
        "run": "the start that it belongs to",
        "item": "number of the item in its run, from 1",
        "wall_time": "when the row was recorded, seconds since 1970",
        "crossed_at": f"when it crossed the decision line or came to rest, {_SINCE}",
        "decided_at": f"when it was decided, {_SINCE}",
        "frame_age_ns": "age of the frame that completed it, nanoseconds",
        "lane": "lane of the belt, from 0",
        "label": "what the model said; empty: it was not asked",
        "score": "how sure it was, from 0 to 1",
        "margin": "distance from the second best score",
        "bin": "the bin that it was meant for",
        "reason": "why there",
        "bundle": "the model that was at work",
        "actuator": "what was to bring it there; null: nothing moved for it",
        "position": "position of that actuator",
        "fire_at": f"when the stroke was to begin, {_SINCE}",
        "release_at": f"when it was to end, {_SINCE}",
        "picture": "file name of its first kept picture; null: none was kept",
        "fired_at": f"when the stroke began, {_SINCE}; null: it did not, or not yet",
        "released_at": f"when it ended, {_SINCE}",
        "outcome": "what became of the stroke; null: not known yet",
        "landed_at": f"when an exit sensor saw it, {_SINCE}",
        "landed_in": "the bin whose exit sensor saw it; (expected): not yet; (not seen): it waited in vain; null: the bin has none",
        "kept": "why its pictures are kept; null: none was kept, or an older version kept it",
        "looks": "how many pictures of it were kept: the names of the others end in -2, -3",
        "bin_score": "probability that it belongs in the bin of its label: the labels of one bin add up; null: no bin came into question",
        "min_score": "the least that was asked of `bin_score`",
        "bin_margin": "distance of `bin_score` from that of the next best bin",
        "min_margin": "the least that was asked of `bin_margin`",
        "seen_as": "the labels that its looks alone were found as, first to last; null: the model was not asked",
    },
    "events": {
        "row": "number of the event over all runs",
        "run": "the start that it belongs to",
        "wall_time": "when it was recorded, seconds since 1970",
        "at": f"when it happened, {_SINCE}",
        "kind": "what it tells of",
        "severity": "how grave it is",
        "code": "which fault or which state",
        "text": "a sentence for people",
    },
    "kept": {
        "row": "number of an item whose pictures were kept lately, over all runs",
        "day": "when it was kept, days since 1970 (UTC)",
        "label": "what the model said",
        "sketch": "its features, a random projection of 64 bytes; null: the model has none",
    },
    **sums.MEANINGS,
}
"""For people: what each column holds."""

TABLES = """
    SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema ORDER BY name
"""  # as bytes: damaged text can not always be decoded

# A batch whose COMMIT failed may have been stored all the same and is stored again; and a stroke may
# arrive before its item, or without it where the queue was full. So every statement can be repeated,
# and each writes only its own columns.
UPSERT_OUTCOME = """
    INSERT INTO items (run, row, picture, looks, kept, item, wall_time, crossed_at, decided_at, frame_age_ns, lane, label, score,
        margin, bin, reason, bundle, actuator, position, fire_at, release_at, landed_in,
        bin_score, min_score, bin_margin, min_margin, seen_as)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT bundle FROM bundles WHERE digest = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (row) DO UPDATE SET picture = excluded.picture, looks = excluded.looks,
        kept = excluded.kept, wall_time = excluded.wall_time, crossed_at = excluded.crossed_at, decided_at = excluded.decided_at, frame_age_ns = excluded.frame_age_ns,
        lane = excluded.lane, label = excluded.label, score = excluded.score, margin = excluded.margin,
        bin = excluded.bin, reason = excluded.reason, bundle = excluded.bundle,
        actuator = coalesce(actuator, excluded.actuator), position = coalesce(position, excluded.position),
        fire_at = coalesce(fire_at, excluded.fire_at), release_at = coalesce(release_at, excluded.release_at),
        landed_in = coalesce(landed_in, excluded.landed_in), bin_score = excluded.bin_score, min_score = excluded.min_score,
        bin_margin = excluded.bin_margin, min_margin = excluded.min_margin, seen_as = excluded.seen_as
"""
UPSERT_STROKE = """
    INSERT INTO items (run, row, item, wall_time, actuator, position, fire_at, release_at, fired_at, released_at, outcome)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (row) DO UPDATE SET actuator = excluded.actuator, position = excluded.position,
        fire_at = excluded.fire_at, release_at = excluded.release_at, fired_at = excluded.fired_at,
        released_at = excluded.released_at, outcome = excluded.outcome
"""
UPSERT_LANDING = """
    INSERT INTO items (run, row, item, wall_time, landed_at, landed_in) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (row) DO UPDATE SET landed_at = excluded.landed_at, landed_in = excluded.landed_in
"""
INSERT_KEPT = "INSERT OR REPLACE INTO kept (row, day, label, sketch) VALUES (?, ?, ?, ?)"
FORGET_KEPT = f"DELETE FROM kept WHERE row <= (SELECT row FROM kept ORDER BY row DESC LIMIT 1 OFFSET {MOST_REMEMBERED})"
# As SQLite stores them, so that a bit that flipped costs one of them, and not the journal.
SELECT_KEPT = f"""
    SELECT CAST(day AS INTEGER), CAST(label AS BLOB), CAST(sketch AS BLOB)
    FROM (SELECT * FROM kept ORDER BY row DESC LIMIT {MOST_REMEMBERED}) ORDER BY row
"""
INSERT_BUNDLE = "INSERT OR IGNORE INTO bundles (digest) VALUES (?)"
INSERT_EVENT = """
    INSERT OR REPLACE INTO events (run, row, wall_time, at, kind, severity, code, text)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_RUN = """
    INSERT OR IGNORE INTO runs (run, run_id, boot_id, version, started_at, wall_time)
    VALUES ((SELECT coalesce(max(run), 0) + 1 FROM runs), ?, ?, ?, ?, ?)
"""

# The first row's run, not min(run): that would read the whole table.
DELETE_EMPTY_RUNS = """
    DELETE FROM runs WHERE run < ?
        AND run < coalesce((SELECT run FROM items ORDER BY row LIMIT 1), 9e18)
        AND run < coalesce((SELECT run FROM events ORDER BY row LIMIT 1), 9e18)
"""

_TABLES = ("items", "events")
# Until when a row may be: its own date where that was known, else the start of the next run whose date was.
_LATEST = """
    CASE WHEN r.dated THEN t.wall_time
    ELSE (SELECT d.wall_time FROM runs d WHERE d.run > t.run AND d.dated ORDER BY d.run LIMIT 1) END
"""
OLDEST = {
    table: f"SELECT t.run, CAST(t.wall_time AS REAL), CAST({_LATEST} AS REAL) "
    f"FROM {table} t LEFT JOIN runs r ON r.run = t.run ORDER BY t.row LIMIT 1"
    for table in _TABLES
}
DELETE_OLDEST = {
    table: f"DELETE FROM {table} WHERE row IN (SELECT row FROM {table} ORDER BY row LIMIT ?)" for table in _TABLES
}
DELETE_AGED = {
    table: f"DELETE FROM {table} WHERE row IN (SELECT t.row FROM (SELECT * FROM {table} ORDER BY row LIMIT ?) t "
    f"LEFT JOIN runs r ON r.run = t.run WHERE {_LATEST} < ?)"
    for table in _TABLES
}

# When the date is set, the rows of this boot move with it: their instants say by how much. From the newest down, some at
# a time; each statement can be repeated. Parameters: the date of the instant 0, row, number of rows, boot, jump.
_OUR_RUNS = "(SELECT run FROM runs WHERE boot_id = :boot)"
_INSTANT = {"items": "coalesce(crossed_at, fire_at, landed_at) / 1e9", "events": "at / 1e9"}
REDATE = {
    table: f"UPDATE {table} SET wall_time = {instant} + :offset "
    f"WHERE row IN (SELECT row FROM {table} WHERE row < :below ORDER BY row DESC LIMIT :rows) "
    f"AND run IN {_OUR_RUNS} AND abs(wall_time - {instant} - :offset) > :jump"
    for table, instant in _INSTANT.items()
}
# The lowest row of that part, and whether it reaches into another boot's.
REDATED = {
    table: f"SELECT min(row), max(run NOT IN {_OUR_RUNS}) "
    f"FROM (SELECT row, run FROM {table} WHERE row < :below ORDER BY row DESC LIMIT :rows)"
    for table in _TABLES
}
MISDATED_RUNS = "SELECT count(*) FROM runs WHERE boot_id = ? AND abs(wall_time - started_at / 1e9 - ?) > ?"
REDATE_RUNS = "UPDATE runs SET wall_time = started_at / 1e9 + ? WHERE boot_id = ?"
MARK_DATED = "UPDATE runs SET dated = 1 WHERE boot_id = ? AND NOT dated"
UNMARK_DATED = "UPDATE runs SET dated = 0 WHERE boot_id = ? AND dated"
# Every row is decoded to its last column.
VERIFY_ITEMS = """
    SELECT max(row), count(looks), total(length(reason))
    FROM (SELECT * FROM items WHERE row > ? ORDER BY row LIMIT ?)
"""


class Executes(Protocol):
    """A connection to a database, as far as it is needed here."""

    def execute(self, sql: str, /) -> Any: ...


def migrate(connection: Executes, version: int) -> None:
    """Bring a file of that version to the newest one."""
    connection.execute("BEGIN IMMEDIATE")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def expected_tables(version: int) -> list[Any]:
    """Return what `TABLES` says of a sound file of that version."""
    with closing(sqlite3.connect(":memory:")) as pattern:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                pattern.execute(statement)
        return pattern.execute(TABLES).fetchall()
