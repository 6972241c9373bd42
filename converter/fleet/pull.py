"""Brings journals, calibrations and kept pictures home from devices, only what is new."""

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
from edge.errors import SorterError, TransferError
from edge.journal import schema
from edge.system.files import write_atomically
from edge.tools.receive.requests import PROTOCOL
from edge.tools.receive.sending import HOME_BOUND, LARGEST_FILE


@dataclass(frozen=True)
class PullResult:
    """What came from one device: journal rows that were new, files and their bytes."""

    host: Host
    folder: Path
    rows: int = 0
    files: int = 0
    received: int = 0
    error: str = ""


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
                    wanted = [path for path, size, changed in listed if self._lacks(path, size, changed)]
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

    def _lacks(self, path: str, size: int, changed: int) -> bool:
        if not _is_home_bound(path) or size > LARGEST_FILE:
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
        write_atomically(path, content)
        os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
        self._update(files=self.result.files + 1)


def _is_home_bound(path: str) -> bool:
    """Tell whether a path that a device names may be written below its folder."""
    parts = PurePosixPath(path).parts
    return (
        path.isprintable()
        and ".." not in parts
        and any(
            len(PurePosixPath(pattern).parts) == len(parts)
            and all(fnmatchcase(part, want) for part, want in zip(parts, PurePosixPath(pattern).parts, strict=True))
            for pattern in HOME_BOUND
        )
    )


def _make_tables(connection: sqlite3.Connection) -> None:
    """The tables of a device's journal, so that `sorter journal list --file` reads the copy as it does the original.

    A copy that an older version made gets what is new.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < len(schema.MIGRATIONS):
        schema.migrate(connection, version)
