"""The journal as the control side sees it: `record` never waits for the disk and never raises."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edge.clock import ms
from edge.config.station import JournalSettings
from edge.durable import make_folder
from edge.faults import FaultKind
from edge.interfaces import Clock
from edge.journal.database import (
    BYTES_PER_MB,
    Connect,
    Database,
    Run,
    UnusableFileError,
    connect_for_writing,
    is_damage,
    open_database,
)
from edge.journal.dates import DateWatch
from edge.journal.disk_errors import NO_ERROR, DiskError, explain
from edge.journal.entries import (
    Entry,
    Landing,
    LandingRow,
    OutcomeRow,
    Row,
    event_row,
    outcome_row,
    stroke_rows,
    wanted_picture,
)
from edge.journal.pictures import Pictures
from edge.journal.set_aside import set_aside
from edge.line import Outcome
from edge.types import Event, Image, Stroke

log = logging.getLogger(__name__)

QUEUE_ROWS = 20_000  # 20 minutes at 8 items/s with their strokes; about 10 MB
QUEUE_PICTURE_BYTES = 16_000_000
ROWS_AT_ONCE = 2_000  # in one commit: bounds the write-ahead log after a long stall
CLOSE_S = 3.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows since the start: recorded = stored + lost + pending; `error` is empty while all is well."""

    recorded: int
    stored: int
    lost: int
    pending: int
    pictures_lost: int
    error: DiskError

    @property
    def last_error(self) -> str:
        """The present trouble as a sentence; empty while all is well."""
        return self.error.text


@dataclass(frozen=True, slots=True)
class _Pending:
    row: Row
    picture: Image | None = None

    @property
    def picture_bytes(self) -> int:
        return 0 if self.picture is None else self.picture.nbytes


