"""The device's end of a pull: new journal rows, and the files that the workstation lacks.

-> {"ask": "pull", "items": 120, "events": 7, "run": "..."}   the last rows that it has, and their run
<- {"event": "rows", "table": ..., "size": n}, n bytes of JSON; as often as needed
<- {"event": "files", "size": n}, n bytes of JSON: path, size, time
-> {"size": n}, n bytes of JSON: the paths that are wanted
<- {"event": "file", "path": ..., "size": n}, n bytes; as often as needed
<- {"event": "done"}
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.errors import JournalError
from edge.journal import schema
from edge.journal.reading import open_for_reading

ROWS_AT_ONCE = 500
# A row is completed by its stroke and its landing seconds after it was written: the latest ones are sent again.
ROWS_AGAIN = 200
LARGEST_FILE = 64 << 20
HOME_BOUND = (
    "calibration.toml",
    "calibrations/*.toml",
    "calibration-pictures/*/*.jpg",
    "calibration-pictures/*/*.html",
    "pictures/*.jpg",
    "shadow/*/*.jsonl",
    "shadow/*/*.jpg",
)
"""What travels home besides the journal: patterns below the state folder."""

Say = Callable[..., None]


def send_rows(journal: Path, items: int, events: int, run: str, say: Say, write: Callable[[bytes], object]) -> None:
    """Send all rows after the given ones, or all there are where the workstation's belong to another journal.

    Raises:
        JournalError: the journal can't be read.
    """
    if not journal.is_file():
        return
    with open_for_reading(journal) as connection:
        if not _is_known(connection, items, run):
            items = events = 0
            say(event="anew")
        for table, after in (("runs", 0), ("bundles", 0), ("items", items), ("events", events)):
            for columns, rows in _batches(connection, table, max(0, after - ROWS_AGAIN)):
                content = json.dumps({"columns": columns, "rows": rows}).encode()
                say(event="rows", table=table, size=len(content))
                write(content)


def _is_known(connection: sqlite3.Connection, row: int, run: str) -> bool:
    """Tell whether the workstation's last row is one of this journal's, or at least its run.

    A copy so old that its last run was pruned here counts as another journal's: it is set aside, never mixed.
    """
    found = connection.execute(
        "SELECT r.run_id FROM items t JOIN runs r ON r.run = t.run WHERE t.row = ?", (row,)
    ).fetchone()
    if found is not None:
        return bool(found[0] == run)
    return row == 0 or connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run,)).fetchone() is not None


def _batches(connection: sqlite3.Connection, table: str, after: int) -> Iterator[tuple[list[str], list[Any]]]:
    """Rows in short transactions, so that the writer's log never has to wait for us."""
    key = schema.KEYS[table]
    while True:
        cursor = connection.execute(
            f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?", (after, ROWS_AT_ONCE)
        )
        columns = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][columns.index(key)]
        if last <= after:
            raise JournalError("the journal is damaged: its rows are out of order")
        yield columns, [[_jsonable(value) for value in row] for row in rows]
        after = last


def _jsonable(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def list_files(folder: Path) -> dict[str, tuple[int, int]]:
    """What may travel home: path -> (size, time of its last change in nanoseconds)."""
    found = {}
    for pattern in HOME_BOUND:
        for path in sorted(folder.glob(pattern)):
            try:
                status = path.lstat()
            except OSError:
                continue
            if path.is_file() and not path.is_symlink() and status.st_size <= LARGEST_FILE:
                found[path.relative_to(folder).as_posix()] = status.st_size, status.st_mtime_ns
    return found


def send_files(
    folder: Path, offered: dict[str, tuple[int, int]], wanted: list[str], say: Say, write: Callable[[bytes], object]
) -> None:
    """Send the files that are wanted, of those that were offered; one that went away meanwhile is left out."""
    for name in wanted:
        if name not in offered:
            continue
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        say(event="file", path=name, size=len(content), mtime_ns=offered[name][1])
        write(content)
