"""Brings journals, calibrations, kept pictures and their labels home from devices, only what is new."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from converter.fleet.answers import Announced, AnnouncedFile, AnnouncedRows, Files, Rows, understood, unpacked
from converter.fleet.inventory import Host
from converter.fleet.ssh import Conversation, Ways, converse
from edge.clock import SystemClock
from edge.errors import SorterError, TransferError
from edge.journal import schema
from edge.labelling.labels import is_own_labels_file
from edge.labelling.writing import MOST_BROUGHT_BYTES, bring_labels, name_at_home
from edge.system.files import write_atomically
from edge.tools.receive.requests import PROTOCOL
from edge.tools.receive.sending import HOME_BOUND, LARGEST_FILE

MOST_FILES = 20
"""Files of labels that are taken of a station: people who label there."""


@dataclass(frozen=True)
class PullResult:
    """What came from one device: journal rows and labels that were new, files and their bytes.

    Attributes:
        passed_over: what of its labels can't be used, a line each.
    """

    host: Host
    folder: Path
    rows: int = 0
    files: int = 0
    labels: int = 0
    received: int = 0
    error: str = ""
    passed_over: tuple[str, ...] = ()


async def pull_from(
    host: Host, into: Path, command: str, ways: Ways, progress: Callable[[PullResult], None]
) -> PullResult:
    """Bring home what is new from one device into a folder of its own; never raises for what the network does."""
    folder = into / host.text.replace("/", "_").replace(":", "_")
    home = _Home(folder, PullResult(host, folder), progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        async with converse(host, command, ways) as talk:
            await home.fetch(talk)
    except SorterError as error:
        home.result = replace(home.result, error=str(error).removeprefix(f"{host.text}: "))
    except (OSError, sqlite3.Error) as error:
        home.result = replace(home.result, error=f"{folder}: can't be written ({error})")
    progress(home.result)
    return home.result


class _Home:
    """The folder of one device: `journal.db` as the device has it, and its files below."""

    def __init__(self, folder: Path, result: PullResult, progress: Callable[[PullResult], None]) -> None:
        self.result = result
        self._folder = folder
        self._journal = folder / "journal.db"
        self._progress = progress
        self._wanted: set[str] = set()  # files that were asked for and have not come

    async def fetch(self, talk: Conversation) -> None:
        items, events, run = self._last_rows()
        talk.ask(protocol=PROTOCOL, ask="pull", items=items, events=events, run=run)
        while True:
            event = await talk.hear()
            match event["event"]:
                case "anew":
                    self._begin_anew()
                case "rows":
                    rows = understood(AnnouncedRows, event)
                    self._store_rows(rows.table, unpacked(Rows, await self._read(talk, rows)))
                case "files":
                    listed = unpacked(Files, await self._read(talk, understood(Announced, event)))
                    wanted = self._choose(listed)
                    self._wanted = set(wanted)
                    content = json.dumps(wanted).encode()
                    talk.ask(size=len(content))
                    await talk.send(content)
                case "file":
                    file = understood(AnnouncedFile, event)
                    self._store_file(file, await self._read(talk, file))
                case "done":
                    return

    async def _read(self, talk: Conversation, announced: Announced) -> bytes:
        content = await talk.read_exactly(announced.size)
        self._update(received=self.result.received + announced.size)
        return content

    def _update(self, **changes: object) -> None:
        self.result = replace(self.result, **changes)  # type: ignore[arg-type]
        self._progress(self.result)

    # -- journal -----------------------------------------------------------------------------------------------

    def _last_rows(self) -> tuple[int, int, str]:
        if not self._journal.exists():
            return 0, 0, ""
        with closing(sqlite3.connect(self._journal)) as connection:
            last = connection.execute(
                "SELECT t.row, r.run_id FROM items t JOIN runs r ON r.run = t.run ORDER BY t.row DESC LIMIT 1"
            ).fetchone()
            event = connection.execute("SELECT max(row) FROM events").fetchone()[0]
        return (0 if last is None else last[0]), event or 0, ("" if last is None else last[1])

    def _begin_anew(self) -> None:
        """The device began a new journal: what came from the one before stays under another name."""
        if self._journal.exists():
            number = len(list(self._folder.glob("journal-*.db"))) + 1
            self._journal.rename(self._folder / f"journal-{number}.db")

    def _store_rows(self, table: str, content: Rows) -> None:
        if table not in schema.KEYS:
            raise TransferError(f"the device sent rows of {table!r}; expected {', '.join(schema.KEYS)}")
        with closing(sqlite3.connect(self._journal)) as connection, connection:
            _make_tables(connection)
            known = [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]
            columns = [name for name in known if name in content.columns]
            at = [content.columns.index(name) for name in columns]
            before = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            # Not OR REPLACE: what counts the rows would take the one that goes for another that came.
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
                f"ON CONFLICT ({schema.KEYS[table]}) DO UPDATE SET "
                + ", ".join(f"{name} = excluded.{name}" for name in columns),
                [[row[index] for index in at] for row in content.rows],
            )
            after = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if table in ("items", "events"):
            self._update(rows=self.result.rows + after - before)

    # -- files -------------------------------------------------------------------------------------------------

    def _choose(self, listed: Files) -> list[str]:
        """The files to ask for; a station's labels in front, of so many people as there can be."""
        offered = [file for file in listed if _is_home_bound(file[0])]
        labels = [file for file in offered if _is_labels(file[0])]
        if len(labels) > MOST_FILES:
            self._pass_over(f"{len(labels) - MOST_FILES} files of labels: {MOST_FILES} of a station are taken")
        chosen = []
        for path, size, changed in labels[:MOST_FILES]:
            if size > MOST_BROUGHT_BYTES:
                self._pass_over(f"{path}: {size} bytes, expected {MOST_BROUGHT_BYTES} at most of a file of labels")
            elif self._changed_at(path) != changed:
                chosen.append(path)
        return chosen + [file[0] for file in offered if not _is_labels(file[0]) and self._lacks(*file)]

    def _changed_at(self, path: str) -> int | None:
        """When a station had last changed its labels that are here."""
        try:
            return name_at_home(self._folder / path).stat().st_mtime_ns
        except OSError:
            return None

    def _lacks(self, path: str, size: int, changed: int) -> bool:
        if size > LARGEST_FILE:
            return False
        try:
            here = (self._folder / path).stat()
        except OSError:
            return True
        return (here.st_size, here.st_mtime_ns) != (size, changed)

    def _store_file(self, file: AnnouncedFile, content: bytes) -> None:
        if file.path not in self._wanted:
            raise TransferError(f"the device sent {file.path!r}; expected a file that was asked for, once")
        self._wanted.remove(file.path)
        path = self._folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_labels(file.path):
            self._store_labels(file, name_at_home(path), content)
        else:
            write_atomically(path, content)
            os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
        self._update(files=self.result.files + 1)

    def _store_labels(self, file: AnnouncedFile, home: Path, content: bytes) -> None:
        """Add labels to those that came before: whoever labels the same pictures here, or there later, loses none."""
        brought = bring_labels(home, content, Path(file.path), SystemClock().wall_time())
        for line in brought.passed_over:
            self._pass_over(str(line))
        if brought.is_all:
            os.utime(home, ns=(file.mtime_ns, file.mtime_ns))
        self._update(labels=self.result.labels + brought.new)

    def _pass_over(self, what: str) -> None:
        self.result = replace(self.result, passed_over=(*self.result.passed_over, what))


def _is_home_bound(path: str) -> bool:
    """Tell whether a path that a device names may be written below its folder."""
    parts = PurePosixPath(path).parts
    return (
        path.isprintable()
        and ".." not in parts
        and (not _is_labels(path) or is_own_labels_file(parts[-1]))
        and any(
            len(PurePosixPath(pattern).parts) == len(parts)
            and all(fnmatchcase(part, want) for part, want in zip(parts, PurePosixPath(pattern).parts, strict=True))
            for pattern in HOME_BOUND
        )
    )


def _is_labels(path: str) -> bool:
    return path.endswith(".csv")


def _make_tables(connection: sqlite3.Connection) -> None:
    """The tables of a device's journal, so that `sorter journal list --file` reads the copy as it does the original.

    A copy that an older version made gets what is new.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < len(schema.MIGRATIONS):
        schema.migrate(connection, version)
