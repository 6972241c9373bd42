"""The writer's side of the journal: an open file, a damaged file in quarantine, the pictures, the age of rows."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge.bundle.kept_names import item_name, look_names
from edge.clock import NS_PER_S
from edge.config.service import JournalSettings
from edge.health.faults import FaultKind
from edge.interfaces import Clock
from edge.journal.backlog import Pending
from edge.journal.database import (
    BYTES_PER_MB,
    Connect,
    Database,
    Run,
    UnusableFileError,
    connect_for_writing,
    open_database,
)
from edge.journal.dates import DateWatch
from edge.journal.disk_errors import REFUSALS, explain, is_damage
from edge.journal.entries import OutcomeRow, Row
from edge.journal.keeping.candidates import Candidate, Kept, Quotas
from edge.journal.keeping.pictures import Pictures
from edge.journal.keeping.selection import KeptPictures, Selection
from edge.system.files import discard, make_folder, quarantine

DAY_S = 86_400.0
NOTHING = KeptPictures()
QUARANTINED = 3  # journals; a card that damages one after the other must not fill up with them
# A disk that was full has room again when so much is free: of a large one, and of a small one.
ROOM_BYTES, ROOM_SHARE = 5 * BYTES_PER_MB, 0.05


class Storage:
    """The journal's file and pictures; used by one thread at a time, and only here is the disk waited for."""

    def __init__(
        self,
        path: Path,
        settings: JournalSettings,
        clock: Clock,
        run: Run,
        connect: Connect = connect_for_writing,
    ) -> None:
        self.path = path
        self._settings = settings
        self._clock = clock
        self._run = run
        self._connect = connect
        self._dates = DateWatch(clock)
        self._pictures = Pictures(path.with_name("pictures"), int(settings.crops_max_mb * BYTES_PER_MB))
        self._database: Database | None = None
        self._notices: list[str] = []
        self._selection = Selection(settings)
        self._pictures_lost = 0
        self._failed = False  # until a batch is stored no picture is: it would take the room that the rows need

    @property
    def run_id(self) -> str:
        return self._run.run_id

    def store(self, batch: Sequence[Pending]) -> int:
        """Store the batch durably; return of how many of its items the pictures could not be kept.

        Raises:
            sqlite3.Error, OSError: the disk does not let us. The same batch can be stored again: the
                next try begins with a fresh connection, since going on after a failed sync could take
                pages for stored that the kernel has dropped.
        """
        try:
            if not self.path.exists():
                self.close()  # removed by hand while it was open: SQLite would go on writing into nothing
            was_set = self._dates.look()
            database = self._database = self._database or self._open()
            if was_set:
                database.dating.begin(self._dates.offset_s)
            rows = [self._dates.dated(pending.row) if self._dates.jumped else pending.row for pending in batch]
            lost = self._pictures_lost
            kept = [self._keep(pending.candidate, row) for pending, row in zip(batch, rows, strict=True)]
            database.store(rows, kept, self._cutoff(), self._dates.known)
        except REFUSALS as error:
            self.close()
            self._failed = True
            if is_damage(error):
                self._quarantine(error)
            elif explain(error).fault is FaultKind.DISK_FULL:
                with suppress(OSError):
                    self._pictures.give_up_some()
            raise
        self._failed = False
        self._look_after_old_rows(database)
        return self._pictures_lost - lost

    def quotas(self) -> Quotas:
        """Return of which labels pictures may still be kept today."""
        return self._selection.quotas(_day(self._clock.wall_time()))

    def take_notices(self) -> Sequence[str]:
        """Return what happened since the last call, in sentences: a file was damaged and a new one was begun."""
        notices, self._notices = self._notices, []
        return notices

    def is_crowded(self) -> bool:
        """Say whether so little room is left that the next batches may find none; no where the disk does not tell."""
        try:
            disk = shutil.disk_usage(self.path.parent)
        except OSError:
            return False
        return disk.free < min(ROOM_BYTES, disk.total * ROOM_SHARE)

    def close(self) -> None:
        """Close the file; the next `store` opens it again."""
        database, self._database = self._database, None
        if database is not None:
            # Closing writes too (the last checkpoint); what that can't write is still in the log.
            with suppress(*REFUSALS):
                database.close()

    def _open(self) -> Database:
        most_bytes = int(self._settings.max_mb * BYTES_PER_MB)
        make_folder(self.path.parent)
        run = self._run
        if self._dates.jumped:
            run = replace(run, wall_time=run.started_at / NS_PER_S + self._dates.offset_s)
        try:
            database = open_database(self.path, run, most_bytes, self._connect)
        except UnusableFileError as error:
            self._quarantine(error)
            database = open_database(self.path, run, most_bytes, self._connect)
        self._selection = Selection(self._settings, database.remembered)
        return database

    def _look_after_old_rows(self, database: Database) -> None:
        """Verify, and date anew, the next part of the rows; they were stored before, so that nothing waits for it."""
        try:
            database.verify_some()
            database.dating.step()
        except REFUSALS as error:
            self.close()
            if is_damage(error):
                with suppress(OSError):  # the next batch fails too, and is reported
                    self._quarantine(error)

    def _quarantine(self, error: Exception) -> None:
        for companion in ("-shm", "-journal"):
            discard(self.path.with_name(self.path.name + companion))
        stamp = datetime.fromtimestamp(self._clock.wall_time(), UTC).strftime("%Y%m%d-%H%M%S")
        # With its log: SQLite would delete a log that it finds beside a new, empty file.
        target = quarantine(self.path, stamp=stamp, companions=("-wal",), keep=QUARANTINED)
        self._notices.append(
            f"The journal can't be used ({error}); it was set aside as {target.name} and a new one was begun."
        )

    def _keep(self, candidate: Candidate | None, row: Row) -> KeptPictures:
        """Keep the candidate's pictures if there is a reason to, and the disk lets us."""
        if candidate is None or not isinstance(row, OutcomeRow):
            return NOTHING
        choice = None if self._failed else self._selection.choose(candidate, _day(row.wall_time))
        if choice is None:
            self._pictures_lost += self._failed and candidate.kept is not None
            return NOTHING
        kept, remembered = choice
        item = item_name(self._run.run_id, row.item, by_chance=kept is Kept.RANDOM)
        looks = candidate.looks()
        if not looks or not self._pictures.keep(item, looks):
            self._pictures_lost += 1
            return NOTHING
        if remembered is not None:
            self._selection.remember(remembered)
        return KeptPictures(look_names(item, len(looks))[0], len(looks), str(kept), remembered)

    def _cutoff(self) -> float:
        """Return the date before which rows go, seconds since the epoch; never, while the date is not believed."""
        if not self._dates.believed:
            return -math.inf
        return self._clock.wall_time() - self._settings.max_days * DAY_S


def _day(wall_time: float) -> int:
    """Return the day of a date, counted since 1970 in UTC."""
    return int(wall_time // DAY_S)
