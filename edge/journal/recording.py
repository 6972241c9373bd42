"""The journal as the control side sees it: `record` never waits for the disk and never raises."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from itertools import count

from edge.clock import NS_PER_S, ms
from edge.config.service import JournalSettings
from edge.health.faults import FaultKind
from edge.interfaces import Clock
from edge.journal.backlog import Backlog, BacklogCounts
from edge.journal.disk_errors import NO_ERROR, REFUSALS, DiskError, explain
from edge.journal.entries import DeliveryEntry, Entry, delivery_row, event_row, outcome_row, stroke_rows
from edge.journal.keeping.candidates import Picker
from edge.journal.storing import Storage
from edge.line import Outcome
from edge.types import Event, EventKind, Severity, Stroke

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 2_000  # in one commit: bounds the write-ahead log after a long stall
CLOSE_S = 3.0
FULL_CALM_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Counts(BacklogCounts):
    """Rows since the start, and why nothing can be stored at the moment; `error` is empty while all is well."""

    error: DiskError = NO_ERROR


class Journal:
    """A bounded queue before a file: any thread records, one thread at a time stores.

    `turned_at` is the instant at which storing was last tried to the end,
    `damages` how often the file had to be set aside since the start.
    The file is opened by the first `store_pending`, not here: starting never waits for the disk either.
    """

    def __init__(self, storage: Storage, settings: JournalSettings, clock: Clock, claim: int | None = None) -> None:
        self.settings = settings
        self.turned_at = clock.now()
        self.damages = 0
        self.backlog = Backlog()
        self._clock = clock
        self._claim = claim  # a descriptor that holds the folder's lock while it is open
        self._storage = storage
        self._picker = Picker(settings, storage.run_id)
        self._bundle = ""
        self._storing = threading.Lock()  # held while the disk works
        self._event_numbers = count(1)
        self._error = NO_ERROR
        self._refused_at = 0
        self._lost_told = 0

    @property
    def counts(self) -> Counts:
        """Return the counts at this instant."""
        c = self.backlog.counts
        return Counts(c.recorded, c.stored, c.lost, c.pending, c.pictures_lost, self._error)

    def use_bundle(self, digest: str) -> None:
        """Write this digest with every item from now on."""
        self._bundle = digest

    def record(self, entry: Entry) -> None:
        """Take an entry in; it is on the disk after the next `store_pending` that works.

        Never waits and never raises: what finds the queue full is counted as lost. A few frames are
        held until the next `store_pending`, which keeps pictures of what is in them.
        """
        wall_time = self._clock.wall_time()
        if isinstance(entry, Outcome):
            candidate = self._picker.pick(entry, self.backlog.candidates, self.backlog.picture_bytes)
            self.backlog.add(outcome_row(entry, wall_time, self._bundle), candidate)
        elif isinstance(entry, Stroke):
            for row in stroke_rows(entry, wall_time):
                self.backlog.add(row)
        elif isinstance(entry, DeliveryEntry):
            self.backlog.add(delivery_row(entry, wall_time))
        else:
            self.backlog.add(event_row(entry, next(self._event_numbers), wall_time))

    def store_pending(self) -> int:
        """Store what was recorded before the call; return how many rows a power cut can't take any more.

        Waits for the disk as long as it takes. Raises nothing: what could not be stored stays in the
        queue, and the next call tries again with the file opened anew.
        """
        with self._storing:
            return self._store_all()

    def close(self, patience_s: float = CLOSE_S) -> None:
        """Store what is pending and close the file; may be called twice.

        Waits for the disk, but no longer than `patience_s` for a write that another thread is waiting on.
        """
        if not self._storing.acquire(timeout=patience_s):
            log.warning("the disk hangs: %d rows are not stored", len(self.backlog))
            return
        try:
            self._store_all()
            if left := len(self.backlog):
                log.warning("%d rows are lost: they could not be stored until the end", left)
            self._storage.close()
            if self._claim is not None:
                os.close(self._claim)
                self._claim = None
        finally:
            self._storing.release()

    def _store_all(self) -> int:
        left = len(self.backlog)
        stored = 0
        while left > 0 and (done := self._store_batch(min(left, ROWS_AT_ONCE))):
            left -= done
            stored += done
        if self._error.fault is FaultKind.DISK_FULL and not len(self.backlog) and not self._is_full_still():
            self._error = NO_ERROR
        self.turned_at = self._clock.now()
        return stored

    def _store_batch(self, rows: int) -> int:
        batch = self.backlog.first(rows)
        try:
            pictures_lost = self._storage.store(batch)
        except REFUSALS as error:
            self._tell_damages()
            explained = explain(error)
            if explained.fault is not self._error.fault:
                log.warning("nothing can be stored: %s", explained.text)
            self._error, self._refused_at = explained, self._clock.now()
            return 0
        self._tell_damages()
        self._picker.quotas = self._storage.quotas()
        self.backlog.settle(len(batch), pictures_lost)
        if self._error.fault is not FaultKind.DISK_FULL:
            self._error = NO_ERROR
        lost = self.backlog.counts.lost
        if lost > self._lost_told:
            text = f"{lost - self._lost_told} rows were lost: nothing could be stored and the queue was full."
            self._lost_told = lost
            self._tell(EventKind.JOURNAL_LOSS, text)
        return len(batch)

    def _is_full_still(self) -> bool:
        """Say whether a disk that was full is so still: now and then a small batch finds a last page on it."""
        return self._clock.now() - self._refused_at < FULL_CALM_NS or self._storage.is_crowded()

    def _tell_damages(self) -> None:
        for text in self._storage.take_notices():
            self.damages += 1
            self._tell(EventKind.JOURNAL_DAMAGED, text)

    def _tell(self, kind: EventKind, text: str) -> None:
        """Record an event about the journal itself."""
        log.warning("%s", text)
        self.record(Event(kind, self._clock.now(), text, Severity.WARNING, kind))


def run_writer(journal: Journal, clock: Clock, stop: threading.Event) -> None:
    """Store every `batch_ms` until `stop` is set, and once more then: the body of the writer's thread."""
    while clock.sleep_until(clock.now() + ms(journal.settings.batch_ms), stop):
        journal.store_pending()
    journal.store_pending()
