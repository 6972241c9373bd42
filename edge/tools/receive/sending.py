"""The device's end of a pull: new journal rows, and the files that the workstation lacks.

-> {"ask": "pull", "items": 120, "events": 7, "run": "..."}   the last rows that it has, and their run
<- {"event": "rows", "table": ..., "size": n}, n bytes of JSON; as often as needed
<- {"event": "files", "size": n}, n bytes of JSON: path, size, time
-> {"size": n}, n bytes of JSON: the paths that are wanted
<- {"event": "file", "path": ..., "size": n}, n bytes; as often as needed
<- {"event": "done"}
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
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
    "taught/*.sorter",
    "labels-*.csv",
    "pictures/labels-*.csv",
    "shadow/*/labels-*.csv",
)
"""What travels home besides the journal: patterns below the state folder."""

Say = Callable[..., None]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def send_rows(journal: Path, items: int, events: int, run: str, say: Say, write: Callable[[bytes], object]) -> None:
    """Send all rows after the given ones, or all there are where the workstation's belong to another journal.

    Raises:
        JournalError: the journal can't be read.
    """
    if journal.is_symlink() or not journal.is_file():
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
    """What may travel home: path -> (size, time of its last change in nanoseconds); no link is followed on the way."""
    try:
        top = os.open(folder, _FOLDER & ~os.O_NOFOLLOW)
    except OSError:
        return {}
    try:
        found = [entry for pattern in HOME_BOUND for entry in _matching(top, pattern.split("/"))]
    finally:
        os.close(top)
    return {
        name: (status.st_size, status.st_mtime_ns)
        for name, status in found
        if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST_FILE
    }


def _matching(folder: int, pattern: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Paths below an open folder, part by part."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if fnmatchcase(entry.name, pattern[0]) and _is_text(entry.name))
    for name in names:
        with suppress(OSError):  # gone meanwhile, or a link in a folder's place
            if len(pattern) == 1:
                yield name, os.stat(name, dir_fd=folder, follow_symlinks=False)
                continue
            below = os.open(name, _FOLDER, dir_fd=folder)
            try:
                yield from ((f"{name}/{path}", status) for path, status in _matching(below, pattern[1:]))
            finally:
                os.close(below)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # not UTF-8 on the disk
        return False
    return True


def send_files(
    folder: Path, offered: dict[str, tuple[int, int]], wanted: list[str], say: Say, write: Callable[[bytes], object]
) -> None:
    """Send the files that are wanted, of those that were offered; one that went away meanwhile is left out."""
    for name in wanted:
        if name not in offered:
            continue
        try:
            content = _read(folder, name)
        except OSError:
            continue
        say(event="file", path=name, size=len(content), mtime_ns=offered[name][1])
        write(content)


def _read(folder: Path, name: str) -> bytes:
    """The content of a file below a folder; raises OSError where a link is on the way, or it is no file of ours."""
    with ExitStack() as opened:
        at = os.open(folder, _FOLDER & ~os.O_NOFOLLOW)
        opened.callback(os.close, at)
        *folders, last = name.split("/")
        for part in folders:
            at = os.open(part, _FOLDER, dir_fd=at)
            opened.callback(os.close, at)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(last, flags, dir_fd=at), "rb") as file:
            content = file.read(LARGEST_FILE + 1)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or len(content) > LARGEST_FILE:
                raise OSError(errno.EINVAL, "no file of ours")
            return content