class Journal:
    """A bounded queue before a database: any thread records, one thread at a time stores.

    `bundle` is the digest written with every item; `turned_at` the instant at which storing was last
    tried to the end. The file is opened by the first `store_pending`, not here: starting never waits
    for the disk either.
    """

    def __init__(
        self,
        folder: Path,
        settings: JournalSettings,
        clock: Clock,
        run: Run,
        connect: Connect = connect_for_writing,
        claim: int | None = None,
    ) -> None:
        self.path = folder / "journal.db"
        self.settings = settings
        self.bundle = ""
        self.queue_rows = QUEUE_ROWS
        self.turned_at = clock.now()
        self.on_event: Callable[[Event], None] | None = None
        self._clock = clock
        self._run = run
        self._connect = connect
        self._keep = settings.keep_crops if settings.crops_max_mb > 0 else "none"
        self._pictures = Pictures(folder / "pictures", int(settings.crops_max_mb * BYTES_PER_MB))
        self._dates = DateWatch(clock)
        self._claim = claim  # a descriptor that holds the folder's lock while it is open
        self._database: Database | None = None
        self._storing = threading.Lock()  # held while the disk works
        self._queue: deque[_Pending] = deque()
        self._counting = threading.Lock()  # held for the queue and the counts, never while the disk works
        self._recorded = self._stored = self._lost = self._events = 0
        self._picture_bytes = self._pictures_lost = self._lost_told = 0
        self._error = NO_ERROR

    @property
    def counts(self) -> Counts:
        """Return the counts at this instant."""
        with self._counting:
            pending = len(self._queue)
            return Counts(self._recorded, self._stored, self._lost, pending, self._pictures_lost, self._error)

    def record(self, entry: Entry) -> None:
        """Take an entry in; it is on the disk after the next `store_pending` that works.

        Never waits and never raises: what finds the queue full is counted as lost. Keeps no frame.
        """
        wall_time = self._clock.wall_time()
        if isinstance(entry, Outcome):
            self._enqueue(outcome_row(entry, wall_time, self.bundle), wanted_picture(entry, self._keep))
        elif isinstance(entry, Stroke):
            for row in stroke_rows(entry, wall_time):
                self._enqueue(row)
        elif isinstance(entry, Landing):
            self._enqueue(LandingRow(entry.item_id, wall_time, entry.landed_at, entry.bin))
        else:
            with self._counting:
                self._events += 1
                number = self._events
            self._enqueue(event_row(entry, number, wall_time))

    def _enqueue(self, row: Row, picture: Image | None = None) -> None:
        with self._counting:
            self._recorded += 1
            if len(self._queue) >= self.queue_rows:
                self._lost += 1
                self._pictures_lost += picture is not None
                return
            if picture is not None and self._picture_bytes + picture.nbytes > QUEUE_PICTURE_BYTES:
                self._pictures_lost += 1
                picture = None
            pending = _Pending(row, picture)
            self._picture_bytes += pending.picture_bytes
            self._queue.append(pending)

    def store_pending(self) -> int:
        """Store what was recorded before the call; return how many rows a power cut can't take any more.

        Waits for the disk as long as it takes. Raises nothing: what could not be stored stays in the
        queue, and the next call tries again with the file opened anew.
        """
        with self._storing:
            return self._store_all()

    def close(self) -> None:
        """Store what is pending and close the file; may be called twice.

        Waits for the disk, but not for a write that another thread has been waiting on for long.
        """
        if not self._storing.acquire(timeout=CLOSE_S):
            log.warning("the disk hangs: %d rows are not stored", len(self._queue))
            return
        try:
            self._store_all()
            self._drop_database()
            if self._claim is not None:
                os.close(self._claim)
                self._claim = None
        finally:
            self._storing.release()

    def _store_all(self) -> int:
        left = len(self._queue)
        stored = 0
        while left > 0 and (done := self._store_batch(min(left, ROWS_AT_ONCE))):
            left -= done
            stored += done
        self.turned_at = self._clock.now()
        return stored

    def _store_batch(self, size: int) -> int:
        """Store the first `size` rows of the queue; return 0 if the disk did not let us."""
        with self._counting:
            batch = list(islice(self._queue, size))
        try:
            database = self._database = self._database or self._open()
            database.store([p.row for p in batch], self._keep_pictures(batch), self._cutoff())
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return 0
        with self._counting:
            for pending in batch:
                self._queue.popleft()
                self._picture_bytes -= pending.picture_bytes
            self._stored += len(batch)
            self._error = NO_ERROR
        self._tell_losses()
        return len(batch)

    def _open(self) -> Database:
        """Open the file; one that can't be used is set aside first.

        Raises:
            sqlite3.Error, OSError: the disk does not let us.
        """
        limit = int(self.settings.max_mb * BYTES_PER_MB)
        make_folder(self.path.parent)
        try:
            return open_database(self.path, self._run, limit, self._connect)
        except UnusableFileError as error:
            self._set_aside(error)
            return open_database(self.path, self._run, limit, self._connect)

    def _set_aside(self, error: Exception) -> None:
        target = set_aside(self.path, self._clock.wall_time())
        self._tell(
            f"The journal can't be used ({error}); it was set aside as {target.name} and a new one was begun.",
            FaultKind.JOURNAL_DAMAGED,
        )

    def _fail(self, error: sqlite3.Error | OSError) -> None:
        """Note the error and close the file: the next try begins with a fresh connection.

        Going on with the old one after a failed sync could take pages for stored that the kernel dropped.
        """
        self._drop_database()
        if is_damage(error):
            with suppress(OSError):
                self._set_aside(error)
        with self._counting:
            known = self._error.fault
            self._error = explain(error)
        if self._error.fault is not known:
            log.warning("nothing can be stored: %s", self._error.text)

    def _drop_database(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            # Closing writes too (the last checkpoint); what it can't write is still in the log.
            with suppress(sqlite3.Error):
                database.close()

    def _keep_pictures(self, batch: Sequence[_Pending]) -> list[str | None]:
        """Write the pictures of the batch; return a name for each row that has one."""
        names: list[str | None] = []
        for pending in batch:
            name = f"{self._run.run_id[:8]}-{pending.row.item:08d}.jpg" if isinstance(pending.row, OutcomeRow) else ""
            kept = pending.picture is not None and self._pictures.keep(name, pending.picture)
            names.append(name if kept else None)
        lost = sum(p.picture is not None and name is None for p, name in zip(batch, names, strict=True))
        if lost:
            with self._counting:
                self._pictures_lost += lost
        return names

    def _cutoff(self) -> float:
        """Return the date before which rows go, seconds since the epoch; never, while the date is not believed."""
        if not self._dates.believed():
            return -math.inf
        return self._clock.wall_time() - self.settings.max_days * DAY_S

    def _tell_losses(self) -> None:
        with self._counting:
            lost, self._lost_told = self._lost - self._lost_told, self._lost
        if lost:
            self._tell(f"{lost} rows were lost while nothing could be stored and the queue was full.", None)

    def _tell(self, text: str, fault: FaultKind | None) -> None:
        """Record an event about the journal itself."""
        log.warning("%s", text)
        kind = "journal-loss" if fault is None else fault.value
        event = Event(kind=kind, at=self._clock.now(), text=text, severity="warning", code=kind)
        self.record(event)
        if self.on_event is not None:
            self.on_event(event)


def run_writer(journal: Journal, clock: Clock, stop: threading.Event) -> None:
    """Store every `batch_ms` until `stop` is set, and once more then: the body of the writer's thread."""
    while clock.sleep_until(clock.now() + ms(journal.settings.batch_ms), stop):
        journal.store_pending()
    journal.store_pending()
